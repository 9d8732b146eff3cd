using System.Collections.Immutable;
using Hearth.Runtime.Constraints.Lexemes;
using Hearth.Runtime.Constraints.Machine;
using Hearth.Runtime.Constraints.Numbers;
using Hearth.Runtime.Constraints.Tokens;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>The rules by which JSON text of a schema's values is read: a node for each place, made as it is reached.</summary>
/// <remarks>Nodes are expanded by one thread at a time; what they share with lexemes is used under the factory's lock.</remarks>
internal sealed partial class JsonRules
{
    /// <summary>Places that are remembered.</summary>
    private const int MostPlaces = 50_000;

    private readonly ConstraintVocabulary _vocabulary;
    private readonly StringAlgebra _strings;
    private readonly Terms _terms;
    private readonly ShapeReader _reader;
    private readonly JsonLayout _layout;
    private readonly LexState? _whitespace;
    private readonly Dictionary<Term, TermNode> _termNodes = [];
    private readonly Dictionary<ObjectShape, PreparedObject> _objects = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<ArrayShape, PreparedArray> _arrays = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<object, Node> _places = [];
    private readonly Dictionary<StringLanguage, StringLexer> _lexers = [];
    private readonly List<EndState> _ends = [];

    public JsonRules(ConstraintVocabulary vocabulary, StringAlgebra strings, Terms terms, ShapeReader reader, JsonLayout layout)
    {
        _vocabulary = vocabulary;
        _strings = strings;
        _terms = terms;
        _reader = reader;
        _layout = layout;
        _whitespace = layout.LongestRun > 0 ? vocabulary.Whitespace(layout.LongestRun) : null;
    }

    /// <summary>A text of a term's values, with white space around it.</summary>
    public Node Start(Term root) => Spaced(new CallNode(NodeOf(root), Spaced(Node.End)));

    public PreparedObject Prepare(ObjectShape shape)
    {
        if (!_objects.TryGetValue(shape, out var prepared))
        {
            _objects.Add(shape, prepared = new PreparedObject(shape, _strings, _terms, _reader.Algebra));
        }

        return prepared;
    }

    public PreparedArray Prepare(ArrayShape shape)
    {
        if (!_arrays.TryGetValue(shape, out var prepared))
        {
            _arrays.Add(shape, prepared = new PreparedArray(shape, _strings, _terms, _reader.ShapeOf));
        }

        return prepared;
    }

    /// <summary>Whether a shape has a value, as far as it is known of which terms there are values.</summary>
    public bool HasValue(Shape shape)
        => shape.Null || shape.True || shape.False || Array.Exists(shape.Numbers, range => range.IsInhabited()) || _strings.IsInhabited(shape.Strings)
            || Array.Exists(shape.Arrays, array => Prepare(array).HasValue())
            || Array.Exists(shape.Objects, HasValue);

    private bool HasValue(ObjectShape shape)
    {
        var prepared = Prepare(shape);
        prepared.ForgetCounts();
        var has = new ObjectPlace(prepared, 0, 0, prepared.AllNeeds, Position.Opened, Nothing).CanComplete;

        // Counted by what is known so far: there may be values of further terms.
        prepared.ForgetCounts();
        return has;
    }

    private TermNode NodeOf(Term term)
    {
        if (!_termNodes.TryGetValue(term, out var node))
        {
            _termNodes.Add(term, node = new TermNode(this, term));
        }

        return node;
    }

    /// <summary>A node for a place, the same for equal places as long as they are remembered.</summary>
    private Node NodeAt<T>(T place, Func<T, Node> make)
        where T : notnull
    {
        if (!_places.TryGetValue(place, out var node))
        {
            if (_places.Count >= MostPlaces)
            {
                _places.Clear();
            }

            _places.Add(place, node = make(place));
        }

        return node;
    }

    private Node Spaced(Node node) => _whitespace is null ? node : NodeAt((node, true), _ => new SpacedNode(node, _whitespace));

    private LexState Punctuation(string text) => _vocabulary.Punctuation(text);

    private EndState EndOf(int choice)
    {
        while (_ends.Count <= choice)
        {
            _ends.Add(new EndState(_ends.Count));
        }

        return _ends[choice];
    }

