namespace Hearth.Runtime.Templates;

/// <summary>Filters over lists, dictionaries and iterators.</summary>
internal static class SequenceFilters
{
    public static IEnumerable<FunctionValue> Build()
    {
        foreach (var name in new[] { "length", "count" })
        {
            yield return Filters.Define(name, "obj /", (i, a) =>
            {
                i.Charge(Sequences.TextCost(a[0]));
                return Sequences.Length(a[0]) ?? throw Raise.Type($"object of type '{TypeNames.Of(a[0])}' has no len()");
            });
        }

        yield return Filters.Define("first", "seq", (i, a) => First(a[0], "No first item, sequence was empty."));
        yield return Filters.Define("last", "seq", (i, a) => First(Reversed(a[0]), "No last item, sequence was empty."));
        yield return Filters.Define("random", "seq", (i, a) => Random(a[0]));
        yield return Filters.Define("list", "value", (i, a) => new ListValue(Sequences.ToList(i, a[0])));
        yield return Filters.Define("reverse", "value", Reverse);
        yield return Filters.Define("items", "value", (_, a) => Items(a[0]));
        yield return Filters.Define("dictsort", "value case_sensitive= by= reverse=", DictSort);
        yield return Filters.Define("sort", "value reverse= case_sensitive= attribute=", (i, a) =>
            new ListValue(Comparing.Sort(i, Sequences.ToList(i, a[0]), SortKey(i, a[3], a.Bool(2)), a.Bool(1))));
        yield return Filters.Define("unique", "value case_sensitive= attribute=", (i, a) => new IteratorValue(Unique(i, a)));
        yield return Filters.Define("min", "value case_sensitive= attribute=", (i, a) => Extreme(i, a, Comparison.Less));
        yield return Filters.Define("max", "value case_sensitive= attribute=", (i, a) => Extreme(i, a, Comparison.Greater));
        yield return Filters.Define("sum", "iterable attribute= start=", Sum);
        yield return Filters.Define("join", "value d= attribute=", Join);
        yield return Filters.Define("map", "value *rest **named", (i, a) => new IteratorValue(Map(i, a)));
        yield return Filters.Define("select", "value *rest **named", (i, a) => new IteratorValue(Select(i, a, true, false)));
        yield return Filters.Define("reject", "value *rest **named", (i, a) => new IteratorValue(Select(i, a, false, false)));
        yield return Filters.Define("selectattr", "value *rest **named", (i, a) => new IteratorValue(Select(i, a, true, true)));
        yield return Filters.Define("rejectattr", "value *rest **named", (i, a) => new IteratorValue(Select(i, a, false, true)));
        yield return Filters.Define("batch", "value linecount fill_with=", (i, a) => new IteratorValue(Batch(i, a)));
        yield return Filters.Define("slice", "value slices fill_with=", (i, a) => new IteratorValue(Slice(i, a)));
        yield return Filters.Define("groupby", "value attribute default= case_sensitive=", GroupBy);
    }

    private static object? First(object? value, string whenEmpty)
    {
        using var items = Sequences.Iterate(value).GetEnumerator();
        return items.MoveNext() ? items.Current : new UndefinedValue(whenEmpty);
    }

    /// <summary><c>reversed(value)</c>: needs a value whose end is known.</summary>
    private static IteratorValue Reversed(object? value) => value switch
    {
        string or MarkupValue => new IteratorValue(PythonText.Characters(Strings.Is(value, out var s) ? s : "").Reverse(), "reversed"),
        ListValue list => new IteratorValue(Backwards(list.Items.Count, i => list.Items[i]), "list_reverseiterator"),
        TupleValue tuple => new IteratorValue(Backwards(tuple.Items.Length, i => tuple.Items[i]), "reversed"),
        MapValue map => new IteratorValue(Backwards(map.Count, i => map.Items[i].Key), "dict_reversekeyiterator"),
        ViewValue view => new IteratorValue(Backwards(view.Map.Count, view.Element), "dict_reverseitemiterator"),
        RangeValue range => new IteratorValue(Backwards((int)range.Count, i => range[i]), "range_iterator"),
        UndefinedValue => new IteratorValue([], "reversed"),
        _ => throw Raise.Type($"'{TypeNames.Of(value)}' object is not reversible"),
    };

