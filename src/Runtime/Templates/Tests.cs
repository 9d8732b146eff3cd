using System.Collections.Frozen;

namespace Hearth.Runtime.Templates;

/// <summary>What may stand behind <c>is</c>. Source: Jinja2 3.1, "List of Builtin Tests".</summary>
internal static class Tests
{
    public static FrozenDictionary<string, FunctionValue> All { get; } = Build().ToFrozenDictionary(f => f.Name);

    private static IEnumerable<FunctionValue> Build()
    {
        yield return Test("odd", (i, v) => Comparing.AreEqual(Arithmetic.Apply(i, SyntaxKind.Mod, v, 2L), 1L));
        yield return Test("even", (i, v) => Comparing.AreEqual(Arithmetic.Apply(i, SyntaxKind.Mod, v, 2L), 0L));
        yield return Test("defined", (_, v) => v is not UndefinedValue);
        yield return Test("undefined", (_, v) => v is UndefinedValue);
        yield return Test("filter", (i, v) => Strings.Is(v, out var s) ? Filters.All.ContainsKey(s) : Comparing.Hash(v, i) == int.MinValue);
        yield return Test("test", (i, v) => Strings.Is(v, out var s) ? All.ContainsKey(s) : Comparing.Hash(v, i) == int.MinValue);
        yield return Test("none", (_, v) => v is null);
        yield return Test("boolean", (_, v) => v is bool);
        yield return Test("false", (_, v) => v is false);
        yield return Test("true", (_, v) => v is true);
        yield return Test("integer", (_, v) => v is long or System.Numerics.BigInteger);
        yield return Test("float", (_, v) => v is double);
        yield return Test("lower", (i, v) => IsCase(Representation.Str(i, v), CaseMapping.IsLower, CaseMapping.IsUpper));
        yield return Test("upper", (i, v) => IsCase(Representation.Str(i, v), CaseMapping.IsUpper, CaseMapping.IsLower));
        yield return Test("string", (_, v) => v is string or MarkupValue);
        yield return Test("mapping", (_, v) => v is MapValue);
        yield return Test("number", (_, v) => Arithmetic.IsNumber(v));
        yield return Test("sequence", (_, v) => v is string or MarkupValue or ListValue or TupleValue or MapValue or RangeValue or UndefinedValue);
        yield return Test("iterable", (_, v) => Sequences.IsIterable(v));
        yield return Test("callable", (_, v) => v is CallableValue or UndefinedValue);
        yield return Test("escaped", (_, v) => v is MarkupValue);
        yield return Test("sameas", (_, v, other) => IsSame(v, other));
        yield return Test("in", (i, v, other) => Comparing.Contains(i, other, v));
        yield return Test("divisibleby", (i, v, other) => Comparing.AreEqual(Arithmetic.Apply(i, SyntaxKind.Mod, v, other), 0L));
        foreach (var name in new[] { "==", "eq", "equalto" })
            yield return Test(name, (i, v, other) => Comparing.AreEqual(v, other, i));
        foreach (var name in new[] { "!=", "ne" })
            yield return Test(name, (i, v, other) => !Comparing.AreEqual(v, other, i));
        foreach (var (op, names) in new[]
        {
            (Comparison.Greater, new[] { ">", "gt", "greaterthan" }),
            (Comparison.GreaterEqual, [">=", "ge"]),
            (Comparison.Less, ["<", "lt", "lessthan"]),
            (Comparison.LessEqual, ["<=", "le"]),
        })
        {
            foreach (var name in names)
                yield return Test(name, (i, v, other) => Comparing.Compare(op, v, other, i));
        }
    }

    private static FunctionValue Test(string name, Func<Interpreter, object?, bool> body)
        => new(name, new Signature("value"), (i, a) => body(i, a[0]));

    private static FunctionValue Test(string name, Func<Interpreter, object?, object?, bool> body)
        => new(name, new Signature("value other"), (i, a) => body(i, a[0], a[1]));

    /// <summary><c>str.islower</c> and <c>str.isupper</c>: at least one character of the case and none of the other.</summary>
    public static bool IsCase(string text, Func<int, bool> wanted, Func<int, bool> unwanted)
    {
        var found = false;
        for (var i = 0; i < text.Length;)
        {
            var c = PythonText.CodePointAt(text, i, out var width);
            i += width;
            if (unwanted(c) || System.Globalization.CharUnicodeInfo.GetUnicodeCategory(c) == System.Globalization.UnicodeCategory.TitlecaseLetter)
                return false;
            found |= wanted(c);
        }

        return found;
    }

    /// <summary>Identity. Python keeps one object for none, the booleans and small integers; strings and floats are equal only to themselves.</summary>
    private static bool IsSame(object? left, object? right) => (left, right) switch
    {
        (null, null) => true,
        (bool a, bool b) => a == b,
        (long a, long b) => a == b && a is >= -5 and <= 256,
        _ => ReferenceEquals(left, right),
    };
}
