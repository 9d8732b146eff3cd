using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Lexemes;

namespace Hearth.Runtime.Constraints.Tokens;

/// <summary>Finds which tokens may follow a state of a lexeme, once a state.</summary>
internal static class LexPlanner
{
    /// <summary>Characters that a run must have for the tokens of it to be worth looking up apart.</summary>
    private const int LeastRun = 10;

    /// <summary>Tokens that are gathered into a tree of their own.</summary>
    private const int MostGathered = 4096;

    private static readonly CharSet s_unescaped = CharSet.FromRanges([(0, 0x1F), ('"', '"'), ('\\', '\\')]).Complement();

    /// <summary>The plan of a state.</summary>
    public static LexPlan PlanOf(LexState state, ConstraintVocabulary vocabulary) => state.Plan ??= Make(state, vocabulary);

    private static LexPlan Make(LexState state, ConstraintVocabulary vocabulary)
    {
        if (state.Within(vocabulary.Trie.Longest) is var alike && alike != state)
        {
            return PlanOf(alike, vocabulary);
        }

        var bits = new List<ulong[]>();
        var tokens = new List<int>();
        var crossings = new List<Crossing>();
        if (state.Run is { IsJson: true } run)
        {
            // Texts that are left out, beside a limit of length, may leave nothing of a beginning: then tokens are read one by one.
            if (run.Language.IsEverything && (run.Excluded is null || run.Lengths.Most == StringLengths.Unlimited))
            {
                var everything = vocabulary.EverythingSlice;
                everything.AddInside(run, bits, tokens);
                crossings.Add(everything.EndersOf(run, run.Excluded));
                return new LexPlan([.. bits], [.. tokens], [.. crossings]);
            }

            if (run.Excluded is null && run.Language.IsOpen && run.Lengths.AllowsAllFrom(run.Count))
            {
                // Whatever is written, the pattern can still be found behind it.
                vocabulary.EverythingSlice.AddInside(run, bits, tokens);
                crossings.Add(vocabulary.EverythingSlice.EndersOf(run.Language));
                return new LexPlan([.. bits], [.. tokens], [.. crossings]);
            }

            var characters = run.Loop.Intersect(s_unescaped);
            if (run.Excluded is null && characters.HasAtLeast(LeastRun) && vocabulary.SliceOf(characters) is { } slice)
            {
                slice.AddInside(run, bits, tokens);
                if (run.Language.IsAccepting)
                {
                    crossings.Add(slice.EndersOf(run, excluded: null));
                }

                Walk(state, slice.Rest, bits, tokens, crossings, vocabulary);
                return new LexPlan([.. bits], [.. tokens], [.. crossings]);
            }
        }

        Walk(state, null, bits, tokens, crossings, vocabulary);
        return new LexPlan([.. bits], [.. tokens], [.. crossings]);
    }

    // All tokens, or those that are left over of a slice: few are listed, more become a mask.
    private static void Walk(LexState start, SliceRest? rest, List<ulong[]> bits, List<int> tokens, List<Crossing> crossings, ConstraintVocabulary vocabulary)
    {
        var most = tokens.Count + (vocabulary.Size / 32);
        ulong[]? mask = null;
        var trie = vocabulary.Trie;
        var states = new LexState[trie.Longest + 1];
        states[0] = start;
        var ends = new Dictionary<LexState, List<int>>();
        for (var node = 1; node < trie.NodeCount;)
        {
            var depth = trie.Depths[node];
            if (rest is not null && !rest.Leads(node))
            {
                node = trie.Ends[node];
                continue;
            }

            var state = states[depth - 1].Next(trie.Labels[node]);
            if (state == LexState.Dead)
            {
                node = trie.Ends[node];
                continue;
            }

            states[depth] = state;
            if (rest is null || rest.Holds(node))
            {
                foreach (var token in trie.EntriesAt(node))
                {
                    if (mask is not null)
                    {
                        mask[token / 64] |= 1UL << (token % 64);
                    }
                    else
                    {
                        tokens.Add(token);
                    }
                }

                if (mask is null && tokens.Count > most)
                {
                    bits.Add(mask = new ulong[vocabulary.MaskLength]);
                    foreach (var token in tokens)
                    {
                        mask[token / 64] |= 1UL << (token % 64);
                    }

                    tokens.Clear();
                }
            }

            // A slice has the tokens that end the string after nothing but its characters; what is found here comes after others.
            if (state.IsAccepting && (rest is null || rest.Holds(node)))
            {
                // What follows is the same wherever a lexeme ends, unless the end itself says which lexeme it was.
                var end = state.Choice >= 0 ? state : EndState.Instance;
                if (trie.Ends[node] > node + 1)
                {
                    if (!ends.TryGetValue(end, out var nodes))
                    {
                        ends.Add(end, nodes = []);
                    }

                    nodes.Add(node);
                }

                if (!state.CanContinue)
                {
                    node = trie.Ends[node];
                    continue;
                }
            }

            node++;
        }

        foreach (var (end, nodes) in ends)
        {
            crossings.Add(Gather(end, nodes, trie, vocabulary));
        }
    }

    // Gathered, tokens that go on alike are looked at once; where very many are, they are better left in place.
    private static Crossing Gather(LexState end, List<int> nodes, TokenTrie trie, ConstraintVocabulary vocabulary)
    {
        var count = nodes.Sum(node => trie.FirstEntries[trie.Ends[node]] - trie.FirstEntries[node + 1]);
        if (nodes.Count == 1 || count > MostGathered)
        {
            return new SubtreeCrossing { End = end, Behind = trie, Nodes = [.. nodes] };
        }

        var behind = new List<(ReadOnlyMemory<byte> Text, int Entry)>(count);
        var tokens = new List<int>(count);
        foreach (var node in nodes)
        {
            for (var below = node + 1; below < trie.Ends[node]; below++)
            {
                foreach (var token in trie.EntriesAt(below))
                {
                    behind.Add((vocabulary.Bytes(token)[trie.Depths[node]..].ToArray(), tokens.Count));
                    tokens.Add(token);
                }
            }
        }

        return new GatheredCrossing { End = end, Behind = TokenTrie.Build(behind), Tokens = [.. tokens] };
    }
}
