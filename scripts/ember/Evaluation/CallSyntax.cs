using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Hearth.Ember.Data;

namespace Hearth.Ember.Evaluation;

/// <summary>
/// What may stand between the tags of a call once the offered tools are known: a name among theirs, then arguments in
/// the order of the schema, spaced as the template spaces them. The service's constraints allow the same texts.
/// </summary>
/// <remarks>Texts are bytes as Latin-1 characters, so that a token may end within a character.</remarks>
public sealed class CallSyntax(IReadOnlyList<JsonObject> tools)
{
    private readonly (string Name, JsonObject Parameters)[] _tools = [.. tools.Select(t => t["function"]!).Select(f =>
        (Bytes(f["name"]!.GetValue<string>()), f["parameters"]?.AsObject() ?? new JsonObject { ["type"] = "object" }))];

    /// <summary>A text's UTF-8 bytes, each as the character of its number.</summary>
    public static string Bytes(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    /// <summary>Whether a call can begin with this text.</summary>
    public bool CanBegin(string text) => Call(text, isWhole: false);

    /// <summary>Whether this text is a call.</summary>
    public bool IsWhole(string text) => Call(text, isWhole: true);

    private bool Call(string text, bool isWhole)
    {
        var walk = new Walk(text, isWhole);
        return walk.Literal(0, "{\"name\": \"", at => _tools.Any(tool =>
            walk.Literal(at, tool.Name + "\", \"arguments\": ", start =>
            walk.Value(tool.Parameters, start, end => walk.Literal(end, "}", walk.End)))));
    }

    // Each method reads a piece at a place and hands the place behind it to the next; a text that ends early is fine where only a beginning is asked for.
    private sealed class Walk(string text, bool isWhole)
    {
        public bool End(int at) => at == text.Length;

        public bool Literal(int at, string expected, Func<int, bool> next)
        {
            int there = Math.Min(text.Length - at, expected.Length);
            if (string.CompareOrdinal(text, at, expected, 0, there) != 0) return false;
            return there == expected.Length ? next(at + there) : !isWhole;
        }

        public bool Value(JsonObject schema, int at, Func<int, bool> next)
        {
            if (schema["enum"] is JsonArray values) return values.Any(v => Literal(at, Bytes(PythonJson.Write(v)), next));
            return schema["type"]?.GetValue<string>() switch
            {
                "string" => String(at, next),
                "integer" => Number(at, mayHaveFraction: false, next),
                "number" => Number(at, mayHaveFraction: true, next),
                "boolean" => Literal(at, "true", next) || Literal(at, "false", next),
                "object" => Literal(at, "{", inside => Members(schema, 0, isFirst: true, inside, next)),
                "array" => Literal(at, "[", inside => Literal(inside, "]", next) || Items(schema["items"]!.AsObject(), inside, next)),
                var type => throw new NotSupportedException(string.Create(CultureInfo.InvariantCulture, $"[constrained] a parameter of the type '{type}'")),
            };
        }

        private bool Members(JsonObject schema, int index, bool isFirst, int at, Func<int, bool> next)
        {
            var properties = schema["properties"]?.AsObject() ?? [];
            if (index == properties.Count) return Literal(at, "}", next);
            var (name, value) = properties.ElementAt(index);
            bool isRequired = schema["required"] is JsonArray required && required.Any(r => r!.GetValue<string>() == name);
            return Literal(at, (isFirst ? "" : ", ") + Bytes(PythonJson.Write(JsonValue.Create(name))) + ": ",
                    start => Value(value!.AsObject(), start, end => Members(schema, index + 1, isFirst: false, end, next)))
                || !isRequired && Members(schema, index + 1, isFirst, at, next);
        }

        private bool Items(JsonObject schema, int at, Func<int, bool> next) =>
            Value(schema, at, end => Literal(end, "]", next) || Literal(end, ", ", start => Items(schema, start, next)));

        private bool String(int at, Func<int, bool> next) => Literal(at, "\"", start =>
        {
            for (int i = start; i < text.Length; i++)
            {
                if (text[i] == '"') return next(i + 1);
                if (text[i] < ' ') return false;
                if (text[i] != '\\') continue;
                if (++i == text.Length) break;
                if (!"\"\\/bfnrt".Contains(text[i])) return false;   // \u is never needed: templates write characters as they are
            }
            return !isWhole;
        });

        private bool Number(int at, bool mayHaveFraction, Func<int, bool> next)
        {
            if (at < text.Length && text[at] == '-') at++;
            int end = Digits(at);
            if (end == text.Length) return !isWhole && !HasLeadingZero(at, end);
            if (end == at || HasLeadingZero(at, end)) return false;
            if (!mayHaveFraction || text[end] != '.') return next(end);
            int last = Digits(end + 1);
            return last == text.Length ? !isWhole : last > end + 1 && next(last);
        }

        private bool HasLeadingZero(int at, int end) => end - at > 1 && text[at] == '0';

        private int Digits(int at)
        {
            while (at < text.Length && char.IsAsciiDigit(text[at])) at++;
            return at;
        }
    }
}
