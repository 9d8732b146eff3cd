using System.Globalization;
using System.Text;

namespace Hearth.Runtime.Templates;

internal enum SyntaxKind
{
    Data, BlockBegin, BlockEnd, VariableBegin, VariableEnd,
    Name, String, Integer, Float,
    Add, Sub, Mul, Div, FloorDiv, Mod, Pow, Tilde, LeftBracket, RightBracket, LeftParen, RightParen, LeftBrace, RightBrace,
    Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual, Assign, Dot, Colon, Pipe, Comma, Semicolon,
    End,
}

/// <summary>A piece of a template. <see cref="Value"/> is the text of data, names and strings, or the number.</summary>
internal readonly record struct Token(SyntaxKind Kind, object? Value, int Line)
{
    public string Text => Value as string ?? "";

    public bool IsName(string name) => Kind == SyntaxKind.Name && Text == name;

    public string Describe() => Kind switch
    {
        SyntaxKind.Name => Text,
        SyntaxKind.End => "end of template",
        SyntaxKind.BlockEnd => "end of statement block",
        SyntaxKind.VariableEnd => "end of print statement",
        SyntaxKind.BlockBegin => "begin of statement block",
        SyntaxKind.VariableBegin => "begin of print statement",
        SyntaxKind.Data => "template data",
        SyntaxKind.String or SyntaxKind.Integer or SyntaxKind.Float => Kind.ToString().ToLowerInvariant(),
        _ => Lexer.TextOf(Kind),
    };
}

/// <summary>Cuts a template into tokens, with <c>trim_blocks</c> and <c>lstrip_blocks</c> on and the trailing newline dropped.</summary>
/// <remarks>Source: Jinja2 3.1, "Whitespace Control" in Template Designer Documentation, and the behaviour of its lexer.</remarks>
internal sealed class Lexer
{
    public static readonly (string Text, SyntaxKind Kind)[] Operators =
    [
        ("//", SyntaxKind.FloorDiv), ("**", SyntaxKind.Pow), ("==", SyntaxKind.Equal), ("!=", SyntaxKind.NotEqual),
        (">=", SyntaxKind.GreaterEqual), ("<=", SyntaxKind.LessEqual), ("+", SyntaxKind.Add), ("-", SyntaxKind.Sub),
        ("/", SyntaxKind.Div), ("*", SyntaxKind.Mul), ("%", SyntaxKind.Mod), ("~", SyntaxKind.Tilde),
        ("[", SyntaxKind.LeftBracket), ("]", SyntaxKind.RightBracket), ("(", SyntaxKind.LeftParen), (")", SyntaxKind.RightParen),
        ("{", SyntaxKind.LeftBrace), ("}", SyntaxKind.RightBrace), (">", SyntaxKind.Greater), ("<", SyntaxKind.Less),
        ("=", SyntaxKind.Assign), (".", SyntaxKind.Dot), (":", SyntaxKind.Colon), ("|", SyntaxKind.Pipe), (",", SyntaxKind.Comma),
        (";", SyntaxKind.Semicolon),
    ];

    public static string TextOf(SyntaxKind kind) => Operators.FirstOrDefault(o => o.Kind == kind).Text ?? kind.ToString();

    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private readonly Stack<char> _open = new();
    private int _position;
    private int _line = 1;
    private bool _atLineStart = true;

    private Lexer(string source) => _source = source;

    /// <summary>Cuts <paramref name="source"/>; the last token is <see cref="SyntaxKind.End"/>.</summary>
    public static List<Token> Tokenize(string source)
    {
        var normalized = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (normalized.EndsWith('\n'))
            normalized = normalized[..^1];
        var lexer = new Lexer(normalized);
        lexer.Root();
        lexer._tokens.Add(new Token(SyntaxKind.End, null, lexer._line));
        return lexer._tokens;
    }

    private void Root()
    {
        while (_position < _source.Length)
        {
            var start = FindTag(_position);
            if (start < 0)
            {
                EmitData(_source[_position..]);
                Advance(_source.Length);
                return;
            }

            var kind = _source[start + 1];
            if (kind == '%' && TryRaw(start))
                continue;
            var sign = SignAt(start + 2);
            EmitText(start, sign, isVariable: kind == '{');
            Advance(start + 2 + (sign == '\0' ? 0 : 1));
            switch (kind)
            {
                case '#': Comment(); break;
                case '%': Tag(SyntaxKind.BlockBegin, SyntaxKind.BlockEnd); break;
                default: Tag(SyntaxKind.VariableBegin, SyntaxKind.VariableEnd); break;
            }
        }
    }

