namespace Hearth.Runtime;

/// <summary>What a request would cost if it were made now. Nothing runs for it, and nothing is reserved.</summary>
/// <param name="PromptTokens">Tokens of the prompt, exactly.</param>
/// <param name="CachedPromptTokens">Those of them that are cached now.</param>
/// <param name="CacheMiss">Why not more are.</param>
/// <param name="CacheBytes">Bytes of the cache that the prompt would take beside what is there already.</param>
/// <param name="MostCacheBytes">The same at the end of the longest answer that the request allows.</param>
/// <param name="QueuePlace">Waiting requests that would be served before it; 0: none.</param>
/// <param name="TimeToFirstToken">How long until the first token, at the pace of the latest requests; null where the model has served too few to tell.</param>
public sealed record RequestEstimate(
    int PromptTokens, int CachedPromptTokens, CacheMissReason CacheMiss, long CacheBytes, long MostCacheBytes, int QueuePlace, TimeSpan? TimeToFirstToken)
{
    /// <summary>Tokens that would be left out of the prompt because the context would be full (<see cref="GenerationOptions.OnFull"/>); they are not among <see cref="PromptTokens"/>.</summary>
    public int DroppedTokens { get; init; }
}
