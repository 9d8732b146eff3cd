using System.Globalization;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>Python's <c>str.format</c>, whose fields reach attributes only through the sandbox.</summary>
internal sealed class BraceFormat
{
    private readonly Interpreter _interpreter;
    private readonly List<object?> _items;
    private readonly List<KeyValuePair<string, object?>> _named;
    private readonly bool _escape;

    /// <summary>The next automatic number; -1 once fields are numbered by hand.</summary>
    private int _automatic;

    private BraceFormat(Interpreter interpreter, List<object?> items, List<KeyValuePair<string, object?>> named, bool escape)
    {
        _interpreter = interpreter;
        _items = items;
        _named = named;
        _escape = escape;
    }

    /// <summary>Formats; <paramref name="escape"/> escapes the fields for a safe format string.</summary>
    public static string Apply(
        Interpreter interpreter, string format, List<object?> items, List<KeyValuePair<string, object?>> named, bool escape)
        => new BraceFormat(interpreter, items, named, escape).Run(format, 2);

    private string Run(string format, int depth)
    {
        if (depth < 0)
            throw Raise.Value("Max string recursion exceeded");
        _interpreter.Charge(format.Length / 4);
        var result = new StringBuilder();
        for (var i = 0; i < format.Length;)
        {
            var c = format[i++];
            if (c is not ('{' or '}'))
            {
                result.Append(c);
                continue;
            }

            if (i < format.Length && format[i] == c)
            {
                result.Append(c);
                i++;
                continue;
            }

            if (c == '}')
                throw Raise.Value("Single '}' encountered in format string");
            var end = EndOfField(format, i);
            result.Append(Field(format[i..end], depth));
            _interpreter.ChargeText(result.Length, 16);
            i = end + 1;
        }

        return result.ToString();
    }

    private static int EndOfField(string format, int at)
    {
        if (at >= format.Length)
            throw Raise.Value("Single '{' encountered in format string");
        var depth = 1;
        var bracket = false;
        var inName = true;
        for (; at < format.Length; at++)
        {
            var c = format[at];
            if (bracket)
            {
                bracket = c != ']';
                continue;
            }

            if (c == '[' && inName)
                bracket = true;
            else if (c is ':' or '!')
                inName = false;
            else if (c == '{')
                depth++;
            else if (c == '}' && --depth == 0)
                return at;
        }

        throw Raise.Value("expected '}' before end of string");
    }

    private string Field(string field, int depth)
    {
        var end = 0;
        for (var bracket = false; end < field.Length && (bracket || field[end] is not (':' or '!')); end++)
            bracket = bracket ? field[end] != ']' : field[end] == '[';
        var value = Value(field[..end]);
        var spec = "";
        if (end < field.Length && field[end] == '!')
        {
            if (end + 1 >= field.Length)
                throw Raise.Value("end of string while looking for conversion specifier");
            value = Convert(field[end + 1], value);
            end += 2;
            if (end < field.Length && field[end] != ':')
                throw Raise.Value("expected ':' after conversion specifier");
        }

        if (end < field.Length)
            spec = Run(field[(end + 1)..], depth - 1);
        if (!_escape)
            return FormatSpec.Apply(_interpreter, value, spec);
        if (value is MarkupValue && spec.Length > 0)
            throw Raise.Value("Unsupported format specification for Markup.");
        return value is MarkupValue m ? m.Text : Html.Escape(_interpreter, FormatSpec.Apply(_interpreter, value, spec)).Text;
    }

    private string Convert(char conversion, object? value) => conversion switch
    {
        's' => Representation.Str(_interpreter, value),
        'r' => Representation.Repr(_interpreter, value),
        'a' => (string)PercentFormat.Apply(_interpreter, "", "%a", new TupleValue([value])),
        _ => throw Raise.Value($"Unknown conversion specifier {conversion}"),
    };

    private object? Value(string name)
    {
        var end = name.AsSpan().IndexOfAny('.', '[');
        var first = end < 0 ? name : name[..end];
        var value = First(first, isWhole: end < 0);
        for (var at = first.Length; at < name.Length;)
        {
            _interpreter.Charge(4);
            if (name[at] == '.')
            {
                var next = name.AsSpan(at + 1).IndexOfAny('.', '[');
                var to = next < 0 ? name.Length : at + 1 + next;
                if (to == at + 1)
                    throw Raise.Value("Empty attribute in format string");
                value = Attributes.Get(value, name[(at + 1)..to]);
                at = to;
                continue;
            }

            if (name[at] != '[')
                throw Raise.Value("Only '.' or '[' may follow ']' in format field specifier");
            var close = name.IndexOf(']', at);
            if (close < 0)
                throw Raise.Value("Missing ']' in format string");
            var key = name[(at + 1)..close];
            if (key.Length == 0)
                throw Raise.Value("Empty attribute in format string");
            value = Attributes.GetItem(_interpreter, value, long.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : key);
            at = close + 1;
        }

        return value;
    }

    /// <summary>The argument of a field; only a field that names nothing else takes part in numbering.</summary>
    private object? First(string name, bool isWhole)
    {
        if (name.Length == 0 && isWhole)
        {
            if (_automatic < 0)
                throw Raise.Value("cannot switch from manual field specification to automatic field numbering");
            return Positional(_automatic++);
        }

        if (!long.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var index))
        {
            var at = _named.FindIndex(n => n.Key == name);
            return at >= 0 ? _named[at].Value : throw Raise.Key($"'{name}'");
        }

        if (isWhole && _automatic > 0)
            throw Raise.Value("cannot switch from automatic field numbering to manual field specification");
        if (isWhole)
            _automatic = -1;
        return Positional(index);
    }

    private object? Positional(long index) => index < _items.Count
        ? _items[(int)index]
        : throw Raise.Index($"Replacement index {index} out of range for positional args tuple");
}
