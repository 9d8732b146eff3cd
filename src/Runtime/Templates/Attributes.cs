namespace Hearth.Runtime.Templates;

/// <summary><c>x.name</c> and <c>x[index]</c> under the immutable sandbox.</summary>
internal static class Attributes
{
    private static readonly HashSet<string> Mutators = ["clear", "pop", "popitem", "setdefault", "update"];
    private static readonly HashSet<string> ListMutators = ["append", "reverse", "insert", "sort", "extend", "remove"];

    /// <summary><c>value.name</c>: the attribute, else the element of that name, else undefined.</summary>
    public static object? Get(object? value, string name)
    {
        if (value is UndefinedValue u && !name.StartsWith("__", StringComparison.Ordinal))
            throw u.Error();
        if (TryAttribute(value, name, out var attribute))
            return Guard(value, name, attribute);
        return TryElement(value, name, meter: null, out var element) ? element : UndefinedValue.Member(value, name);
    }

    /// <summary><c>value[index]</c>: the element, else the attribute of that name, else undefined.</summary>
    public static object? GetItem(Interpreter interpreter, object? value, object? index)
    {
        // Finding a character takes time with the length of the text; hashing a key pays for itself.
        if (value is string or MarkupValue)
            interpreter.Charge(Sequences.TextCost(value));
        if (TryElement(value, index, interpreter, out var element))
            return element;
        if (Strings.Is(index, out var name) && TryAttribute(value, name, out var attribute))
            return Guard(value, name, attribute);
        return UndefinedValue.Member(value, index);
    }

    private static object? Guard(object? value, string name, object? attribute)
    {
        var isUnsafe = name.StartsWith('_')
            || (value is MapValue && Mutators.Contains(name))
            || (value is ListValue && ListMutators.Contains(name));
        return isUnsafe ? UndefinedValue.Unsafe(value, name) : attribute;
    }

    /// <summary>The attribute, whether it is safe or not; a name with two underscores at both ends counts as one that every object has.</summary>
    public static bool TryAttribute(object? value, string name, out object? attribute)
    {
        attribute = null;
        if (value is not UndefinedValue && MethodTables.Find(value, name) is { } method)
        {
            attribute = new MethodValue(name, value!, method);
            return true;
        }

        switch (value)
        {
            case NamespaceValue ns:
                return ns.Attributes.TryGet(name, out attribute) || IsDunder(name);
            case LoopValue loop:
                return loop.TryAttribute(name, out attribute) || IsDunder(name);
            case MacroValue macro:
                return macro.TryAttribute(name, out attribute) || IsDunder(name);
            case CyclerValue cycler when name is "items" or "pos" or "current":
                attribute = name switch
                {
                    "items" => new TupleValue(cycler.Items),
                    "pos" => (long)cycler.Position,
                    _ => cycler.Items[cycler.Position],
                };
                return true;
            case JoinerValue joiner when name is "sep" or "used":
                attribute = name == "sep" ? joiner.Separator : joiner.Used;
                return true;
            case GroupValue group when name is "grouper" or "list":
                attribute = group.Items[name == "grouper" ? 0 : 1];
                return true;
            case RangeValue range when name is "start" or "stop" or "step":
                attribute = name switch { "start" => range.Start, "stop" => range.Stop, _ => range.Step };
                return true;
            case BlockValue block when name is "super" or "name":
                attribute = name == "name" ? block.Name : UndefinedValue.Of("super");
                return true;
            case long or bool or double or System.Numerics.BigInteger when name is "real" or "imag" or "numerator" or "denominator":
                if (value is double && name is "numerator" or "denominator")
                    return false;
                attribute = name switch
                {
                    "imag" => value is double ? (object)0.0 : 0L,
                    "denominator" => 1L,
                    _ => Arithmetic.Plus(value),
                };
                return true;
            default:
                return IsDunder(name);
        }
    }

    private static bool IsDunder(string name) => name is "__class__" or "__doc__" or "__init__" or "__dict__" or "__repr__" or "__str__"
        or "__eq__" or "__ne__" or "__hash__" or "__new__" or "__reduce__" or "__reduce_ex__" or "__sizeof__" or "__dir__" or "__format__"
        or "__getattribute__" or "__setattr__" or "__delattr__" or "__subclasshook__" or "__init_subclass__" or "__lt__" or "__le__"
        or "__gt__" or "__ge__" or "__len__" or "__iter__" or "__contains__" or "__getitem__" or "__call__";

    private static bool TryElement(object? value, object? index, Interpreter? meter, out object? element)
    {
        element = null;
        switch (value)
        {
            case MapValue map:
                return index is not (ListValue or MapValue) && map.TryGet(index, out element, meter);
            case ListValue list:
                return TryPosition(index, list.Items.Count, out var at) && Found(list.Items[at], out element);
            case TupleValue tuple:
                return TryPosition(index, tuple.Items.Length, out at) && Found(tuple.Items[at], out element);
            case RangeValue range:
                return Arithmetic.IsInteger(index) && TryLong(index, range.Count, out var position) && Found(range[position], out element);
            case string or MarkupValue:
                Strings.Is(value, out var text);
                if (!TryPosition(index, PythonText.Length(text), out at))
                    return false;
                var offset = PythonText.Offset(text, at);
                var character = text.Substring(offset, PythonText.WidthAt(text, offset));
                return Found(value is MarkupValue ? new MarkupValue(character) : character, out element);
            case TemplateValue template when index is string name:
                return template.TryBlock(name, out element);
            case UndefinedValue u:
                throw u.Error();
            default:
                return false;
        }
    }

    private static bool Found(object? value, out object? element)
    {
        element = value;
        return true;
    }

    private static bool TryPosition(object? index, int length, out int position)
    {
        position = 0;
        if (!Arithmetic.IsInteger(index) || !TryLong(index, length, out var at))
            return false;
        position = (int)at;
        return true;
    }

    private static bool TryLong(object? index, long length, out long position)
    {
        position = Arithmetic.ToIndex(index);
        if (position < 0)
            position += length;
        return position >= 0 && position < length;
    }
}
