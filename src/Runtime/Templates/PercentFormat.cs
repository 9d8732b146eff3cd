using System.Numerics;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>Python's <c>format % values</c>.</summary>
internal sealed class PercentFormat
{
    private readonly Interpreter _interpreter;
    private readonly string _format;
    private readonly bool _escape;
    private readonly object? _values;
    private readonly object?[] _arguments;
    private int _next;
    private int _at;

    private PercentFormat(Interpreter interpreter, string format, object? values, bool escape)
    {
        _interpreter = interpreter;
        _format = format;
        _values = values;
        _escape = escape;
        _arguments = values is TupleValue tuple ? tuple.Items : [values];
    }

    /// <summary>Formats; a safe format string escapes what it is given and gives a safe string.</summary>
    public static object Apply(Interpreter interpreter, object? left, string format, object? values)
    {
        var escape = left is MarkupValue;
        var text = new PercentFormat(interpreter, format, values, escape).Run();
        return escape ? new MarkupValue(text) : text;
    }

    private bool IsMapping => _values is MapValue or ListValue or UndefinedValue or RangeValue or NamespaceValue;

    private string Run()
    {
        var result = new StringBuilder();
        while (_at < _format.Length)
        {
            var from = _at;
            var percent = _format.IndexOf('%', _at);
            var end = percent < 0 ? _format.Length : percent;
            result.Append(_format, _at, end - _at);
            _at = end + 1;
            if (percent >= 0)
                result.Append(Conversion());

            // Flags, digits and keys are read one by one.
            _interpreter.ChargeText(result.Length, 32 + end + ((_at - end) * 2L) - from);
        }

        if (_next < _arguments.Length && !IsMapping)
            throw Raise.Type("not all arguments converted during string formatting");
        return result.ToString();
    }

    private char Take() => _at < _format.Length ? _format[_at++] : throw Raise.Value("incomplete format");

    private object? NextArgument()
        => _next < _arguments.Length ? _arguments[_next++] : throw Raise.Type("not enough arguments for format string");

    private string Conversion()
    {
        object? keyed = null;
        var hasKey = false;
        var c = Take();
        if (c == '(')
        {
            keyed = Lookup();
            hasKey = true;
            c = Take();
        }

        bool left = false, plus = false, space = false, alternate = false, zero = false;
        for (; c is '-' or '+' or ' ' or '#' or '0'; c = Take())
        {
            left |= c == '-';
            plus |= c == '+';
            space |= c == ' ';
            alternate |= c == '#';
            zero |= c == '0';
        }

        var width = Size(ref c);
        if (width < 0)
            (left, width) = (true, -width);
        int? precision = null;
        if (c == '.')
        {
            c = Take();
            precision = (int)Math.Clamp(Size(ref c) ?? 0, 0, int.MaxValue);
        }

        if (c is 'h' or 'l' or 'L')
            c = Take();
        if (c == '%')
            return "%";
        var value = hasKey ? keyed : NextArgument();
        var (sign, body) = Convert(c, value, precision, alternate);
        var isNumber = c is not ('s' or 'r' or 'a' or 'c');
        if (isNumber && sign.Length == 0)
            sign = plus ? "+" : space ? " " : "";
        return Pad(sign, body, width ?? 0, left, zero && isNumber);
    }

    private object? Lookup()
    {
        var depth = 1;
        var start = _at;
        while (depth > 0)
        {
            if (_at >= _format.Length)
                throw Raise.Value("incomplete format key");
            depth += _format[_at] switch { '(' => 1, ')' => -1, _ => 0 };
            _at++;
        }

        var key = _format[start..(_at - 1)];
        if (!IsMapping)
            throw Raise.Type("format requires a mapping");
        _next = _arguments.Length;
        if (_values is UndefinedValue undefined)
            throw undefined.Error();
        if (_values is not MapValue map)
            throw Raise.Type("list indices must be integers or slices, not str");
        return map.TryGet(key, out var value) ? value : throw Raise.Key($"'{key}'");
    }

    private long? Size(ref char c)
    {
        if (c == '*')
        {
            var value = NextArgument();
            if (!Arithmetic.IsInteger(value))
                throw Raise.Type("* wants int");
            c = Take();
            return Math.Clamp(Arithmetic.ToIndex(value), -int.MaxValue, int.MaxValue);
        }

        if (!char.IsAsciiDigit(c))
            return null;
        var size = 0L;
        for (; char.IsAsciiDigit(c); c = Take())
        {
            size = (size * 10) + (c - '0');
            if (size > int.MaxValue)
                throw Raise.Value("width too big");
        }

        return size;
    }

