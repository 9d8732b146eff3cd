using System.Text.Json;

namespace Hearth.Host.Lens;

/// <summary>
/// Attention as data: <c>{model, architecture, tokens: [{id, text}], source_tokens: [...], layers: [{kind, layer,
/// first_head, heads: [[[weight of each key] of each query] of each head], sinks: [[share of each query] of each
/// head]}]}</c>; sinks only where the model has them.
/// </summary>
internal static class LensData
{
    public static void Write(AttentionMaps maps, Stream stream)
    {
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteString("model", maps.Model);
        json.WriteString("architecture", maps.Architecture);
        WriteTokens(json, "tokens", maps.Tokens);
        WriteTokens(json, "source_tokens", maps.SourceTokens);
        json.WriteStartArray("layers");
        foreach (var layer in maps.Layers)
        {
            WriteLayer(json, layer);
            json.Flush(); // layer by layer, so that memory holds only one as text
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteTokens(Utf8JsonWriter json, string name, IReadOnlyList<ProbedToken> tokens)
    {
        json.WriteStartArray(name);
        foreach (var token in tokens)
        {
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("text", token.Text);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteLayer(Utf8JsonWriter json, AttentionLayer layer)
    {
        json.WriteStartObject();
        json.WriteString("kind", LensText.NameOf(layer.Kind));
        json.WriteNumber("layer", layer.Layer);
        json.WriteNumber("first_head", layer.FirstHead);
        WriteRows(json, "heads", layer, static (json, layer, head, row) =>
        {
            json.WriteStartArray();
            foreach (var weight in layer.Row(head, row))
                WriteNumber(json, weight);
            json.WriteEndArray();
        });
        if (layer.HasSink)
            WriteRows(json, "sinks", layer, static (json, layer, head, row) => WriteNumber(json, layer.SinkShare(head, row)));
        json.WriteEndObject();
    }

    private static void WriteRows(Utf8JsonWriter json, string name, AttentionLayer layer, Action<Utf8JsonWriter, AttentionLayer, int, int> writeRow)
    {
        json.WriteStartArray(name);
        for (var head = 0; head < layer.HeadCount; head++)
        {
            json.WriteStartArray();
            for (var row = 0; row < layer.Rows; row++)
                writeRow(json, layer, head, row);
            json.WriteEndArray();
        }

        json.WriteEndArray();
    }

    // JSON has no number for what a broken model may compute.
    private static void WriteNumber(Utf8JsonWriter json, float value)
    {
        if (float.IsFinite(value))
            json.WriteNumberValue(value);
        else
            json.WriteNullValue();
    }
}
