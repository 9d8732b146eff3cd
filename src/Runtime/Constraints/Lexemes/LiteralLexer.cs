using System.Text;

namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>One of some texts, byte by byte.</summary>
/// <remarks>The texts lie sorted; a state is the range of those that begin with what was read.</remarks>
internal sealed class LiteralLexer
{
    private readonly byte[][] _texts;
    private readonly EndState[]? _ends;
    private readonly Dictionary<(int First, int Last, int Depth), LexState> _states = [];

    private LiteralLexer(byte[][] texts, EndState[]? ends)
    {
        _texts = texts;
        _ends = ends;
    }

    /// <summary>The state before any of the texts.</summary>
    /// <param name="texts">At least one, none of them empty; doubles are harmless.</param>
    public static LexState Start(IEnumerable<byte[]> texts)
    {
        byte[][] sorted = [.. texts];
        Array.Sort(sorted, static (a, b) => a.AsSpan().SequenceCompareTo(b));
        return new LiteralLexer(sorted, null).StateOf(0, sorted.Length, 0);
    }

    /// <summary>The state before any of some texts that tell what follows them.</summary>
    /// <param name="sorted">At least one, none of them empty or the beginning of another, in the order of their bytes, with the ends that they lead to.</param>
    public static LexState Start(IReadOnlyList<(byte[] Text, EndState End)> sorted)
        => new LiteralLexer([.. sorted.Select(one => one.Text)], [.. sorted.Select(one => one.End)]).StateOf(0, sorted.Count, 0);

    /// <summary>The state before one text.</summary>
    public static LexState Start(string text) => Start([Encoding.UTF8.GetBytes(text)]);

    private LexState StateOf(int first, int last, int depth)
    {
        // Sorted, the texts that end here come first.
        var ends = _texts[first].Length == depth;
        if (ends && _texts[last - 1].Length == depth)
        {
            return _ends?[first] ?? EndState.Instance;
        }

        lock (_states)
        {
            if (!_states.TryGetValue((first, last, depth), out var state))
            {
                _states.Add((first, last, depth), state = new State(this, first, last, depth, ends));
            }

            return state;
        }
    }

    private sealed class State(LiteralLexer lexer, int first, int last, int depth, bool isAccepting) : LexState(isAccepting)
    {
        private protected override LexState Compute(byte value)
        {
            var texts = lexer._texts;
            var begin = first;
            while (begin < last && texts[begin].Length == depth)
            {
                begin++;
            }

            begin = Find(texts, begin, value);
            var end = Find(texts, begin, value + 1);
            return begin < end ? lexer.StateOf(begin, end, depth + 1) : Dead;
        }

        // The first text from a place on whose byte at this depth is at least a value.
        private int Find(byte[][] texts, int from, int value)
        {
            var (low, high) = (from, last);
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (texts[middle][depth] < value)
                {
                    low = middle + 1;
                }
                else
                {
                    high = middle;
                }
            }

            return low;
        }
    }
}
