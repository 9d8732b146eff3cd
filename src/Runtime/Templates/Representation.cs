using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>Python's <c>str()</c> and <c>repr()</c>.</summary>
internal static class Representation
{
    /// <summary><c>str(value)</c>: what printing a value writes.</summary>
    public static string Str(Interpreter interpreter, object? value) => value switch
    {
        string s => s,
        MarkupValue m => m.Text,
        UndefinedValue => "",
        _ => Write(interpreter, value),
    };

    /// <summary><c>repr(value)</c> of a name or other small value, for messages.</summary>
    public static string Repr(object? value) => value is string or long or bool or null ? Write(null, value) : $"<{TypeNames.Of(value)}>";

    public static string Repr(Interpreter interpreter, object? value) => Write(interpreter, value);

    private static string Write(Interpreter? interpreter, object? value)
    {
        var builder = new StringBuilder();
        Append(interpreter, builder, value, new HashSet<object>(ReferenceEqualityComparer.Instance));
        return builder.ToString();
    }

    private static void Append(Interpreter? interpreter, StringBuilder builder, object? value, HashSet<object> open)
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("maximum recursion depth exceeded while getting the repr of an object");
        var before = builder.Length;
        switch (value)
        {
            case null: builder.Append("None"); break;
            case bool b: builder.Append(b ? "True" : "False"); break;
            case long l: builder.Append(l); break;
            case BigInteger big: builder.Append(Numbers.Format(big, interpreter)); break;
            case double d: builder.Append(Numbers.Repr(d)); break;
            case string s: AppendQuoted(builder, s); break;
            case MarkupValue m:
                builder.Append("Markup(");
                AppendQuoted(builder, m.Text);
                builder.Append(')');
                break;
            case UndefinedValue: builder.Append("Undefined"); break;
            case ListValue list: AppendItems(interpreter, builder, "[", list.Items, "]", open, list); break;
            case TupleValue tuple: AppendItems(interpreter, builder, "(", tuple.Items, tuple.Items.Length == 1 ? ",)" : ")", open, tuple); break;
            case MapValue map: AppendMap(interpreter, builder, map, open); break;
            case ViewValue view:
                var items = Sequences.Iterate(view).ToList();
                AppendItems(interpreter, builder, TypeNames.Of(view) + "([", items, "])", open, view);
                break;
            case RangeValue r: builder.Append(CultureInfo.InvariantCulture, $"range({r.Start}, {r.Stop}{(r.Step == 1 ? "" : $", {r.Step}")})"); break;
            case NamespaceValue ns:
                builder.Append("<Namespace ");
                AppendMap(interpreter, builder, ns.Attributes, open);
                builder.Append('>');
                break;
            case LoopValue loop: builder.Append(CultureInfo.InvariantCulture, $"<LoopContext {loop.Index}/{loop.Length}>"); break;
            case MacroValue macro: builder.Append(macro.Name == "caller" && macro.IsCaller ? "<Macro anonymous>" : $"<Macro {Repr(macro.Name)}>"); break;
            case FunctionValue { IsClass: true } f: builder.Append(CultureInfo.InvariantCulture, $"<class '{f.Name}'>"); break;
            case FunctionValue f: builder.Append(CultureInfo.InvariantCulture, $"<function {f.Name}>"); break;
            case MethodValue m: builder.Append(CultureInfo.InvariantCulture, $"<built-in method {m.Name} of {TypeNames.Of(m.Self)} object>"); break;
            default: builder.Append(CultureInfo.InvariantCulture, $"<{TypeNames.Of(value)} object>"); break;
        }

        interpreter?.ChargeText(builder.Length, builder.Length - before);
    }

    private static void AppendItems(
        Interpreter? interpreter, StringBuilder builder, string start, IReadOnlyList<object?> items, string end, HashSet<object> open, object owner)
    {
        if (!Open(builder, open, owner, start is "[" ? "[...]" : start is "(" ? "(...)" : "..."))
            return;
        builder.Append(start);
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0)
                builder.Append(", ");
            Append(interpreter, builder, items[i], open);
        }

        builder.Append(end);
        open.Remove(owner);
    }

    private static void AppendMap(Interpreter? interpreter, StringBuilder builder, MapValue map, HashSet<object> open)
    {
        if (!Open(builder, open, map, "{...}"))
            return;
        builder.Append('{');
        var first = true;
        foreach (var (key, value) in map.Items)
        {
            if (!first)
                builder.Append(", ");
            first = false;
            Append(interpreter, builder, key, open);
            builder.Append(": ");
            Append(interpreter, builder, value, open);
        }

        builder.Append('}');
        open.Remove(map);
    }

    /// <summary>Notes that a container is being written; one that contains itself is written as dots.</summary>
    private static bool Open(StringBuilder builder, HashSet<object> open, object owner, string dots)
    {
        if (open.Count >= Comparing.MaxDepth)
            throw Raise.Recursion("maximum recursion depth exceeded while getting the repr of an object");
        if (open.Add(owner))
            return true;
        builder.Append(dots);
        return false;
    }

    /// <summary>A string in quotes: single ones, unless only they occur in it.</summary>
    public static void AppendQuoted(StringBuilder builder, string text, bool ascii = false)
    {
        var quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        builder.Append(quote);
        for (var i = 0; i < text.Length;)
        {
            var c = PythonText.CodePointAt(text, i, out var width);
            i += width;
            if (c == quote || c == '\\')
                builder.Append('\\').Append((char)c);
            else if (PythonText.IsPrintable(c) && !(ascii && c > 0x7e))
                PythonText.AppendCodePoint(builder, c);
            else
                builder.Append(Escape(c));
        }

        builder.Append(quote);
    }

    /// <summary>The escape sequence of a character that is not printed as it is.</summary>
    public static string Escape(int codePoint) => codePoint switch
    {
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        < 0x100 => $"\\x{codePoint:x2}",
        < 0x10000 => $"\\u{codePoint:x4}",
        _ => $"\\U{codePoint:x8}",
    };
}
