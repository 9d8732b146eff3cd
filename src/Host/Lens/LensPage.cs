using System.Buffers.Binary;
using System.Text;
using System.Text.Json;

namespace Hearth.Host.Lens;

/// <summary>Attention as one HTML page without any other file: lens.html with the data in it.</summary>
internal static class LensPage
{
    // A place in lens.html, inside a script element of type application/json.
    private const string DataMark = "{\"lens\":\"data\"}";

    public static void Write(AttentionMaps maps, Stream stream)
    {
        using var reader = new StreamReader(typeof(LensPage).Assembly.GetManifestResourceStream("lens.html")!, Encoding.UTF8);
        var page = reader.ReadToEnd();
        var mark = page.IndexOf(DataMark, StringComparison.Ordinal);
        stream.Write(Encoding.UTF8.GetBytes(page[..mark]));
        WriteData(maps, stream);
        stream.Write(Encoding.UTF8.GetBytes(page[(mark + DataMark.Length)..]));
    }

    /// <summary>Writes attention as an object: tokens as people read them, and of each layer the weights as base64 of 16-bit numbers.</summary>
    /// <remarks>The writer's default encoder escapes &lt;, &gt; and &amp;: no token can end a script element that holds the data.</remarks>
    internal static void WriteData(AttentionMaps maps, Stream stream)
    {
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteString("model", LensText.Visible(maps.Model));
        json.WriteString("architecture", maps.Architecture);
        WriteTokens(json, "tokens", maps.Tokens);
        WriteTokens(json, "source", maps.SourceTokens);
        json.WriteStartArray("layers");
        foreach (var layer in maps.Layers)
        {
            json.WriteStartObject();
            json.WriteString("kind", LensText.NameOf(layer.Kind));
            json.WriteNumber("layer", layer.Layer);
            json.WriteNumber("firstHead", layer.FirstHead);
            json.WriteNumber("heads", layer.HeadCount);
            json.WriteNumber("rows", layer.Rows);
            json.WriteNumber("keys", layer.Keys);
            json.WriteBoolean("sink", layer.HasSink);
            json.WriteBase64String("weights", Encode(layer.Weights.Span));
            json.WriteEndObject();
            json.Flush();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteTokens(Utf8JsonWriter json, string name, IReadOnlyList<ProbedToken> tokens)
    {
        json.WriteStartArray(name);
        foreach (var token in tokens)
            json.WriteStringValue(LensText.Visible(token.Text));
        json.WriteEndArray();
    }

    // 16 bits a weight, little-endian: four digits to show, and half of what float32 would take.
    private static byte[] Encode(ReadOnlySpan<float> weights)
    {
        var bytes = new byte[weights.Length * sizeof(ushort)];
        for (var i = 0; i < weights.Length; i++)
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(i * sizeof(ushort)), float.IsFinite(weights[i]) ? (ushort)MathF.Round(Math.Clamp(weights[i], 0, 1) * ushort.MaxValue) : (ushort)0);
        return bytes;
    }
}
