namespace Hearth.Runtime.Templates;

/// <summary>Iterating, measuring and slicing values.</summary>
internal static class Sequences
{
    public static bool IsIterable(object? value) => value is string or MarkupValue or ListValue or TupleValue or MapValue
        or RangeValue or ViewValue or IteratorValue or UndefinedValue or LoopValue;

    /// <summary>The items of a value. An iterator is used up by it; a list may change while it is read.</summary>
    /// <exception cref="TemplateException">TypeError: the value cannot be iterated.</exception>
    public static IEnumerable<object?> Iterate(object? value)
    {
        if (!IsIterable(value))
            throw Raise.Type($"'{TypeNames.Of(value)}' object is not iterable");
        return value switch
        {
            string s => PythonText.Characters(s),
            MarkupValue m => PythonText.Characters(m.Text),
            ListValue list => Items(list),
            TupleValue tuple => tuple.Items,
            MapValue map => map.Items.Select(i => i.Key),
            RangeValue range => Items(range),
            ViewValue view => Enumerable.Range(0, view.Map.Count).Select(view.Element),
            IteratorValue iterator => Items(iterator),
            LoopValue loop => loop.Pairs(),
            _ => [],
        };
    }

    private static IEnumerable<object?> Items(ListValue list)
    {
        for (var i = 0; i < list.Items.Count; i++)
            yield return list.Items[i];
    }

    private static IEnumerable<object?> Items(RangeValue range)
    {
        for (var i = 0L; i < range.Count; i++)
            yield return range[i];
    }

    private static IEnumerable<object?> Items(IteratorValue iterator)
    {
        while (iterator.TryNext(out var value))
            yield return value;
    }

    /// <summary><c>list(value)</c>, charged and bounded.</summary>
    public static List<object?> ToList(Interpreter interpreter, object? value)
    {
        var items = new List<object?>();
        foreach (var item in Iterate(value))
        {
            interpreter.Charge(1);
            if (items.Count >= interpreter.Limits.MaxCollectionLength)
                interpreter.ChargeCollection(items.Count + 1L);
            items.Add(item);
        }

        return items;
    }

    /// <summary>Steps that hashing, measuring or scanning a value takes; 0 where that does not depend on its size.</summary>
    public static int TextCost(object? value) => value switch
    {
        string s => PythonText.IsPlain(s) ? s.Length / 16 : s.Length / 2,
        MarkupValue m => TextCost(m.Text),
        TupleValue t => t.Items.Length,
        _ => 0,
    };

    /// <summary><c>len(value)</c>, or null where the value has no length.</summary>
    public static long? Length(object? value) => value switch
    {
        string s => PythonText.Length(s),
        MarkupValue m => PythonText.Length(m.Text),
        ListValue list => list.Items.Count,
        TupleValue tuple => tuple.Items.Length,
        MapValue map => map.Count,
        RangeValue range => range.Count,
        ViewValue view => view.Map.Count,
        UndefinedValue => 0,
        LoopValue loop => loop.Length,
        _ => null,
    };

    /// <summary><c>value[start:stop:step]</c>.</summary>
    public static object? Slice(Interpreter interpreter, object? value, object? start, object? stop, object? step)
    {
        switch (value)
        {
            case string s: return SliceText(interpreter, s, start, stop, step);
            case MarkupValue m: return new MarkupValue(SliceText(interpreter, m.Text, start, stop, step));
            case ListValue list:
                var (from, count, by) = Bounds(list.Items.Count, start, stop, step);
                interpreter.ChargeCollection(count);
                return new ListValue(Pick(list.Items, from, count, by));
            case TupleValue tuple:
                (from, count, by) = Bounds(tuple.Items.Length, start, stop, step);
                interpreter.ChargeCollection(count);
                return new TupleValue([.. Pick(tuple.Items, from, count, by)]);
            case RangeValue range:
                (from, count, by) = Bounds(range.Count, start, stop, step);
                var first = range.Start + (from * range.Step);
                return new RangeValue(first, first + (count * by * range.Step), by * range.Step);
            case UndefinedValue u: throw u.Error();
            case MapValue: throw Raise.Type("unhashable type: 'slice'");
            default: throw Raise.Type($"'{TypeNames.Of(value)}' object is not subscriptable");
        }
    }

    private static List<object?> Pick(IReadOnlyList<object?> items, long from, long count, long by)
    {
        var result = new List<object?>((int)count);
        for (var i = 0L; i < count; i++)
            result.Add(items[(int)(from + (i * by))]);
        return result;
    }

    private static string SliceText(Interpreter interpreter, string text, object? start, object? stop, object? step)
    {
        interpreter.Charge(TextCost(text));
        if (PythonText.IsPlain(text))
        {
            var (from, count, by) = Bounds(text.Length, start, stop, step);
            if (by == 1)
                return text.Substring((int)from, (int)count);
            return string.Create((int)count, (text, from, by), static (span, s) =>
            {
                for (var i = 0; i < span.Length; i++)
                    span[i] = s.text[(int)(s.from + (i * s.by))];
            });
        }

        var characters = PythonText.Characters(text).ToArray();
        var (first, number, stride) = Bounds(characters.Length, start, stop, step);
        return string.Concat(Enumerable.Range(0, (int)number).Select(i => characters[(int)(first + (i * stride))]));
    }

    /// <summary>Where a slice starts, how many items it has and how far apart they are.</summary>
    public static (long From, long Count, long By) Bounds(long length, object? start, object? stop, object? step)
    {
        var by = step is null ? 1 : Bound(step);
        if (by == 0)
            throw Raise.Value("slice step cannot be zero");
        by = Math.Clamp(by, -long.MaxValue / 4, long.MaxValue / 4);
        var (low, high) = by > 0 ? (0L, length) : (-1L, length - 1);
        var from = start is null ? (by > 0 ? low : high) : Clip(Bound(start));
        var to = stop is null ? (by > 0 ? high : low) : Clip(Bound(stop));
        var count = by > 0 ? (to - from + by - 1) / by : (from - to - by - 1) / -by;
        return count <= 0 ? (0, 0, by) : (from, count, by);

        long Clip(long position)
        {
            if (position < 0)
                position = position < -length ? low : position + length;
            return Math.Clamp(position, low, high);
        }
    }

    private static long Bound(object? value) => Arithmetic.IsInteger(value)
        ? Arithmetic.ToIndex(value)
        : throw Raise.Type("slice indices must be integers or None or have an __index__ method");
}
