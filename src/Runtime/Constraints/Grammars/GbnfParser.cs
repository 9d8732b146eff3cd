using System.Globalization;
using System.Text;
using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Grammars;

/// <summary>Reads a grammar in GBNF.</summary>
internal sealed class GbnfParser
{
    /// <summary>UTF-16 units of the longest source.</summary>
    public const int MostCharacters = 1 << 20;

    /// <summary>Literals, classes, calls, groups and alternatives of one grammar.</summary>
    private const int MostItems = 200_000;

    /// <summary>Groups within one another.</summary>
    private const int MostNesting = 250;

    /// <summary>The greatest count, and the greatest product of counts within one another.</summary>
    private const int MostCount = 1_000_000;

    private readonly GrammarSource _source;
    private readonly string _text;
    private readonly Dictionary<string, GrammarRule> _rules = new(StringComparer.Ordinal);
    private readonly List<GrammarRule> _order = [];
    private int _at;
    private int _items;

    public GbnfParser(GrammarSource source)
    {
        _source = source;
        _text = source.Text;
    }

    /// <summary>All rules, in the order in which they are named first.</summary>
    /// <exception cref="ConstraintException">The source is malformed, too long, or uses what is not supported.</exception>
    public IReadOnlyList<GrammarRule> Parse()
    {
        if (_text.Length > MostCharacters)
        {
            throw new ConstraintException($"a grammar of more than {MostCharacters} characters is too long");
        }

        // A byte order mark is no part of the text.
        _at = _text.StartsWith('\uFEFF') ? 1 : 0;
        SkipSpace(newlines: true);
        while (!AtEnd)
        {
            ParseRule();
        }

        return _order.Find(rule => rule.Body is null) is { } unknown
            ? throw _source.Error($"the rule '{Shown(unknown.Name)}' is not defined", unknown.At, Shown(unknown.Name))
            : _order;
    }

    private bool AtEnd => _at >= _text.Length;

    private char Current => _at < _text.Length ? _text[_at] : '\0';

    /// <summary>A name or an excerpt as far as an error should repeat it.</summary>
    public static string Shown(string name) => name.Length <= 60 ? name : name[..60] + "…";

    private void ParseRule()
    {
        var at = _at;
        var name = ReadName() ?? throw Unexpected("the name of a rule");
        SkipSpace(newlines: false);
        if (!_text.AsSpan(_at).StartsWith("::="))
        {
            throw Unexpected($"::= behind the rule name '{Shown(name)}'");
        }

        _at += 3;
        SkipSpace(newlines: true);
        var rule = RuleOf(name, at);
        if (rule.Body is not null)
        {
            throw _source.Error($"the rule '{Shown(name)}' is defined twice", at, Shown(name));
        }

        rule.At = at;
        rule.Body = ParseAlternatives(at);
        if (!AtEnd && Current is not ('\n' or '\r'))
        {
            throw Current == ')' ? _source.Error("a ) without its (", _at, ")") : Unexpected("the end of the line");
        }

        SkipSpace(newlines: true);
    }

    // Alternatives up to what belongs to none; groups are kept on a stack of our own, as sources may nest them at will.
    private GrammarItem ParseAlternatives(int at)
    {
        var open = new Stack<Group>();
        var group = new Group(at);
        while (true)
        {
            var isNested = open.Count > 0;
            switch (Current)
            {
                case '(' when open.Count == MostNesting:
                    throw _source.Error($"groups are nested more than {MostNesting} deep", _at, "(");
                case '(':
                    open.Push(group);
                    group = new Group(_at++);
                    SkipSpace(newlines: true);
                    break;
                case ')' when isNested:
                    _at++;
                    SkipSpace(open.Count > 1);
                    var inner = group.ToItem();
                    group = open.Pop();
                    group.Add(Counted(inner));
                    break;
                case '|':
                    Counted(group.EndAlternative());
                    _at++;
                    SkipSpace(newlines: true);
                    break;
                case '*' or '+' or '?' or '{':
                    group.Replace(ParseRepeat(group.Last, isNested));
                    break;
                default:
                    if (ParseTerminal() is not { } item)
                    {
                        return isNested ? throw (AtEnd ? _source.Error("a ( without its )", group.At, "(") : Unexpected("a ), or another part of a group")) : group.ToItem();
                    }

                    group.Add(Counted(item));
                    SkipSpace(isNested);
                    break;
            }
        }
    }

