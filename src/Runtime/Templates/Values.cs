using System.Numerics;

namespace Hearth.Runtime.Templates;

// The values of a template, as object?:
//   none null; booleans bool; integers long, or BigInteger beyond it; floats double; strings string, or MarkupValue for escaped ones;
//   and the classes here. JSON arrays and objects become ListValue and MapValue.

/// <summary>A string known to be safe HTML; joining it with other strings escapes those.</summary>
internal sealed class MarkupValue(string text)
{
    public string Text { get; } = text;
}

internal sealed class ListValue(List<object?> items)
{
    public List<object?> Items { get; } = items;
}

internal class TupleValue(object?[] items)
{
    public object?[] Items { get; } = items;
}

/// <summary>A pair of groupby, whose parts also have names.</summary>
internal sealed class GroupValue(object? grouper, ListValue list) : TupleValue([grouper, list]);

internal sealed class RangeValue(long start, long stop, long step)
{
    public long Start { get; } = start;

    public long Stop { get; } = stop;

    public long Step { get; } = step;

    public long Count { get; } = Length(start, stop, step);

    public long this[long index] => Start + (index * Step);

    private static long Length(BigInteger start, BigInteger stop, BigInteger step)
    {
        var count = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
        return count <= 0 ? 0 : (long)BigInteger.Min(count, long.MaxValue);
    }
}

/// <summary>A dictionary in order of insertion, with Python's equality of keys: 1, 1.0 and true are the same key.</summary>
internal sealed class MapValue
{
    private readonly KeyComparer _comparer = new();
    private readonly Dictionary<object, int> _index;
    private readonly List<KeyValuePair<object?, object?>> _items = [];

    public MapValue() => _index = new(_comparer);

    public IReadOnlyList<KeyValuePair<object?, object?>> Items => _items;

    public int Count => _items.Count;

    /// <summary>Looks a key up.</summary>
    /// <param name="key">Any value.</param>
    /// <param name="value">What it stands for.</param>
    /// <param name="meter">Pays for hashing and comparing; null where the key is a name or a number of the engine's own.</param>
    public bool TryGet(object? key, out object? value, Interpreter? meter = null)
    {
        _comparer.Meter = meter;
        if (_index.TryGetValue(key ?? KeyComparer.None, out var at))
        {
            value = _items[at].Value;
            return true;
        }

        value = null;
        return false;
    }

    /// <summary>Sets a key, likewise.</summary>
    public void Set(object? key, object? value, Interpreter? meter = null)
    {
        _comparer.Meter = meter;
        if (_index.TryGetValue(key ?? KeyComparer.None, out var at))
        {
            _items[at] = new(_items[at].Key, value);
            return;
        }

        _index[key ?? KeyComparer.None] = _items.Count;
        _items.Add(new(key, value));
    }

    private sealed class KeyComparer : IEqualityComparer<object>
    {
        /// <summary>Stands for none, which a dictionary here cannot hold as a key.</summary>
        public static readonly object None = new();

        /// <summary>Pays for the lookup that runs.</summary>
        public Interpreter? Meter { get; set; }

        bool IEqualityComparer<object>.Equals(object? x, object? y)
            => ReferenceEquals(x, y) || (!ReferenceEquals(x, None) && !ReferenceEquals(y, None) && Comparing.AreEqual(x, y, Meter));

        public int GetHashCode(object obj) => ReferenceEquals(obj, None) ? 0 : Comparing.Hash(obj, Meter);
    }
}

internal enum ViewKind { Keys, Values, Items }

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> of a dictionary give.</summary>
internal sealed class ViewValue(MapValue map, ViewKind kind)
{
    public MapValue Map { get; } = map;

    public ViewKind Kind { get; } = kind;

    public object? Element(int index)
    {
        var (key, value) = Map.Items[index];
        return Kind switch { ViewKind.Keys => key, ViewKind.Values => value, _ => new TupleValue([key, value]) };
    }
}

/// <summary>A generator or iterator: lazy, and used up by reading.</summary>
internal sealed class IteratorValue(IEnumerable<object?> source, string typeName = "generator")
{
    private readonly IEnumerator<object?> _source = source.GetEnumerator();

    public string TypeName { get; } = typeName;

