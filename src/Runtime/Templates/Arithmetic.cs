using System.Numerics;

namespace Hearth.Runtime.Templates;

/// <summary>Python's operators on numbers, strings and sequences.</summary>
internal static class Arithmetic
{
    private const long ExactIntegers = 1L << 53;

    public static bool IsInteger(object? value) => value is long or bool or BigInteger;

    public static bool IsNumber(object? value) => value is long or double or bool or BigInteger;

    /// <summary>Words of 32 bits that a number takes: what work on it is counted by.</summary>
    public static long SizeOf(object? value) => value is BigInteger big ? (big.GetBitLength() / 32) + 1 : 1;

    public static BigInteger ToBig(object? value) => value switch
    {
        long l => l,
        bool b => b ? 1 : 0,
        BigInteger big => big,
        _ => throw Raise.Type($"'{TypeNames.Of(value)}' object cannot be interpreted as an integer"),
    };

    /// <summary>A size or position: an integer, saturated to the range of long.</summary>
    public static long ToIndex(object? value) => value switch
    {
        long l => l,
        bool b => b ? 1 : 0,
        BigInteger big => big.Sign < 0 ? long.MinValue : long.MaxValue,
        UndefinedValue u => throw u.Error(),
        _ => throw Raise.Type($"'{TypeNames.Of(value)}' object cannot be interpreted as an integer"),
    };

    public static double ToDouble(object? value)
    {
        switch (value)
        {
            case double d: return d;
            case long l: return l;
            case bool b: return b ? 1 : 0;
            case BigInteger big:
                var result = Ratio(BigInteger.Abs(big), BigInteger.One) * big.Sign;
                return double.IsFinite(result) ? result : throw Raise.Overflow("int too large to convert to float");
            case UndefinedValue u: throw u.Error();
            default: throw Raise.Type($"must be real number, not {TypeNames.Of(value)}");
        }
    }

    public static object Negate(object? value) => value switch
    {
        long l and not long.MinValue => -l,
        double d => -d,
        bool b => b ? -1L : 0L,
        long or BigInteger => Numbers.Normalize(-ToBig(value)),
        UndefinedValue u => throw u.Error(),
        _ => throw Raise.Type($"bad operand type for unary -: '{TypeNames.Of(value)}'"),
    };

    public static object Plus(object? value) => value switch
    {
        long or double or BigInteger => value,
        bool b => b ? 1L : 0L,
        UndefinedValue u => throw u.Error(),
        _ => throw Raise.Type($"bad operand type for unary +: '{TypeNames.Of(value)}'"),
    };

    public static object? Apply(Interpreter interpreter, SyntaxKind op, object? left, object? right)
    {
        if (op == SyntaxKind.Mod && Strings.Is(left, out var format))
            return PercentFormat.Apply(interpreter, left, format, right);
        if (left is UndefinedValue u)
            throw u.Error();
        if (right is UndefinedValue v)
            throw v.Error();
        if (IsNumber(left) && IsNumber(right))
            return ApplyNumbers(interpreter, op, left!, right!);
        return op switch
        {
            SyntaxKind.Add => Concatenate(interpreter, left, right) ?? throw Unsupported("+", left, right),
            SyntaxKind.Mul => Repeat(interpreter, left, right) ?? throw Unsupported("*", left, right),
            _ => throw Unsupported(new Token(op, null, 0).Describe(), left, right),
        };
    }

    private static TemplateException Unsupported(string op, object? left, object? right)
    {
        if (op == "+" && Strings.Is(left, out _))
            return Raise.Type($"can only concatenate str (not \"{TypeNames.Of(right)}\") to str");
        return Raise.Type($"unsupported operand type(s) for {op}: '{TypeNames.Of(left)}' and '{TypeNames.Of(right)}'");
    }

