using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hearth.Runtime.Protocol;

/// <summary>A request to order documents by how well they fit a query, in the shape of Jina's and Cohere's APIs.</summary>
/// <remarks>Source: https://api.jina.ai/redoc, rerank.</remarks>
internal sealed class RerankRequest
{
    public string? Model { get; init; }

    public string? Query { get; init; }

    public IReadOnlyList<RerankDocument>? Documents { get; init; }

    /// <summary>The documents in the name of Hugging Face's text-embeddings-inference, whose answer is an array.</summary>
    public IReadOnlyList<string>? Texts { get; init; }

    /// <summary>Of that form: whether results carry their texts.</summary>
    public bool? ReturnText { get; init; }

    /// <summary>How many of the best to answer with; null: all.</summary>
    public int? TopN { get; init; }

    /// <summary>Whether results carry their texts; null: no.</summary>
    public bool? ReturnDocuments { get; init; }
}

internal sealed class RerankResponse
{
    public string Object { get; init; } = "list";

    public required string Model { get; init; }

    /// <summary>The best first.</summary>
    public required IReadOnlyList<RerankResult> Results { get; init; }

    public EmbeddingUsage? Usage { get; init; }
}

internal sealed class RerankResult
{
    /// <summary>Which of the request's documents.</summary>
    public int Index { get; init; }

    /// <summary>The model's score as it is: a logit, without bounds for most models.</summary>
    public float RelevanceScore { get; init; }

    public RerankDocument? Document { get; init; }
}

/// <summary>A document: in a request a string or <c>{"text": ...}</c>, in a result always the latter.</summary>
[JsonConverter(typeof(RerankDocumentConverter))]
internal sealed record RerankDocument(string Text);

internal sealed class RerankDocumentConverter : JsonConverter<RerankDocument>
{
    public override RerankDocument Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String)
            return new RerankDocument(reader.GetString()!);
        using var value = JsonDocument.ParseValue(ref reader);
        return value.RootElement is { ValueKind: JsonValueKind.Object } document && document.EnumerateObject().Count() == 1
            && document.TryGetProperty("text", out var text) && text.ValueKind == JsonValueKind.String
            ? new RerankDocument(text.GetString()!)
            : throw new ProtocolException("must be a string or {\"text\": \"...\"}");
    }

    public override void Write(Utf8JsonWriter writer, RerankDocument value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        writer.WriteString("text", value.Text);
        writer.WriteEndObject();
    }
}