    // Null where nothing of a rule begins here.
    private GrammarItem? ParseTerminal()
    {
        var at = _at;
        switch (Current)
        {
            case '"':
                return ParseLiteral();
            case '[':
                return ParseClass();
            case '.':
                _at++;
                return new GrammarItem.Set(at, CharSet.Any);
            case '<' or '!':
                throw _source.Error("references to tokens are not supported: a constraint is about text", at, Current == '!' ? "!<token>" : "<token>");
            default:
                return ReadName() is { } name ? new GrammarItem.Call(at, RuleOf(name, at)) : null;
        }
    }

    private GrammarItem.Literal ParseLiteral()
    {
        var at = _at++;
        var text = new StringBuilder();
        while (Current != '"')
        {
            var characterAt = _at;
            var character = ReadCharacter("\"", at);
            if (character is >= 0xD800 and <= 0xDFFF)
            {
                throw _source.Error($"U+{character:X4} is half a character: write the whole one as \\U and eight digits", characterAt, "\\u");
            }

            text.Append(char.ConvertFromUtf32(character));
        }

        _at++;
        return new GrammarItem.Literal(at, text.ToString());
    }

    private GrammarItem.Set ParseClass()
    {
        var at = _at++;
        var isNegated = Current == '^';
        _at += isNegated ? 1 : 0;
        var ranges = new List<(int First, int Last)>();
        while (Current != ']')
        {
            var rangeAt = _at;
            var first = ReadCharacter("[", at);
            var last = first;
            if (Current == '-' && _at + 1 < _text.Length && _text[_at + 1] != ']')
            {
                _at++;
                last = ReadCharacter("[", at);
            }

            if (last < first)
            {
                throw _source.Error($"the range {_text[rangeAt.._at]} is out of order", rangeAt, "[");
            }

            ranges.Add((first, last));
        }

        _at++;
        var set = CharSet.FromRanges(ranges);
        set = isNegated ? set.Complement() : set;
        return ranges.Count == 0 || set.IsEmpty ? throw _source.Error("a class without any character", at, "[") : new GrammarItem.Set(at, set);
    }

    private GrammarItem ParseRepeat(GrammarItem? part, bool isNested)
    {
        var at = _at;
        var sign = _text[_at++];
        SkipSpace(isNested);
        var (least, most) = sign switch
        {
            '*' => (0, Expression.Unlimited),
            '+' => (1, Expression.Unlimited),
            '?' => (0, 1),
            _ => ParseCounts(at, isNested),
        };
        if (part is null)
        {
            throw _source.Error($"nothing stands before the {sign}", at, sign.ToString());
        }

        if (most == 0)
        {
            return new GrammarItem.Sequence(part.At);
        }

        if (least == 1 && most == 1)
        {
            return part;
        }

        // x*?, x+* and their kin, so that a row of signs does not nest.
        var item = part is GrammarItem.Repeat { Least: <= 1, Most: 1 or Expression.Unlimited } inner && least <= 1 && most is 1 or Expression.Unlimited
            ? new GrammarItem.Repeat(part.At, inner.Part, least * inner.Least, Math.Max(most, inner.Most))
            : new GrammarItem.Repeat(part.At, part, least, most);
        return item.Count <= MostCount ? Counted(item) : throw _source.Error($"counts within one another come to more than {MostCount}", at, "{");
    }

    private (int Least, int Most) ParseCounts(int at, bool isNested)
    {
        var least = ParseCount(isNested);
        var most = least;
        if (Current == ',')
        {
            _at++;
            SkipSpace(isNested);
            most = char.IsAsciiDigit(Current) ? ParseCount(isNested) : Expression.Unlimited;
        }

        if (Current != '}')
        {
            throw Unexpected("the } behind a count");
        }

        _at++;
        SkipSpace(isNested);
        return most < least ? throw _source.Error($"the counts {{{least},{most}}} are out of order", at, "{") : (least, most);
    }

    private int ParseCount(bool isNested)
    {
        var at = _at;
        var count = 0L;
        for (; char.IsAsciiDigit(Current); _at++)
        {
            count = Math.Min((count * 10) + (Current - '0'), MostCount + 1L);
        }

        if (_at == at)
        {
            throw Unexpected("a count");
        }

        SkipSpace(isNested);
        return count <= MostCount ? (int)count : throw _source.Error($"a count of more than {MostCount} is too large", at, "{");
    }

