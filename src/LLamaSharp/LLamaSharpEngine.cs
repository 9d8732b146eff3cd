using Hearth.LLamaSharp.Native;
using Hearth.Runtime;
using Hearth.Runtime.Engines;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Microsoft.Extensions.Logging;

[assembly: ModelEngine(typeof(Hearth.LLamaSharp.LLamaSharpEngine))]

namespace Hearth.LLamaSharp;

/// <summary>LLamaSharp as an engine of <see cref="ModelEngines"/>: "llamasharp".</summary>
public sealed class LLamaSharpEngine : IModelEngine
{
    /// <summary>The name by which options ask for it.</summary>
    public const string EngineName = "llamasharp";

    /// <inheritdoc/>
    public string Name => EngineName;

    /// <inheritdoc/>
    public string Describe() => LlamaLibrary.Describe();

    /// <inheritdoc/>
    public bool Knows(GgufFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return LlamaWeights.Takes(file);
    }

    /// <inheritdoc/>
    public async Task<IModel> LoadAsync(
        GgufFile file, ModelOptions options, bool embeds, PoolingKind? pooling = null, IProgress<LoadProgress>? progress = null, ILogger? logger = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(options);
        return embeds
            ? await LLamaSharpEmbeddingModel.LoadAsync(file, options, pooling, progress, logger, cancellationToken).ConfigureAwait(false)
            : await LLamaSharpModel.LoadAsync(file, options, progress, logger, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Refuses what llama.cpp has no way to do, by name.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Such an option is set, or another engine's name.</exception>
    internal static void RequireKnownOptions(ModelOptions options)
    {
        if (options.Engine is { } engine && !engine.Equals(EngineName, StringComparison.OrdinalIgnoreCase))
            throw Refused(nameof(ModelOptions.Engine), engine, $"the engine '{engine}' is asked for, but this is {EngineName}");
        if (options.PinThreads == true)
            throw Refused(nameof(ModelOptions.PinThreads), true, $"{nameof(ModelOptions.PinThreads)} is an option of Hearth's own engine; {EngineName} places its threads itself");
        if (options.Threads is < 1 or > 512)
            throw Refused(nameof(ModelOptions.Threads), options.Threads, $"{nameof(ModelOptions.Threads)} must be 1 to 512");
        if (options.FlashAttention == false && options.ValueType is Runtime.Caching.CacheType.Q8_0 or Runtime.Caching.CacheType.Q4_0)
            throw Refused(nameof(ModelOptions.ValueType), options.ValueType, $"values in {options.ValueType} need llama.cpp's flash attention, which {nameof(ModelOptions.FlashAttention)} forbids");
    }

    private static ArgumentOutOfRangeException Refused(string member, object? value, string reason) => new(member, value, reason);
}
