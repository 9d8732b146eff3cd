using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Hearth.Runtime.Protocol;

/// <summary>What chat and text completions share: OpenAI's fields and Hearth's own (top_k, min_p, repetition_penalty, penalty_window, ignore_eos, beams, length_penalty).</summary>
internal abstract class GenerationFields
{
    public string? Model { get; set; }

    public float? Temperature { get; set; }

    public float? TopP { get; set; }

    public int? TopK { get; set; }

    public float? MinP { get; set; }

    public float? RepetitionPenalty { get; set; }

    public float? PresencePenalty { get; set; }

    public float? FrequencyPenalty { get; set; }

    public int? PenaltyWindow { get; set; }

    public int? Beams { get; set; }

    public float? LengthPenalty { get; set; }

    /// <summary>Token ids, as text, to the number added to their logits; -100 forbids a token.</summary>
    public Dictionary<string, float>? LogitBias { get; set; }

    public int? MaxTokens { get; set; }

    /// <summary>Any 64-bit integer, with or without sign.</summary>
    public Int128? Seed { get; set; }

    [JsonConverter(typeof(StringListConverter))]
    public IReadOnlyList<string>? Stop { get; set; }

    public bool? IgnoreEos { get; set; }

    public bool? Stream { get; set; }

    public StreamOptions? StreamOptions { get; set; }

    /// <summary>Every other field, so that a server can refuse those that it knows but does not support.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

internal sealed class StreamOptions
{
    /// <summary>Whether a last chunk without choices carries the usage.</summary>
    public bool? IncludeUsage { get; init; }
}

internal sealed class ChatCompletionRequest : GenerationFields
{
    public IReadOnlyList<ChatRequestMessage>? Messages { get; init; }

    /// <summary>OpenAI's newer name of max_tokens.</summary>
    public int? MaxCompletionTokens { get; init; }

    public IReadOnlyList<JsonObject>? Tools { get; init; }

    /// <summary>Further variables for the template.</summary>
    public JsonObject? ChatTemplateKwargs { get; init; }

    public string? ReasoningEffort { get; init; }
}

internal sealed class ChatRequestMessage
{
    public string? Role { get; init; }

    /// <summary>A string, or text parts, which are joined by line feeds.</summary>
    [JsonConverter(typeof(TextContentConverter))]
    public string? Content { get; init; }

    public string? Name { get; init; }

    public IReadOnlyList<WireToolCall>? ToolCalls { get; init; }

    public string? ToolCallId { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

internal sealed class WireToolCall
{
    public string? Id { get; init; }

    public string? Type { get; init; }

    public WireFunctionCall? Function { get; init; }
}

internal sealed class WireFunctionCall
{
    public string? Name { get; init; }

    /// <summary>A JSON object, written as a string.</summary>
    public string? Arguments { get; init; }
}

internal sealed class CompletionRequest : GenerationFields
{
    [JsonConverter(typeof(PromptListConverter))]
    public IReadOnlyList<PromptInput>? Prompt { get; init; }

    /// <summary>Hearth's own: whether special tokens written in a text count as such.</summary>
    public bool? ParseSpecial { get; init; }
}

/// <summary>One prompt: a text or token ids.</summary>
internal readonly record struct PromptInput(string? Text, IReadOnlyList<int>? TokenIds);
