using System.Globalization;
using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Patterns;

/// <summary>Reads one pattern of ECMA 262.</summary>
internal sealed class PatternParser(string pattern)
{
    /// <summary>Groups within one another, at most.</summary>
    public const int MostDepth = 250;

    private int _at;
    private int _depth;
    private bool _ignoreCase;
    private bool _dotIsAny;

    /// <summary>The pattern.</summary>
    /// <exception cref="ConstraintException">It is malformed or uses what is not supported.</exception>
    public PatternNode Parse()
    {
        // Not ECMA's, but written at the front of many patterns.
        if (Take("(?i)"))
        {
            _ignoreCase = true;
        }
        else if (Take("(?s)"))
        {
            _dotIsAny = true;
        }

        var node = Choices();
        return _at == pattern.Length ? node : throw Error("unbalanced )", ")");
    }

    private PatternNode Choices()
    {
        var first = Items();
        if (!Peek('|'))
        {
            return first;
        }

        var choices = new List<PatternNode> { first };
        while (Take('|'))
        {
            choices.Add(Items());
        }

        return new PatternNode.Either(choices);
    }

    private PatternNode Items()
    {
        var items = new List<PatternNode>();
        while (_at < pattern.Length && pattern[_at] is not ('|' or ')'))
        {
            var at = _at;
            items.Add(Quantified(Atom(), pattern.AsSpan(at)));
        }

        return items.Count == 1 ? items[0] : new PatternNode.Sequence(items);
    }

    private PatternNode Quantified(PatternNode node, ReadOnlySpan<char> text)
    {
        var at = _at;
        if (!Quantifier(out var least, out var most))
        {
            return node;
        }

        if (text is ['^' or '$', ..] or ['\\', 'b' or 'B', ..] or ['(', '?', '<', '=' or '!', ..])
        {
            throw Error("an anchor or lookbehind cannot be repeated", pattern[at].ToString(), at);
        }

        if (most < least)
        {
            throw Error("the numbers of a quantifier are out of order", "{", at);
        }

        _ = Take('?');
        if (Peek('+'))
        {
            throw Error("possessive quantifiers are not of ECMA 262", "+");
        }

        return Peek('*') || Peek('?') || IsBraceQuantifier(_at) ? throw Error("nothing to repeat", pattern[_at].ToString()) : new PatternNode.Repeat(node, least, most);
    }

    private bool Quantifier(out int least, out int most)
    {
        (least, most) = (0, Expression.Unlimited);
        if (Take('*'))
        {
            return true;
        }

        if (Take('+'))
        {
            least = 1;
            return true;
        }

        if (Take('?'))
        {
            most = 1;
            return true;
        }

        if (!IsBraceQuantifier(_at))
        {
            return false;
        }

        _at++;
        least = Number();
        most = !Take(',') ? least : Peek('}') ? Expression.Unlimited : Number();
        _at++;
        return true;
    }

    // Other braces stand for themselves (Annex B).
    private bool IsBraceQuantifier(int at)
    {
        if (at >= pattern.Length || pattern[at] != '{')
        {
            return false;
        }

        var next = SkipDigits(at + 1);
        if (next == at + 1)
        {
            return false;
        }

        if (next < pattern.Length && pattern[next] == ',')
        {
            next = SkipDigits(next + 1);
        }

        return next < pattern.Length && pattern[next] == '}';
    }

    private int SkipDigits(int at)
    {
        while (at < pattern.Length && char.IsAsciiDigit(pattern[at]))
        {
            at++;
        }

        return at;
    }

    private int Number()
    {
        var value = 0L;
        for (; char.IsAsciiDigit(pattern[_at]); _at++)
        {
            value = Math.Min((value * 10) + pattern[_at] - '0', Expression.Unlimited - 1);
        }

        return (int)value;
    }

    private PatternNode Atom()
    {
        var at = _at;
        switch (pattern[at])
        {
            case '^':
                _at++;
                return new PatternNode.Start();
            case '$':
                _at++;
                return new PatternNode.End();
            case '.':
                _at++;
                return new PatternNode.Character(_dotIsAny ? CharSet.Any : PatternSets.Dot);
            case '(':
                return Group();
            case '[':
                return new PatternNode.Character(Class());
            case '\\':
                return Escape();
            case '*' or '+' or '?':
                throw Error("nothing to repeat", pattern[at].ToString());
            case '{' when IsBraceQuantifier(at):
                throw Error("nothing to repeat", "{");
            default:
                return One(Scalar());
        }
    }

