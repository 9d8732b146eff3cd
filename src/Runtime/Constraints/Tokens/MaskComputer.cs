using Hearth.Runtime.Constraints.Machine;

namespace Hearth.Runtime.Constraints.Tokens;

/// <summary>Finds the tokens that may follow a state of a machine, exactly.</summary>
/// <remarks>Safe for several threads.</remarks>
internal sealed class MaskComputer(PushdownMachine machine, ConstraintVocabulary vocabulary)
{
    /// <summary>Masks that are remembered: those of the latest states, since most states come up again soon or never.</summary>
    private const int MostMasks = 16;

    [ThreadStatic]
    private static MachineState[]? t_states;

    private readonly (MachineState? State, ulong[] Mask)[] _remembered = new (MachineState?, ulong[])[MostMasks];
    private int _oldest;

    /// <summary>Fills a mask, the tokens that end a text among it where the state allows the end.</summary>
    /// <param name="state">Not dead.</param>
    /// <param name="mask">At least <see cref="ConstraintVocabulary.MaskLength"/> words; those beyond are cleared.</param>
    public void Fill(MachineState state, Span<ulong> mask)
    {
        if (TryRecall(state, mask))
        {
            return;
        }

        mask.Clear();
        foreach (var thread in state.Threads)
        {
            Add(state, thread, mask);
        }

        if (state.CanEnd)
        {
            foreach (var token in vocabulary.Ends)
            {
                Allow(mask, token);
            }
        }

        if (!state.IsTransient)
        {
            Remember(state, mask[..vocabulary.MaskLength]);
        }
    }

    private bool TryRecall(MachineState state, Span<ulong> mask)
    {
        lock (_remembered)
        {
            foreach (var (known, bits) in _remembered)
            {
                if (known == state)
                {
                    bits.CopyTo(mask);
                    mask[bits.Length..].Clear();
                    return true;
                }
            }
        }

        return false;
    }

    // Into the memory of the oldest: masks are large, and there is one a token.
    private void Remember(MachineState state, ReadOnlySpan<ulong> mask)
    {
        lock (_remembered)
        {
            ref var place = ref _remembered[_oldest];
            place.Mask ??= new ulong[mask.Length];
            mask.CopyTo(place.Mask);
            place.State = state;
            _oldest = (_oldest + 1) % MostMasks;
        }
    }

    private static MachineState[] States(int count)
        => t_states is { } states && states.Length >= count ? states : t_states = new MachineState[Math.Max(count, 256)];

    private void Add(MachineState state, in MachineThread thread, Span<ulong> mask)
    {
        var plan = LexPlanner.PlanOf(thread.Lexeme.Shape, vocabulary);
        foreach (var bits in plan.SharedBits)
        {
            for (var i = 0; i < bits.Length; i++)
            {
                mask[i] |= bits[i];
            }
        }

        foreach (var token in plan.Tokens)
        {
            Allow(mask, token);
        }

        foreach (var crossing in plan.Crossings)
        {
            var after = machine.After(thread, crossing.End);
            if (crossing is SubtreeCrossing subtrees)
            {
                foreach (var node in subtrees.Nodes)
                {
                    CrossSubtree(state, thread.Lexeme.IsCapturing, subtrees.Behind, node, after, mask);
                }
            }
            else
            {
                CrossGathered(state, thread.Lexeme.IsCapturing, (GatheredCrossing)crossing, after, mask);
            }
        }
    }

    private void CrossSubtree(MachineState state, bool isCapturing, TokenTrie trie, int root, MachineState after, Span<ulong> mask)
    {
        var depth = trie.Depths[root];
        var states = States(trie.Longest - depth + 1);
        states[0] = after;
        for (var node = root + 1; node < trie.Ends[root];)
        {
            var next = machine.Next(states[trie.Depths[node] - depth - 1], trie.Labels[node]);
            if (next.IsDead)
            {
                node = trie.Ends[node];
                continue;
            }

            var behind = trie.Depths[node] - depth;
            states[behind] = next;
            foreach (var token in trie.EntriesAt(node))
            {
                if (IsExact(isCapturing, behind) || Accepts(state, token))
                {
                    Allow(mask, token);
                }
            }

            node++;
        }
    }

    private void CrossGathered(MachineState state, bool isCapturing, GatheredCrossing crossing, MachineState after, Span<ulong> mask)
    {
        var trie = crossing.Behind;
        var states = States(trie.Longest + 1);
        states[0] = after;
        for (var node = 0; node < trie.NodeCount;)
        {
            var depth = trie.Depths[node];
            if (depth > 0)
            {
                var next = machine.Next(states[depth - 1], trie.Labels[node]);
                if (next.IsDead)
                {
                    node = trie.Ends[node];
                    continue;
                }

                states[depth] = next;
            }

            foreach (var entry in trie.EntriesAt(node))
            {
                var token = crossing.Tokens[entry];
                if (crossing.Allows(entry) && (IsExact(isCapturing, depth) || Accepts(state, token)))
                {
                    Allow(mask, token);
                }
            }

            node++;
        }
    }

    // A captured text is not known to the state behind it: a token that may go on to another of its kind is read whole.
    private static bool IsExact(bool isCapturing, int bytesBehind) => !isCapturing || bytesBehind < 3;

    private bool Accepts(MachineState state, int token)
    {
        foreach (var value in vocabulary.Bytes(token))
        {
            state = machine.Next(state, value);
        }

        return !state.IsDead;
    }

    private static void Allow(Span<ulong> mask, int token) => mask[token / 64] |= 1UL << (token % 64);
}
