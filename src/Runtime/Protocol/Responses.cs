using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Hearth.Runtime.Protocol;

internal sealed class ChatCompletionResponse
{
    public required string Id { get; init; }

    public string Object { get; init; } = "chat.completion";

    public long Created { get; init; }

    public required string Model { get; init; }

    public required IReadOnlyList<ChatChoice> Choices { get; init; }

    public UsageFields? Usage { get; init; }

    /// <summary>Which build answered.</summary>
    public string? SystemFingerprint { get; init; } = WireNames.Fingerprint;

    /// <inheritdoc cref="WireTimings"/>
    public WireTimings? Timings { get; init; }

    /// <summary>Hearth's own: what the caller should know of the answer, a sentence each; absent where there is nothing.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <summary>Hearth's own: the conversation that the answer is part of; absent where there is none.</summary>
    public ConversationFields? Conversation { get; init; }
}

internal sealed class ConversationFields
{
    public required string Id { get; init; }
}

internal sealed class ChatChoice
{
    public int Index { get; init; }

    public required ChatResponseMessage Message { get; init; }

    public ChatLogprobs? Logprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    /// <summary>vLLM's: the stop sequence, or the id of the stop token, that ended the text; absent where something else did.</summary>
    public JsonValue? StopReason { get; init; }
}

internal sealed class ChatResponseMessage
{
    public string? Role { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Content { get; init; }

    /// <summary>The model's thoughts, in DeepSeek's and vLLM's name.</summary>
    public string? ReasoningContent { get; init; }

    public IReadOnlyList<WireToolCall>? ToolCalls { get; init; }
}

internal sealed class ChatCompletionChunk
{
    public required string Id { get; init; }

    public string Object { get; init; } = "chat.completion.chunk";

    public long Created { get; init; }

    public required string Model { get; init; }

    public required IReadOnlyList<ChatChunkChoice> Choices { get; init; }

    public UsageFields? Usage { get; init; }

    /// <inheritdoc cref="ChatCompletionResponse.SystemFingerprint"/>
    public string? SystemFingerprint { get; init; } = WireNames.Fingerprint;

    /// <inheritdoc cref="WireTimings"/>
    public WireTimings? Timings { get; init; }

    /// <inheritdoc cref="ChatCompletionResponse.Warnings"/>
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <inheritdoc cref="ChatCompletionResponse.Conversation"/>
    public ConversationFields? Conversation { get; init; }
}

internal sealed class ChatChunkChoice
{
    public int Index { get; init; }

    public required ChatDelta Delta { get; init; }

    public ChatLogprobs? Logprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    /// <inheritdoc cref="ChatChoice.StopReason"/>
    public JsonValue? StopReason { get; init; }
}

internal sealed class ChatDelta
{
    public string? Role { get; init; }

    public string? Content { get; init; }

    /// <inheritdoc cref="ChatResponseMessage.ReasoningContent"/>
    public string? ReasoningContent { get; init; }

    public IReadOnlyList<WireToolCall>? ToolCalls { get; init; }
}

/// <summary>A text completion, whole or one chunk of its stream: OpenAI gives both the same shape.</summary>
internal sealed class CompletionResponse
{
    public required string Id { get; init; }

    public string Object { get; init; } = "text_completion";

    public long Created { get; init; }

    public required string Model { get; init; }

    public required IReadOnlyList<TextChoice> Choices { get; init; }

    public UsageFields? Usage { get; init; }

    /// <inheritdoc cref="ChatCompletionResponse.SystemFingerprint"/>
    public string? SystemFingerprint { get; init; } = WireNames.Fingerprint;

    /// <inheritdoc cref="WireTimings"/>
    public WireTimings? Timings { get; init; }

    /// <inheritdoc cref="ChatCompletionResponse.Warnings"/>
    public IReadOnlyList<string>? Warnings { get; init; }
}

internal sealed class TextChoice
{
    public required string Text { get; init; }

    public int Index { get; init; }

    public TextLogprobs? Logprobs { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? FinishReason { get; init; }

    /// <inheritdoc cref="ChatChoice.StopReason"/>
    public JsonValue? StopReason { get; init; }
}

/// <summary>llama-server's: what an answer took, in milliseconds and tokens a second.</summary>
internal sealed class WireTimings
{
    public int CacheN { get; init; }

    public int PromptN { get; init; }

    public double PromptMs { get; init; }

    public double PromptPerTokenMs { get; init; }

    public double PromptPerSecond { get; init; }

    public int PredictedN { get; init; }

    public double PredictedMs { get; init; }

    public double PredictedPerTokenMs { get; init; }

    public double PredictedPerSecond { get; init; }