    private static IEnumerable<object?> Backwards(int count, Func<int, object?> element)
    {
        for (var i = count - 1; i >= 0; i--)
            yield return element(i);
    }

    private static object? Reverse(Interpreter interpreter, BoundArguments a)
    {
        if (Strings.Is(a[0], out var text))
        {
            interpreter.ChargeText(text.Length);
            var reversed = string.Concat(PythonText.Characters(text).Reverse());
            return a[0] is MarkupValue ? new MarkupValue(reversed) : reversed;
        }

        if (a[0] is ListValue or TupleValue or MapValue or ViewValue or RangeValue or UndefinedValue)
            return Reversed(a[0]);
        if (!Sequences.IsIterable(a[0]))
            throw Raise.FilterArgument("argument must be iterable");
        var items = Sequences.ToList(interpreter, a[0]);
        items.Reverse();
        return new ListValue(items);
    }

    private static object? Random(object? value)
    {
        var length = value is MapValue ? throw Raise.Key("0") : Sequences.Length(value)
            ?? throw Raise.Type($"object of type '{TypeNames.Of(value)}' has no len()");
        if (length == 0)
            return new UndefinedValue("No random item, sequence was empty.");
        return Sequences.Iterate(value).ElementAt(System.Random.Shared.Next((int)length));
    }

    private static IteratorValue Items(object? value) => value switch
    {
        UndefinedValue => new IteratorValue([]),
        MapValue map => new IteratorValue(Sequences.Iterate(new ViewValue(map, ViewKind.Items))),
        _ => new IteratorValue(Late()),
    };

    /// <summary>Jinja2's filter is a generator: it complains when it is read, not when it is made.</summary>
    private static IEnumerable<object?> Late()
    {
        yield return Fail();

        static object? Fail() => throw Raise.Type("Can only get item pairs from a mapping.");
    }

    private static object? IgnoreCase(object? value) => Strings.Is(value, out var text) ? CaseMapping.Lower(text) : value;

    /// <summary>Looks up a dotted path; parts of digits are positions.</summary>
    private static Func<object?, object?> Getter(Interpreter interpreter, object? attribute, bool ignoreCase = false, object? otherwise = null)
    {
        var parts = Parts(attribute);
        return item =>
        {
            foreach (var part in parts)
            {
                interpreter.Charge(1);
                item = Attributes.GetItem(interpreter, item, part);
                if (item is UndefinedValue && otherwise is not null)
                    item = otherwise;
            }

            return ignoreCase ? IgnoreCase(item) : item;
        };
    }

    private static object?[] Parts(object? attribute)
    {
        if (attribute is null)
            return [];
        if (!Strings.Is(attribute, out var path))
            return [attribute];
        return [.. path.Split('.').Select(p => p.Length is > 0 and < 18 && p.All(char.IsAsciiDigit)
            ? long.Parse(p, System.Globalization.CultureInfo.InvariantCulture)
            : (object)p)];
    }

    /// <summary>The key of a sort: several attributes may be named, apart by commas.</summary>
    private static Func<object?, object?> SortKey(Interpreter interpreter, object? attribute, bool caseSensitive)
    {
        object?[] names = Strings.Is(attribute, out var list) ? list.Split(',') : [attribute];
        var getters = names.Select(n => Getter(interpreter, n, !caseSensitive)).ToArray();
        return item => new ListValue([.. getters.Select(g => g(item))]);
    }

