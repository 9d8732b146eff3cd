using System.Collections.Frozen;
using System.Numerics;

namespace Hearth.Runtime.Templates;

/// <summary>The methods of values that are not strings, and the way to all of them.</summary>
internal static class MethodTables
{
    private static readonly FrozenDictionary<string, Method> List = new Dictionary<string, Method>
    {
        ["count"] = Of<ListValue>("value /", (i, l, a) => (long)l.Items.Count(v => Comparing.AreEqual(v, a[0], i))),
        ["index"] = Of<ListValue>("value start= stop= /", (i, l, a) => Index(i, l.Items, a, "list")),
        ["copy"] = Of<ListValue>("", (i, l, _) => new ListValue(Sequences.ToList(i, l))),
        ["pop"] = Of<ListValue>("index= /", (_, l, a) => Pop(l, a)),
        ["clear"] = Of<ListValue>("", (_, l, _) => Clear(l)),
        ["append"] = Refused("list"),
        ["extend"] = Refused("list"),
        ["insert"] = Refused("list"),
        ["remove"] = Refused("list"),
        ["reverse"] = Refused("list"),
        ["sort"] = Refused("list"),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, Method> Tuple = new Dictionary<string, Method>
    {
        ["count"] = Of<TupleValue>("value /", (i, t, a) => (long)t.Items.Count(v => Comparing.AreEqual(v, a[0], i))),
        ["index"] = Of<TupleValue>("value start= stop= /", (i, t, a) => Index(i, t.Items, a, "tuple")),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, Method> Map = new Dictionary<string, Method>
    {
        ["get"] = Of<MapValue>("key default= /", (i, m, a) => Get(i, m, a)),
        ["items"] = Of<MapValue>("", (_, m, _) => new ViewValue(m, ViewKind.Items)),
        ["keys"] = Of<MapValue>("", (_, m, _) => new ViewValue(m, ViewKind.Keys)),
        ["values"] = Of<MapValue>("", (_, m, _) => new ViewValue(m, ViewKind.Values)),
        ["copy"] = Of<MapValue>("", (i, m, _) => Copy(i, m)),
        ["fromkeys"] = Of<MapValue>("keys value= /", (i, _, a) => FromKeys(i, a)),
        ["clear"] = Refused("dict"),
        ["pop"] = Refused("dict"),
        ["popitem"] = Refused("dict"),
        ["setdefault"] = Refused("dict"),
        ["update"] = Refused("dict"),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, Method> Range = new Dictionary<string, Method>
    {
        ["count"] = Of<RangeValue>("value /", (i, r, a) => Comparing.Contains(i, r, a[0]) ? 1L : 0L),
        ["index"] = Of<RangeValue>("value /", (i, r, a) => Comparing.Contains(i, r, a[0])
            ? Numbers.Normalize((Arithmetic.ToBig(a[0]) - r.Start) / r.Step)
            : throw Raise.Value($"{Representation.Repr(a[0])} is not in range")),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, Method> Integer = new Dictionary<string, Method>
    {
        ["bit_length"] = Of<object>("", (i, n, _) => BitLength(i, n)),
        ["conjugate"] = Of<object>("", (_, n, _) => Arithmetic.Plus(n)),
        ["as_integer_ratio"] = Of<object>("", (_, n, _) => new TupleValue([Arithmetic.Plus(n), 1L])),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, Method> Float = new Dictionary<string, Method>
    {
        ["is_integer"] = Of<object>("", (_, n, _) => n is double d && double.IsFinite(d) && d == Math.Floor(d)),
        ["conjugate"] = Of<object>("", (_, n, _) => n),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, Method> Loop = new Dictionary<string, Method>
    {
        ["cycle"] = Of<LoopValue>("*items", (_, l, a) => l.Cycle(a.Rest)),
        ["changed"] = Of<LoopValue>("*values", (_, l, a) => l.Changed(a.Rest)),
    }.ToFrozenDictionary();

    private static readonly FrozenDictionary<string, Method> Cycler = new Dictionary<string, Method>
    {
        ["next"] = Of<CyclerValue>("", (_, c, _) => c.Next()),
        ["reset"] = Of<CyclerValue>("", (_, c, _) =>
        {
            c.Position = 0;
            return null;
        }),
    }.ToFrozenDictionary();

    /// <summary>The method of that name which values of this type have, or null.</summary>
    public static Method? Find(object? value, string name)
    {
        var table = value switch
        {
            string or MarkupValue => StringMethods.All,
            ListValue => List,
            TupleValue => Tuple,
            MapValue => Map,
            RangeValue => Range,
            long or bool or BigInteger => Integer,
            double => Float,
            LoopValue => Loop,
            CyclerValue => Cycler,
            _ => null,
        };
        return table?.GetValueOrDefault(name);
    }

    private static Method Of<T>(string signature, Func<Interpreter, T, BoundArguments, object?> body)
        => new(new Signature(signature), (i, self, a) => body(i, (T)self, a));

    /// <summary>A method that changes its object: it exists, but the sandbox never hands it out.</summary>
    private static Method Refused(string type)
        => new(new Signature("*rest **named"), (_, _, _) => throw new TemplateException("SecurityError", $"a {type} cannot be changed"));

    private static long Index(Interpreter interpreter, IReadOnlyList<object?> items, BoundArguments a, string type)
    {
        var (from, count, _) = Sequences.Bounds(items.Count, a.Or(1, null), a.Or(2, null), null);
        for (var i = (int)from; i < from + count; i++)
        {
            if (Comparing.AreEqual(items[i], a[0], interpreter))
                return i;
        }

        throw Raise.Value($"{Representation.Repr(a[0])} is not in {type}");
    }

    /// <summary>The sandbox of Jinja2 3.1.2 lets a template take items off a list; the caller's lists are copies.</summary>
    private static object? Pop(ListValue list, BoundArguments a)
    {
        if (list.Items.Count == 0)
            throw Raise.Index("pop from empty list");
        var at = a.Integer(0, -1);
        if (at < 0)
            at += list.Items.Count;
        if (at < 0 || at >= list.Items.Count)
            throw Raise.Index("pop index out of range");
        var item = list.Items[(int)at];
        list.Items.RemoveAt((int)at);
        return item;
    }

    private static long BitLength(Interpreter interpreter, object number)
    {
        interpreter.Charge(Arithmetic.SizeOf(number) / 8);
        return (long)BigInteger.Abs(Arithmetic.ToBig(number)).GetBitLength();
    }

    private static object? Clear(ListValue list)
    {
        list.Items.Clear();
        return null;
    }

    private static object? Get(Interpreter interpreter, MapValue map, BoundArguments a)
    {
        Comparing.Hash(a[0], interpreter);
        return map.TryGet(a[0], out var value, interpreter) ? value : a[1];
    }

    private static MapValue Copy(Interpreter interpreter, MapValue map)
    {
        interpreter.ChargeCollection(map.Count);
        interpreter.Charge(2L * map.Count);
        var copy = new MapValue();
        foreach (var (key, value) in map.Items)
            copy.Set(key, value, interpreter);
        return copy;
    }

    private static MapValue FromKeys(Interpreter interpreter, BoundArguments a)
    {
        var map = new MapValue();
        foreach (var key in Sequences.ToList(interpreter, a[0]))
            map.Set(key, a[1], interpreter);
        return map;
    }
}