    private int FindTag(int from)
    {
        for (var at = _source.IndexOf('{', from); at >= 0 && at + 1 < _source.Length; at = _source.IndexOf('{', at + 1))
        {
            if (_source[at + 1] is '%' or '{' or '#')
                return at;
        }

        return -1;
    }

    private char SignAt(int index) => index < _source.Length && _source[index] is '-' or '+' ? _source[index] : '\0';

    /// <summary>Emits the text up to a tag, stripped as the tag's sign and <c>lstrip_blocks</c> say.</summary>
    private void EmitText(int end, char sign, bool isVariable)
    {
        var text = _source[_position..end];
        if (sign == '-')
        {
            text = text[..PythonText.EndOfStrip(text)];
        }
        else if (sign != '+' && !isVariable)
        {
            var lineStart = text.LastIndexOf('\n') + 1;
            if ((lineStart > 0 || _atLineStart) && PythonText.IsAllSpace(text.AsSpan(lineStart)))
                text = text[..lineStart];
        }

        EmitData(text);
    }

    private void EmitData(string text)
    {
        if (text.Length > 0)
            _tokens.Add(new Token(SyntaxKind.Data, text, _line));
    }

    /// <summary>Moves on, counting lines; remembers whether what was passed ended a line.</summary>
    private void Advance(int to)
    {
        if (to == _position)
            return;
        _line += _source.AsSpan(_position, to - _position).Count('\n');
        _position = to;
        _atLineStart = _source[to - 1] == '\n';
    }

    private int SkipSpace(int at)
    {
        while (at < _source.Length && PythonText.IsSpace(_source[at]))
            at++;
        return at;
    }

    private void Comment()
    {
        // Jinja2 lets a template end right behind the opening of a comment or a raw block.
        if (_position == _source.Length)
            return;
        var end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
            throw Raise.Syntax("Missing end of comment tag", _line);
        var sign = end > _position ? _source[end - 1] : '\0';
        Advance(EndOfTag(end, sign));
    }

    /// <summary>Where the text goes on after an end tag at <paramref name="end"/>: its sign decides what white space goes with it.</summary>
    private int EndOfTag(int end, char sign)
    {
        var after = end + 2;
        if (sign == '-')
            return SkipSpace(after);
        return sign != '+' && after < _source.Length && _source[after] == '\n' ? after + 1 : after;
    }

    private bool TryRaw(int start)
    {
        var sign = SignAt(start + 2);
        var at = SkipSpace(start + 2 + (sign == '\0' ? 0 : 1));
        if (!StartsWith(at, "raw"))
            return false;
        at = SkipSpace(at + 3);
        int body;
        if (StartsWith(at, "-%}"))
            body = SkipSpace(at + 3);
        else if (StartsWith(at, "%}"))
            body = at + 2;
        else
            return false;

        EmitText(start, sign, isVariable: false);
        Advance(body);
        if (body == _source.Length)
            return true;
        for (var end = _source.IndexOf("{%", body, StringComparison.Ordinal); end >= 0; end = _source.IndexOf("{%", end + 1, StringComparison.Ordinal))
        {
            var endSign = SignAt(end + 2);
            var inner = SkipSpace(end + 2 + (endSign == '\0' ? 0 : 1));
            if (!StartsWith(inner, "endraw"))
                continue;
            inner = SkipSpace(inner + 6);
            var closeSign = SignAt(inner);
            var close = closeSign == '\0' ? inner : inner + 1;
            if (!StartsWith(close, "%}"))
                continue;
            EmitText(end, endSign, isVariable: false);
            Advance(EndOfTag(close, closeSign));
            return true;
        }

        throw Raise.Syntax("Missing end of raw directive", _line);
    }

    private bool StartsWith(int at, string text) => string.CompareOrdinal(_source, at, text, 0, text.Length) == 0;

    private void Tag(SyntaxKind begin, SyntaxKind end)
    {
        _tokens.Add(new Token(begin, null, _line));
        _open.Clear();
        while (_position < _source.Length)
        {
            if (_open.Count == 0 && TryEndTag(end))
                return;
            Inner();
        }
    }

