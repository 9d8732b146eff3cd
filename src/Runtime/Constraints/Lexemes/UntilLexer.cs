using Hearth.Runtime.Constraints.Tokens;

namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>Any text up to and including the first place where one of some texts is complete.</summary>
/// <remarks>
/// Texts that are anchored count at the beginning only. Source: A. V. Aho, M. J. Corasick, "Efficient string matching: an aid
/// to bibliographic search", 1975; states are made as they are reached.
/// </remarks>
internal sealed class UntilLexer
{
    private readonly Trie _anywhere = new();
    private readonly Trie _anchored = new();
    private readonly bool _isText;
    private readonly bool _endsText;
    private readonly Dictionary<(int, int, Utf8State), LexState> _states = [];

    private UntilLexer(IReadOnlyList<UntilMark> marks, bool isText, bool endsText)
    {
        _isText = isText;
        _endsText = endsText;
        foreach (var mark in marks)
            (mark.IsAnchored ? _anchored : _anywhere).Add(mark);
        _anywhere.Link();
    }

    /// <summary>Any text, tokens of all kinds among it, which may end anywhere but within the marks; one of them ends the lexeme and says which it was.</summary>
    /// <param name="marks">Maybe none.</param>
    /// <param name="endsText">Whether the whole text may end within the lexeme.</param>
    public static LexState Free(IReadOnlyList<UntilMark> marks, bool endsText) => new UntilLexer(marks, isText: false, endsText).Start;

    /// <summary>Text in UTF-8, without control tokens, up to a mark.</summary>
    public static LexState TextUntil(byte[] mark) => new UntilLexer([new UntilMark(mark, IsAnchored: false, EndState.Instance)], isText: true, endsText: false).Start;

    private LexState Start => StateOf(0, _anchored.IsEmpty ? Trie.None : 0, default);

    private LexState StateOf(int node, int anchored, Utf8State utf8)
    {
        lock (_states)
        {
            var key = (node, anchored, utf8);
            if (!_states.TryGetValue(key, out var state))
                _states.Add(key, state = new State(this, node, anchored, utf8));
            return state;
        }
    }

    private LexState Advance(int node, int anchored, Utf8State utf8, byte value)
    {
        anchored = anchored == Trie.None ? Trie.None : _anchored.Child(anchored, value);
        var next = _anywhere.Next(node, value);
        if (anchored != Trie.None && _anchored.EndOf(anchored) is { } first)
            return first;
        if (_anywhere.EndOf(next) is { } end)
            return end == UntilMark.Forbidden ? LexState.Dead : end;
        if (_isText)
        {
            // A control token stands where a mark has it and nowhere else.
            if ((value >= ControlSpelling.FirstByte || _anywhere.HasControl(node)) && _anywhere.DepthOf(next) != _anywhere.DepthOf(node) + 1)
                return LexState.Dead;
            if (value < ControlSpelling.FirstByte && !utf8.TryAdvance(value, out utf8))
                return LexState.Dead;
        }

        return StateOf(next, anchored, utf8);
    }

    private sealed class State(UntilLexer lexer, int node, int anchored, Utf8State utf8) : LexState(isAccepting: false)
    {
        public override bool EndsText => lexer._endsText;

        private protected override LexState Compute(byte value) => lexer.Advance(node, anchored, utf8, value);
    }

    /// <summary>How much of a UTF-8 sequence is missing, and the range of its next byte.</summary>
    private readonly record struct Utf8State(byte Missing, byte Least, byte Most)
    {
        public bool TryAdvance(byte value, out Utf8State next)
        {
            if (Missing > 0)
            {
                next = Missing == 1 ? default : new Utf8State((byte)(Missing - 1), 0x80, 0xBF);
                return value >= Least && value <= Most;
            }

            next = value switch
            {
                < 0x80 => default,
                < 0xE0 => new Utf8State(1, 0x80, 0xBF),
                0xE0 => new Utf8State(2, 0xA0, 0xBF),
                0xED => new Utf8State(2, 0x80, 0x9F),
                < 0xF0 => new Utf8State(2, 0x80, 0xBF),
                0xF0 => new Utf8State(3, 0x90, 0xBF),
                0xF4 => new Utf8State(3, 0x80, 0x8F),
                _ => new Utf8State(3, 0x80, 0xBF),
            };
            return value is < 0x80 or (>= 0xC2 and <= 0xF4);
        }
    }

    private sealed class Trie
    {
        public const int None = -1;

        private readonly List<Dictionary<byte, int>> _children = [[]];
        private readonly List<EndState?> _ends = [null];
        private readonly List<int> _depths = [0];
        private readonly List<bool> _controls = [false];
        private int[] _fallbacks = [0];

        public bool IsEmpty => _children.Count == 1;

        public void Add(UntilMark mark)
        {
            var node = 0;
            foreach (var value in mark.Text)
            {
                if (!_children[node].TryGetValue(value, out var child))
                {
                    child = _children.Count;
                    _children[node].Add(value, child);
                    _children.Add([]);
                    _ends.Add(null);
                    _depths.Add(_depths[node] + 1);
                    _controls.Add(_controls[node] || value >= ControlSpelling.FirstByte);
                }

                node = child;
            }

            _ends[node] ??= mark.End;
        }

        /// <summary>Finds for each node the longest end of its text that begins a mark.</summary>
        public void Link()
        {
            _fallbacks = new int[_children.Count];
            var queue = new Queue<int>([0]);
            while (queue.TryDequeue(out var node))
            {
                foreach (var (value, child) in _children[node])
                {
                    _fallbacks[child] = node == 0 ? 0 : Next(_fallbacks[node], value);
                    _ends[child] ??= _ends[_fallbacks[child]];
                    queue.Enqueue(child);
                }
            }
        }

        public EndState? EndOf(int node) => _ends[node];

        public int DepthOf(int node) => _depths[node];

        /// <summary>Whether the text of a node spells a control token, or begins to.</summary>
        public bool HasControl(int node) => _controls[node];

        public int Child(int node, byte value) => _children[node].TryGetValue(value, out var child) ? child : None;

        public int Next(int node, byte value)
        {
            for (; ; node = _fallbacks[node])
            {
                if (_children[node].TryGetValue(value, out var child))
                    return child;
                if (node == 0)
                    return 0;
            }
        }
    }
}

/// <summary>A text that ends another (<see cref="UntilLexer"/>).</summary>
/// <param name="Text">Its bytes; at least one.</param>
/// <param name="IsAnchored">Whether it counts at the beginning only.</param>
/// <param name="End">The end that it leads to, or <see cref="Forbidden"/>.</param>
internal sealed record UntilMark(byte[] Text, bool IsAnchored, EndState End)
{
    /// <summary>The text must not come at all.</summary>
    public static EndState Forbidden { get; } = new(-1);
}
