using System.Numerics;
using System.Runtime.CompilerServices;

namespace Hearth.Runtime.Templates;

/// <summary>Truth, equality, hashes and order of values, as Python has them.</summary>
internal static class Comparing
{
    public static bool IsTrue(object? value) => value switch
    {
        null or UndefinedValue => false,
        bool b => b,
        long l => l != 0,
        double d => d != 0,
        BigInteger big => !big.IsZero,
        string s => s.Length > 0,
        MarkupValue m => m.Text.Length > 0,
        ListValue list => list.Items.Count > 0,
        TupleValue tuple => tuple.Items.Length > 0,
        MapValue map => map.Count > 0,
        RangeValue range => range.Count > 0,
        ViewValue view => view.Map.Count > 0,
        LoopValue loop => loop.Length > 0,
        _ => true,
    };

    /// <summary>Levels of lists, tuples and dictionaries that a walk goes down; Python's own limit.</summary>
    public const int MaxDepth = 1000;

    private static void Guard(int depth)
    {
        if (depth >= MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("maximum recursion depth exceeded in comparison");
    }

    public static bool AreEqual(object? left, object? right, Interpreter? interpreter = null, int depth = 0)
    {
        if (Arithmetic.IsNumber(left))
        {
            interpreter?.Charge(Arithmetic.SizeOf(left) / 8);
            return Arithmetic.IsNumber(right) && CompareNumbers(left!, right!) == 0;
        }

        if (Strings.Is(left, out var a))
        {
            interpreter?.Charge(a.Length / 16);
            return Strings.Is(right, out var b) && string.Equals(a, b, StringComparison.Ordinal);
        }

        if (ReferenceEquals(left, right))
            return true;
        Guard(depth);
        switch (left, right)
        {
            case (ListValue x, ListValue y): return SameItems(x.Items, y.Items, interpreter, depth + 1);
            case (TupleValue x, TupleValue y): return SameItems(x.Items, y.Items, interpreter, depth + 1);
            case (MapValue x, MapValue y): return SameMap(x, y, interpreter, depth + 1);
            case (RangeValue x, RangeValue y):
                return x.Count == y.Count && (x.Count == 0 || (x.Start == y.Start && (x.Count == 1 || x.Step == y.Step)));
            case (UndefinedValue, UndefinedValue): return true;
            case (ViewValue { Kind: not ViewKind.Values } x, ViewValue { Kind: not ViewKind.Values } y):
                return x.Map.Count == y.Map.Count && Sequences.Iterate(x).All(e => Sequences.Iterate(y).Any(f => Same(e, f, interpreter, depth + 1)));
            case (MethodValue x, MethodValue y): return x.Name == y.Name && ReferenceEquals(x.Self, y.Self);
            default: return false;
        }
    }

    /// <summary>Equality inside containers: the same object is equal to itself, even a NaN.</summary>
    private static bool Same(object? left, object? right, Interpreter? interpreter, int depth)
    {
        interpreter?.Charge(1);
        return ReferenceEquals(left, right) || AreEqual(left, right, interpreter, depth);
    }

    private static bool SameItems(IReadOnlyList<object?> left, IReadOnlyList<object?> right, Interpreter? interpreter, int depth)
    {
        if (left.Count != right.Count)
            return false;
        for (var i = 0; i < left.Count; i++)
        {
            if (!Same(left[i], right[i], interpreter, depth))
                return false;
        }

        return true;
    }

    private static bool SameMap(MapValue left, MapValue right, Interpreter? interpreter, int depth)
    {
        if (left.Count != right.Count)
            return false;
        foreach (var (key, value) in left.Items)
        {
            if (!right.TryGet(key, out var other, interpreter) || !Same(value, other, interpreter, depth))
                return false;
        }

        return true;
    }

    /// <summary>-1, 0 or 1; null where a NaN is involved.</summary>
    public static int? CompareNumbers(object left, object right)
    {
        if (left is long a && right is long b)
            return a.CompareTo(b);
        if (left is double || right is double)
        {
            if (left is double x && right is double y)
                return double.IsNaN(x) || double.IsNaN(y) ? null : x.CompareTo(y);
            return left is double d ? CompareMixed(d, right) : -CompareMixed((double)right, left);
        }

        return Arithmetic.ToBig(left).CompareTo(Arithmetic.ToBig(right));
    }

    private static int? CompareMixed(double value, object integer)
    {
        if (double.IsNaN(value))
            return null;
        if (double.IsInfinity(value))
            return value > 0 ? 1 : -1;
        var floor = Math.Floor(value);
        var order = new BigInteger(floor).CompareTo(Arithmetic.ToBig(integer));
        return order == 0 && value > floor ? 1 : Math.Sign(order);
    }

    /// <summary>A hash that equal keys share. Lists and dictionaries have none: they cannot be keys.</summary>
    /// <remarks>Seeded anew in every process, so that no template can bring keys that collide.</remarks>
    /// <param name="value">The key.</param>
    /// <param name="interpreter">Pays by the size of what is hashed: tuples may share parts, and are walked as if they did not.</param>
    /// <param name="depth">Levels of tuples around it.</param>
    public static int Hash(object? value, Interpreter? interpreter, int depth = 0)
    {
        interpreter?.Charge(0);
        switch (value)
        {
            case null: return 0;
            case bool b: return Hash(b ? 1L : 0L);
            case long l: return Hash(l);
            case double d when d == Math.Floor(d) && Math.Abs(d) < 9e18: return Hash((long)d);
            case double d when d == Math.Floor(d) && double.IsFinite(d): return new BigInteger(d).GetHashCode();
            case double d: return Hash(BitConverter.DoubleToInt64Bits(d));
            case BigInteger big:
                interpreter?.Charge(Arithmetic.SizeOf(value) / 8);
                return big.GetHashCode();
            case string s:
                interpreter?.Charge(s.Length / 16);
                return string.GetHashCode(s, StringComparison.Ordinal);
            case MarkupValue m: return Hash(m.Text, interpreter, depth);
            case TupleValue tuple:
                Guard(depth);
                var hash = default(HashCode);
                foreach (var item in tuple.Items)
                    hash.Add(Hash(item, interpreter, depth + 1));
                return hash.ToHashCode();
            case ListValue or MapValue or ViewValue { Kind: not ViewKind.Values }:
                throw Raise.Type($"unhashable type: '{TypeNames.Of(value)}'");
            case UndefinedValue: return 1;
            case RangeValue range: return HashCode.Combine(range.Count, range.Start);
            case MethodValue method: return RuntimeHelpers.GetHashCode(method.Self);
            default: return RuntimeHelpers.GetHashCode(value);
        }
    }

    // A long's own hash folds it, so that any number of them collide.
    private static int Hash(long value) => HashCode.Combine((int)value, (int)(value >> 32));

    /// <summary>Python's order operators. Undefined values and mixed types refuse.</summary>
    public static bool Compare(Comparison op, object? left, object? right, Interpreter interpreter, int depth = 0)
    {
        if (left is UndefinedValue u)
            throw u.Error();
        if (right is UndefinedValue v)
            throw v.Error();
        if (Arithmetic.IsNumber(left) && Arithmetic.IsNumber(right))
        {
            interpreter.Charge(Arithmetic.SizeOf(left) / 8);
            return CompareNumbers(left!, right!) is { } order && Holds(op, order);
        }

        if (Strings.Is(left, out var a) && Strings.Is(right, out var b))
        {
            interpreter.Charge(Math.Min(a.Length, b.Length) / 16);
            return Holds(op, PythonText.Compare(a, b));
        }

        Guard(depth);
        return (left, right) switch
        {
            (ListValue x, ListValue y) => CompareItems(op, x.Items, y.Items, interpreter, depth + 1),
            (TupleValue x, TupleValue y) => CompareItems(op, x.Items, y.Items, interpreter, depth + 1),
            _ => throw Raise.Type(
                $"'{Symbol(op)}' not supported between instances of '{TypeNames.Of(left)}' and '{TypeNames.Of(right)}'"),
        };
    }

    private static bool CompareItems(Comparison op, IReadOnlyList<object?> left, IReadOnlyList<object?> right, Interpreter interpreter, int depth)
    {
        for (var i = 0; i < Math.Min(left.Count, right.Count); i++)
        {
            if (!Same(left[i], right[i], interpreter, depth))
                return Compare(op, left[i], right[i], interpreter, depth);
        }

        return Holds(op, left.Count.CompareTo(right.Count));
    }

    private static bool Holds(Comparison op, int order) => op switch
    {
        Comparison.Less => order < 0,
        Comparison.LessEqual => order <= 0,
        Comparison.Greater => order > 0,
        _ => order >= 0,
    };

    private static string Symbol(Comparison op) => op switch
    {
        Comparison.Less => "<",
        Comparison.LessEqual => "<=",
        Comparison.Greater => ">",
        _ => ">=",
    };

    /// <summary>The operator <c>in</c>.</summary>
    public static bool Contains(Interpreter interpreter, object? container, object? value)
    {
        switch (container)
        {
            case string or MarkupValue:
                Strings.Is(container, out var text);
                interpreter.Charge(text.Length / 16);
                return Strings.Is(value, out var part)
                    ? text.Contains(part, StringComparison.Ordinal)
                    : throw Raise.Type($"'in <string>' requires string as left operand, not {TypeNames.Of(value)}");
            case MapValue map: return Has(interpreter, map, value);
            case ViewValue { Kind: ViewKind.Keys } view: return Has(interpreter, view.Map, value);
            case RangeValue range when Arithmetic.IsInteger(value):
                interpreter.Charge(Arithmetic.SizeOf(value) / 4);
                var offset = Arithmetic.ToBig(value) - range.Start;
                return offset % range.Step == 0 && offset / range.Step is var at && at >= 0 && at < range.Count;
            case UndefinedValue: return false;
            default:
                if (!Sequences.IsIterable(container))
                    throw Raise.Type($"argument of type '{TypeNames.Of(container)}' is not iterable");
                foreach (var item in Sequences.Iterate(container))
                {
                    interpreter.Charge(1);
                    if (Same(item, value, interpreter, 0))
                        return true;
                }

                return false;
        }
    }

    private static bool Has(Interpreter interpreter, MapValue map, object? key)
    {
        Hash(key, interpreter);
        return map.TryGet(key, out _, interpreter);
    }

    /// <summary>Sorts as <c>sorted</c> does: stable, by the operator <c>&lt;</c> alone, also in reverse.</summary>
    public static List<T> Sort<T>(Interpreter interpreter, List<T> items, Func<T, object?> key, bool reverse)
    {
        var keyed = items.ConvertAll(i => (Key: key(i), Item: i));
        if (reverse)
            keyed.Reverse();
        var buffer = new (object? Key, T Item)[keyed.Count];
        var sorted = keyed.ToArray();
        MergeSort(interpreter, sorted, buffer, 0, sorted.Length);
        if (reverse)
            Array.Reverse(sorted);
        return sorted.Select(s => s.Item).ToList();
    }

    private static void MergeSort<T>(Interpreter interpreter, (object? Key, T Item)[] items, (object? Key, T Item)[] buffer, int from, int to)
    {
        if (to - from < 2)
            return;
        var middle = (from + to) / 2;
        MergeSort(interpreter, items, buffer, from, middle);
        MergeSort(interpreter, items, buffer, middle, to);
        int left = from, right = middle, at = from;
        while (left < middle && right < to)
        {
            interpreter.Charge(3);
            buffer[at++] = Compare(Comparison.Less, items[right].Key, items[left].Key, interpreter) ? items[right++] : items[left++];
        }

        Array.Copy(items, left, buffer, at, middle - left);
        Array.Copy(items, right, buffer, at + middle - left, to - right);
        Array.Copy(buffer, from, items, from, to - from);
    }
}