    private StringLexer LexerOf(StringLanguage language)
    {
        if (language.IsAny)
        {
            return _vocabulary.AnyString;
        }

        if (!_lexers.TryGetValue(language, out var lexer))
        {
            var start = language.Expression is null ? _vocabulary.Everything : _strings.Automaton(language.Expression);
            _lexers.Add(language, lexer = new StringLexer(start, _strings.LengthsOf(language), isJson: true, _vocabulary.AnyString));
        }

        return lexer;
    }

    private LexState Quoted(StringLanguage language) => language.IsAny ? _vocabulary.AnyQuoted : new PrefixState((byte)'"', LexerOf(language).Start);

    // A JSON string of a language, but none of some texts; null where none is left.
    private LexState? QuotedWithout(StringLanguage language, ImmutableSortedSet<string> texts)
    {
        if (texts.Count == 0)
        {
            return Quoted(language);
        }

        if (language.Expression is null)
        {
            var excluded = texts.Where(text => _strings.Matches(language, text)).ToList();
            return new PrefixState((byte)'"', LexerOf(language).Without(_vocabulary.Everything, new StringExclusions(excluded)).Start) is var start && excluded.Count > 0 ? start : Quoted(language);
        }

        var rest = language with { Expression = _strings.Both(language.Expression, _strings.Factory.Not(_strings.Factory.Literals(texts))) };
        return _strings.IsInhabited(rest) ? Quoted(rest) : null;
    }

    /// <summary>White space, then another node's ways on; or these at once.</summary>
    private sealed class SpacedNode(Node inner, LexState whitespace) : Node
    {
        private protected override IEnumerable<Edge> Expand() => [Edge.Go(inner), Edge.Read(whitespace, inner)];
    }

    private sealed class CallNode(Node rule, Node then) : Node
    {
        private protected override IEnumerable<Edge> Expand() => [Edge.Call(rule, then)];
    }

    /// <summary>A value of a term.</summary>
    private sealed class TermNode(JsonRules rules, Term term) : Node
    {
        private protected override IEnumerable<Edge> Expand()
        {
            lock (rules._strings.Factory)
            {
                return [.. rules.ExpandValue(rules._reader.ShapeOf(term))];
            }
        }
    }

    private IEnumerable<Edge> ExpandValue(Shape shape)
    {
        var words = new List<byte[]>();
        if (shape.Null)
        {
            words.Add("null"u8.ToArray());
        }

        if (shape.True)
        {
            words.Add("true"u8.ToArray());
        }

        if (shape.False)
        {
            words.Add("false"u8.ToArray());
        }

        words.AddRange(shape.Strings.Literals.Select(JsonText.Quote));
        if (words.Count > 0)
        {
            yield return Edge.Read(LiteralLexer.Start(words), Node.End);
        }

        foreach (var language in shape.Strings.Languages)
        {
            yield return Edge.Read(Quoted(language), Node.End);
        }

        if (shape.Numbers is [{ IsAll: true }])
        {
            yield return Edge.Read(_vocabulary.AnyNumber, Node.End);
        }
        else
        {
            foreach (var start in NumberLexer.Start(shape.Numbers))
            {
                yield return Edge.Read(start, Node.End);
            }
        }

        foreach (var array in shape.Arrays)
        {
            var prepared = Prepare(array);
            if (prepared.CanComplete(0, 0))
            {
                yield return Edge.Read(Punctuation("["), Spaced(NodeOf(new ArrayPlace(prepared, 0, 0, Position.Opened, Nothing))));
            }
        }

        foreach (var one in shape.Objects)
        {
            var place = new ObjectPlace(Prepare(one), 0, 0, Prepare(one).AllNeeds, Position.Opened, Nothing);
            if (place.CanComplete)
            {
                yield return Edge.Read(Punctuation("{"), Spaced(NodeOf(place)));
            }
        }
    }

    private static readonly TextSet Nothing = new(ImmutableSortedSet.Create<string>(StringComparer.Ordinal));

    private enum Position : byte
    {
        /// <summary>Behind the opening bracket.</summary>
        Opened,

