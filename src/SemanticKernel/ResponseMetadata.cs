using Hearth.Runtime;
using Hearth.SemanticKernel.Backends;

namespace Hearth.SemanticKernel;

/// <summary>What an answer says about itself, under the names that Semantic Kernel's OpenAI connector uses.</summary>
internal static class ResponseMetadata
{
    /// <summary>Id, CreatedAt, FinishReason ("Stop", "Length", "DeadlineExceeded"; null before the end) and Usage (<see cref="TokenUsage"/>; null before the end).</summary>
    public static IReadOnlyDictionary<string, object?> Of(ResponseIdentity response, FinishReason? finishReason, TokenUsage? usage) => new Dictionary<string, object?>
    {
        ["Id"] = response.Id,
        ["CreatedAt"] = response.CreatedAt,
        ["FinishReason"] = finishReason?.ToString(),
        ["Usage"] = usage,
    };

    /// <summary>Gathers a streamed answer.</summary>
    public static async Task<(ResponseIdentity Response, GenerationResult Result)> CollectAsync(this IAsyncEnumerable<BackendUpdate> updates)
    {
        var text = new System.Text.StringBuilder();
        var ids = new List<int>();
        ResponseIdentity? response = null;
        FinishReason? finishReason = null;
        TokenUsage? usage = null;
        await foreach (var (identity, update) in updates.ConfigureAwait(false))
        {
            response ??= identity;
            text.Append(update.Text);
            ids.AddRange(update.TokenIds);
            finishReason ??= update.FinishReason;
            usage ??= update.Usage;
        }

        return response is null || finishReason is null
            ? throw new HearthException("the model's answer ended without a finish reason")
            : (response, new GenerationResult(text.ToString(), ids, finishReason.Value, usage ?? default));
    }
}
