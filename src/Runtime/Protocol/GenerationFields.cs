using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Hearth.Runtime.Protocol;

/// <summary>What chat and text completions share: OpenAI's fields and Hearth's own (top_k, min_p, repetition_penalty, penalty_window, ignore_eos, beams, length_penalty, on_full), and what vLLM and llama-server call what OpenAI has no name for.</summary>
internal abstract class GenerationFields
{
    /// <summary>What the fields come to, those apart that need a check of their form or the model.</summary>
    [JsonIgnore]
    public GenerationOptions Options { get; set; } = GenerationOptions.Default;

    public string? Model { get; set; }

    public float? Temperature { get => Options.Temperature; set => Options = Options with { Temperature = value }; }

    public float? TopP { get => Options.TopP; set => Options = Options with { TopP = value }; }

    public int? TopK { get => Options.TopK; set => Options = Options with { TopK = value }; }

    public float? MinP { get => Options.MinP; set => Options = Options with { MinP = value }; }

    public float? RepetitionPenalty { get => Options.RepetitionPenalty; set => Options = Options with { RepetitionPenalty = value }; }

    public float? PresencePenalty { get => Options.PresencePenalty; set => Options = Options with { PresencePenalty = value }; }

    public float? FrequencyPenalty { get => Options.FrequencyPenalty; set => Options = Options with { FrequencyPenalty = value }; }

    /// <summary>llama-server's and Ollama's name of it.</summary>
    public float? RepeatPenalty { get => null; set => RepetitionPenalty = value ?? RepetitionPenalty; }

    /// <summary>llama-server's name of penalty_window.</summary>
    public int? RepeatLastN { get => null; set => PenaltyWindow = value ?? PenaltyWindow; }

    public int? PenaltyWindow { get => Options.PenaltyWindow; set => Options = Options with { PenaltyWindow = value }; }

    public int? Beams { get => Options.Beams; set => Options = Options with { Beams = value }; }

    public float? LengthPenalty { get => Options.LengthPenalty; set => Options = Options with { LengthPenalty = value }; }

    /// <summary>Tokens and texts to the number added to their logits; -100 forbids them.</summary>
    public WireBiases? LogitBias { get; set; }

    public int? MaxTokens { get => Options.MaxTokens; set => Options = Options with { MaxTokens = value }; }

    /// <summary>llama-server's name of max_tokens.</summary>
    public int? NPredict { get => null; set => MaxTokens = value ?? MaxTokens; }

    public int? MinTokens { get => Options.MinTokens; set => Options = Options with { MinTokens = value }; }

    public int? DraftTokens { get => Options.DraftTokens; set => Options = Options with { DraftTokens = value }; }

    /// <summary>Hearth's own: "stop", "shift" or "error".</summary>
    [JsonConverter(typeof(FullContextConverter))]
    public FullContext? OnFull { get => Options.OnFull; set => Options = Options with { OnFull = value }; }

    /// <summary>llama-server's; -1: the whole prompt.</summary>
    public int? NKeep { get => Options.KeptTokens; set => Options = Options with { KeptTokens = value }; }

    public IReadOnlyList<int>? StopTokenIds { get => Options.StopTokenIds is { Count: > 0 } ids ? ids : null; set => Options = Options with { StopTokenIds = value ?? [] }; }

    public int? N { get => Options.ChoiceCount; set => Options = Options with { ChoiceCount = value }; }

    /// <summary>Any 64-bit integer, with or without sign; -1 asks for a fresh one.</summary>
    public Int128? Seed { get; set; }

    [JsonConverter(typeof(StringListConverter))]
    public IReadOnlyList<string>? Stop { get => Options.StopSequences is { Count: > 0 } stops ? stops : null; set => Options = Options with { StopSequences = value is [""] ? [] : value ?? [] }; }

    public bool? IgnoreEos { get => Options.IgnoreEndOfText ? true : null; set => Options = Options with { IgnoreEndOfText = value ?? false }; }

    /// <summary>OpenAI's: text, json_object or json_schema; with llama-server's schema beside the type too.</summary>
    public JsonElement? ResponseFormat { get; set; }

    /// <summary>llama-server's: a grammar in GBNF.</summary>
    public string? Grammar { get; set; }

    /// <summary>llama-server's: a JSON schema.</summary>
    public JsonElement? JsonSchema { get; set; }

