using Hearth.Runtime.Constraints.Machine;

namespace Hearth.Runtime.Constraints.Tokens;

/// <summary>One sequence's walk through a compiled constraint.</summary>
internal sealed class TokenWalk : ITokenConstraint
{
    /// <summary>Bytes that are looked ahead for what is forced.</summary>
    private const int MostForced = 2048;

    /// <summary>Tokens before forced text that the tokenizer sees with it.</summary>
    private const int SeamTokens = 8;

    private readonly CompiledConstraint _constraint;
    private readonly List<int> _latest;
    private MachineState _state;
    private bool _dropsSpace;

    /// <summary>Begins.</summary>
    /// <param name="constraint">What is walked.</param>
    /// <param name="continuesText">Whether the text follows another, so that a first space is kept.</param>
    public TokenWalk(CompiledConstraint constraint, bool continuesText)
    {
        _constraint = constraint;
        _state = constraint.Machine.Start;
        _dropsSpace = !continuesText;
        _latest = [];
    }

    private TokenWalk(TokenWalk other)
    {
        _constraint = other._constraint;
        _state = other._state;
        _dropsSpace = other._dropsSpace;
        _latest = [.. other._latest];
    }

    /// <inheritdoc/>
    public bool CanEnd => _state.CanEnd;

    /// <inheritdoc/>
    public bool MustEnd => _state.MustEnd;

    private ConstraintVocabulary Vocabulary => _constraint.Vocabulary;

    /// <inheritdoc/>
    public void FillMask(Span<ulong> mask)
    {
        _constraint.Masks.Fill(_state, mask);
        if (_dropsSpace && Vocabulary.DropsLeadingSpace)
        {
            FillSpaced(mask);
        }
    }

    /// <inheritdoc/>
    public bool TryAccept(int token)
    {
        if (Array.IndexOf(Vocabulary.Ends, token) >= 0)
        {
            return _state.CanEnd;
        }

        var bytes = BytesOf(token);
        if (bytes.IsEmpty || Advance(_state, bytes) is not { IsDead: false } next)
        {
            return false;
        }

        _state = next;
        _dropsSpace = Vocabulary.RestartsText(token);
        _latest.Add(token);
        if (_latest.Count > SeamTokens)
        {
            _latest.RemoveAt(0);
        }

        return true;
    }

    /// <inheritdoc/>
    public void FindForced(List<int> tokens)
    {
        tokens.Clear();
        if (_dropsSpace && Vocabulary.DropsLeadingSpace)
        {
            return;
        }

        var forced = new List<byte>();
        var state = _state;
        while (forced.Count < MostForced && PushdownMachine.FindForcedByte(state) is >= 0 and var value)
        {
            forced.Add((byte)value);
            state = _constraint.Machine.Next(state, (byte)value);
        }

        if (forced.Count > 0)
        {
            AddSpelling([.. forced], state, tokens);
        }
    }

    /// <inheritdoc/>
    public ITokenConstraint Fork() => new TokenWalk(this);

    private ReadOnlySpan<byte> BytesOf(int token)
        => Vocabulary.Bytes(token) is var bytes && _dropsSpace && Vocabulary.DropsLeadingSpace && bytes is [(byte)' ', ..] && !Vocabulary.RestartsText(token) ? bytes[1..] : bytes;

    private MachineState Advance(MachineState state, ReadOnlySpan<byte> bytes)
    {
        foreach (var value in bytes)
        {
            state = _constraint.Machine.Next(state, value);
            if (state.IsDead)
            {
                break;
            }
        }

        return state;
    }

    // Tokens whose space is dropped are other text than they are elsewhere.
    private void FillSpaced(Span<ulong> mask)
    {
        var trie = Vocabulary.Trie;
        var first = trie.Find(0, " "u8);
        if (first < 0)
        {
            return;
        }

        for (var node = first; node < trie.Ends[first]; node++)
        {
            foreach (var token in trie.EntriesAt(node))
            {
                var bytes = BytesOf(token);
                mask[token / 64] &= ~(1UL << (token % 64));
                if (!bytes.IsEmpty && !Advance(_state, bytes).IsDead)
                {
                    mask[token / 64] |= 1UL << (token % 64);
                }
            }
        }
    }

    // Control tokens are themselves; stretches of text between them are spelled each by itself.
    private void AddSpelling(byte[] forced, MachineState after, List<int> tokens)
    {
        var latest = _latest[(_latest.FindLastIndex(token => ControlSpelling.TryRead(Vocabulary.Bytes(token), out _)) + 1)..];
        for (var rest = forced.AsSpan(); !rest.IsEmpty; latest = [])
        {
            var at = rest.IndexOfAnyInRange(ControlSpelling.FirstByte, byte.MaxValue);
            if (at < 0)
            {
                // A space behind a control token would be dropped from the text.
                if (tokens.Count == 0 || !Vocabulary.DropsLeadingSpace || rest[0] != ' ')
                {
                    AddText([.. rest], after, latest, tokens);
                }

                return;
            }

            if (!ControlSpelling.TryRead(rest[at..], out var control) || (at > 0 && !TryAddWhole([.. rest[..at]], latest, tokens)))
            {
                return;
            }

            tokens.Add(control);
            rest = rest[(at + ControlSpelling.Length)..];
        }
    }

    // Text before a control token: nothing that follows can change how it is spelled.
    private bool TryAddWhole(byte[] text, List<int> latest, List<int> tokens)
    {
        var before = latest.SelectMany(token => Vocabulary.Bytes(token).ToArray());
        var spelled = Vocabulary.Encode([.. before, .. text]);
        if (spelled.Count <= latest.Count || !spelled.Take(latest.Count).SequenceEqual(latest) || (tokens.Count > 0 && Vocabulary.DropsLeadingSpace && text[0] == ' '))
        {
            return false;
        }

        tokens.AddRange(spelled.Skip(latest.Count));
        return true;
    }

    // As the tokenizer spells it behind the latest tokens, without what may be spelled otherwise once it is known what follows.
    private void AddText(byte[] forced, MachineState after, List<int> latest, List<int> tokens)
    {
        var before = new List<byte>();
        foreach (var token in latest)
        {
            before.AddRange(Vocabulary.Bytes(token));
        }

        var spelled = Vocabulary.Encode([.. before, .. forced]);
        if (spelled.Count <= latest.Count || !spelled.Take(latest.Count).SequenceEqual(latest))
        {
            // The tokens so far are not those that the tokenizer would have chosen (or it would choose others now): no seam to rely on.
            return;
        }

        var stable = StableLength(forced, after);
        var length = 0;
        foreach (var token in spelled.Skip(latest.Count))
        {
            length += Vocabulary.Bytes(token).Length;
            if (length > stable || Vocabulary.Bytes(token).IsEmpty)
            {
                break;
            }

            tokens.Add(token);
        }
    }

    // Bytes up to the first place from which a longer token might reach beyond the forced text.
    private int StableLength(byte[] forced, MachineState after)
    {
        var trie = Vocabulary.Trie;
        for (var start = Math.Max(0, forced.Length - trie.Longest); start < forced.Length; start++)
        {
            var node = trie.Find(0, forced.AsSpan(start));
            if (node >= 0)
            {
                for (var child = node + 1; child < trie.Ends[node]; child = trie.Ends[child])
                {
                    if (!_constraint.Machine.Next(after, trie.Labels[child]).IsDead)
                    {
                        return start;
                    }
                }
            }
        }

        return forced.Length;
    }
}
