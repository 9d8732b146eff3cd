using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Runtime.Templates;

/// <summary>JSON as Python's <c>json</c> module writes it, and values from JSON.</summary>
internal static class JsonText
{
    /// <summary>How <c>tojson</c> writes: <paramref name="Indent"/> null puts everything on one line.</summary>
    internal sealed record Style(bool Ascii, string? Indent, string ItemSeparator, string KeySeparator, bool SortKeys);

    public static string Write(Interpreter interpreter, object? value, Style style)
    {
        var builder = new StringBuilder();
        Append(interpreter, builder, value, style, 0, new HashSet<object>(ReferenceEqualityComparer.Instance));
        return builder.ToString();
    }

    private static void Append(Interpreter interpreter, StringBuilder builder, object? value, Style style, int level, HashSet<object> open)
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("maximum recursion depth exceeded while encoding a JSON object");
        var before = builder.Length;
        switch (value)
        {
            case null: builder.Append("null"); break;
            case bool b: builder.Append(b ? "true" : "false"); break;
            case long l: builder.Append(l); break;
            case BigInteger big: builder.Append(Numbers.Format(big, interpreter)); break;
            case double d: builder.Append(Number(d)); break;
            case string s: AppendString(builder, s, style.Ascii); break;
            case MarkupValue m: AppendString(builder, m.Text, style.Ascii); break;
            case ListValue list: AppendArray(interpreter, builder, list.Items, style, level, open, list); break;
            case TupleValue tuple: AppendArray(interpreter, builder, tuple.Items, style, level, open, tuple); break;
            case MapValue map: AppendObject(interpreter, builder, map, style, level, open); break;
            default: throw Raise.Type($"Object of type {TypeNames.Of(value)} is not JSON serializable");
        }

        interpreter.ChargeText(builder.Length, builder.Length - before);
    }

    private static string Number(double value)
        => double.IsNaN(value) ? "NaN" : double.IsInfinity(value) ? (value > 0 ? "Infinity" : "-Infinity") : Numbers.Repr(value);

    private static void Enter(HashSet<object> open, object owner)
    {
        if (open.Count >= Comparing.MaxDepth)
            throw Raise.Recursion("maximum recursion depth exceeded while encoding a JSON object");
        if (!open.Add(owner))
            throw Raise.Value("Circular reference detected");
    }

    private static void NewLine(StringBuilder builder, Style style, int level)
    {
        if (style.Indent is null)
            return;
        builder.Append('\n');
        for (var i = 0; i < level; i++)
            builder.Append(style.Indent);
    }

    private static void AppendArray(
        Interpreter interpreter, StringBuilder builder, IReadOnlyList<object?> items, Style style, int level, HashSet<object> open, object owner)
    {
        if (items.Count == 0)
        {
            builder.Append("[]");
            return;
        }

        Enter(open, owner);
        builder.Append('[');
        for (var i = 0; i < items.Count; i++)
        {
            if (i > 0)
                builder.Append(style.ItemSeparator);
            NewLine(builder, style, level + 1);
            Append(interpreter, builder, items[i], style, level + 1, open);
        }

        NewLine(builder, style, level);
        builder.Append(']');
        open.Remove(owner);
    }

    private static void AppendObject(Interpreter interpreter, StringBuilder builder, MapValue map, Style style, int level, HashSet<object> open)
    {
        if (map.Count == 0)
        {
            builder.Append("{}");
            return;
        }

        Enter(open, map);
        builder.Append('{');
        var items = style.SortKeys ? Comparing.Sort(interpreter, [.. map.Items], i => i.Key, reverse: false) : map.Items;
        var first = true;
        foreach (var (key, value) in items)
        {
            if (!first)
                builder.Append(style.ItemSeparator);
            first = false;
            NewLine(builder, style, level + 1);
            AppendString(builder, Key(interpreter, key), style.Ascii);
            builder.Append(style.KeySeparator);
            Append(interpreter, builder, value, style, level + 1, open);
        }

        NewLine(builder, style, level);
        builder.Append('}');
        open.Remove(map);
    }

    private static string Key(Interpreter interpreter, object? key) => key switch
    {
        string s => s,
        MarkupValue m => m.Text,
        null => "null",
        bool b => b ? "true" : "false",
        long l => l.ToString(CultureInfo.InvariantCulture),
        BigInteger big => Numbers.Format(big, interpreter),
        double d => Number(d),
        _ => throw Raise.Type($"keys must be str, int, float, bool or None, not {TypeNames.Of(key)}"),
    };

    /// <summary>A JSON string; beyond what JSON demands only U+007F and up are escaped, and those only in ASCII style.</summary>
    public static void AppendString(StringBuilder builder, string text, bool ascii)
    {
        builder.Append('"');
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => builder.Append("\\\""),
                '\\' => builder.Append("\\\\"),
                '\n' => builder.Append("\\n"),
                '\r' => builder.Append("\\r"),
                '\t' => builder.Append("\\t"),
                '\f' => builder.Append("\\f"),
                '\b' => builder.Append("\\b"),
                < ' ' => builder.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                > '\x7e' when ascii => c == '\x7f' ? builder.Append(c) : builder.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture)),
                _ => builder.Append(c),
            };
        }

        builder.Append('"');
    }

    /// <summary>A value from JSON: order kept, integers and floats kept apart.</summary>
    public static object? FromElement(JsonElement element)
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("maximum recursion depth exceeded while reading JSON");
        switch (element.ValueKind)
        {
            case JsonValueKind.String: return Text(element);
            case JsonValueKind.True: return true;
            case JsonValueKind.False: return false;
            case JsonValueKind.Number: return FromNumber(element.GetRawText());
            case JsonValueKind.Array:
                var items = new List<object?>(element.GetArrayLength());
                foreach (var item in element.EnumerateArray())
                    items.Add(FromElement(item));
                return new ListValue(items);
            case JsonValueKind.Object:
                var map = new MapValue();
                foreach (var property in element.EnumerateObject())
                    map.Set(Name(property), FromElement(property.Value));
                return map;
            default: return null;
        }
    }

    public static string Name(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw LoneSurrogate();
        }
    }

    private static string Text(JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw LoneSurrogate();
        }
    }

    private static TemplateException LoneSurrogate() => Raise.Value("a JSON string holds half of a surrogate pair, which is no text");

    public static object? FromNode(JsonNode? node)
    {
        switch (node)
        {
            case null: return null;
            case JsonArray array:
                if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
                    throw Raise.Recursion("maximum recursion depth exceeded while reading JSON");
                return new ListValue(array.Select(FromNode).ToList());
            case JsonObject obj:
                if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
                    throw Raise.Recursion("maximum recursion depth exceeded while reading JSON");
                var map = new MapValue();
                foreach (var (name, value) in obj)
                    map.Set(name, FromNode(value));
                return map;
            case JsonValue value when value.TryGetValue<JsonElement>(out var element): return FromElement(element);
            case JsonValue value when value.TryGetValue<string>(out var text): return text;
            case JsonValue value when value.TryGetValue<bool>(out var b): return b;
            default:
                using (var document = JsonDocument.Parse(node.ToJsonString()))
                    return FromElement(document.RootElement);
        }
    }

    private static object FromNumber(string text)
    {
        if (text.AsSpan().ContainsAny(".eE"))
            return double.Parse(text, CultureInfo.InvariantCulture);
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value))
            return value;
        return Numbers.ParseInteger(text, 10) ?? throw Raise.Value("not a number");
    }
}
