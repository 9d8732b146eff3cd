using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Ember.Data;

/// <summary>Writes JSON as Python's json.dumps(ensure_ascii=False) does, which is what a template's tojson prints.</summary>
public static class PythonJson
{
    public static string Write(JsonNode? node)
    {
        var text = new StringBuilder();
        Write(text, node);
        return text.ToString();
    }

    private static void Write(StringBuilder text, JsonNode? node)
    {
        switch (node)
        {
            case null: text.Append("null"); break;
            case JsonObject o:
                text.Append('{');
                int n = 0;
                foreach (var (key, value) in o)
                {
                    if (n++ > 0) text.Append(", ");
                    Quote(text, key);
                    text.Append(": ");
                    Write(text, value);
                }
                text.Append('}');
                break;
            case JsonArray a:
                text.Append('[');
                for (int i = 0; i < a.Count; i++)
                {
                    if (i > 0) text.Append(", ");
                    Write(text, a[i]);
                }
                text.Append(']');
                break;
            default:
                var leaf = node.AsValue();
                if (leaf.GetValueKind() == JsonValueKind.String) Quote(text, leaf.GetValue<string>());
                else text.Append(node.ToJsonString());
                break;
        }
    }

    private static void Quote(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (char c in value)
        {
            text.Append(c switch
            {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                < ' ' => "\\u" + ((int)c).ToString("x4", CultureInfo.InvariantCulture),
                _ => c.ToString(),
            });
        }
        text.Append('"');
    }
}
