using System.Text;
using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Forms;
using Hearth.Runtime.Constraints.Lexemes;
using Hearth.Runtime.Constraints.Machine;

namespace Hearth.Runtime.Constraints.Schemas;

/// <content>Objects whose members are written in a notation of their own, as models write a function's arguments in tags.</content>
internal sealed partial class JsonRules
{
    /// <summary>The members of a term's objects; null where it has none.</summary>
    /// <param name="root">The object's term.</param>
    /// <param name="notation">How members are written.</param>
    public Node? StartMembers(Term root, MemberNotation notation)
    {
        lock (_strings.Factory)
        {
            _memberKinds = KindsOfMembers(root);
            Node[] starts = [.. _reader.ShapeOf(root).Objects
                .Select(one => new ObjectPlace(Prepare(one), 0, 0, Prepare(one).AllNeeds, Position.Opened, Nothing))
                .Where(place => place.CanComplete)
                .Select(place => NodeOf(new MemberPlace(place, notation)))];
            return starts.Length == 0 ? null : new EitherNode(starts);
        }
    }

    /// <summary>Of each named member of a term's objects the kinds of value that it may have: strings, others.</summary>
    public Dictionary<string, (bool Strings, bool Others)> KindsOfMembers(Term root)
    {
        var kinds = new Dictionary<string, (bool Strings, bool Others)>(StringComparer.Ordinal);
        foreach (var one in _reader.ShapeOf(root).Objects)
        {
            var prepared = Prepare(one);
            var members = one.Properties.Select((property, i) => (property.Name, Values: prepared.Properties[i])).Concat(prepared.Named);
            foreach (var (name, values) in members)
            {
                foreach (var choice in values)
                {
                    var shape = _reader.ShapeOf(choice.Value);
                    var known = kinds.GetValueOrDefault(name);
                    kinds[name] = (known.Strings || !shape.Strings.IsNone, known.Others || HasOthers(shape));
                }
            }
        }

        return kinds;
    }

    private Dictionary<string, (bool Strings, bool Others)> _memberKinds = [];

    private enum MemberKind : byte
    {
        None,
        String,
        Other,
    }

    /// <summary>How far members have been written: the last of them, and what kind of value it had.</summary>
    private sealed record MemberPlace(ObjectPlace Place, MemberNotation Notation, MemberKind Last = MemberKind.None, string Name = "");

    private Node NodeOf(MemberPlace place) => NodeAt(place, place => new MembersNode(this, place));

    private sealed class MembersNode(JsonRules rules, MemberPlace place) : Node
    {
        private protected override IEnumerable<Edge> Expand()
        {
            lock (rules._strings.Factory)
            {
                return [.. rules.ExpandMembers(place)];
            }
        }
    }

    private IEnumerable<Edge> ExpandMembers(MemberPlace at)
    {
        var (place, notation) = (at.Place, at.Notation);
        if (place.CanEnd)
        {
            yield return ReadText(at.Last switch
            {
                MemberKind.None => notation.Empty,
                MemberKind.String => Behind(notation.EndOfString, at),
                _ => Behind(notation.EndOfOther, at),
            }, Node.End);
        }

        var before = at.Last switch
        {
            MemberKind.None => notation.Begin,
            MemberKind.String => Behind(notation.BetweenStrings, at),
            _ => Behind(notation.BetweenOthers, at),
        };
        var shape = place.Shape;
        var required = place.FirstRequired;
        for (var i = place.Next; i < Math.Min(required + 1, shape.Properties.Length); i++)
        {
            var next = i + 1;
            foreach (var edge in Member(at, before, shape.Properties[i].Name, place.Object.Properties[i], meets => place.After(next, meets, place.Used)))
            {
                yield return edge;
            }
        }

        if (required < shape.Properties.Length)
        {
            yield break;
        }

        foreach (var (name, values) in place.Object.Named)
        {
            var need = Array.FindIndex(shape.Needs, need => need.Name == name);
            if ((place.Needs >> need & 1) != 0)
            {
                foreach (var edge in Member(at, before, name, values, meets => place.After(shape.Properties.Length, meets, place.Used)))
                {
                    yield return edge;
                }
            }
        }
    }

    private IEnumerable<Edge> Member(MemberPlace at, string before, string name, ValueChoice[] choices, Func<ulong, ObjectPlace> after)
    {
        var notation = at.Notation;
        foreach (var choice in choices)
        {
            if (!choice.Value.IsInhabited || after(choice.Meets) is not { CanComplete: true } next)
            {
                continue;
            }

            var shape = _reader.ShapeOf(choice.Value);
            var others = shape with { Strings = StringSet.None };
            var isMixed = notation.BeforeString == notation.BeforeOther && _memberKinds.GetValueOrDefault(name).Others;
            if (!shape.Strings.IsNone)
            {
                var then = NodeOf(new MemberPlace(next, notation, MemberKind.String, name));
                yield return ReadText(before + name + notation.BeforeString, new StringNode(this, shape.Strings, notation, isMixed, then));
            }

            if (HasOthers(others))
            {
                var then = NodeOf(new MemberPlace(next, notation, MemberKind.Other, name));
                yield return ReadText(before + name + notation.BeforeOther, new CallNode(new OthersNode(this, others, notation.IsPython), then));
            }
        }
    }

    private static bool HasOthers(Shape shape) => shape.Null || shape.True || shape.False || shape.Numbers.Length > 0 || shape.Arrays.Length > 0 || shape.Objects.Length > 0;

