using System.Globalization;
using System.Numerics;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>Python's integers (a long, or a BigInteger beyond it) and floats: reading, writing, and exact decimal digits.</summary>
internal static class Numbers
{
    /// <summary>Digits beyond which Python refuses to convert between integers and text.</summary>
    public const int MaxDigits = 4300;

    /// <summary>Bits an integer may have; larger ones could be computed but never printed.</summary>
    public const int MaxBits = 1 << 16;

    /// <summary>Charges for turning an integer into digits or digits into an integer, work that grows with their square.</summary>
    /// <param name="interpreter">Pays.</param>
    /// <param name="digits">How many.</param>
    /// <param name="isDecimal">Whether the digits are those of base 10, for which there is a quick way.</param>
    public static void ChargeDigits(Interpreter interpreter, long digits, bool isDecimal = true)
        => interpreter.Charge(digits * digits / (isDecimal ? 1 << 12 : 100));

    /// <summary>Charges for spelling a float's digits: those before its point or the zeros behind it, and as many as are asked for.</summary>
    /// <param name="interpreter">Pays.</param>
    /// <param name="value">The float.</param>
    /// <param name="places">Digits behind the point; null: a few.</param>
    public static void ChargeFloat(Interpreter interpreter, double value, int? places)
    {
        var magnitude = value == 0 || !double.IsFinite(value) ? 0 : Math.Abs(Math.Log10(Math.Abs(value)));
        var digits = (long)magnitude + Math.Clamp(places ?? 0, 0, FormatSpec.MaxPrecision) + 32;
        interpreter.Charge(digits + (digits * digits / 800));
    }

    public static int DigitValue(char c) => c switch
    {
        >= '0' and <= '9' => c - '0',
        >= 'a' and <= 'z' => c - 'a' + 10,
        >= 'A' and <= 'Z' => c - 'A' + 10,
        _ => 99,
    };

    /// <summary>The smallest form of an integer: a long where it fits.</summary>
    public static object Normalize(BigInteger value)
    {
        if (value >= long.MinValue && value <= long.MaxValue)
            return (long)value;
        if (value.GetBitLength() > MaxBits)
            throw Raise.Overflow($"an integer has more than {MaxBits} bits");
        return value;
    }

    /// <summary>Parses digits alone, without sign; false where they are too many.</summary>
    public static bool TryParseDigits(string digits, int radix, out object value)
    {
        value = 0L;
        if (digits.Length > MaxDigits)
            return false;
        BigInteger result = default;
        if (radix == 10)
        {
            if (digits.Length < 19)
            {
                value = long.Parse(digits, CultureInfo.InvariantCulture);
                return true;
            }

            result = BigInteger.Parse(digits, CultureInfo.InvariantCulture);
        }
        else
        {
            foreach (var c in digits)
                result = (result * radix) + DigitValue(c);
        }

        value = Normalize(result);
        return true;
    }

    /// <summary>Python's <c>int(text, radix)</c>; null where the text is no integer. Radix 0 reads a prefix.</summary>
    public static object? ParseInteger(string text, int radix)
    {
        if (radix != 0 && radix is < 2 or > 36)
            throw Raise.Value("int() base must be >= 2 and <= 36, or 0");
        var body = AsciiDigits(PythonText.Strip(text, null));
        var negative = body.StartsWith('-');
        if (negative || body.StartsWith('+'))
            body = body[1..];
        var prefix = body.Length > 1 && body[0] == '0' ? char.ToLowerInvariant(body[1]) switch { 'x' => 16, 'o' => 8, 'b' => 2, _ => 0 } : 0;
        if (prefix != 0 && (radix == prefix || radix == 0))
        {
            radix = prefix;
            body = body[2..];
            if (body.StartsWith('_'))
                body = body[1..];
        }
        else if (radix == 0)
        {
            radix = 10;
            if (body.Length > 1 && body[0] == '0' && body.Trim('0', '_').Length > 0)
                return null;
        }

        if (body.Length == 0 || body[0] == '_' || body[^1] == '_' || body.Contains("__", StringComparison.Ordinal))
            return null;
        body = body.Replace("_", "", StringComparison.Ordinal);
        foreach (var c in body)
        {
            if (DigitValue(c) >= radix)
                return null;
        }

        if (!TryParseDigits(body, radix, out var value))
            throw Raise.Value($"Exceeds the limit ({MaxDigits} digits) for integer string conversion");
        return negative ? Arithmetic.Negate(value) : value;
    }

    /// <summary>Python's <c>float(text)</c>; null where the text is no number.</summary>
    public static double? ParseFloat(string text)
    {
        var body = AsciiDigits(PythonText.Strip(text, null));
        var unsigned = body.StartsWith('-') || body.StartsWith('+') ? body[1..] : body;
        var sign = body.StartsWith('-') ? -1.0 : 1.0;
        if (unsigned.Equals("inf", StringComparison.OrdinalIgnoreCase) || unsigned.Equals("infinity", StringComparison.OrdinalIgnoreCase))
            return sign * double.PositiveInfinity;
        if (unsigned.Equals("nan", StringComparison.OrdinalIgnoreCase))
            return double.NaN;
        if (unsigned.Length == 0 || !(char.IsAsciiDigit(unsigned[0]) || unsigned[0] == '.'))
            return null;
        for (var i = 0; i < unsigned.Length; i++)
        {
            if (unsigned[i] == '_' && (i == 0 || i + 1 == unsigned.Length || !char.IsAsciiDigit(unsigned[i - 1]) || !char.IsAsciiDigit(unsigned[i + 1])))
                return null;
        }

        return double.TryParse(
            unsigned.Replace("_", "", StringComparison.Ordinal),
            NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent,
            CultureInfo.InvariantCulture,
            out var value) ? sign * value : null;
    }

