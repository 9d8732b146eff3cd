using System.Globalization;
using System.Numerics;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>Python's format specification mini-language: <c>[[fill]align][sign][z][#][0][width][grouping][.precision][type]</c>.</summary>
internal sealed class FormatSpec
{
    /// <summary>Decimal places or digits that a number may be asked for.</summary>
    public const int MaxPrecision = 4300;

    private string _fill = " ";
    private char _align;
    private char _sign = '-';
    private bool _alternate;
    private bool _noNegativeZero;
    private long _width;
    private char _grouping;
    private int? _precision;
    private char _type;

    /// <summary><c>format(value, spec)</c>.</summary>
    public static string Apply(Interpreter interpreter, object? value, string spec)
    {
        if (spec.Length == 0)
            return Representation.Str(interpreter, value);
        var format = Parse(spec);
        return value switch
        {
            string or MarkupValue => format.Text(interpreter, Representation.Str(interpreter, value)),
            long or bool or BigInteger => format.Integer(interpreter, Arithmetic.ToBig(value)),
            double d => format.Float(interpreter, d),
            _ => throw Raise.Type($"unsupported format string passed to {TypeNames.Of(value)}.__format__"),
        };
    }

    private static FormatSpec Parse(string spec)
    {
        var format = new FormatSpec();
        var at = 0;
        var first = PythonText.WidthAt(spec, 0);
        if (spec.Length > first && IsAlign(spec[first]))
        {
            format._fill = spec[..first];
            format._align = spec[first];
            at = first + 1;
        }
        else if (IsAlign(spec[0]))
        {
            format._align = spec[at++];
        }

        if (at < spec.Length && spec[at] is '+' or '-' or ' ')
            format._sign = spec[at++];
        if (at < spec.Length && spec[at] == 'z')
        {
            format._noNegativeZero = true;
            at++;
        }

        if (at < spec.Length && spec[at] == '#')
        {
            format._alternate = true;
            at++;
        }

        if (at < spec.Length && spec[at] == '0')
        {
            at++;
            if (format._align == '\0')
                (format._fill, format._align) = ("0", '=');
        }

        format._width = Digits(spec, ref at) ?? 0;
        if (at < spec.Length && spec[at] is ',' or '_')
            format._grouping = spec[at++];
        if (at < spec.Length && spec[at] == '.')
        {
            at++;
            var precision = Digits(spec, ref at) ?? throw Raise.Value("Format specifier missing precision");
            format._precision = (int)Math.Min(precision, int.MaxValue);
        }

        if (spec.Length - at > 1)
            throw Raise.Value("Invalid format specifier");
        if (at < spec.Length)
            format._type = spec[at];
        return format;
    }

    private static bool IsAlign(char c) => c is '<' or '>' or '^' or '=';

    private static long? Digits(string spec, ref int at)
    {
        var start = at;
        while (at < spec.Length && char.IsAsciiDigit(spec[at]))
            at++;
        if (at == start)
            return null;
        return at - start > 12 ? throw Raise.Value("Too many decimal digits in format string")
            : long.Parse(spec.AsSpan(start, at - start), CultureInfo.InvariantCulture);
    }

    private string Text(Interpreter interpreter, string text)
    {
        if (_type is not ('\0' or 's'))
            throw Raise.Value($"Unknown format code '{_type}' for object of type 'str'");
        if (_noNegativeZero)
            throw Raise.Value("Negative zero coercion (z) not allowed in string format specifier");
        if (_sign != '-')
            throw Raise.Value("Sign not allowed in string format specifier");
        if (_align == '=' && _fill != "0")
            throw Raise.Value("'=' alignment not allowed in string format specifier");
        if (_grouping != '\0')
            throw Raise.Value($"Cannot specify '{_grouping}' with 's'.");
        if (_precision is { } precision && precision < PythonText.Length(text))
            text = text[..PythonText.Offset(text, precision)];
        return Pad(interpreter, "", text, '<');
    }