    private (string Sign, string Body) Convert(char type, object? value, int? precision, bool alternate)
    {
        switch (type)
        {
            case 's': return ("", Cut(Representation.Str(_interpreter, _escape ? Html.Escape(_interpreter, value) : value), precision));
            case 'r': return ("", Cut(Quoted(Representation.Repr(_interpreter, value)), precision));
            case 'a': return ("", Cut(Quoted(AsAscii(Representation.Repr(_interpreter, value))), precision));
            case 'c': return ("", Character(value));
            case 'd' or 'i' or 'u' or 'o' or 'x' or 'X': return Integer(type, value, precision, alternate);
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                _interpreter.Charge(Arithmetic.SizeOf(value) / 4);
                var number = value is UndefinedValue u ? throw u.Error() : Arithmetic.ToDouble(value);
                Numbers.ChargeFloat(_interpreter, number, precision);
                return (double.IsNegative(number) && !double.IsNaN(number) ? "-" : "", FormatSpec.Digits(number, type, precision, alternate));
            default:
                throw Raise.Value($"unsupported format character '{type}' (0x{(int)type:x}) at index {_at - 1}");
        }
    }

    private string Quoted(string text) => _escape ? Html.Escape(_interpreter, text).Text : text;

    private static string Cut(string text, int? precision)
        => precision is { } p && p < PythonText.Length(text) ? text[..PythonText.Offset(text, p)] : text;

    private static string AsAscii(string text)
    {
        var result = new StringBuilder();
        for (var i = 0; i < text.Length;)
        {
            var c = PythonText.CodePointAt(text, i, out var width);
            if (c < 0x80)
                result.Append((char)c);
            else
                result.Append(Representation.Escape(c));
            i += width;
        }

        return result.ToString();
    }

    private static string Character(object? value)
    {
        if (Strings.Is(value, out var text))
            return PythonText.Length(text) == 1 ? text : throw Raise.Type("%c requires int or char");
        if (!Arithmetic.IsInteger(value))
            throw Raise.Type("%c requires int or char");
        var code = Arithmetic.ToIndex(value);
        if (code is < 0 or > 0x10FFFF)
            throw Raise.Overflow("%c arg not in range(0x110000)");
        var result = new StringBuilder();
        PythonText.AppendCodePoint(result, (int)code);
        return result.ToString();
    }

    private (string Sign, string Body) Integer(char type, object? value, int? precision, bool alternate)
    {
        BigInteger number;
        if (Arithmetic.IsInteger(value))
            number = Arithmetic.ToBig(value);
        else if (value is UndefinedValue undefined)
            throw undefined.Error();
        else if (value is double fraction && (type is 'd' or 'i' or 'u'))
            number = Numbers.Truncate(fraction);
        else
            throw Raise.Type($"%{type} format: {(type is 'd' or 'i' or 'u' ? "a real number" : "an integer")} is required, not {TypeNames.Of(value)}");
        if (precision > FormatSpec.MaxPrecision)
            throw Raise.Value("precision too big");
        _interpreter.Charge((Arithmetic.SizeOf(number) * 10) + ((precision ?? 0) / 16));
        var magnitude = BigInteger.Abs(number);
        var digits = type switch
        {
            'o' => FormatSpec.InBase(magnitude, 8),
            'x' or 'X' => FormatSpec.InBase(magnitude, 16),
            _ => Numbers.Format(magnitude, _interpreter),
        };
        digits = digits.PadLeft(precision ?? 0, '0');
        if (type == 'X')
            digits = digits.ToUpperInvariant();
        var prefix = type is 'o' or 'x' or 'X' ? "0" + type : "";
        return ((number.Sign < 0 ? "-" : "") + (alternate ? prefix : ""), digits);
    }

    private string Pad(string sign, string body, long width, bool left, bool zero)
    {
        var missing = width - sign.Length - PythonText.Length(body);
        if (missing <= 0)
            return sign + body;
        _interpreter.ChargeText(width, 2 * width);
        if (left)
            return sign + body + new string(' ', (int)missing);
        return zero ? sign + new string('0', (int)missing) + body : new string(' ', (int)missing) + sign + body;
    }
}