    private static ListValue DictSort(Interpreter interpreter, BoundArguments a)
    {
        var by = a.Or(2, "key");
        if (!Strings.Is(by, out var name) || name is not ("key" or "value"))
            throw Raise.FilterArgument("You can only sort by either \"key\" or \"value\"");
        if (a[0] is not MapValue map)
            throw a[0] is UndefinedValue u ? u.Error() : new TemplateException("AttributeError", $"'{TypeNames.Of(a[0])}' object has no attribute 'items'");
        var position = name == "key" ? 0 : 1;
        var caseSensitive = a.Bool(1);
        var pairs = Sequences.ToList(interpreter, new ViewValue(map, ViewKind.Items));
        return new ListValue(Comparing.Sort(
            interpreter,
            pairs,
            p => ((TupleValue)p!).Items[position] is var key && caseSensitive ? key : IgnoreCase(((TupleValue)p!).Items[position]),
            a.Bool(3)));
    }

    private static IEnumerable<object?> Unique(Interpreter interpreter, BoundArguments a)
    {
        var getter = Getter(interpreter, a[2], !a.Bool(1));
        var seen = new MapValue();
        foreach (var item in Sequences.Iterate(a[0]))
        {
            interpreter.Charge(1);
            var key = getter(item);
            Comparing.Hash(key, interpreter);
            if (seen.TryGet(key, out _, interpreter))
                continue;
            seen.Set(key, null, interpreter);
            yield return item;
        }
    }

    private static object? Extreme(Interpreter interpreter, BoundArguments a, Comparison better)
    {
        var getter = Getter(interpreter, a[2], !a.Bool(1));
        object? best = new UndefinedValue("No aggregated item, sequence was empty."), bestKey = null;
        var any = false;
        foreach (var item in Sequences.Iterate(a[0]))
        {
            interpreter.Charge(1);
            var key = getter(item);
            if (any && !Comparing.Compare(better, key, bestKey, interpreter))
                continue;
            (best, bestKey, any) = (item, key, true);
        }

        return best;
    }

    private static object? Sum(Interpreter interpreter, BoundArguments a)
    {
        var total = a.Or(2, 0L);
        if (Strings.Is(total, out _))
            throw Raise.Type("sum() can't sum strings [use ''.join(seq) instead]");
        var getter = Getter(interpreter, a[1]);
        foreach (var item in Sequences.Iterate(a[0]))
            total = Arithmetic.Apply(interpreter, SyntaxKind.Add, total, getter(item));
        return total;
    }

    private static object Join(Interpreter interpreter, BoundArguments a)
    {
        var getter = Getter(interpreter, a[2]);
        var separator = a.Or(1, "");
        if (!Sequences.IsIterable(a[0]))
            throw Raise.Type($"'{TypeNames.Of(a[0])}' object is not iterable");
        if (!interpreter.Autoescape)
        {
            var texts = Sequences.Iterate(a[0]).Select(v => (object?)Representation.Str(interpreter, getter(v)));
            return StringMethods.Join(interpreter, Representation.Str(interpreter, separator), new IteratorValue(texts));
        }

        var items = Sequences.ToList(interpreter, a[0]).ConvertAll(v => getter(v));
        if (separator is not MarkupValue && !items.Exists(i => i is MarkupValue))
            return StringMethods.Join(interpreter, Representation.Str(interpreter, separator), StringsOf(i => Representation.Str(interpreter, i)));
        return new MarkupValue(StringMethods.Join(
            interpreter, Html.Escape(interpreter, separator).Text, StringsOf(i => Html.Escape(interpreter, i).Text)));

        ListValue StringsOf(Func<object?, string> text) => new(items.ConvertAll(i => (object?)text(i)));
    }

