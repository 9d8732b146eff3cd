using System.Text.Json;
using System.Text.Json.Serialization;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Serializers for requests of OpenAI's responses.</summary>
/// <remarks>Source: https://platform.openai.com/docs/api-reference/responses.</remarks>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(ResponseRequest))]
internal sealed partial class ResponseJson : JsonSerializerContext;

internal sealed class ResponseRequest
{
    public string? Model { get; init; }

    /// <summary>A text, or items: messages, calls, results and thoughts.</summary>
    public JsonElement? Input { get; init; }

    /// <summary>A system message for this answer only: it is not part of what is kept.</summary>
    public string? Instructions { get; init; }

    public string? PreviousResponseId { get; init; }

    /// <summary>Whether the answer is kept for later; null: true.</summary>
    public bool? Store { get; init; }

    public int? MaxOutputTokens { get; init; }

    public float? Temperature { get; init; }

    public float? TopP { get; init; }

    public int? TopLogprobs { get; init; }

    public bool? Stream { get; init; }

    public IReadOnlyList<JsonElement>? Tools { get; init; }

    public JsonElement? ToolChoice { get; init; }

    public bool? ParallelToolCalls { get; init; }

    public ResponseText? Text { get; init; }

    public ResponseReasoning? Reasoning { get; init; }

    public IReadOnlyList<string>? Include { get; init; }

    public JsonElement? Metadata { get; init; }

    public string? User { get; init; }

    /// <summary>"disabled", or "auto": a full context goes on without its oldest messages.</summary>
    public string? Truncation { get; init; }

    /// <inheritdoc cref="GenerationFields.OnFull"/>
    [JsonConverter(typeof(FullContextConverter))]
    public FullContext? OnFull { get; init; }

    /// <summary>llama-server's: whether each piece of text tells the times so far.</summary>
    public bool? TimingsPerToken { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

internal sealed class ResponseText
{
    public JsonElement? Format { get; init; }

    public string? Verbosity { get; init; }
}

internal sealed class ResponseReasoning
{
    public string? Effort { get; init; }

    public string? Summary { get; init; }
}
