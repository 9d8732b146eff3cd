using System.Collections;
using System.Numerics.Tensors;
using System.Text;
using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Lexemes;

namespace Hearth.Runtime.Constraints.Tokens;

/// <summary>How each token goes on in a run of some characters inside of a JSON string: stays in it, ends the string, or leaves the run.</summary>
/// <remarks>What is found once for a set of characters serves every state in such a run, whatever its counts. Immutable.</remarks>
internal sealed class CharacterSlice
{
    /// <summary>Characters up to which tokens have masks by length; longer ones are listed.</summary>
    private const int MostMasked = 32;

    private readonly ulong[][] _upTo; // [characters]: tokens inside with at most so many
    private readonly (int Token, int Characters)[] _long;
    private readonly TokenTrie _behind;
    private readonly int[] _enders;
    private readonly int[] _enderCharacters;
    private readonly Dictionary<string, List<int>> _endersByText = [];

    private CharacterSlice(InsideTokens inside, List<Ender> enders, SliceRest? rest)
    {
        _upTo = inside.UpTo();
        _long = [.. inside.Long];
        _enders = [.. enders.Select(ender => ender.Token)];
        _enderCharacters = [.. enders.Select(ender => ender.Characters)];
        _behind = TokenTrie.Build([.. enders.Select((ender, i) => (ender.Behind, i))]);
        for (var i = 0; i < enders.Count; i++)
        {
            if (!_endersByText.TryGetValue(enders[i].Inside, out var list))
            {
                _endersByText.Add(enders[i].Inside, list = []);
            }

            list.Add(i);
        }

        Rest = rest;
    }

    /// <summary>The tokens of neither kind; null: there are none.</summary>
    public SliceRest? Rest { get; }

    /// <summary>Of any JSON string: escapes and parts of characters count as characters inside, so nothing is left over.</summary>
    public static CharacterSlice OfEverything(ConstraintVocabulary vocabulary)
    {
        // A lexer that counts: where a token leads says how many characters it has.
        var counting = new StringLexer(vocabulary.Everything, new StringLengths(0, ushort.MaxValue), isJson: true);
        var inside = new InsideTokens(vocabulary.MaskLength);
        var enders = new List<Ender>();
        var trie = vocabulary.Trie;
        var states = new LexState[trie.Longest + 1];
        states[0] = counting.Start;
        for (var node = 1; node < trie.NodeCount;)
        {
            var depth = trie.Depths[node];
            var state = states[depth - 1].Next(trie.Labels[node]);
            if (state == LexState.Dead)
            {
                node = trie.Ends[node];
                continue;
            }

            if (state == EndState.Instance)
            {
                var characters = StringLexer.CountOf(states[depth - 1]);
                for (var below = node; below < trie.Ends[node]; below++)
                {
                    foreach (var token in trie.EntriesAt(below))
                    {
                        ReadOnlyMemory<byte> bytes = vocabulary.Bytes(token).ToArray();
                        enders.Add(new Ender(token, characters, Unescape(bytes.Span[..(depth - 1)]), bytes[depth..]));
                    }
                }

                node = trie.Ends[node];
                continue;
            }

            states[depth] = state;
            foreach (var token in trie.EntriesAt(node))
            {
                inside.Add(token, StringLexer.CountOf(state));
            }

            node++;
        }

        return new CharacterSlice(inside, enders, rest: null);
    }

    /// <summary>Of a set of characters, each written as itself.</summary>
    public static CharacterSlice Of(ConstraintVocabulary vocabulary, CharSet characters)
    {
        var inside = new InsideTokens(vocabulary.MaskLength);
        var enders = new List<Ender>();
        var trie = vocabulary.Trie;
        var rest = new SliceRest(trie.NodeCount);
        var states = new LexState[trie.Longest + 1];
        var path = new int[trie.Longest + 1];
        var factory = new ExpressionFactory();
        var run = new CharAutomaton(factory, factory.Repeat(factory.Set(characters), 0)).Start;
        var counting = new StringLexer(run, new StringLengths(0, ushort.MaxValue), isJson: true);
        states[0] = counting.Start;
        for (var node = 1; node < trie.NodeCount;)
        {
            var depth = trie.Depths[node];
            var label = trie.Labels[node];
            path[depth] = node;

            // An escape is left to those who walk: it may stand for any character of the run.
            var state = label == '\\' ? LexState.Dead : states[depth - 1].Next(label);
            if (state == EndState.Instance)
            {
                var count = StringLexer.CountOf(states[depth - 1]);
                for (var below = node; below < trie.Ends[node]; below++)
                {
                    foreach (var token in trie.EntriesAt(below))
                    {
                        ReadOnlyMemory<byte> bytes = vocabulary.Bytes(token).ToArray();
                        enders.Add(new Ender(token, count, Encoding.UTF8.GetString(bytes.Span[..(depth - 1)]), bytes[depth..]));
                    }
                }

                node = trie.Ends[node];
            }
            else if (state == LexState.Dead)
            {
                rest.AddSubtree(node, path, depth, trie);
                node = trie.Ends[node];
            }
            else
            {
                states[depth] = state;
                if (StringLexer.IsBetween(state))
                {
                    foreach (var token in trie.EntriesAt(node))
                    {
                        inside.Add(token, StringLexer.CountOf(state));
                    }
                }
                else if (trie.EntriesAt(node).Length > 0)
                {
                    rest.Add(node, path, depth);
                }

                node++;
            }
        }

        return new CharacterSlice(inside, enders, rest);
    }