    private bool TryEndTag(SyntaxKind end)
    {
        var sign = SignAt(_position);
        var at = sign == '\0' ? _position : _position + 1;
        if (!StartsWith(at, end == SyntaxKind.BlockEnd ? "%}" : "}}") || (end == SyntaxKind.VariableEnd && sign == '+'))
            return false;
        _tokens.Add(new Token(end, null, _line));
        Advance(end == SyntaxKind.VariableEnd && sign == '\0' ? at + 2 : EndOfTag(at, sign));
        return true;
    }

    private void Inner()
    {
        var c = _source[_position];
        if (PythonText.IsSpace(c))
            Advance(SkipSpace(_position));
        else if (char.IsAsciiDigit(c))
            Number();
        else if (IsNameCharacter(_position))
            Name();
        else if (c is '"' or '\'')
            String(c);
        else
            Operator(c);
    }

    private bool IsNameCharacter(int at)
    {
        var c = _source[at];
        if (c == '_' || char.IsAsciiLetterOrDigit(c))
            return true;
        if (c < 0x80)
            return false;
        var category = char.IsLowSurrogate(c) && at > 0
            ? CharUnicodeInfo.GetUnicodeCategory(_source, at - 1)
            : CharUnicodeInfo.GetUnicodeCategory(_source, at);
        return category is <= UnicodeCategory.SpacingCombiningMark or UnicodeCategory.DecimalDigitNumber
            or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber or UnicodeCategory.ConnectorPunctuation;
    }

    private void Name()
    {
        var end = _position;
        while (end < _source.Length && IsNameCharacter(end))
            end++;
        var text = _source[_position..end];
        if (!PythonText.IsIdentifier(text))
            throw Raise.Syntax("Invalid character in identifier", _line);
        _tokens.Add(new Token(SyntaxKind.Name, text, _line));
        Advance(end);
    }

    private void Operator(char c)
    {
        foreach (var (text, kind) in Operators)
        {
            if (!StartsWith(_position, text))
                continue;
            Balance(c, kind);
            _tokens.Add(new Token(kind, null, _line));
            Advance(_position + text.Length);
            return;
        }

        throw Raise.Syntax($"unexpected char {Representation.Repr(c.ToString())} at {_position}", _line);
    }

    private void Balance(char c, SyntaxKind kind)
    {
        switch (kind)
        {
            case SyntaxKind.LeftParen: _open.Push(')'); break;
            case SyntaxKind.LeftBracket: _open.Push(']'); break;
            case SyntaxKind.LeftBrace: _open.Push('}'); break;
            case SyntaxKind.RightParen or SyntaxKind.RightBracket or SyntaxKind.RightBrace:
                if (!_open.TryPop(out var expected))
                    throw Raise.Syntax($"unexpected '{c}'", _line);
                if (expected != c)
                    throw Raise.Syntax($"unexpected '{c}', expected '{expected}'", _line);
                break;
        }
    }

    private void Number()
    {
        var afterDot = _position > 0 && _source[_position - 1] == '.';
        var end = afterDot ? -1 : EndOfFloat();
        if (end > 0)
        {
            var value = double.Parse(Digits(_position, end), NumberStyles.Float, CultureInfo.InvariantCulture);
            _tokens.Add(new Token(SyntaxKind.Float, value, _line));
        }
        else
        {
            end = EndOfInteger(out var radix);
            _tokens.Add(new Token(SyntaxKind.Integer, ParseInteger(_position, end, radix), _line));
        }

        Advance(end);
    }

    private string Digits(int from, int to) => _source[from..to].Replace("_", "", StringComparison.Ordinal);

    private object ParseInteger(int from, int end, int radix)
    {
        var digits = Digits(radix == 10 ? from : from + 2, end);
        if (!Numbers.TryParseDigits(digits, radix, out var value))
            throw Raise.Value("Exceeds the limit (4300 digits) for integer string conversion");
        return value;
    }

    private int EndOfDigits(int at)
    {
        if (at >= _source.Length || !char.IsAsciiDigit(_source[at]))
            return -1;
        while (at < _source.Length
            && (char.IsAsciiDigit(_source[at]) || (_source[at] == '_' && at + 1 < _source.Length && char.IsAsciiDigit(_source[at + 1]))))
            at++;
        return at;
    }