    /// <summary>The times of an answer.</summary>
    /// <param name="usage">What it cost.</param>
    /// <param name="reading">What reading the prompt took.</param>
    /// <param name="writing">What writing took since.</param>
    public static WireTimings Of(TokenUsage usage, TimeSpan reading, TimeSpan writing)
    {
        var read = usage.PromptTokens - usage.CachedPromptTokens;
        return new WireTimings
        {
            CacheN = usage.CachedPromptTokens,
            PromptN = read,
            PromptMs = Rounded(reading.TotalMilliseconds),
            PromptPerTokenMs = Rounded(reading.TotalMilliseconds / Math.Max(1, read)),
            PromptPerSecond = Rounded(read / Math.Max(1e-6, reading.TotalSeconds)),
            PredictedN = usage.CompletionTokens,
            PredictedMs = Rounded(writing.TotalMilliseconds),
            PredictedPerTokenMs = Rounded(writing.TotalMilliseconds / Math.Max(1, usage.CompletionTokens)),
            PredictedPerSecond = Rounded(usage.CompletionTokens / Math.Max(1e-6, writing.TotalSeconds)),
        };
    }

    private static double Rounded(double number) => Math.Round(number, 3);
}

internal sealed class UsageFields
{
    public int PromptTokens { get; init; }

    public int CompletionTokens { get; init; }

    public int TotalTokens { get; init; }

    /// <summary>Hearth's own: tokens left out of a full context that went on; absent where there were none.</summary>
    public int? DroppedTokens { get; init; }

    public PromptTokensDetails? PromptTokensDetails { get; init; }

    public CompletionTokensDetails? CompletionTokensDetails { get; init; }
}

internal sealed class CompletionTokensDetails
{
    public int ReasoningTokens { get; init; }

    /// <summary>Hearth's own: those that a constraint forced.</summary>
    public int ForcedTokens { get; init; }

    /// <summary>Guessed tokens that were chosen; absent where none were guessed.</summary>
    public int? AcceptedPredictionTokens { get; init; }

    /// <summary>Guessed tokens that were not.</summary>
    public int? RejectedPredictionTokens { get; init; }
}

internal sealed class PromptTokensDetails
{
    public int CachedTokens { get; init; }

    /// <summary>Hearth's own: why not more came from the cache, see <see cref="CacheMissReason"/>; absent where all did.</summary>
    public string? CacheMiss { get; init; }

    /// <summary>Hearth's own: index of the first prompt token that the cache did not hold; absent where all did.</summary>
    public int? FirstDifferentToken { get; init; }
}

internal sealed class ModelList
{
    public string Object { get; init; } = "list";

    public required IReadOnlyList<ModelEntry> Data { get; init; }
}

internal sealed class ModelEntry
{
    public required string Id { get; init; }

    public string Object { get; init; } = "model";

    public long Created { get; init; }

    public string OwnedBy { get; init; } = "hearth";

    /// <summary>Hearth's own: further names of it; absent where it has none.</summary>
    public IReadOnlyList<string>? Aliases { get; init; }

    // Hearth's own; absent while the model is not loaded.
    public string? Architecture { get; init; }

    public int? ContextLength { get; init; }

    public int? VocabularySize { get; init; }

    public long? ParameterCount { get; init; }

    public long? SizeBytes { get; init; }

    /// <summary>"text", "embedding" or "ranking".</summary>
    public string? Kind { get; init; }

    /// <summary>Whether it answers chats.</summary>
    public bool? Chat { get; init; }

    /// <summary>What computes it: "hearth", or another engine's name.</summary>
    public string? Engine { get; init; }

    /// <summary>Of another engine: its library and the backend that it chose.</summary>
    public string? Backend { get; init; }

    /// <summary>What in the model's file is odd, a sentence each; absent where nothing is.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }

    /// <summary>Of an embedding model: values of a vector.</summary>
    public int? Dimensions { get; init; }

    /// <summary>Of an embedding model: "mean", "cls", "last" or "rank".</summary>
    public string? Pooling { get; init; }
}

internal sealed class HealthResponse
{
    /// <summary>"ok" when every model is ready, else "loading" or "failed".</summary>
    public required string Status { get; init; }

    /// <summary>The id of the model that serves requests for text which name none.</summary>
    public string? Model { get; init; }

    public required IReadOnlyList<ModelHealth> Models { get; init; }
}

internal sealed class ModelHealth
{
    public required string Id { get; init; }

    /// <summary>"ready", "loading" or "failed".</summary>
    public required string Status { get; init; }

    /// <summary>0 to 1 while loading.</summary>
    public double? Progress { get; init; }

    public string? Error { get; init; }

    public LoadFields? Load { get; init; }
}

/// <summary>See <see cref="ModelLoad"/>.</summary>
internal sealed class LoadFields
{
    public int RunningRequests { get; init; }

    public int WaitingRequests { get; init; }

    // Absent for an embedding model, which keeps no pages between steps.
    public int? UsedPages { get; init; }

    public int? CachedPages { get; init; }

    public int? TotalPages { get; init; }
}

internal sealed class ErrorResponse
{
    public ErrorFields? Error { get; init; }
}

internal sealed class ErrorFields
{
    public string? Message { get; init; }

    public string? Type { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Param { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Code { get; init; }

    /// <summary>Hearth's own, with code "context_length_exceeded": tokens that the request would occupy.</summary>
    public long? TokensAsked { get; init; }

    /// <summary>Hearth's own, with code "context_length_exceeded": tokens that one sequence may occupy.</summary>
    public long? TokensPossible { get; init; }
}