    public bool TryNext(out object? value)
    {
        // Iterators may wrap one another without bound; each level uses the stack when it is read.
        if (!System.Runtime.CompilerServices.RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("maximum recursion depth exceeded");
        var more = _source.MoveNext();
        value = more ? _source.Current : null;
        return more;
    }
}

/// <summary>The value of a name, attribute or element that does not exist. Prints as nothing; using it fails.</summary>
internal sealed class UndefinedValue(string? hint, object? name = null, object? owner = null, bool hasOwner = false, string kind = "UndefinedError")
{
    public TemplateException Error() => new(kind, Message);

    private string Message
    {
        get
        {
            if (hint is not null)
                return hint;
            if (!hasOwner)
                return $"{Representation.Repr(name)} is undefined";
            var type = owner is null ? "None" : $"{TypeNames.Of(owner)} object";
            return name is string
                ? $"'{type}' has no attribute {Representation.Repr(name)}"
                : $"{type} has no element {Representation.Repr(name)}";
        }
    }

    public static UndefinedValue Of(string name) => new(null, name);

    public static UndefinedValue Member(object? owner, object? name) => new(null, name, owner, hasOwner: true);

    public static UndefinedValue Unsafe(object? owner, string name)
        => new($"access to attribute '{name}' of '{TypeNames.Of(owner)}' object is unsafe.", name, kind: "SecurityError");
}

/// <summary>An object with attributes that a template may assign.</summary>
internal sealed class NamespaceValue(MapValue attributes)
{
    public MapValue Attributes { get; } = attributes;
}

/// <summary>Something a template can call.</summary>
internal abstract class CallableValue(string name)
{
    public string Name { get; } = name;

    public abstract object? Invoke(Interpreter interpreter, CallArguments arguments);
}

/// <summary>A function or class of the environment.</summary>
internal sealed class FunctionValue(string name, Signature signature, Func<Interpreter, BoundArguments, object?> body, bool isClass = false)
    : CallableValue(name)
{
    public bool IsClass { get; } = isClass;

    public override object? Invoke(Interpreter interpreter, CallArguments arguments) => body(interpreter, signature.Bind(Name, arguments));
}

/// <summary>A method together with its object.</summary>
internal sealed class MethodValue(string name, object self, Method method) : CallableValue(name)
{
    public object Self { get; } = self;

    public override object? Invoke(Interpreter interpreter, CallArguments arguments)
        => method.Body(interpreter, Self, method.Signature.Bind(Name, arguments));
}

internal sealed record Method(Signature Signature, Func<Interpreter, object, BoundArguments, object?> Body);

/// <summary>Gives its items in turn, over and over.</summary>
internal sealed class CyclerValue(object?[] items)
{
    public object?[] Items { get; } = items;

    public int Position { get; set; }

    public object? Next()
    {
        var item = Items[Position];
        Position = (Position + 1) % Items.Length;
        return item;
    }
}

/// <summary>Gives nothing when first called, and its separator afterwards.</summary>
internal sealed class JoinerValue(object? separator) : CallableValue("joiner")
{
    public object? Separator { get; } = separator;

    public bool Used { get; private set; }

    public override object? Invoke(Interpreter interpreter, CallArguments arguments)
    {
        Signature.None.Bind("joiner", arguments);
        if (Used)
            return Separator;
        Used = true;
        return "";
    }
}

/// <summary>The names by which Python calls the types, for messages.</summary>
internal static class TypeNames
{
    public static string Of(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        long or BigInteger => "int",
        double => "float",
        string => "str",
        MarkupValue => "Markup",
        ListValue => "list",
        GroupValue => "_GroupTuple",
        TupleValue => "tuple",
        MapValue => "dict",
        RangeValue => "range",
        ViewValue v => v.Kind switch { ViewKind.Keys => "dict_keys", ViewKind.Values => "dict_values", _ => "dict_items" },
        IteratorValue i => i.TypeName,
        UndefinedValue => "Undefined",
        NamespaceValue => "Namespace",
        LoopValue => "LoopContext",
        MacroValue => "Macro",
        CyclerValue => "Cycler",
        JoinerValue => "Joiner",
        FunctionValue { IsClass: true } => "type",
        FunctionValue => "function",
        MethodValue => "builtin_function_or_method",
        BlockValue => "BlockReference",
        TemplateValue => "TemplateReference",
        _ => value.GetType().Name,
    };
}
