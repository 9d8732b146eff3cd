using System.Text;
using System.Text.Json;

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
}