    private string Integer(Interpreter interpreter, BigInteger value)
    {
        if (_type is 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%')
            return Float(interpreter, Arithmetic.ToDouble(Numbers.Normalize(value)));
        if (_noNegativeZero)
            throw Raise.Value("Negative zero coercion (z) not allowed in integer format specifier");
        if (_precision is not null)
            throw Raise.Value("Precision not allowed in integer format specifier");
        interpreter.Charge(Arithmetic.SizeOf(value) * (_type == 'b' ? 32 : _type is 'o' or 'x' or 'X' ? 10 : 1));
        var magnitude = BigInteger.Abs(value);
        if (_type == 'c')
        {
            if (value < 0 || value > 0x10FFFF)
                throw Raise.Overflow("%c arg not in range(0x110000)");
            var character = new StringBuilder();
            PythonText.AppendCodePoint(character, (int)value);
            return Pad(interpreter, "", character.ToString(), '<');
        }

        var (digits, prefix, group) = _type switch
        {
            '\0' or 'd' or 'n' => (Numbers.Format(magnitude, interpreter), "", 3),
            'b' => (InBase(magnitude, 2), "0b", 4),
            'o' => (InBase(magnitude, 8), "0o", 4),
            'x' => (InBase(magnitude, 16), "0x", 4),
            'X' => (InBase(magnitude, 16).ToUpperInvariant(), "0X", 4),
            _ => throw Raise.Value($"Unknown format code '{_type}' for object of type 'int'"),
        };
        var sign = SignOf(value.Sign < 0) + (_alternate ? prefix : "");
        return Number(interpreter, sign, digits, "", group);
    }

    private string Float(Interpreter interpreter, double value)
    {
        if (_type is not ('\0' or 'e' or 'E' or 'f' or 'F' or 'g' or 'G' or '%' or 'n'))
            throw Raise.Value($"Unknown format code '{_type}' for object of type 'float'");
        Numbers.ChargeFloat(interpreter, value, _precision);
        var text = Digits(value, _type == 'n' ? 'g' : _type, _precision, _alternate);
        var end = text.AsSpan().IndexOfAnyExceptInRange('0', '9');
        var (whole, rest) = end < 0 ? (text, "") : (text[..end], text[end..]);
        var negative = double.IsNegative(value) && !double.IsNaN(value);
        if (_noNegativeZero && !text.AsSpan().ContainsAnyInRange('1', '9'))
            negative = false;
        return Number(interpreter, SignOf(negative), whole, rest, 3);
    }

    private string SignOf(bool negative) => negative ? "-" : _sign == '-' ? "" : _sign.ToString();

    /// <summary>Pads a number; zeros between sign and digits are grouped like digits.</summary>
    private string Number(Interpreter interpreter, string sign, string whole, string rest, int group)
    {
        if (_grouping != '\0')
        {
            if (_fill == "0" && _align == '=' && whole.Length > 0)
            {
                // The fewest digits that fill the width with a separator before every group but the first.
                var room = Math.Max(1, _width - sign.Length - rest.Length);
                interpreter.ChargeText(_width, _width * 2);
                whole = whole.PadLeft((int)(room - ((room - 1) / (group + 1))), '0');
            }

            whole = Grouped(whole, group);
        }

        return Pad(interpreter, sign, whole + rest, '>');
    }

    private string Grouped(string digits, int group)
    {
        var result = new StringBuilder();
        for (var i = 0; i < digits.Length; i++)
        {
            if (i > 0 && (digits.Length - i) % group == 0)
                result.Append(_grouping);
            result.Append(digits[i]);
        }

        return result.ToString();
    }

    private string Pad(Interpreter interpreter, string sign, string body, char standard)
    {
        var missing = _width - PythonText.Length(body) - sign.Length;
        if (missing <= 0)
            return sign + body;
        interpreter.ChargeText((missing * _fill.Length) + body.Length + sign.Length);
        interpreter.Charge(body.Length / 8);
        return (_align == '\0' ? standard : _align) switch
        {
            '<' => sign + body + interpreter.Repeat(_fill, missing),
            '>' => interpreter.Repeat(_fill, missing) + sign + body,
            '=' => standard == '<' ? body + interpreter.Repeat(_fill, missing) : sign + interpreter.Repeat(_fill, missing) + body,
            _ => interpreter.Repeat(_fill, missing / 2) + sign + body + interpreter.Repeat(_fill, missing - (missing / 2)),
        };
    }

    /// <summary>A non-negative integer in base 2, 8 or 16.</summary>
    public static string InBase(BigInteger value, int radix)
    {
        if (value.IsZero)
            return "0";
        var bits = radix == 16 ? 4 : radix == 8 ? 3 : 1;
        var bytes = value.ToByteArray(isUnsigned: true);
        var result = new StringBuilder();
        for (var bit = ((int)value.GetBitLength() - 1) / bits * bits; bit >= 0; bit -= bits)
        {
            var pair = bytes[bit / 8] | ((bit / 8) + 1 < bytes.Length ? bytes[(bit / 8) + 1] << 8 : 0);
            result.Append("0123456789abcdef"[(pair >> (bit % 8)) & (radix - 1)]);
        }

        return result.ToString();
    }

    /// <summary>The digits of a float's magnitude, as a printf conversion or, for type NUL, as <c>format</c> without a type writes them.</summary>
    public static string Digits(double value, char type, int? precision, bool alternate)
    {
        var magnitude = Math.Abs(value);
        if (!double.IsFinite(value))
        {
            var name = double.IsNaN(value) ? "nan" : "inf";
            return (char.IsUpper(type) ? name.ToUpperInvariant() : name) + (type == '%' ? "%" : "");
        }

        if (precision > MaxPrecision)
            throw Raise.Value("precision too big");
        var text = char.ToLowerInvariant(type) switch
        {
            'f' => Fixed(magnitude, precision ?? 6, alternate),
            '%' => Fixed(magnitude * 100, precision ?? 6, alternate) + "%",
            'e' => Exponential(magnitude, precision ?? 6, alternate),
            'g' => General(magnitude, precision ?? 6, alternate, keepPoint: false),
            _ => precision is { } p ? General(magnitude, p, alternate, keepPoint: true) : Numbers.Repr(magnitude),
        };
        return char.IsUpper(type) ? text.ToUpperInvariant() : text;
    }

    private static string Fixed(double value, int precision, bool alternate)
        => Numbers.Fixed(value, precision) + (alternate && precision == 0 ? "." : "");

    private static string Exponential(double value, int precision, bool alternate)
    {
        var (digits, exponent) = Numbers.Significant(value, precision);
        return Numbers.Scientific(alternate && precision == 0 ? digits + "." : digits, exponent, 'e').Replace("..", ".", StringComparison.Ordinal);
    }

    private static string General(double value, int precision, bool alternate, bool keepPoint)
    {
        precision = Math.Max(1, precision);
        var (digits, exponent) = Numbers.Significant(value, precision - 1);
        if (!alternate)
            digits = digits.TrimEnd('0') is { Length: > 0 } trimmed ? trimmed : "0";
        if (exponent < -4 || exponent >= precision)
            return Numbers.Scientific(digits, exponent, 'e');
        return Numbers.Positional(digits, exponent, keepPoint);
    }
}
