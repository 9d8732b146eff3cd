using System.Collections.Frozen;
using System.Numerics;

namespace Hearth.Runtime.Templates;

/// <summary>What may stand behind <c>|</c>. Source: Jinja2 3.1, "List of Builtin Filters"; <c>tojson</c> as transformers has it.</summary>
internal static class Filters
{
    public static FrozenDictionary<string, FunctionValue> All { get; } = Build().ToFrozenDictionary(f => f.Name);

    private static IEnumerable<FunctionValue> Build()
        => [.. General(), .. TextFilters.Build(), .. SequenceFilters.Build()];

    /// <summary>A filter; the value is argument 0, named <c>value</c> unless the signature begins otherwise.</summary>
    public static FunctionValue Define(string name, string signature, Func<Interpreter, BoundArguments, object?> body)
        => new(name, new Signature(signature), body);

    private static IEnumerable<FunctionValue> General()
    {
        yield return Define("abs", "x /", Absolute);
        yield return Define("attr", "obj name", (_, a) => Attribute(a[0], a[1]));
        foreach (var name in new[] { "default", "d" })
        {
            yield return Define(name, "value default_value= boolean=", (_, a) =>
                a[0] is UndefinedValue || (a.Bool(2) && !Comparing.IsTrue(a[0])) ? a.Or(1, "") : a[0]);
        }

        yield return Define("filesizeformat", "value binary=", (i, a) => FileSize(ToFloat(i, a[0]), a.Bool(1)));
        yield return Define("float", "value default=", (i, a) => FloatOr(i, a[0], a.Or(1, 0.0)));
        yield return Define("int", "value default= base=", (i, a) => IntegerOr(i, a[0], a.Or(1, 0L), a.Integer(2, 10)));
        yield return Define("round", "value precision= method=", (i, a) => Round(i, a[0], a.Or(1, 0L), a.Or(2, "common")));
        yield return Define("tojson", "x ensure_ascii= indent= separators= sort_keys=", ToJson);
    }

    private static object Absolute(Interpreter interpreter, BoundArguments a)
    {
        interpreter.Charge(Arithmetic.SizeOf(a[0]) / 8);
        return a[0] switch
        {
            double d => Math.Abs(d),
            var value when Arithmetic.IsInteger(value) => Numbers.Normalize(BigInteger.Abs(Arithmetic.ToBig(value))),
            var value => throw Raise.Type($"bad operand type for abs(): '{TypeNames.Of(value)}'"),
        };
    }

    private static object? Attribute(object? value, object? name)
    {
        if (!Strings.Is(name, out var text))
            throw Raise.Type("attribute name must be string");
        if (value is UndefinedValue u && !text.StartsWith("__", StringComparison.Ordinal))
            throw u.Error();
        return Attributes.TryAttribute(value, text, out _) ? Attributes.Get(value, text) : UndefinedValue.Member(value, text);
    }

    /// <summary>Python's <c>float(value)</c>.</summary>
    private static double ToFloat(Interpreter interpreter, object? value)
    {
        if (!Strings.Is(value, out var text))
        {
            interpreter.Charge(Arithmetic.SizeOf(value) / 4);
            return Arithmetic.ToDouble(value);
        }

        interpreter.Charge(text.Length / 16);
        return Numbers.ParseFloat(text) ?? throw Raise.Value($"could not convert string to float: {Representation.Repr(text)}");
    }

    private static object? FloatOr(Interpreter interpreter, object? value, object? otherwise)
    {
        try
        {
            return ToFloat(interpreter, value);
        }
        catch (TemplateException e) when (e.Kind is "TypeError" or "ValueError")
        {
            return otherwise;
        }
    }

    private static object? IntegerOr(Interpreter interpreter, object? value, object? otherwise, long radix)
    {
        try
        {
            if (!Strings.Is(value, out var text))
                return value is double d ? Numbers.Normalize(Numbers.Truncate(d)) : Numbers.Normalize(Whole(value));
            Numbers.ChargeDigits(interpreter, Math.Min(text.Length, Numbers.MaxDigits), isDecimal: radix == 10);
            interpreter.Charge(text.Length / 16);
            if (Numbers.ParseInteger(text, (int)Math.Clamp(radix, -1, 99)) is { } number)
                return number;
        }
        catch (TemplateException e) when (e.Kind is "TypeError" or "ValueError")
        {
            // As in Jinja2, what is no integer may still be a float.
        }

