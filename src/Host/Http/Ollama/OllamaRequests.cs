using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Serializers for Ollama's requests.</summary>
/// <remarks>Source: https://github.com/ollama/ollama/blob/main/docs/api.md.</remarks>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(OllamaChatRequest))]
[JsonSerializable(typeof(OllamaGenerateRequest))]
[JsonSerializable(typeof(OllamaEmbedRequest))]
[JsonSerializable(typeof(OllamaModelRequest))]
internal sealed partial class OllamaJson : JsonSerializerContext;

/// <summary>What chat and generate share.</summary>
internal abstract class OllamaTextRequest
{
    public string? Model { get; init; }

    /// <summary>Null: true.</summary>
    public bool? Stream { get; init; }

    /// <summary>"json", or a JSON schema.</summary>
    public JsonElement? Format { get; init; }

    public OllamaOptions? Options { get; init; }

    /// <summary>Seconds, or a text such as "5m"; negative: for good.</summary>
    public JsonElement? KeepAlive { get; init; }

    /// <summary>True, false, or how much: "low", "medium", "high".</summary>
    public JsonElement? Think { get; init; }

    public bool? Logprobs { get; init; }

    public int? TopLogprobs { get; init; }

    /// <summary>Whether a full context goes on; null: as the model or preset has it.</summary>
    public bool? Shift { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

internal sealed class OllamaChatRequest : OllamaTextRequest
{
    public IReadOnlyList<OllamaMessage>? Messages { get; init; }

    public IReadOnlyList<JsonObject>? Tools { get; init; }
}

internal sealed class OllamaGenerateRequest : OllamaTextRequest
{
    public string? Prompt { get; init; }

    public string? System { get; init; }

    /// <summary>What follows the text to be written, for models with tokens that fill a hole.</summary>
    public string? Suffix { get; init; }

    /// <summary>Whether the prompt is the model's whole input, without a template.</summary>
    public bool? Raw { get; init; }
}

internal sealed class OllamaMessage
{
    public string? Role { get; init; }

    public string? Content { get; init; }

    public string? Thinking { get; init; }

    public IReadOnlyList<WireToolCall>? ToolCalls { get; init; }

    /// <summary>Of a tool's result: which tool's.</summary>
    public string? ToolName { get; init; }

    public string? ToolCallId { get; init; }

    public IReadOnlyList<JsonElement>? Images { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

/// <summary>How to choose tokens, in Ollama's names.</summary>
internal sealed class OllamaOptions
{
    public int? NumPredict { get; init; }

    public float? Temperature { get; init; }

    public int? TopK { get; init; }

    public float? TopP { get; init; }

    public float? MinP { get; init; }

    public Int128? Seed { get; init; }

    [JsonConverter(typeof(StringListConverter))]
    public IReadOnlyList<string>? Stop { get; init; }

    public float? RepeatPenalty { get; init; }

    public int? RepeatLastN { get; init; }

    public float? PresencePenalty { get; init; }

    public float? FrequencyPenalty { get; init; }

    /// <summary>Tokens of the prompt's beginning that stay where the context shifts; -1: all.</summary>
    public int? NumKeep { get; init; }

    /// <inheritdoc cref="GenerationFields.OnFull"/>
    [JsonConverter(typeof(FullContextConverter))]
    public FullContext? OnFull { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

/// <summary>Of both routes that embed.</summary>
internal sealed class OllamaEmbedRequest
{
    public string? Model { get; init; }

    [JsonConverter(typeof(StringListConverter))]
    public IReadOnlyList<string>? Input { get; init; }

    /// <summary>The older route's text.</summary>
    public string? Prompt { get; init; }

    /// <summary>Whether a text that is too long is cut off rather than refused; null: true.</summary>
    public bool? Truncate { get; init; }

    public int? Dimensions { get; init; }

    public JsonElement? KeepAlive { get; init; }
}

/// <summary>Of the routes about models.</summary>
internal sealed class OllamaModelRequest
{
    public string? Model { get; init; }

    /// <summary>The model's older name.</summary>
    public string? Name { get; init; }

    public bool? Verbose { get; init; }

    public bool? Stream { get; init; }

    public bool? Insecure { get; init; }

    public string? Source { get; init; }

    public string? Destination { get; init; }

    public string? From { get; init; }

    public string? System { get; init; }

    public string? Template { get; init; }

    public OllamaOptions? Parameters { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}