    // What is left behind a value: the end of a string's text has been read with it.
    private static string Behind(string text, MemberPlace at)
        => (at.Last == MemberKind.String ? text[at.Notation.StringEnd.Length..] : text).Replace(MemberNotation.Key.ToString(), at.Name, StringComparison.Ordinal);

    private Edge ReadText(string text, Node target)
        => text.Length == 0 ? Edge.Go(target) : Edge.Read(LiteralLexer.Start([_vocabulary.Spell(text)]), target);

    /// <summary>A value that is no string.</summary>
    private sealed class OthersNode(JsonRules rules, Shape shape, bool isPython) : Node
    {
        private protected override IEnumerable<Edge> Expand()
        {
            lock (rules._strings.Factory)
            {
                return isPython
                    ? [.. PythonWords(), .. rules.ExpandValue(shape with { Null = false, True = false, False = false })]
                    : [.. rules.ExpandValue(shape)];
            }
        }

        private IEnumerable<Edge> PythonWords()
        {
            var words = new[] { (shape.Null, "None"), (shape.True, "True"), (shape.False, "False") }.Where(word => word.Item1).Select(word => Encoding.UTF8.GetBytes(word.Item2)).ToList();
            return words.Count == 0 ? [] : [Edge.Read(LiteralLexer.Start(words), End)];
        }
    }

    /// <summary>A string: in quotes, or as it is up to a text that ends it.</summary>
    private sealed class StringNode(JsonRules rules, StringSet strings, MemberNotation notation, bool isMixed, Node then) : Node
    {
        private protected override IEnumerable<Edge> Expand()
        {
            lock (rules._strings.Factory)
            {
                return notation.StringEnd.Length == 0
                    ? [.. rules.ExpandValue(new Shape { Strings = strings }).Select(edge => edge with { Target = then }), .. notation.IsPython ? Apostrophes() : []]
                    : [.. Plain(rules._vocabulary.Spell(notation.StringEnd))];
            }
        }

        // As the text itself; nothing in it may end it, nor be read as another kind of value where these are allowed too.
        private IEnumerable<Edge> Plain(byte[] end)
        {
            var factory = rules._strings.Factory;
            byte[][] literals = [.. strings.Literals.Where(IsPlain).Select(text => (byte[])[.. Encoding.UTF8.GetBytes(text), .. end])];
            if (literals.Length > 0)
            {
                yield return Edge.Read(LiteralLexer.Start(literals), then);
            }

            foreach (var language in strings.Languages)
            {
                if (language.IsAny && !isMixed)
                {
                    yield return Edge.Read(UntilLexer.TextUntil(end), then);
                    continue;
                }

                var plain = factory.Not(factory.Sequence(factory.Everything, factory.Literal(notation.StringEnd), factory.Everything));
                var start = isMixed ? factory.Either(factory.Empty, factory.Sequence(factory.Set(s_beginsOther.Complement()), factory.Everything)) : null;
                var expression = rules._strings.Both(rules._strings.Both(language.Expression, plain), start);
                var rest = language with { Expression = expression };
                if (rules._strings.IsInhabited(rest))
                {
                    var lexer = new StringLexer(rules._strings.Automaton(expression), rules._strings.LengthsOf(rest), isJson: false);
                    yield return Edge.Read(lexer.Start, new EndNode(end, then));
                }
            }
        }

        // Python's other quotes, around texts without them and without escapes.
        private IEnumerable<Edge> Apostrophes()
        {
            foreach (var text in strings.Literals.Where(text => text.IndexOfAny(s_escaped) < 0))
            {
                yield return Edge.Read(LiteralLexer.Start([Encoding.UTF8.GetBytes($"'{text}'")]), then);
            }

            var factory = rules._strings.Factory;
            foreach (var language in strings.Languages)
            {
                var rest = language with { Expression = rules._strings.Both(language.Expression, factory.Repeat(factory.Set(s_unquoted), 0)) };
                if (rules._strings.IsInhabited(rest))
                {
                    var lexer = new StringLexer(rules._strings.Automaton(rest.Expression), rules._strings.LengthsOf(rest), isJson: false);
                    yield return Edge.Read(new PrefixState((byte)'\'', lexer.Start), new EndNode([(byte)'\''], then));
                }
            }
        }

        private bool IsPlain(string text)
            => !(text + notation.StringEnd).AsSpan(0, Math.Max(0, text.Length + notation.StringEnd.Length - 1)).Contains(notation.StringEnd, StringComparison.Ordinal)
                && !(isMixed && text.Length > 0 && s_beginsOther.Contains(text[0]));
    }

    private sealed class EndNode(byte[] end, Node then) : Node
    {
        private protected override IEnumerable<Edge> Expand() => [Edge.Read(LiteralLexer.Start([end]), then)];
    }

    private static readonly char[] s_escaped = ['\'', '\\', '\n', '\r'];

    // With what JSON values other than strings begin, quotes and white space too since a reader might skip them.
    private static readonly CharSet s_beginsOther = CharSet.FromRanges([('0', '9'), ('-', '-'), ('[', '['), ('{', '{'), ('"', '"'), ('t', 't'), ('f', 'f'), ('n', 'n'), ('T', 'T'), ('F', 'F'), ('N', 'N'), (0, ' ')]);

    private static readonly CharSet s_unquoted = CharSet.FromRanges([(0, 0x1F), ('\'', '\''), ('\\', '\\')]).Complement();
}