    private static object? Concatenate(Interpreter interpreter, object? left, object? right)
    {
        switch (left, right)
        {
            case (string a, string b):
                return interpreter.Concat(a, b);
            case (MarkupValue or string, MarkupValue or string):
                return new MarkupValue(interpreter.Concat(Html.Escape(interpreter, left).Text, Html.Escape(interpreter, right).Text));
            case (ListValue a, ListValue b):
                interpreter.ChargeCollection((long)a.Items.Count + b.Items.Count);
                return new ListValue([.. a.Items, .. b.Items]);
            case (TupleValue a, TupleValue b):
                interpreter.ChargeCollection((long)a.Items.Length + b.Items.Length);
                return new TupleValue([.. a.Items, .. b.Items]);
            default:
                return null;
        }
    }

    private static object? Repeat(Interpreter interpreter, object? left, object? right)
    {
        if (!IsInteger(right))
            (left, right) = (right, left);
        if (!IsInteger(right))
            return null;
        if (right is BigInteger && left is (string or MarkupValue or ListValue or TupleValue))
            throw Raise.Overflow("cannot fit 'int' into an index-sized integer");
        var times = Math.Max(0, ToIndex(right));
        switch (left)
        {
            case string s: return interpreter.Repeat(s, times);
            case MarkupValue m: return new MarkupValue(interpreter.Repeat(m.Text, times));
            case ListValue list: return new ListValue(RepeatItems(interpreter, list.Items, times));
            case TupleValue tuple: return new TupleValue([.. RepeatItems(interpreter, [.. tuple.Items], times)]);
            default: return null;
        }
    }

    private static List<object?> RepeatItems(Interpreter interpreter, List<object?> items, long times)
    {
        if (items.Count == 0)
            return [];
        interpreter.ChargeCollection(times > int.MaxValue ? long.MaxValue : items.Count * times);
        var result = new List<object?>((int)(items.Count * times));
        for (var i = 0L; i < times; i++)
            result.AddRange(items);
        return result;
    }

    private static object ApplyNumbers(Interpreter interpreter, SyntaxKind op, object left, object right)
    {
        // Sums touch each word once; products and quotients every pair of words.
        var (a, b) = (SizeOf(left), SizeOf(right));
        if (a + b > 2)
            interpreter.Charge(op is SyntaxKind.Add or SyntaxKind.Sub ? (a + b) / 8 : ((a * b) / 32) + ((a + b) / 8));
        if (op == SyntaxKind.Div)
            return Divide(left, right);
        if (op == SyntaxKind.Pow)
            return Power(interpreter, left, right);
        if (left is double || right is double)
            return ApplyDoubles(op, ToDouble(left), ToDouble(right));
        if (left is BigInteger || right is BigInteger)
            return ApplyBig(op, ToBig(left), ToBig(right));
        return ApplyLongs(op, ToIndex(left), ToIndex(right));
    }

    private static object ApplyLongs(SyntaxKind op, long a, long b)
    {
        try
        {
            switch (op)
            {
                case SyntaxKind.Add: return checked(a + b);
                case SyntaxKind.Sub: return checked(a - b);
                case SyntaxKind.Mul: return checked(a * b);
            }
        }
        catch (OverflowException)
        {
            return ApplyBig(op, a, b);
        }

        return a == long.MinValue || b == 0 ? ApplyBig(op, a, b) : ApplyFloored(op, a, b);
    }

    private static long ApplyFloored(SyntaxKind op, long a, long b)
    {
        var remainder = a % b;
        var adjust = remainder != 0 && (remainder < 0) != (b < 0);
        if (op == SyntaxKind.FloorDiv)
            return (a / b) - (adjust ? 1 : 0);
        return adjust ? remainder + b : remainder;
    }

    private static object ApplyBig(SyntaxKind op, BigInteger a, BigInteger b)
    {
        switch (op)
        {
            case SyntaxKind.Add: return Numbers.Normalize(a + b);
            case SyntaxKind.Sub: return Numbers.Normalize(a - b);
            case SyntaxKind.Mul: return Numbers.Normalize(a * b);
        }

        if (b.IsZero)
            throw Raise.ZeroDivision("integer division or modulo by zero");
        var quotient = BigInteger.DivRem(a, b, out var remainder);
        var adjust = !remainder.IsZero && remainder.Sign != b.Sign;
        if (op == SyntaxKind.FloorDiv)
            return Numbers.Normalize(adjust ? quotient - 1 : quotient);
        return Numbers.Normalize(adjust ? remainder + b : remainder);
    }