        try
        {
            return Numbers.Normalize(Numbers.Truncate(ToFloat(interpreter, value)));
        }
        catch (TemplateException e) when (e.Kind is "TypeError" or "ValueError")
        {
            return otherwise;
        }
    }

    private static BigInteger Whole(object? value) => value is UndefinedValue u ? throw u.Error() : Arithmetic.ToBig(value);

    private static object Round(Interpreter interpreter, object? value, object? precision, object? method)
    {
        if (!Strings.Is(method, out var name) || name is not ("common" or "ceil" or "floor"))
            throw Raise.FilterArgument("method must be common, ceil or floor");
        if (name == "common")
            return RoundCommon(interpreter, value, precision);
        var factor = Arithmetic.Apply(interpreter, SyntaxKind.Pow, 10L, precision);
        var scaled = Arithmetic.ToDouble(Arithmetic.Apply(interpreter, SyntaxKind.Mul, value, factor));
        var whole = Numbers.Normalize(Numbers.Truncate(name == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)));
        return Arithmetic.Apply(interpreter, SyntaxKind.Div, whole, factor)!;
    }

    private static object RoundCommon(Interpreter interpreter, object? value, object? precision)
    {
        if (value is UndefinedValue)
            throw Raise.Type("type Undefined doesn't define __round__ method");
        if (!Arithmetic.IsNumber(value))
            throw Raise.Type($"type {TypeNames.Of(value)} doesn't define __round__ method");
        if (value is double d)
        {
            if (precision is null)
                return Numbers.Normalize(Numbers.Truncate(Math.Round(d, MidpointRounding.ToEven)));
            interpreter.Charge(650 + Math.Min(1000, Math.Abs(Math.Max(-1000, Arithmetic.ToIndex(precision)))));
            var rounded = Numbers.Round(d, (int)Math.Clamp(Arithmetic.ToIndex(precision), -1000, 1000));
            return double.IsFinite(rounded) || !double.IsFinite(d) ? rounded : throw Raise.Overflow("rounded value too large to represent");
        }

        var places = precision is null ? 0 : Arithmetic.ToIndex(precision);
        if (places >= 0)
            return Arithmetic.Plus(value);
        if (places < -Numbers.MaxDigits)
            return 0L;
        var (size, unitSize) = (Arithmetic.SizeOf(value), (-places / 9) + 1);
        interpreter.Charge(((size + unitSize) * unitSize) / 32);
        var unit = BigInteger.Pow(10, (int)-places);
        var quotient = BigInteger.DivRem(BigInteger.Abs(Arithmetic.ToBig(value)), unit, out var remainder);
        var half = (remainder * 2).CompareTo(unit);
        if (half > 0 || (half == 0 && !quotient.IsEven))
            quotient += 1;
        return Numbers.Normalize(quotient * unit * Arithmetic.ToBig(value).Sign);
    }

    private static string FileSize(double bytes, bool binary)
    {
        double unit = binary ? 1024 : 1000;
        if (bytes == 1)
            return "1 Byte";
        if (bytes < unit)
            return $"{Numbers.Format(Numbers.Truncate(bytes), meter: null)} Bytes";
        var size = bytes;
        var prefix = "";
        foreach (var letter in binary ? "KMGTPEZY" : "kMGTPEZY")
        {
            size /= unit;
            prefix = letter + (binary ? "iB" : "B");
            if (size < unit)
                break;
        }

        return $"{FormatSpec.Digits(size, 'f', 1, false)} {prefix}";
    }

    private static string ToJson(Interpreter interpreter, BoundArguments a)
    {
        string? indent = null;
        if (a[2] is not null)
            indent = Strings.Is(a[2], out var text) ? text : interpreter.Repeat(" ", Math.Max(0, Arithmetic.ToIndex(a[2])));
        var (item, key) = (indent is null ? ", " : ",", ": ");
        if (a[3] is not null)
        {
            var pair = Sequences.ToList(interpreter, a[3]);
            if (pair.Count != 2)
                throw Raise.Value($"{(pair.Count < 2 ? "not enough" : "too many")} values to unpack (expected 2)");
            if (!Strings.Is(pair[0], out item) || !Strings.Is(pair[1], out key))
                throw Raise.Type("separators must be strings");
        }

        return JsonText.Write(interpreter, a[0], new JsonText.Style(a.Bool(1), indent, item, key, a.Bool(4)));
    }
}
