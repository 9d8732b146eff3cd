using System.Numerics;

namespace Hearth.Runtime.Constraints.Numbers;

/// <summary>Numbers between two bounds that are multiples of one number and of none of some others.</summary>
/// <remarks>A null bound or multiple is none.</remarks>
internal sealed record NumberRange
{
    /// <summary>Multiples that are tried where several others are excluded.</summary>
    private const int MostTries = 1000;

    /// <summary>All numbers.</summary>
    public static NumberRange All { get; } = new();

    /// <summary>All integers, however they are written.</summary>
    public static NumberRange Integers { get; } = new() { Multiple = ExactNumber.One };

    public ExactNumber? Least { get; init; }

    public ExactNumber? Most { get; init; }

    /// <summary>Whether <see cref="Least"/> itself is left out.</summary>
    public bool ExcludesLeast { get; init; }

    /// <summary>Whether <see cref="Most"/> itself is left out.</summary>
    public bool ExcludesMost { get; init; }

    /// <summary>Positive.</summary>
    public ExactNumber? Multiple { get; init; }

    /// <summary>Positive, ascending.</summary>
    public ExactNumber[] NotMultiples { get; init; } = [];

    /// <summary>Whether a number is written without point and exponent.</summary>
    public bool IsPlain { get; init; }

    /// <summary>Whether no number is left out.</summary>
    public bool IsAll => Least is null && Most is null && Multiple is null && NotMultiples.Length == 0 && !IsPlain;

    /// <summary>One number.</summary>
    public static NumberRange Of(ExactNumber value) => new() { Least = value, Most = value };

    /// <summary>Numbers in both.</summary>
    public NumberRange Intersect(NumberRange other)
    {
        var (least, excludesLeast) = Tighter(Least, ExcludesLeast, other.Least, other.ExcludesLeast, 1);
        var (most, excludesMost) = Tighter(Most, ExcludesMost, other.Most, other.ExcludesMost, -1);
        return new NumberRange
        {
            Least = least,
            ExcludesLeast = excludesLeast,
            Most = most,
            ExcludesMost = excludesMost,
            Multiple = Multiple is { } a && other.Multiple is { } b ? ExactNumber.LeastCommonMultiple(a, b) : Multiple ?? other.Multiple,
            NotMultiples = [.. NotMultiples.Union(other.NotMultiples).Order()],
            IsPlain = IsPlain || other.IsPlain,
        };

        static (ExactNumber?, bool) Tighter(ExactNumber? a, bool excludesA, ExactNumber? b, bool excludesB, int sign)
        {
            if (a is null || b is null)
            {
                return a is null ? (b, excludesB) : (a, excludesA);
            }

            var order = a.Value.CompareTo(b.Value) * sign;
            return order > 0 ? (a, excludesA) : order < 0 ? (b, excludesB) : (a, excludesA || excludesB);
        }
    }

    /// <summary>Ranges that together hold every number that is not in this one, by its value; no two of them overlap, so that the opposite of many ranges is not many times as many.</summary>
    public IEnumerable<NumberRange> Complement()
    {
        var within = this with { Multiple = null, NotMultiples = [], IsPlain = false };
        if (Least is { } least)
        {
            yield return new NumberRange { Most = least, ExcludesMost = !ExcludesLeast };
        }

        if (Most is { } most)
        {
            yield return new NumberRange { Least = most, ExcludesLeast = !ExcludesMost };
        }

        if (Multiple is { } multiple)
        {
            yield return within with { NotMultiples = [multiple] };
            within = within with { Multiple = multiple };
        }

        foreach (var other in NotMultiples)
        {
            yield return within.Intersect(new NumberRange { Multiple = other });
            within = within with { NotMultiples = [.. within.NotMultiples, other] };
        }
    }

    /// <summary>The numbers whose negative is in this range.</summary>
    public NumberRange Mirror() => this with
    {
        Least = -Most,
        ExcludesLeast = ExcludesMost,
        Most = -Least,
        ExcludesMost = ExcludesLeast,
    };