    private static double ApplyDoubles(SyntaxKind op, double a, double b)
    {
        switch (op)
        {
            case SyntaxKind.Add: return a + b;
            case SyntaxKind.Sub: return a - b;
            case SyntaxKind.Mul: return a * b;
        }

        if (b == 0)
            throw Raise.ZeroDivision(op == SyntaxKind.Mod ? "float modulo" : "float floor division by zero");
        var remainder = a % b;
        var quotient = (a - remainder) / b;
        if (remainder != 0)
        {
            if ((b < 0) != (remainder < 0))
            {
                remainder += b;
                quotient -= 1;
            }
        }
        else
        {
            remainder = Math.CopySign(0, b);
        }

        if (op == SyntaxKind.Mod)
            return remainder;
        if (quotient == 0)
            return Math.CopySign(0, a / b);
        var floor = Math.Floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static double Divide(object left, object right)
    {
        if (left is not double && right is not double)
            return DivideIntegers(ToBig(left), ToBig(right));
        var divisor = ToDouble(right);
        return divisor == 0 ? throw Raise.ZeroDivision("division by zero") : ToDouble(left) / divisor;
    }

    private static double DivideIntegers(BigInteger a, BigInteger b)
    {
        if (b.IsZero)
            throw Raise.ZeroDivision("division by zero");
        if (BigInteger.Abs(a) <= ExactIntegers && BigInteger.Abs(b) <= ExactIntegers)
            return (double)a / (double)b;
        var result = Ratio(BigInteger.Abs(a), BigInteger.Abs(b));
        if (!double.IsFinite(result))
            throw Raise.Overflow("integer division result too large for a float");
        return a.Sign * b.Sign < 0 ? -result : result;
    }

    /// <summary>The double nearest to a quotient: 61 or 62 bits of it and a sticky bit, so that converting them rounds once.</summary>
    private static double Ratio(BigInteger a, BigInteger b)
    {
        if (a.IsZero)
            return 0;
        var shift = (int)(62 - ((long)a.GetBitLength() - (long)b.GetBitLength()));
        var quotient = BigInteger.DivRem(shift > 0 ? a << shift : a, shift < 0 ? b << -shift : b, out var remainder);
        var bits = (long)quotient | (remainder.IsZero ? 0L : 1L);
        return Math.ScaleB(bits, -shift);
    }

    private static object Power(Interpreter interpreter, object left, object right)
    {
        if (left is not double && right is not double && ToBig(right) is var exponent && exponent.Sign >= 0)
            return IntegerPower(interpreter, ToBig(left), exponent);
        var (a, b) = (ToDouble(left), ToDouble(right));
        if (a == 0 && b < 0)
            throw Raise.ZeroDivision("0.0 cannot be raised to a negative power");
        if (a < 0 && double.IsFinite(a) && double.IsFinite(b) && b != Math.Floor(b))
            throw Raise.Type("a negative number to a fractional power is complex, which templates do not have");
        var result = Math.Pow(a, b);
        if (double.IsInfinity(result) && double.IsFinite(a) && double.IsFinite(b))
            throw Raise.Overflow("(34, 'Numerical result out of range')");
        return result;
    }

    private static object IntegerPower(Interpreter interpreter, BigInteger value, BigInteger exponent)
    {
        if (value.IsOne || value.IsZero || value == BigInteger.MinusOne)
            return exponent.IsZero ? 1L : Numbers.Normalize(value.IsOne || value.IsZero || !exponent.IsEven ? value : BigInteger.One);
        if (exponent * value.GetBitLength() > Numbers.MaxBits * 2)
            throw Raise.Overflow($"an integer has more than {Numbers.MaxBits} bits");
        var words = (long)(exponent * value.GetBitLength() / 32) + 1;
        interpreter.Charge(words * words / 32);
        return Numbers.Normalize(BigInteger.Pow(value, (int)exponent));
    }
}
