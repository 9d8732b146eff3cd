using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Protocol;

/// <summary>How the runtime's values are written on the wire, both ways.</summary>
internal static class WireNames
{
    /// <summary>Error codes that server and client agree on.</summary>
    public const string ContextLengthExceeded = "context_length_exceeded";
    public const string QueueFull = "queue_full";
    public const string ModelNotFound = "model_not_found";
    public const string ModelLoading = "model_loading";
    public const string WrongModelKind = "wrong_model_kind";

    /// <summary>The bias by which the API forbids a token.</summary>
    public const float ForbiddingBias = -100;

    /// <summary>Names the build that answers: the same seed gives the same text only as long as it stays.</summary>
    public static string Fingerprint { get; } = "b" + typeof(WireNames).Module.ModuleVersionId.ToString("N")[..12];

    /// <summary>OpenAI knows one word for every end before the text's own: "length".</summary>
    public static string ToWire(this FinishReason reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.ToolCalls => "tool_calls",
        _ => "length",
    };

    /// <summary>The names that model cards and other servers use.</summary>
    public static string ToWire(this PoolingKind pooling) => pooling switch
    {
        PoolingKind.Mean => "mean",
        PoolingKind.First => "cls",
        PoolingKind.Last => "last",
        _ => "rank",
    };

    /// <summary>What ended a text where a request named it: the stop sequence or the stop token's id; else null.</summary>
    public static JsonValue? StopReason(this GenerationUpdate update)
        => update.StopSequence is { } stop ? JsonValue.Create(stop) : update.StopTokenId is { } id ? JsonValue.Create(id) : null;

    /// <inheritdoc cref="StopReason(GenerationUpdate)"/>
    public static JsonValue? StopReason(this ChatUpdate update)
        => update.StopSequence is { } stop ? JsonValue.Create(stop) : update.StopTokenId is { } id ? JsonValue.Create(id) : null;

    /// <summary>What several texts of one prompt cost together: the prompt counts once.</summary>
    public static TokenUsage WithChoice(this TokenUsage prompt, TokenUsage choice)
        => prompt with
        {
            CompletionTokens = prompt.CompletionTokens + choice.CompletionTokens,
            DroppedTokens = prompt.DroppedTokens + choice.DroppedTokens,
            ForcedTokens = prompt.ForcedTokens + choice.ForcedTokens,
            ReasoningTokens = prompt.ReasoningTokens + choice.ReasoningTokens,
        };

    public static FinishReason? ToFinishReason(string? wire) => wire switch
    {
        null => null,
        "length" => FinishReason.Length,
        "tool_calls" => FinishReason.ToolCalls,
        _ => FinishReason.Stop,
    };

    public static UsageFields ToWire(this TokenUsage usage) => new()
    {
        PromptTokens = usage.PromptTokens,
        CompletionTokens = usage.CompletionTokens,
        TotalTokens = usage.TotalTokens,
        DroppedTokens = usage.DroppedTokens > 0 ? usage.DroppedTokens : null,
        CompletionTokensDetails = usage is { ForcedTokens: > 0 } or { ReasoningTokens: > 0 } or { DraftedTokens: > 0 }
            ? new CompletionTokensDetails
            {
                ForcedTokens = usage.ForcedTokens,
                ReasoningTokens = usage.ReasoningTokens,
                AcceptedPredictionTokens = usage.DraftedTokens > 0 ? usage.AcceptedTokens : null,
                RejectedPredictionTokens = usage.DraftedTokens > 0 ? usage.DraftedTokens - usage.AcceptedTokens : null,
            } : null,
        PromptTokensDetails = new PromptTokensDetails
        {
            CachedTokens = usage.CachedPromptTokens,
            CacheMiss = usage.CacheMiss == CacheMissReason.None ? null : JsonNamingPolicy.SnakeCaseLower.ConvertName(usage.CacheMiss.ToString()),
            FirstDifferentToken = usage.CacheMiss == CacheMissReason.None ? null : usage.FirstDifferentToken,
        },
    };

    public static TokenUsage ToUsage(UsageFields fields)
    {
        var details = fields.PromptTokensDetails;
        var miss = Enum.GetValues<CacheMissReason>()
            .FirstOrDefault(reason => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString()) == details?.CacheMiss);
        return new TokenUsage(
            fields.PromptTokens, fields.CompletionTokens, details?.CachedTokens ?? 0, miss,
            details?.FirstDifferentToken ?? details?.CachedTokens ?? 0)
        {
            DroppedTokens = fields.DroppedTokens ?? 0,
            ForcedTokens = fields.CompletionTokensDetails?.ForcedTokens ?? 0,
            ReasoningTokens = fields.CompletionTokensDetails?.ReasoningTokens ?? 0,
            DraftedTokens = (fields.CompletionTokensDetails?.AcceptedPredictionTokens ?? 0) + (fields.CompletionTokensDetails?.RejectedPredictionTokens ?? 0),
            AcceptedTokens = fields.CompletionTokensDetails?.AcceptedPredictionTokens ?? 0,
        };
    }
}