    public bool Contains(ExactNumber value)
    {
        var fromLeast = Least is { } least ? value.CompareTo(least) : 1;
        var toMost = Most is { } most ? most.CompareTo(value) : 1;
        return (fromLeast > 0 || (fromLeast == 0 && !ExcludesLeast))
            && (toMost > 0 || (toMost == 0 && !ExcludesMost))
            && (Multiple is not { } multiple || value.IsMultipleOf(multiple))
            && !Array.Exists(NotMultiples, value.IsMultipleOf);
    }

    /// <summary>Whether any number is in the range.</summary>
    public bool IsInhabited() => NotNegative() is { } above && above.HasMember() || Mirror().NotNegative() is { } below && below.HasMember();

    /// <summary>The numbers of the range that are not negative, or null where there are none by its bounds.</summary>
    public NumberRange? NotNegative()
    {
        var range = Intersect(new NumberRange { Least = ExactNumber.Zero });
        return range.Most is { } most && most.CompareTo(range.Least!.Value) is var order && (order < 0 || (order == 0 && (range.ExcludesLeast || range.ExcludesMost))) ? null : range;
    }

    /// <summary>Whether a range without negative numbers has a member.</summary>
    public bool HasMember()
    {
        var least = Least!.Value;
        if (Most is not { } most)
        {
            // Endless: some multiple lies beyond every bound, and one of them is no multiple of the others unless all are.
            return Multiple is not { } all || !Array.Exists(NotMultiples, all.IsMultipleOf);
        }

        var order = most.CompareTo(least);
        if (order <= 0)
        {
            return order == 0 && Contains(least);
        }

        if (Multiple is not { } multiple)
        {
            return true;
        }

        if (Array.Exists(NotMultiples, multiple.IsMultipleOf))
        {
            return false;
        }

        var next = FirstMultiple(least, multiple);
        for (var tries = 0; tries < MostTries && next.CompareTo(most) <= 0; tries++)
        {
            if (Contains(next))
            {
                return true;
            }

            next = Add(next, multiple);
        }

        return false;
    }

    /// <summary>Whether any number that begins with some digits, wherever its point is, lies in a range without negative numbers.</summary>
    /// <param name="digits">Positive.</param>
    public bool HasMemberThatBegins(BigInteger digits)
    {
        if (Most is not { } most)
        {
            return HasMember();
        }

        if (IsPlain)
        {
            // More digits can follow, but no point can go before these.
            for (var power = 0; ExactNumber.CompareMagnitudes(digits, power, most) <= 0; power++)
            {
                if (Between(digits, digits + 1, power).NotNegative() is { } whole && whole.HasMember())
                {
                    return true;
                }
            }

            return false;
        }

        var least = Least!.Value;
        if (most.IsZero || (least.IsZero && Multiple is null))
        {
            return !most.IsZero;
        }

        // From the greatest power of ten with which the digits are not beyond the bound.
        var exponent = most.Exponent + Length(most.Digits) - Length(digits) + 1;
        var after = digits + 1;
        for (; ; exponent--)
        {
            if (ExactNumber.CompareMagnitudes(digits, exponent, most) > 0)
            {
                continue;
            }

            if (ExactNumber.CompareMagnitudes(after, exponent, least) <= 0 && !least.IsZero)
            {
                return false;
            }

            if (Multiple is { } multiple && ExactNumber.CompareMagnitudes(after, exponent, multiple) <= 0)
            {
                return false;
            }

            if (Between(digits, after, exponent).NotNegative() is { } possible && possible.HasMember())
            {
                return true;
            }
        }
    }