    private int EndOfFloat()
    {
        var at = EndOfDigits(_position);
        var isFloat = false;
        if (at < _source.Length && _source[at] == '.' && EndOfDigits(at + 1) is var fraction and > 0)
        {
            at = fraction;
            isFloat = true;
        }

        if (at < _source.Length && _source[at] is 'e' or 'E')
        {
            var exponent = at + 1;
            if (exponent < _source.Length && _source[exponent] is '+' or '-')
                exponent++;
            exponent = EndOfDigits(exponent);
            if (exponent > 0)
                return exponent;
        }

        return isFloat ? at : -1;
    }

    private int EndOfInteger(out int radix)
    {
        radix = 10;
        var at = _position;
        if (_source[at] != '0')
            return EndOfDigits(at);
        if (at + 1 < _source.Length)
        {
            radix = char.ToLowerInvariant(_source[at + 1]) switch { 'b' => 2, 'o' => 8, 'x' => 16, _ => 10 };
            if (radix != 10)
            {
                var end = at + 2;
                while (true)
                {
                    var next = end < _source.Length && _source[end] == '_' ? end + 1 : end;
                    if (next >= _source.Length || Numbers.DigitValue(_source[next]) >= radix)
                        break;
                    end = next + 1;
                }

                if (end > at + 2)
                    return end;
                radix = 10;
            }
        }

        at++;
        while (at < _source.Length && (_source[at] == '0' || (_source[at] == '_' && at + 1 < _source.Length && _source[at + 1] == '0')))
            at++;
        return at;
    }

    private void String(char quote)
    {
        var at = _position + 1;
        while (at < _source.Length && _source[at] != quote)
            at += _source[at] == '\\' ? 2 : 1;
        if (at >= _source.Length)
            throw Raise.Syntax($"unexpected char {Representation.Repr(quote.ToString())} at {_position}", _line);
        _tokens.Add(new Token(SyntaxKind.String, Unescape(_source.AsSpan(_position + 1, at - _position - 1)), _line));
        Advance(at + 1);
    }

    /// <summary>Python's <c>unicode-escape</c>; an unknown escape keeps its backslash.</summary>
    private string Unescape(ReadOnlySpan<char> text)
    {
        if (!text.Contains('\\'))
            return text.ToString();
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
                continue;
            }

            i++;
            switch (text[i])
            {
                case '\n': break;
                case '\\' or '\'' or '"': result.Append(text[i]); break;
                case 'a': result.Append('\a'); break;
                case 'b': result.Append('\b'); break;
                case 'f': result.Append('\f'); break;
                case 'n': result.Append('\n'); break;
                case 'r': result.Append('\r'); break;
                case 't': result.Append('\t'); break;
                case 'v': result.Append('\v'); break;
                case 'x': i = Hex(text, i + 1, 2, result); break;
                case 'u': i = Hex(text, i + 1, 4, result); break;
                case 'U': i = Hex(text, i + 1, 8, result); break;
                case 'N': throw Raise.Syntax("character names in strings (\\N{...}) are not supported", _line);
                case >= '0' and <= '7': i = Octal(text, i, result); break;
                case > '\x7f':
                    // Python escapes the character first, so the backslash before it escapes that escape.
                    result.Append('\\').Append(Representation.Escape(PythonText.CodePointAt(text, i, out var width)).AsSpan(1));
                    i += width - 1;
                    break;
                default: result.Append('\\').Append(text[i]); break;
            }
        }

        return result.ToString();
    }

    private int Hex(ReadOnlySpan<char> text, int from, int count, StringBuilder result)
    {
        var value = 0L;
        for (var i = from; i < from + count; i++)
        {
            if (i >= text.Length || !char.IsAsciiHexDigit(text[i]))
                throw Raise.Syntax($"truncated \\{text[from - 1]} escape", _line);
            value = (value * 16) + Numbers.DigitValue(text[i]);
        }

        if (value > 0x10FFFF)
            throw Raise.Syntax("illegal Unicode character", _line);
        PythonText.AppendCodePoint(result, (int)value);
        return from + count - 1;
    }

    private static int Octal(ReadOnlySpan<char> text, int from, StringBuilder result)
    {
        var value = 0;
        var at = from;
        while (at < text.Length && at < from + 3 && text[at] is >= '0' and <= '7')
            value = (value * 8) + (text[at++] - '0');
        result.Append((char)value);
        return at - 1;
    }
}