    /// <summary>vLLM's until 0.11: a JSON schema, maybe written as a string.</summary>
    public JsonElement? GuidedJson { get; set; }

    public string? GuidedRegex { get; set; }

    public IReadOnlyList<string>? GuidedChoice { get; set; }

    public string? GuidedGrammar { get; set; }

    /// <summary>vLLM's since 0.11: one of json, regex, choice, grammar and json_object.</summary>
    public JsonElement? StructuredOutputs { get; set; }

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

    /// <summary>Whether the answer tells how likely its tokens were.</summary>
    public bool? Logprobs { get; set; }

    /// <summary>And of how many of the likeliest in their places.</summary>
    public int? TopLogprobs { get; set; }

    /// <summary>OpenAI's newer name of max_tokens.</summary>
    public int? MaxCompletionTokens { get; init; }

    public IReadOnlyList<JsonObject>? Tools { get; init; }

    /// <summary>Further variables for the template.</summary>
    public JsonObject? ChatTemplateKwargs { get; init; }

    /// <summary>"none", "minimal", "low", "medium", "high" or what the template knows.</summary>
    public string? ReasoningEffort { get; init; }

    /// <summary>OpenRouter's: an object of effort, max_tokens, enabled and exclude.</summary>
    public JsonElement? Reasoning { get; init; }

    /// <summary>Whether the model thinks, where its template knows that choice.</summary>
    public bool? EnableThinking { get; init; }

    /// <summary>Hearth's own: the most tokens of thoughts.</summary>
    public int? ThinkingBudget { get; init; }

    /// <summary>llama-server's name of it; -1: no limit.</summary>
    public int? ReasoningBudget { get; init; }

    /// <summary>"none", "auto", "required", or an object that names one tool or those that are allowed.</summary>
    public JsonElement? ToolChoice { get; init; }

    public bool? ParallelToolCalls { get; init; }

    /// <summary>vLLM's: whether the last message, the assistant's, is the beginning of the answer.</summary>
    public bool? ContinueFinalMessage { get; init; }

    public bool? AddGenerationPrompt { get; init; }

    /// <summary>Hearth's own: "new", a conversation's id, or an object of id and after, or of fork; the messages are then those that are new.</summary>
    public JsonElement? Conversation { get; init; }
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

    /// <summary>Why an assistant would not answer; OpenAI puts it beside a content of null.</summary>
    public string? Refusal { get; init; }

    /// <summary>An assistant's thoughts, in DeepSeek's and vLLM's name.</summary>
    [JsonConverter(typeof(TextContentConverter))]
    public string? ReasoningContent { get; init; }

    /// <summary>The same in the name of OpenRouter, Ollama's compatible API and newer vLLM.</summary>
    [JsonConverter(typeof(TextContentConverter))]
    public string? Reasoning { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Others { get; set; }
}

internal sealed class WireToolCall
{
    /// <summary>In streams: which of the answer's calls it is a piece of.</summary>
    public int? Index { get; init; }

    public string? Id { get; init; }

    public string? Type { get; init; }

    public WireFunctionCall? Function { get; init; }
}

internal sealed class WireFunctionCall
{
    public string? Name { get; init; }

    /// <summary>A JSON object, written as a string; some clients send the object itself.</summary>
    [JsonConverter(typeof(ArgumentsConverter))]
    public string? Arguments { get; init; }
}

internal sealed class CompletionRequest : GenerationFields
{
    [JsonConverter(typeof(PromptListConverter))]
    public IReadOnlyList<PromptInput>? Prompt { get; init; }

    public int? Logprobs { get => Options.LogProbabilities; set => Options = Options with { LogProbabilities = value }; }

    /// <summary>Whether the answer's text begins with the prompt.</summary>
    public bool? Echo { get; init; }

    /// <summary>What follows the text to be written, for models with tokens that fill a hole.</summary>
    public string? Suffix { get; init; }

    /// <summary>Texts that are made of each prompt, of which the n likeliest are the answer; null: n.</summary>
    public int? BestOf { get; init; }

    /// <summary>Hearth's own: whether special tokens written in a text count as such.</summary>
    public bool? ParseSpecial { get; init; }
}

/// <summary>One prompt: a text or token ids.</summary>
internal readonly record struct PromptInput(string? Text, IReadOnlyList<int>? TokenIds);