    /// <summary>The tokens that stay inside of a run, into lists of masks and of tokens.</summary>
    /// <param name="run">The state in whose run of these characters they come.</param>
    /// <param name="bits">Receives masks.</param>
    /// <param name="tokens">Receives tokens.</param>
    public void AddInside(StringRun run, List<ulong[]> bits, List<int> tokens)
    {
        // Mostly all lengths up to one are possible; a pattern that skips some has them one by one.
        var possible = 0;
        while (possible < MostMasked && CanComplete(run, possible + 1))
        {
            possible++;
        }

        bits.Add(_upTo[possible]);
        for (var length = possible + 2; length <= MostMasked; length++)
        {
            if (CanComplete(run, length))
            {
                var exactly = new ulong[_upTo[length].Length];
                for (var i = 0; i < exactly.Length; i++)
                {
                    exactly[i] = _upTo[length][i] & ~_upTo[length - 1][i];
                }

                bits.Add(exactly);
            }
        }

        foreach (var (token, length) in _long)
        {
            if (CanComplete(run, length))
            {
                tokens.Add(token);
            }
        }
    }

    /// <summary>The tokens that end the string.</summary>
    /// <param name="run">The state in whose run of these characters they come.</param>
    /// <param name="excluded">Texts that must not be ended, from here on; null: none.</param>
    public Crossing EndersOf(StringRun run, IEnumerable<string>? excluded)
    {
        var fewest = Math.Max(0, run.Lengths.Least - run.Count);
        var most = run.Lengths.Most == StringLengths.Unlimited ? int.MaxValue : run.Lengths.Most - run.Count;
        BitArray? allowed = null;
        foreach (var text in excluded ?? [])
        {
            foreach (var entry in _endersByText.GetValueOrDefault(text) ?? [])
            {
                (allowed ??= new BitArray(_enders.Length, true))[entry] = false;
            }
        }

        return Enders(fewest, most, allowed);
    }

    /// <summary>The tokens that end the string in a state of a language in which any text can go on.</summary>
    public Crossing EndersOf(CharState language)
    {
        var allowed = new BitArray(_enders.Length);
        foreach (var (text, entries) in _endersByText)
        {
            var state = language;
            foreach (var rune in text.EnumerateRunes())
            {
                state = state.Next(rune.Value);
            }

            if (state.IsAccepting)
            {
                foreach (var entry in entries)
                {
                    allowed[entry] = true;
                }
            }
        }

        return Enders(0, int.MaxValue, allowed);
    }

    private GatheredCrossing Enders(int fewest, int most, BitArray? allowed) => new()
    {
        End = EndState.Instance,
        Behind = _behind,
        Tokens = _enders,
        Characters = _enderCharacters,
        Fewest = fewest,
        Most = most,
        Allowed = allowed,
    };

    private static bool CanComplete(StringRun run, int characters) => run.Lengths.CanComplete(run.Language, run.Lengths.Normalize(run.Count + characters));

    private static string Unescape(ReadOnlySpan<byte> inside) => JsonText.Unescape(inside);

    /// <summary>Gathers the tokens that stay inside, by their characters.</summary>
    private sealed class InsideTokens(int maskLength)
    {
        private readonly ulong[][] _exactly = [.. Enumerable.Range(0, MostMasked + 1).Select(_ => new ulong[maskLength])];

        /// <summary>Those that have no mask.</summary>
        public List<(int Token, int Characters)> Long { get; } = [];

        public void Add(int token, int characters)
        {
            if (characters > MostMasked)
            {
                Long.Add((token, characters));
                return;
            }

            _exactly[characters][token / 64] |= 1UL << (token % 64);
        }

        /// <summary>Masks by the most characters; called once.</summary>
        public ulong[][] UpTo()
        {
            for (var characters = 1; characters <= MostMasked; characters++)
            {
                TensorPrimitives.BitwiseOr<ulong>(_exactly[characters], _exactly[characters - 1], _exactly[characters]);
            }

            return _exactly;
        }
    }

    /// <summary>A token that ends the string.</summary>
    /// <param name="Token">Its id.</param>
    /// <param name="Characters">Characters before the quote.</param>
    /// <param name="Inside">Those characters.</param>
    /// <param name="Behind">The bytes behind the quote.</param>
    private sealed record Ender(int Token, int Characters, string Inside, ReadOnlyMemory<byte> Behind);
}

/// <summary>The tokens that a <see cref="CharacterSlice"/> says nothing of, as marks at the nodes of the vocabulary's tree.</summary>
internal sealed class SliceRest(int nodes)
{
    private readonly BitArray _holds = new(nodes);
    private readonly BitArray _leads = new(nodes);

    /// <summary>Whether the tokens at a node are of these.</summary>
    public bool Holds(int node) => _holds[node];

    /// <summary>Whether the subtree of a node has any of these.</summary>
    public bool Leads(int node) => _leads[node];

    /// <summary>Marks a node's own tokens.</summary>
    /// <param name="node">The node.</param>
    /// <param name="path">The nodes from the root to it, by depth.</param>
    /// <param name="depth">Its depth.</param>
    public void Add(int node, int[] path, int depth)
    {
        _holds[node] = true;
        _leads[node] = true;
        for (depth--; depth > 0 && !_leads[path[depth]]; depth--)
        {
            _leads[path[depth]] = true;
        }
    }

    /// <summary>Marks the tokens of a node and of all below it.</summary>
    public void AddSubtree(int node, int[] path, int depth, TokenTrie trie)
    {
        for (var below = node; below < trie.Ends[node]; below++)
        {
            _holds[below] = true;
            _leads[below] = true;
        }

        Add(node, path, depth);
    }
}