    private static IEnumerable<object?> Map(Interpreter interpreter, BoundArguments a)
    {
        if (!Comparing.IsTrue(a[0]))
            yield break;
        Func<object?, object?> map;
        if (a.Rest.Count == 0 && a.Named.Exists(n => n.Key == "attribute"))
        {
            if (a.Named.Exists(n => n.Key is not ("attribute" or "default")))
                throw Raise.FilterArgument($"Unexpected keyword argument '{a.Named.Find(n => n.Key is not ("attribute" or "default")).Key}'");
            map = Getter(interpreter, Named(a, "attribute"), otherwise: Named(a, "default"));
        }
        else if (a.Rest.Count > 0)
        {
            map = item => interpreter.CallNamed(isTest: false, a.Rest[0], new CallArguments { Positional = [item, .. a.Rest.Skip(1)], Keywords = a.Named });
        }
        else
        {
            throw Raise.FilterArgument("map requires a filter argument");
        }

        foreach (var item in Sequences.Iterate(a[0]))
        {
            interpreter.Charge(1);
            yield return map(item);
        }
    }

    private static object? Named(BoundArguments a, string name) => a.Named.Find(n => n.Key == name).Value;

    private static IEnumerable<object?> Select(Interpreter interpreter, BoundArguments a, bool keep, bool byAttribute)
    {
        if (!Comparing.IsTrue(a[0]))
            yield break;
        if (byAttribute && a.Rest.Count == 0)
            throw Raise.FilterArgument("Missing parameter for attribute name");
        var getter = byAttribute ? Getter(interpreter, a.Rest[0]) : item => item;
        var rest = byAttribute ? a.Rest.Skip(1).ToList() : a.Rest;
        foreach (var item in Sequences.Iterate(a[0]))
        {
            interpreter.Charge(1);
            var value = getter(item);
            var passes = rest.Count == 0
                ? value
                : interpreter.CallNamed(isTest: true, rest[0], new CallArguments { Positional = [value, .. rest.Skip(1)], Keywords = a.Named });
            if (Comparing.IsTrue(passes) == keep)
                yield return item;
        }
    }

    private static IEnumerable<object?> Batch(Interpreter interpreter, BoundArguments a)
    {
        var row = new List<object?>();
        foreach (var item in Sequences.Iterate(a[0]))
        {
            interpreter.Charge(1);
            if (Comparing.AreEqual((long)row.Count, a[1]))
            {
                yield return new ListValue(row);
                row = [];
            }

            row.Add(item);
        }

        if (row.Count == 0)
            yield break;
        if (a[2] is not null && Arithmetic.ToIndex(a[1]) is var count && row.Count < count)
        {
            interpreter.ChargeCollection(count);
            row.AddRange(Enumerable.Repeat(a[2], (int)count - row.Count));
        }

        yield return new ListValue(row);
    }

    private static IEnumerable<object?> Slice(Interpreter interpreter, BoundArguments a)
    {
        var items = Sequences.ToList(interpreter, a[0]);
        var slices = a.Integer(1);
        if (slices == 0)
            throw Raise.ZeroDivision("integer division or modulo by zero");
        var (each, extra) = slices > 0 ? (items.Count / slices, items.Count % slices) : (0, 0);
        var at = 0;
        for (var i = 0L; i < slices; i++)
        {
            interpreter.Charge(1);
            var count = (int)each + (i < extra ? 1 : 0);
            var part = items.GetRange(at, count);
            at += count;
            if (a[2] is not null && i >= extra)
                part.Add(a[2]);
            yield return new ListValue(part);
        }
    }

    private static ListValue GroupBy(Interpreter interpreter, BoundArguments a)
    {
        var ignoreCase = !a.Bool(3);
        var key = Getter(interpreter, a[1], ignoreCase, a[2]);
        var shown = Getter(interpreter, a[1], ignoreCase: false, a[2]);
        var sorted = Comparing.Sort(interpreter, Sequences.ToList(interpreter, a[0]), key, reverse: false);
        var groups = new List<object?>();
        for (var i = 0; i < sorted.Count;)
        {
            var groupKey = key(sorted[i]);
            var members = new List<object?>();
            for (; i < sorted.Count && Comparing.AreEqual(key(sorted[i]), groupKey, interpreter); i++)
                members.Add(sorted[i]);
            if (members.Count == 0)
                members.Add(sorted[i++]);
            groups.Add(new GroupValue(shown(members[0]), new ListValue(members)));
        }

        return new ListValue(groups);
    }
}