    // A code point, perhaps of a surrogate where an escape says so.
    private int ReadCharacter(string opening, int openingAt)
    {
        if (AtEnd)
        {
            throw _source.Error(opening == "[" ? "a [ without its ]" : "a \" without its other", openingAt, opening);
        }

        if (Current == '\\')
        {
            return ReadEscape();
        }

        if (Rune.TryGetRuneAt(_text, _at, out var rune))
        {
            _at += rune.Utf16SequenceLength;
            return rune.Value;
        }

        throw _source.Error("half a character: the source is not well-formed", _at, opening);
    }

    private int ReadEscape()
    {
        var at = _at++;
        var sign = Current;
        _at++;
        switch (sign)
        {
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case '\\' or '"' or '[' or ']':
                return sign;
            case 'x' or 'u' or 'U':
                var length = sign == 'x' ? 2 : sign == 'u' ? 4 : 8;
                if (_at + length > _text.Length || !uint.TryParse(_text.AsSpan(_at, length), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
                {
                    throw _source.Error($"\\{sign} needs {length} hexadecimal digits", at, $"\\{sign}");
                }

                _at += length;
                return value <= CharSet.Last ? (int)value : throw _source.Error($"there is no character U+{value:X}", at, $"\\{sign}");
            default:
                var shown = Rune.TryGetRuneAt(_text, Math.Min(at + 1, _text.Length - 1), out var rune) && at + 1 < _text.Length ? $"\\{rune}" : "\\";
                throw _source.Error($"the escape {shown} is unknown", at, shown);
        }
    }

    private string? ReadName()
    {
        // The underscore is ours: other engines' grammars have it in names, and it stands for nothing else.
        var at = _at;
        while (char.IsAsciiLetterOrDigit(Current) || Current is '-' or '_')
        {
            _at++;
        }

        return _at > at ? _text[at.._at] : null;
    }

    private GrammarRule RuleOf(string name, int at)
    {
        if (!_rules.TryGetValue(name, out var rule))
        {
            _rules.Add(name, rule = new GrammarRule(name, at));
            _order.Add(rule);
        }

        return rule;
    }

    private void SkipSpace(bool newlines)
    {
        for (; !AtEnd; _at++)
        {
            if (Current == '#')
            {
                while (_at + 1 < _text.Length && _text[_at + 1] is not ('\n' or '\r'))
                {
                    _at++;
                }
            }
            else if (Current is not (' ' or '\t') && !(newlines && Current is '\n' or '\r'))
            {
                return;
            }
        }
    }

    private GrammarItem Counted(GrammarItem item)
        => ++_items <= MostItems ? item : throw _source.Error($"a grammar of more than {MostItems} parts is too large", item.At, keyword: null);

    private ConstraintException Unexpected(string expected)
    {
        var found = AtEnd ? "the end of the grammar"
            : Current is '\n' or '\r' ? "the end of the line"
            : Rune.TryGetRuneAt(_text, _at, out var rune) && !Rune.IsControl(rune) ? $"'{rune}'" : $"U+{(int)Current:X4}";
        return _source.Error($"expected {expected}, got {found}", _at, AtEnd ? null : Current.ToString());
    }

    /// <summary>Alternatives that are being read.</summary>
    private sealed class Group(int at)
    {
        private readonly List<GrammarItem> _alternatives = [];
        private readonly List<GrammarItem> _sequence = [];

        public int At => at;

        /// <summary>What a count would apply to.</summary>
        public GrammarItem? Last => _sequence.Count > 0 ? _sequence[^1] : null;

        public void Add(GrammarItem item) => _sequence.Add(item);

        public void Replace(GrammarItem item) => _sequence[^1] = item;

        public GrammarItem EndAlternative()
        {
            _alternatives.Add(_sequence.Count == 1 ? _sequence[0] : new GrammarItem.Sequence(_sequence.Count > 0 ? _sequence[0].At : at, [.. _sequence]));
            _sequence.Clear();
            return _alternatives[^1];
        }

        public GrammarItem ToItem()
        {
            EndAlternative();
            return _alternatives.Count == 1 ? _alternatives[0] : new GrammarItem.Either(at, [.. _alternatives]);
        }
    }
}
