using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>Python's <c>pprint.pformat</c> at its standard width of 80: on one line where it fits, else one element a line.</summary>
internal static class PrettyPrint
{
    private const int Width = 80;

    public static string Format(Interpreter interpreter, object? value)
    {
        var result = new StringBuilder();
        Append(interpreter, result, value, 0, 0);
        return result.ToString();
    }

    private static void Append(Interpreter interpreter, StringBuilder result, object? value, int indent, int allowance)
    {
        if (!System.Runtime.CompilerServices.RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("maximum recursion depth exceeded");
        var oneLine = OneLine(interpreter, value);
        interpreter.ChargeText(result.Length + oneLine.Length, oneLine.Length);
        if (PythonText.Length(oneLine) <= Width - indent - allowance)
        {
            result.Append(oneLine);
            return;
        }

        switch (value)
        {
            case MapValue { Count: > 0 } map: AppendMap(interpreter, result, map, indent, allowance); break;
            case ListValue { Items.Count: > 0 } list: AppendItems(interpreter, result, "[", list.Items, "]", indent, allowance); break;
            case TupleValue { Items.Length: > 0 } tuple:
                AppendItems(interpreter, result, "(", tuple.Items, tuple.Items.Length == 1 ? ",)" : ")", indent, allowance);
                break;
            case string { Length: > 0 } text: AppendText(result, text, indent, allowance); break;
            default: result.Append(oneLine); break;
        }
    }

    /// <summary>The representation with the keys of dictionaries sorted, as pprint has them.</summary>
    private static string OneLine(Interpreter interpreter, object? value) => Representation.Repr(interpreter, Sorted(interpreter, value, 0));

    private static object? Sorted(Interpreter interpreter, object? value, int depth)
    {
        interpreter.Charge(16); // each list and tuple is copied, and what many share as often as it is shared
        if (depth >= Comparing.MaxDepth || !System.Runtime.CompilerServices.RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("maximum recursion depth exceeded");
        switch (value)
        {
            case MapValue map:
                var sorted = new MapValue();
                foreach (var (key, item) in SortedItems(interpreter, map))
                    sorted.Set(key, Sorted(interpreter, item, depth + 1), interpreter);
                return sorted;
            case ListValue list: return new ListValue(list.Items.ConvertAll(i => Sorted(interpreter, i, depth + 1)));
            case TupleValue tuple: return new TupleValue([.. tuple.Items.Select(i => Sorted(interpreter, i, depth + 1))]);
            default: return value;
        }
    }

    /// <summary>Sorted by key; keys that do not compare with each other are sorted by type name.</summary>
    private static List<KeyValuePair<object?, object?>> SortedItems(Interpreter interpreter, MapValue map)
    {
        try
        {
            return Comparing.Sort(interpreter, [.. map.Items], i => i.Key, reverse: false);
        }
        catch (TemplateException e) when (e.Kind == "TypeError")
        {
            return [.. map.Items.OrderBy(i => TypeNames.Of(i.Key), StringComparer.Ordinal)];
        }
    }

    private static void AppendMap(Interpreter interpreter, StringBuilder result, MapValue map, int indent, int allowance)
    {
        result.Append('{');
        var items = SortedItems(interpreter, map);
        for (var i = 0; i < items.Count; i++)
        {
            var key = OneLine(interpreter, items[i].Key);
            result.Append(key).Append(": ");
            var last = i == items.Count - 1;
            Append(interpreter, result, items[i].Value, indent + 1 + PythonText.Length(key) + 2, last ? allowance + 1 : 1);
            if (!last)
                result.Append(",\n").Append(' ', indent + 1);
        }

        result.Append('}');
    }

    private static void AppendItems(
        Interpreter interpreter, StringBuilder result, string start, IReadOnlyList<object?> items, string end, int indent, int allowance)
    {
        result.Append(start);
        for (var i = 0; i < items.Count; i++)
        {
            var last = i == items.Count - 1;
            Append(interpreter, result, items[i], indent + 1, last ? allowance + end.Length : 1);
            if (!last)
                result.Append(",\n").Append(' ', indent + 1);
        }

        result.Append(end);
    }

    /// <summary>A long string as several literals, cut between words.</summary>
    private static void AppendText(StringBuilder result, string text, int indent, int allowance)
    {
        var topLevel = indent == 0;
        if (topLevel)
        {
            indent++;
            allowance++;
        }

        var literals = Literals(text, Width - indent, allowance);
        var parenthesize = topLevel && literals.Count > 1;
        result.Append(parenthesize ? "(" : "").AppendJoin("\n" + new string(' ', indent), literals).Append(parenthesize ? ")" : "");
    }

    private static List<string> Literals(string text, int width, int allowance)
    {
        var literals = new List<string>();
        var lines = PythonText.SplitLines(text, keepEnds: true);
        for (var i = 0; i < lines.Count; i++)
        {
            var isLast = i == lines.Count - 1;
            if (Quoted(lines[i]).Length <= (isLast ? width - allowance : width))
            {
                literals.Add(Quoted(lines[i]));
                continue;
            }

            var current = "";
            var words = Words(lines[i]);
            for (var w = 0; w < words.Count; w++)
            {
                var limit = isLast && w == words.Count - 1 ? width - allowance : width;
                if (Quoted(current + words[w]).Length > limit)
                {
                    if (current.Length > 0)
                        literals.Add(Quoted(current));
                    current = "";
                }

                current += words[w];
            }

            if (current.Length > 0)
                literals.Add(Quoted(current));
        }

        return literals;
    }

    private static string Quoted(string text)
    {
        var builder = new StringBuilder();
        Representation.AppendQuoted(builder, text);
        return builder.ToString();
    }

    /// <summary>Words with the white space behind them.</summary>
    private static List<string> Words(string line)
    {
        var words = new List<string>();
        for (var at = 0; at < line.Length;)
        {
            var start = at;
            while (at < line.Length && !PythonText.IsSpace(line[at]))
                at++;
            while (at < line.Length && PythonText.IsSpace(line[at]))
                at++;
            words.Add(line[start..at]);
        }

        return words;
    }
}
