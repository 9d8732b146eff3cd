using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hearth.Runtime.Protocol;

/// <summary>OpenAI's request for embeddings.</summary>
internal sealed class EmbeddingRequest
{
    public string? Model { get; init; }

    [JsonConverter(typeof(PromptListConverter))]
    public IReadOnlyList<PromptInput>? Input { get; init; }

    /// <summary>"float", the default, or "base64": see <see cref="WireVector"/>.</summary>
    public string? EncodingFormat { get; init; }

    /// <summary>Values of a vector: its first ones are taken and scaled to length 1.</summary>
    public int? Dimensions { get; init; }

    public string? User { get; init; }
}

internal sealed class EmbeddingResponse
{
    public string Object { get; init; } = "list";

    public required IReadOnlyList<EmbeddingEntry> Data { get; init; }

    public required string Model { get; init; }

    public EmbeddingUsage? Usage { get; init; }
}

internal sealed class EmbeddingEntry
{
    public string Object { get; init; } = "embedding";

    public int Index { get; init; }

    public required WireVector Embedding { get; init; }
}

internal sealed class EmbeddingUsage
{
    public int PromptTokens { get; init; }

    public int TotalTokens { get; init; }
}

/// <summary>A vector, written as numbers or as the base64 of its little-endian float32 values.</summary>
[JsonConverter(typeof(WireVectorConverter))]
internal readonly record struct WireVector(float[] Values, bool IsBase64);

/// <summary>Reads either form, writes the one that the vector asks for.</summary>
internal sealed class WireVectorConverter : JsonConverter<WireVector>
{
    public override WireVector Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            return reader.TryGetBytesFromBase64(out var bytes) && bytes.Length % sizeof(float) == 0
                ? new WireVector(LittleEndian.ToFloats(bytes), true)
                : throw new ProtocolException("must be the base64 of float32 values");
        }

        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw new ProtocolException("must be an array of numbers or a base64 string");
        }

        var values = new List<float>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            values.Add(reader.TokenType == JsonTokenType.Number ? reader.GetSingle() : throw new ProtocolException("must hold numbers only"));
        }

        return new WireVector([.. values], false);
    }

    public override void Write(Utf8JsonWriter writer, WireVector value, JsonSerializerOptions options)
    {
        if (value.IsBase64)
        {
            writer.WriteBase64StringValue(LittleEndian.ToBytes(value.Values));
            return;
        }

        writer.WriteStartArray();
        foreach (var number in value.Values)
        {
            writer.WriteNumberValue(number);
        }

        writer.WriteEndArray();
    }
}