    /// <summary>Decimal digits of any script as ASCII digits; other characters stay.</summary>
    private static string AsciiDigits(string text)
    {
        if (Ascii.IsValid(text))
            return text;
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i += PythonText.WidthAt(text, i))
        {
            var digit = CharUnicodeInfo.GetDecimalDigitValue(text, i);
            if (digit >= 0)
                result.Append((char)('0' + digit));
            else
                result.Append(text, i, PythonText.WidthAt(text, i));
        }

        return result.ToString();
    }

    /// <summary>The decimal digits of an integer.</summary>
    /// <param name="value">The integer.</param>
    /// <param name="meter">Pays; null where nobody does.</param>
    public static string Format(BigInteger value, Interpreter? meter)
    {
        if (value.GetBitLength() > 14_300)
            throw Raise.Value($"Exceeds the limit ({MaxDigits} digits) for integer string conversion");
        if (meter is not null)
            ChargeDigits(meter, Arithmetic.SizeOf(value) * 10);
        return value.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Python's <c>repr</c> of a float: the shortest digits that read back as the same value.</summary>
    public static string Repr(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        var (negative, digits, exponent) = ShortestDigits(value);
        var sign = negative ? "-" : "";
        if (exponent is < -4 or >= 16)
            return sign + Scientific(digits, exponent, 'e');
        return sign + Positional(digits, exponent, keepPoint: true);
    }

    /// <summary>Digits d1d2d3... and exponent e such that the value is d1.d2d3... times 10^e.</summary>
    public static (bool Negative, string Digits, int Exponent) ShortestDigits(double value)
    {
        if (value == 0)
            return (double.IsNegative(value), "0", 0);
        var shortest = value.ToString("R", CultureInfo.InvariantCulture);
        var negative = shortest.StartsWith('-');
        var mantissa = shortest.AsSpan(negative ? 1 : 0);
        var exponent = 0;
        if (mantissa.IndexOf('E') is var e && e >= 0)
        {
            exponent = int.Parse(mantissa[(e + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            mantissa = mantissa[..e];
        }

        var point = mantissa.IndexOf('.');
        if (mantissa[0] != '0')
            exponent += (point < 0 ? mantissa.Length : point) - 1;
        else
            exponent -= mantissa[2..].IndexOfAnyExcept('0') + 1;
        var digits = mantissa.ToString().Replace(".", "", StringComparison.Ordinal).Trim('0');
        return (negative, digits, exponent);
    }

    public static string Scientific(string digits, int exponent, char e)
    {
        var mantissa = digits.Length == 1 ? digits : $"{digits[0]}.{digits[1..]}";
        return $"{mantissa}{e}{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
    }

    public static string Positional(string digits, int exponent, bool keepPoint)
    {
        if (exponent < 0)
            return "0." + new string('0', -exponent - 1) + digits;
        if (digits.Length > exponent + 1)
            return digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
        return digits.PadRight(exponent + 1, '0') + (keepPoint ? ".0" : "");
    }

    /// <summary>The exact value rounded half to even at <paramref name="places"/> decimal places, times 10^places.</summary>
    /// <remarks>Negative places round before the decimal point. The value is finite.</remarks>
    public static BigInteger Scaled(double value, int places)
    {
        var bits = BitConverter.DoubleToInt64Bits(Math.Abs(value));
        var exponent = (int)(bits >> 52);
        var mantissa = bits & ((1L << 52) - 1);
        if (exponent == 0)
            exponent++;
        else
            mantissa |= 1L << 52;
        exponent -= 1075;
        BigInteger numerator = mantissa, denominator = BigInteger.One;
        if (exponent >= 0)
            numerator <<= exponent;
        else
            denominator <<= -exponent;
        if (places >= 0)
            numerator *= BigInteger.Pow(10, places);
        else
            denominator *= BigInteger.Pow(10, -places);
        var quotient = BigInteger.DivRem(numerator, denominator, out var remainder);
        var half = (remainder << 1).CompareTo(denominator);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    /// <summary>C's <c>%.{places}f</c> without the sign.</summary>
    public static string Fixed(double value, int places)
    {
        var digits = Scaled(value, places).ToString(CultureInfo.InvariantCulture);
        if (places == 0)
            return digits;
        digits = digits.PadLeft(places + 1, '0');
        return digits[..^places] + "." + digits[^places..];
    }

    /// <summary>The digits of C's <c>%.{places}e</c>, and its exponent, without the sign.</summary>
    public static (string Digits, int Exponent) Significant(double value, int places)
    {
        if (value == 0)
            return (new string('0', places + 1), 0);
        var exponent = (int)Math.Floor(Math.Log10(Math.Abs(value)));
        while (true)
        {
            var digits = Scaled(value, places - exponent).ToString(CultureInfo.InvariantCulture);
            if (digits.Length == places + 1)
                return (digits, exponent);
            exponent += digits.Length > places + 1 ? 1 : -1;
        }
    }

    /// <summary>Python's <c>round(value, places)</c>.</summary>
    public static double Round(double value, int places)
    {
        if (!double.IsFinite(value) || places > 323)
            return value;
        if (places < -308)
            return Math.CopySign(0, value);
        var text = Scaled(value, places).ToString(CultureInfo.InvariantCulture);
        return Math.CopySign(double.Parse(text + "E" + (-places).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture), value);
    }

    /// <summary>Python's <c>int(value)</c> of a float.</summary>
    public static BigInteger Truncate(double value)
    {
        if (double.IsNaN(value))
            throw Raise.Value("cannot convert float NaN to integer");
        if (double.IsInfinity(value))
            throw Raise.Overflow("cannot convert float infinity to integer");
        return new BigInteger(value);
    }
}
