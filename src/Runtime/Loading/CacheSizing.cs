using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Loading;

/// <summary>How large a model's cache is made.</summary>
/// <param name="PageCount">Pages.</param>
/// <param name="ContextLength">Tokens that one sequence may hold.</param>
internal readonly record struct CacheSizing(int PageCount, int ContextLength)
{
    /// <summary>Positions of a page: small enough that prefixes are shared finely, large enough that kernels read long runs.</summary>
    public const int PageTokens = 32;

    /// <summary>Tokens of a text without an end: as many as can be counted.</summary>
    public const int Endless = 1 << 30;

    /// <summary>The most pages of a cache: the kernels number them with 24 bits.</summary>
    public const int MostPages = 1 << 24;

    /// <summary>How many states a model's cache holds: two for each sequence, and checkpoints as far as an eighth of the memory goes.</summary>
    /// <param name="program">The model.</param>
    /// <param name="maxSequences">Sequences that run at a time.</param>
    public static int States(ModelProgram program, int maxSequences)
    {
        const int MostStates = 4096;
        if (program.StateWidths.Count == 0)
            return 0;
        var bytes = Math.Max(1, program.StateWidths.Sum() * sizeof(float));
        var checkpoints = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8 / bytes;
        return (2 * maxSequences) + (int)Math.Clamp(checkpoints, 4, MostStates);
    }

    /// <summary>Decides from the options, the model and the machine's memory.</summary>
    /// <exception cref="OutOfModelMemoryException">Not even one page of the context asked for fits.</exception>
    public static CacheSizing Decide(ModelOptions options, ModelInformation model, ModelProgram program, int maxSequences)
    {
        var layers = program.CacheLayers;
        if (program.Recurrence is { } recurrence)
        {
            // Whatever the length of a text, only so much of it is held at a time.
            var context = options.ContextLength is { } asked ? ModelLoader.Checked(asked, 1, Endless, nameof(ModelOptions.ContextLength)) : Endless;
            var held = (int)Math.Min(Math.Min(recurrence.MostHeld(program.Limits.MaxRows, PageTokens), context), 1 << 28);
            var sizing = Decide(options with { ContextLength = null }, model with { ContextLength = held }, layers, maxSequences);
            return sizing.ContextLength >= held ? sizing with { ContextLength = context }
                : throw new OutOfModelMemoryException(
                    $"a text that is read in segments of {recurrence.SegmentLength} with {recurrence.MemoryLength} of memory holds up to {held} positions; the cache has {sizing.ContextLength}. Ask for fewer tokens a step, or a larger cache.");
        }

        return Decide(options, model, layers, maxSequences);
    }

    private static CacheSizing Decide(ModelOptions options, ModelInformation model, IReadOnlyList<CacheLayer> layers, int maxSequences)
    {
        var context = ModelLoader.Checked(options.ContextLength ?? model.ContextLength, 1, 1 << 28, nameof(ModelOptions.ContextLength));
        var perToken = Math.Max(1, EnginePageStore.BytesPerToken(layers, options.KeyType ?? CacheType.F16, options.ValueType ?? CacheType.F16));
        long tokens;
        if (options.CacheTokens is { } asked)
        {
            tokens = ModelLoader.Checked(asked, PageTokens, int.MaxValue - PageTokens, nameof(ModelOptions.CacheTokens));
        }
        else
        {
            var budget = options.CacheBytes is { } bytes ? CheckedBytes(bytes, nameof(ModelOptions.CacheBytes)) : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4;
            tokens = Math.Min((long)context * maxSequences, budget / perToken);
            if (options.ContextLength is { } wished && tokens < wished)
                throw new OutOfModelMemoryException($"a context of {wished} tokens takes {wished * perToken >> 20} MiB of cache; {(options.CacheBytes is null ? "a quarter of the memory" : nameof(ModelOptions.CacheBytes))}, {budget >> 20} MiB, holds {tokens} tokens. Ask for a shorter context, a smaller cache type, or set the cache's size in tokens.");
        }

        // A sequence may always fill its last page, so round up.
        var pages = (int)Math.Clamp((tokens + PageTokens - 1) / PageTokens, 1, MostPages);
        return new CacheSizing(pages, (int)Math.Min(context, (long)pages * PageTokens));
    }

    private static long CheckedBytes(long bytes, string name)
        => bytes >= 1 << 20 ? bytes : throw new ArgumentOutOfRangeException(name, bytes, $"{name} must be at least {1 << 20}, found {bytes}");
}
