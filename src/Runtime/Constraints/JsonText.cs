using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Runtime.Constraints;

/// <summary>JSON strings between text and bytes.</summary>
internal static class JsonText
{
    /// <summary>The characters that the inside of a JSON string stands for; well-formed, without its quotes.</summary>
    public static string Unescape(ReadOnlySpan<byte> inside)
    {
        if (inside.IndexOf((byte)'\\') < 0)
        {
            return Encoding.UTF8.GetString(inside);
        }

        byte[] quoted = [(byte)'"', .. inside, (byte)'"'];
        var reader = new Utf8JsonReader(quoted);
        reader.Read();
        return reader.GetString()!;
    }

    /// <summary>A text as a JSON string in its shortest spelling: only what must be escaped is.</summary>
    public static byte[] Quote(string text)
    {
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        foreach (var character in text)
        {
            _ = character switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append("\\\\"),
                '\b' => quoted.Append("\\b"),
                '\f' => quoted.Append("\\f"),
                '\n' => quoted.Append("\\n"),
                '\r' => quoted.Append("\\r"),
                '\t' => quoted.Append("\\t"),
                < ' ' => quoted.Append("\\u").Append(((int)character).ToString("x4", System.Globalization.CultureInfo.InvariantCulture)),
                _ => quoted.Append(character),
            };
        }

        return Encoding.UTF8.GetBytes(quoted.Append('"').ToString());
    }

    /// <summary>A value as templates write it: a space behind every comma and colon, and none elsewhere (<see cref="JsonLayout.Spaced"/>).</summary>
    public static string Spaced(JsonNode? value)
    {
        var text = new StringBuilder();
        Append(text, value);
        return text.ToString();
    }

    private static void Append(StringBuilder text, JsonNode? value)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (value)
        {
            case JsonObject members:
                text.Append('{');
                var first = true;
                foreach (var (name, member) in members)
                {
                    text.Append(first ? "" : ", ").Append(Encoding.UTF8.GetString(Quote(name))).Append(": ");
                    Append(text, member);
                    first = false;
                }

                text.Append('}');
                break;
            case JsonArray items:
                text.Append('[');
                for (var i = 0; i < items.Count; i++)
                {
                    text.Append(i == 0 ? "" : ", ");
                    Append(text, items[i]);
                }

                text.Append(']');
                break;
            case JsonValue one when one.GetValueKind() == JsonValueKind.String:
                text.Append(Encoding.UTF8.GetString(Quote(one.GetValue<string>())));
                break;
            default:
                text.Append(value?.ToJsonString() ?? "null");
                break;
        }
    }
}