    private PatternNode Group()
    {
        var at = _at++;
        if (++_depth > MostDepth)
        {
            throw Error($"groups are nested deeper than {MostDepth}", "(", at);
        }

        var (ignoreCase, dotIsAny) = (_ignoreCase, _dotIsAny);
        Func<PatternNode, PatternNode> wrap = static node => node;
        if (Take("?:"))
        {
        }
        else if (Take("?="))
        {
            wrap = static node => new PatternNode.Ahead(node, false);
        }
        else if (Take("?!"))
        {
            wrap = static node => new PatternNode.Ahead(node, true);
        }
        else if (Take("?<="))
        {
            wrap = node => new PatternNode.Behind(node, false, at + 1);
        }
        else if (Take("?<!"))
        {
            wrap = node => new PatternNode.Behind(node, true, at + 1);
        }
        else if (Take("?<"))
        {
            Name(at);
        }
        else if (Take('?'))
        {
            Modifiers(at);
        }

        var node = Choices();
        if (!Take(')'))
        {
            throw Error("unbalanced (", "(", at);
        }

        (_ignoreCase, _dotIsAny) = (ignoreCase, dotIsAny);
        _depth--;
        return wrap(node);
    }

    private void Name(int at)
    {
        var end = pattern.IndexOf('>', _at);
        var name = end < 0 ? "" : pattern[_at..end];
        if (name.Length == 0 || char.IsAsciiDigit(name[0]) || !name.All(c => char.IsLetterOrDigit(c) || c is '_' or '$'))
        {
            throw Error("a group's name is malformed", "(?<", at);
        }

        _at = end + 1;
    }

    private void Modifiers(int at)
    {
        var on = true;
        for (; _at < pattern.Length && pattern[_at] != ':'; _at++)
        {
            switch (pattern[_at])
            {
                case '-' when on:
                    on = false;
                    break;
                case 'i':
                    _ignoreCase = on;
                    break;
                case 's':
                    _dotIsAny = on;
                    break;
                case 'm':
                    throw Error("the flag m is not supported", "(?m", at);
                case '>':
                    throw Error("atomic groups are not of ECMA 262", "(?>", at);
                case '#':
                    throw Error("comments are not of ECMA 262", "(?#", at);
                case 'P':
                    throw Error("(?P is not of ECMA 262: a named group is (?<name>...)", "(?P", at);
                case ')':
                    throw Error("flags for the rest of a pattern are supported only at its beginning, and only i or s", "(?", at);
                default:
                    throw Error($"(?{pattern[_at]} is not of ECMA 262", $"(?{pattern[_at]}", at);
            }
        }

        if (!Take(':'))
        {
            throw Error("unbalanced (", "(", at);
        }
    }

    private PatternNode Escape()
    {
        var at = _at;
        if (at + 1 >= pattern.Length)
        {
            throw Error("a pattern cannot end in \\", "\\");
        }

        switch (pattern[at + 1])
        {
            case 'b' or 'B':
                _at += 2;
                return new PatternNode.Boundary(pattern[at + 1] == 'B');
            case >= '1' and <= '9' or 'k':
                throw Error("backreferences are not supported: they are not regular", $"\\{pattern[at + 1]}");
        }

        return NamedSet() is { } set ? new PatternNode.Character(set) : One(Character(inClass: false));
    }

    // \d and its kind, if it is one.
    private CharSet? NamedSet()
    {
        CharSet? set = pattern[_at + 1] switch
        {
            'd' => PatternSets.Digit,
            'D' => PatternSets.NotDigit,
            'w' => PatternSets.Word,
            'W' => PatternSets.NotWord,
            's' => PatternSets.Space,
            'S' => PatternSets.NotSpace,
            'p' or 'P' => null,
            _ => CharSet.None,
        };
        if (set is { IsEmpty: true })
        {
            return null;
        }

        if (set is not null)
        {
            _at += 2;
            return set;
        }

        var end = _at + 2 < pattern.Length && pattern[_at + 2] == '{' ? pattern.IndexOf('}', _at) : -1;
        if (end < 0)
        {
            throw Error("\\p needs a property in braces", "\\p");
        }

        var name = pattern[(_at + 3)..end];
        set = PatternSets.Property(name) ?? throw Error($"the Unicode property {name} is not known", $"\\p{{{name}}}");
        set = pattern[_at + 1] == 'P' ? set.Complement() : set;
        _at = end + 1;
        return set;
    }