        /// <summary>Behind a member or an item.</summary>
        Behind,

        /// <summary>Behind a comma.</summary>
        Comma,

        /// <summary>Behind the name of a member, or the text of an item, that is of a kind of its own.</summary>
        Named,
    }

    /// <summary>Texts that were written, compared by content.</summary>
    private sealed class TextSet(ImmutableSortedSet<string> texts) : IEquatable<TextSet>
    {
        public ImmutableSortedSet<string> Texts => texts;

        public TextSet With(string text) => new(texts.Add(text));

        public bool Equals(TextSet? other) => other is not null && (ReferenceEquals(this, other) || texts.SequenceEqual(other.Texts, StringComparer.Ordinal));

        public override bool Equals(object? obj) => Equals(obj as TextSet);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            foreach (var text in texts)
            {
                hash.Add(text, StringComparer.Ordinal);
            }

            return hash.ToHashCode();
        }
    }

    // Objects.

    /// <summary>How far an object has been written.</summary>
    /// <param name="Object">Its members.</param>
    /// <param name="Next">The first named member that may still come; behind the last of them others come.</param>
    /// <param name="Count">Members written, as far as that matters.</param>
    /// <param name="Needs">Needs that are not met yet.</param>
    /// <param name="Position">Where the text stands.</param>
    /// <param name="Used">Names of other members that were written.</param>
    /// <param name="Rule">Of a name that was just written, the rule of it.</param>
    private sealed record ObjectPlace(PreparedObject Object, int Next, int Count, ulong Needs, Position Position, TextSet Used, int Rule = -1)
    {
        public ObjectShape Shape => Object.Shape;

        /// <summary>The first named member from <see cref="Next"/> on that must be there, or their number.</summary>
        public int FirstRequired => Object.FirstRequired(Next);

        public bool CanEnd => Needs == 0 && Count >= Shape.Least && FirstRequired == Shape.Properties.Length;

        /// <summary>Whether the object can be completed.</summary>
        public bool CanComplete
        {
            get
            {
                var (fewest, most) = Object.NamedFrom(Next);
                if (most < 0)
                {
                    return false;
                }

                var others = Object.OtherCapacity;
                most += others == ObjectShape.Unlimited ? others : others - Used.Texts.Count;
                for (var i = 0; i < Shape.Needs.Length; i++)
                {
                    if ((Needs >> i & 1) == 0)
                    {
                        continue;
                    }

                    if (Shape.Needs[i].Name is { } name)
                    {
                        if (!PreparedObject.CanWrite(Array.Find(Object.Named, named => named.Name == name).Values))
                        {
                            return false;
                        }

                        fewest++;
                        most++;
                    }
                    else if (!CanMeet(i))
                    {
                        return false;
                    }
                }

                return Shape.Least <= Shape.Most && Count + most >= Shape.Least && Count + fewest <= Shape.Most;
            }
        }

        public ObjectPlace After(int next, ulong meets, TextSet used)
            => this with { Next = next, Count = Shape.Most == ObjectShape.Unlimited ? Math.Min(Count + 1, Shape.Least) : Count + 1, Needs = Needs & ~meets, Position = Position.Behind, Used = used, Rule = -1 };

        private bool CanMeet(int need)
            => Object.Properties.Skip(Next).Any(Meets) || Object.Named.Any(named => Meets(named.Values)) || Object.Others.Any(rule => Meets(rule.Values));

        private bool Meets(ValueChoice[] choices) => Array.Exists(choices, choice => (choice.Meets & Needs) != 0 && choice.Value.IsInhabited);
    }

    private Node NodeOf(ObjectPlace place) => NodeAt(place, place => new ObjectNode(this, place));

    private sealed class ObjectNode(JsonRules rules, ObjectPlace place) : Node
    {
        // The member with a number, named ones first, then those that must be there.
        public override Node Choose(int choice)
        {
            lock (rules._strings.Factory)
            {
                return Member(choice);
            }
        }

        public override Node Capture(byte[] text)
        {
            lock (rules._strings.Factory)
            {
                return rules.OtherMember(place, place.Used.With(JsonText.Unescape(text.AsSpan(1, text.Length - 2))));
            }
        }

        private Node Member(int choice)
        {
            var named = place.Object.Properties.Length;
            return choice < named
                ? rules.MemberOf(place.Object.Properties[choice], meets => place.After(choice + 1, meets, place.Used))
                : rules.MemberOf(place.Object.Named[choice - named].Values, meets => place.After(named, meets, place.Used));
        }

        private protected override IEnumerable<Edge> Expand()
        {
            lock (rules._strings.Factory)
            {
                return [.. rules.ExpandObject(place)];
            }
        }
    }

    private List<Edge> ExpandObject(ObjectPlace place)
    {
        // Behind a name whose text is not known: as if it were none that was used.
        if (place.Position == Position.Named)
        {
            return [Edge.Go(OtherMember(place, place.Used))];
        }

        var edges = new List<Edge>();
        if (place.Position != Position.Comma && place.CanEnd)
        {
            edges.Add(Edge.Read(Punctuation("}"), Node.End));
        }

        if (place.Position == Position.Behind)
        {
            var behind = place with { Position = Position.Comma };
            if (Keys(behind).Any())
            {
                edges.Add(Edge.Read(Punctuation(_layout.Comma), Spaced(NodeOf(behind))));
            }

            return edges;
        }

        edges.AddRange(Keys(place));
        return edges;
    }

    private IEnumerable<Edge> Keys(ObjectPlace place)
    {
        var shape = place.Shape;
        var texts = new List<(byte[] Text, EndState End)>();
        var required = place.FirstRequired;
        for (var i = place.Next; i < Math.Min(required + 1, shape.Properties.Length); i++)
        {
            var next = i + 1;
            if (CanWrite(place.Object.Properties[i], meets => place.After(next, meets, place.Used)))
            {
                texts.Add((JsonText.Quote(shape.Properties[i].Name), EndOf(i)));
            }
        }

        var named = shape.Properties.Length;
        if (required == named)
        {
            for (var i = 0; i < place.Object.Named.Length; i++)
            {
                var (name, values) = place.Object.Named[i];
                var need = Array.FindIndex(shape.Needs, need => need.Name == name);
                if ((place.Needs >> need & 1) != 0 && CanWrite(values, meets => place.After(named, meets, place.Used)))
                {
                    texts.Add((JsonText.Quote(name), EndOf(named + i)));
                }
            }
        }

        if (texts.Count > 0)
        {
            texts.Sort(static (a, b) => a.Text.AsSpan().SequenceCompareTo(b.Text));
            yield return Edge.Read(LiteralLexer.Start(texts), NodeOf(place));
        }

        if (required < named)
        {
            yield break;
        }

        for (var i = 0; i < place.Object.Others.Length; i++)
        {
            var (keys, values) = place.Object.Others[i];
            if (CanWrite(values, meets => place.After(named, meets, place.Used.With("")))
                && QuotedWithout(new StringLanguage(keys, 0, StringLengths.Unlimited), place.Used.Texts.Union(place.Object.HiddenNames)) is { } lexeme)
            {
                yield return Edge.Read(CaptureState.Start(lexeme), NodeOf(place with { Position = Position.Named, Rule = i }));
            }
        }
    }

    private static bool CanWrite(ValueChoice[] choices, Func<ulong, ObjectPlace> after)
        => Array.Exists(choices, choice => choice.Value.IsInhabited && after(choice.Meets).CanComplete);

    private Node OtherMember(ObjectPlace place, TextSet used)
        => MemberOf(place.Object.Others[place.Rule].Values, meets => place.After(place.Shape.Properties.Length, meets, used));

    // A colon, a value, and what follows: for each choice of a value.
    private Node MemberOf(ValueChoice[] choices, Func<ulong, ObjectPlace> after)
    {
        var members = new List<Node>();
        foreach (var choice in choices)
        {
            if (choice.Value.IsInhabited && after(choice.Meets) is { CanComplete: true } next)
            {
                members.Add(NodeAt((choice.Value, next), pair => new ColonNode(this, NodeOf(pair.Value), Spaced(NodeOf(pair.next)))));
            }
        }

        return members.Count == 1 ? Spaced(members[0]) : Spaced(new EitherNode([.. members]));
    }

    private sealed class EitherNode(Node[] nodes) : Node
    {
        private protected override IEnumerable<Edge> Expand() => nodes.Select(Edge.Go);
    }

    private sealed class ColonNode(JsonRules rules, Node value, Node then) : Node
    {
        private protected override IEnumerable<Edge> Expand()
        {
            lock (rules._strings.Factory)
            {
                return [Edge.Read(rules.Punctuation(rules._layout.Colon), rules.Spaced(new CallNode(value, then)))];
            }
        }
    }

    // Arrays.

    /// <summary>How far an array has been written.</summary>
    /// <param name="Array">Its items.</param>
    /// <param name="Index">Items written, as far as that matters.</param>
    /// <param name="Counted">Items that count for <c>contains</c>, as far as that matters.</param>
    /// <param name="Position">Where the text stands.</param>
    /// <param name="Used">Where no two items may be equal, those written.</param>
    private sealed record ArrayPlace(PreparedArray Array, int Index, int Counted, Position Position, TextSet Used)
    {
        public ArrayPlace After(ulong meets, TextSet used)
        {
            var (index, counted) = Array.Normalize(Index + 1, Counted + (int)meets);
            return this with { Index = index, Counted = counted, Position = Position.Behind, Used = used };
        }
    }

    private Node NodeOf(ArrayPlace place) => NodeAt(place, place => new ArrayNode(this, place));

    private sealed class ArrayNode(JsonRules rules, ArrayPlace place) : Node
    {
        public override Node Capture(byte[] text)
            => rules.Spaced(rules.NodeOf(place.After(0, place.Used.With(JsonText.Unescape(text.AsSpan(1, text.Length - 2))))));

        private protected override IEnumerable<Edge> Expand()
        {
            lock (rules._strings.Factory)
            {
                return [.. rules.ExpandArray(place)];
            }
        }
    }

    private IEnumerable<Edge> ExpandArray(ArrayPlace place)
    {
        if (place.Position == Position.Named)
        {
            yield return Edge.Go(Spaced(NodeOf(place.After(0, place.Used))));
            yield break;
        }

        if (place.Position != Position.Comma && place.Array.CanEnd(place.Index, place.Counted))
        {
            yield return Edge.Read(Punctuation("]"), Node.End);
        }

        var items = Items(place).ToList();
        if (items.Count == 0)
        {
            yield break;
        }

        if (place.Position == Position.Behind)
        {
            yield return Edge.Read(Punctuation(_layout.Comma), Spaced(NodeOf(place with { Position = Position.Comma })));
            yield break;
        }

        foreach (var edge in items)
        {
            yield return edge;
        }
    }

    private IEnumerable<Edge> Items(ArrayPlace place)
    {
        if (place.Array.IsUnique)
        {
            return place.Index < place.Array.Most ? UniqueItems(place) : [];
        }

        return place.Array.At(place.Index)
            .Where(choice => choice.Value.IsInhabited)
            .Select(choice => (choice.Value, Next: place.After(choice.Meets, Nothing)))
            .Where(item => place.Index < place.Array.Most && place.Array.CanComplete(item.Next.Index, item.Next.Counted))
            .Select(item => Edge.Call(NodeOf(item.Value), Spaced(NodeOf(item.Next))));
    }

    private IEnumerable<Edge> UniqueItems(ArrayPlace place)
    {
        var strings = _reader.ShapeOf(place.Array.Shape.Rest).Strings;
        var target = NodeOf(place with { Position = Position.Named });
        byte[][] literals = [.. strings.Literals.Where(text => !place.Used.Texts.Contains(text)).Select(JsonText.Quote)];
        if (literals.Length > 0)
        {
            yield return Edge.Read(CaptureState.Start(LiteralLexer.Start(literals)), target);
        }

        foreach (var language in strings.Languages)
        {
            if (QuotedWithout(language, place.Used.Texts) is { } lexeme)
            {
                yield return Edge.Read(CaptureState.Start(lexeme), target);
            }
        }
    }
}
