using System.Globalization;
using System.Numerics;

namespace Hearth.Runtime.Constraints.Numbers;

/// <summary>A number as JSON writes it, exactly: digits times a power of ten.</summary>
/// <remarks>The digits do not end in zero, so that equal numbers are equal; zero is 0 times 10^0.</remarks>
internal readonly record struct ExactNumber : IComparable<ExactNumber>
{
    /// <summary>The greatest power of ten, either way, that a schema's number may have.</summary>
    public const int MostExponent = 5000;

    private static readonly BigInteger[] s_powers = MakePowers();

    /// <summary>Creates a number.</summary>
    public ExactNumber(BigInteger digits, int exponent)
    {
        if (digits.IsZero)
        {
            return;
        }

        while (true)
        {
            var (quotient, remainder) = BigInteger.DivRem(digits, 10);
            if (!remainder.IsZero)
            {
                break;
            }

            digits = quotient;
            exponent++;
        }

        Digits = digits;
        Exponent = exponent;
    }

    public static ExactNumber Zero => default;

    public static ExactNumber One { get; } = new(1, 0);

    public BigInteger Digits { get; }

    public int Exponent { get; }

    public bool IsZero => Digits.IsZero;

    public int Sign => Digits.Sign;

    public static ExactNumber operator -(ExactNumber value) => new(-value.Digits, value.Exponent);

    /// <summary>Reads JSON's spelling of a number.</summary>
    /// <exception cref="ConstraintException">Its exponent is beyond <see cref="MostExponent"/>, or it has as many digits.</exception>
    public static ExactNumber Parse(string text)
    {
        var exponent = 0L;
        var end = text.IndexOfAny(['e', 'E']);
        if (end >= 0)
        {
            exponent = long.TryParse(text.AsSpan(end + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var parsed) ? parsed : long.MaxValue;
            text = text[..end];
        }

        var point = text.IndexOf('.', StringComparison.Ordinal);
        if (point >= 0)
        {
            exponent -= text.Length - point - 1;
            text = text.Remove(point, 1);
        }

        if (text.Length > MostExponent)
        {
            throw new ConstraintException($"a number of more than {MostExponent} digits is too long");
        }

        var digits = BigInteger.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return digits.IsZero ? Zero
            : exponent is >= -MostExponent and <= MostExponent ? new ExactNumber(digits, (int)exponent)
            : throw new ConstraintException($"a number with an exponent beyond {MostExponent} is too large or too small");
    }

    /// <summary>10 to a power that is not negative.</summary>
    public static BigInteger Power(int exponent) => exponent < s_powers.Length ? s_powers[exponent] : BigInteger.Pow(10, exponent);

    /// <summary>Compares digits times a power of ten with a number, neither negative.</summary>
    public static int CompareMagnitudes(BigInteger digits, int exponent, ExactNumber other)
    {
        if (digits.IsZero || other.IsZero)
        {
            return digits.Sign.CompareTo(other.Sign);
        }

        var shift = exponent - other.Exponent;
        if (Math.Abs(shift) > 2 * MostExponent)
        {
            // No digits of ours make up for so many powers.
            return shift;
        }

        return shift >= 0 ? (digits * Power(shift)).CompareTo(other.Digits) : digits.CompareTo(other.Digits * Power(-shift));
    }

    public int CompareTo(ExactNumber other)
    {
        if (Sign != other.Sign)
        {
            return Sign.CompareTo(other.Sign);
        }

        return Sign >= 0 ? CompareMagnitudes(Digits, Exponent, other) : -CompareMagnitudes(-Digits, Exponent, -other);
    }

    /// <summary>The least positive number that both, positive, divide.</summary>
    public static ExactNumber LeastCommonMultiple(ExactNumber a, ExactNumber b)
    {
        var exponent = Math.Min(a.Exponent, b.Exponent);
        var (x, y) = (a.Digits * Power(a.Exponent - exponent), b.Digits * Power(b.Exponent - exponent));
        return new ExactNumber(x / BigInteger.GreatestCommonDivisor(x, y) * y, exponent);
    }

    /// <summary>Whether a number is an integral multiple of another, positive one.</summary>
    public bool IsMultipleOf(ExactNumber other)
    {
        var shift = Exponent - other.Exponent;
        return IsZero || (shift >= 0 && (Digits * Power(shift) % other.Digits).IsZero);
    }

    public override string ToString() => Exponent == 0 ? Digits.ToString(CultureInfo.InvariantCulture) : string.Create(CultureInfo.InvariantCulture, $"{Digits}e{Exponent}");

    private static BigInteger[] MakePowers()
    {
        var powers = new BigInteger[700];
        powers[0] = 1;
        for (var i = 1; i < powers.Length; i++)
        {
            powers[i] = powers[i - 1] * 10;
        }

        return powers;
    }
}