    // An escape that stands for one character; _at is at the backslash.
    private int Character(bool inClass)
    {
        var at = _at;
        _at += 2;
        switch (pattern[at + 1])
        {
            case 't':
                return '\t';
            case 'n':
                return '\n';
            case 'v':
                return '\v';
            case 'f':
                return '\f';
            case 'r':
                return '\r';
            case 'b' when inClass:
                return '\b';
            case '0' when _at >= pattern.Length || !char.IsAsciiDigit(pattern[_at]):
                return 0;
            case 'c' when _at < pattern.Length && char.IsAsciiLetter(pattern[_at]):
                return pattern[_at++] % 32;
            case 'x' when Hex(_at, 2) is >= 0 and var value:
                _at += 2;
                return value;
            case 'u' when Hex(_at, 4) is >= 0 and var unit:
                _at += 4;
                if (char.IsHighSurrogate((char)unit) && _at + 1 < pattern.Length && pattern[_at] == '\\' && pattern[_at + 1] == 'u'
                    && Hex(_at + 2, 4) is >= 0xDC00 and <= 0xDFFF and var low)
                {
                    _at += 6;
                    return char.ConvertToUtf32((char)unit, (char)low);
                }

                return unit;
            case 'u' when _at < pattern.Length && pattern[_at] == '{':
                var end = pattern.IndexOf('}', _at);
                var digits = end < 0 ? "" : pattern[(_at + 1)..end].TrimStart('0');
                if (end < _at + 2 || digits.Length > 6 || !int.TryParse("0" + digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var point) || point > CharSet.Last)
                {
                    throw Error("\\u{...} is not a code point", "\\u", at);
                }

                _at = end + 1;
                return point;
            case var letter when char.IsAsciiLetterOrDigit(letter):
                throw Error($"\\{letter} is no escape of ECMA 262", $"\\{letter}", at);
            default:
                _at--;
                return Scalar();
        }
    }

    private int Hex(int at, int count)
        => at + count <= pattern.Length && !pattern.AsSpan(at, count).ContainsAnyExcept(s_hexDigits)
            ? int.Parse(pattern.AsSpan(at, count), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
            : -1;

    private CharSet Class()
    {
        var at = _at++;
        var isNegated = Take('^');
        var ranges = new List<(int, int)>();
        while (!Take(']'))
        {
            if (_at >= pattern.Length)
            {
                throw Error("unbalanced [", "[", at);
            }

            var start = _at;
            if (ClassMember(out var first) is { } set)
            {
                ranges.AddRange(set.Ranges());
                continue;
            }

            if (!Peek('-') || _at + 1 >= pattern.Length || pattern[_at + 1] == ']')
            {
                ranges.Add((first, first));
                continue;
            }

            _at++;
            if (ClassMember(out var last) is { } other)
            {
                // A range cannot end in a set: the hyphen is one (Annex B).
                ranges.AddRange([(first, first), ('-', '-'), .. other.Ranges()]);
                continue;
            }

            if (last < first)
            {
                throw Error("a range of characters is out of order", "[", start);
            }

            ranges.Add((first, last));
        }

        var all = CharSet.FromRanges(ranges);
        all = _ignoreCase ? PatternSets.IgnoreCase(all) : all;
        return isNegated ? all.Complement() : all;
    }

    private CharSet? ClassMember(out int character)
    {
        character = 0;
        if (pattern[_at] != '\\')
        {
            character = Scalar();
            return null;
        }

        if (_at + 1 >= pattern.Length)
        {
            throw Error("a pattern cannot end in \\", "\\");
        }

        if (NamedSet() is { } set)
        {
            return set;
        }

        character = Character(inClass: true);
        return null;
    }

    // The character at this place; a lone surrogate as itself, which no text has.
    private int Scalar()
    {
        var at = _at;
        _at += at + 1 < pattern.Length && char.IsSurrogatePair(pattern[at], pattern[at + 1]) ? 2 : 1;
        return _at == at + 2 ? char.ConvertToUtf32(pattern[at], pattern[at + 1]) : pattern[at];
    }

    private PatternNode.Character One(int character)
    {
        var set = CharSet.Of(character);
        return new(_ignoreCase ? PatternSets.IgnoreCase(set) : set);
    }

    private bool Peek(char c) => _at < pattern.Length && pattern[_at] == c;

    private bool Take(char c)
    {
        if (!Peek(c))
        {
            return false;
        }

        _at++;
        return true;
    }

    private bool Take(string text)
    {
        if (string.CompareOrdinal(pattern, _at, text, 0, text.Length) != 0)
        {
            return false;
        }

        _at += text.Length;
        return true;
    }

    private ConstraintException Error(string message, string construct, int at = -1)
        => new($"pattern: {message}", $"column {(at < 0 ? _at : at) + 1}", construct);

    private static readonly System.Buffers.SearchValues<char> s_hexDigits = System.Buffers.SearchValues.Create("0123456789abcdefABCDEF");
}