    /// <summary>Whether a number that has some digits and a few more, times a power of ten where the range is not plain, lies in a range without negative numbers.</summary>
    /// <param name="digits">Positive.</param>
    /// <param name="more">How many more, at least 1.</param>
    public bool HasMemberOfDigits(BigInteger digits, int more)
    {
        var (first, after) = (digits * ExactNumber.Power(more), (digits + 1) * ExactNumber.Power(more));
        if (IsPlain)
        {
            return IsMember(0);
        }

        if (Most is { } most)
        {
            // With other powers such numbers lie beside the bound.
            var near = most.Exponent + Length(most.Digits) - Length(first);
            return IsMember(near + 1) || IsMember(near) || IsMember(near - 1);
        }

        // The least power for those that must not be multiples, a great one for those that must.
        var least = Math.Max(Least!.Value.Exponent + Length(Least!.Value.Digits) - Length(first) + 1, Multiple?.Exponent ?? 0);
        return IsMember(least) || IsMember(0) || IsMember(least + (4 * Length(Multiple?.Digits ?? BigInteger.One)));

        bool IsMember(int power)
            => Between(first, after, power).Intersect(new NumberRange { Multiple = new ExactNumber(1, power) }).NotNegative() is { } possible && possible.HasMember();
    }

    /// <summary>The exponents with which digits times a power of ten lie in a range without negative numbers.</summary>
    /// <param name="digits">Positive.</param>
    /// <returns>The first and the last of them, which are all exponents between; first > last where there are none.</returns>
    public (int First, int Last) ExponentsOf(BigInteger digits)
    {
        const int Far = 4 * ExactNumber.MostExponent;
        var length = Length(digits);
        var first = -Far;
        if (Least is { } least && !least.IsZero)
        {
            first = least.Exponent + Length(least.Digits) - length - 1;
            while (ExactNumber.CompareMagnitudes(digits, first, least) is var order && (order < 0 || (order == 0 && ExcludesLeast)))
            {
                first++;
            }
        }

        var last = Far;
        if (Most is { } most)
        {
            if (most.IsZero)
            {
                return (1, 0);
            }

            last = most.Exponent + Length(most.Digits) - length + 1;
            while (ExactNumber.CompareMagnitudes(digits, last, most) is var order && (order > 0 || (order == 0 && ExcludesMost)))
            {
                last--;
            }
        }

        if (Multiple is { } multiple)
        {
            first = Math.Max(first, FirstExponent(digits, multiple) ?? Far + 1);
        }

        foreach (var other in NotMultiples)
        {
            last = Math.Min(last, FirstExponent(digits, other) - 1 ?? Far);
        }

        return (first, last);
    }

    private NumberRange Between(BigInteger first, BigInteger after, int exponent)
        => Intersect(new NumberRange { Least = new ExactNumber(first, exponent), Most = new ExactNumber(after, exponent), ExcludesMost = true });

    // The least power of ten with which digits are a multiple; with every greater one they are too.
    private static int? FirstExponent(BigInteger digits, ExactNumber multiple)
    {
        var zeros = 0;
        while ((digits % 10).IsZero)
        {
            digits /= 10;
            zeros++;
        }

        var rest = multiple.Digits / BigInteger.GreatestCommonDivisor(multiple.Digits, digits);
        var (twos, fives) = (0, 0);
        while (rest.IsEven)
        {
            rest /= 2;
            twos++;
        }

        while ((rest % 5).IsZero)
        {
            rest /= 5;
            fives++;
        }

        return rest.IsOne ? multiple.Exponent - zeros + Math.Max(twos, fives) : null;
    }

    private static ExactNumber FirstMultiple(ExactNumber least, ExactNumber multiple)
    {
        var shift = least.Exponent - multiple.Exponent;
        var (above, below) = shift >= 0 ? (least.Digits * ExactNumber.Power(shift), multiple.Digits) : (least.Digits, multiple.Digits * ExactNumber.Power(-shift));
        var (quotient, remainder) = BigInteger.DivRem(above, below);
        return new ExactNumber((remainder.IsZero ? quotient : quotient + 1) * multiple.Digits, multiple.Exponent);
    }

    private static ExactNumber Add(ExactNumber a, ExactNumber b)
    {
        var exponent = Math.Min(a.Exponent, b.Exponent);
        return new ExactNumber((a.Digits * ExactNumber.Power(a.Exponent - exponent)) + (b.Digits * ExactNumber.Power(b.Exponent - exponent)), exponent);
    }

    // Decimal digits, or one more.
    private static int Length(BigInteger digits) => digits.IsZero ? 1 : (int)(BigInteger.Log10(digits) + 1e-9) + 1;
}
