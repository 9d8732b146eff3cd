using Hearth.Runtime.Caching;

namespace Hearth.Host.Service;

/// <summary>One model, as configuration names it: its file and the members of <see cref="ModelOptions"/>.</summary>
internal sealed record ModelConfiguration
{
    /// <summary>The name by which requests address it; null: the file's name without its extension.</summary>
    public string? Id { get; init; }

    /// <summary>The GGUF file.</summary>
    public string Path { get; init; } = "";

    public int? Threads { get; init; }

    public int? ContextLength { get; init; }

    public int? CacheTokens { get; init; }

    public CacheType? KeyType { get; init; }

    public CacheType? ValueType { get; init; }

    public int? MaxSequences { get; init; }

    public int? QueueCapacity { get; init; }

    public int? StepTokens { get; init; }

    public bool? PrefixCaching { get; init; }

    public string EffectiveId => Id ?? System.IO.Path.GetFileNameWithoutExtension(Path);

    public ModelOptions ToOptions() => new()
    {
        Id = EffectiveId,
        Threads = Threads,
        ContextLength = ContextLength,
        CacheTokens = CacheTokens,
        KeyType = KeyType,
        ValueType = ValueType,
        MaxSequences = MaxSequences,
        QueueCapacity = QueueCapacity,
        StepTokens = StepTokens,
        PrefixCaching = PrefixCaching,
    };
}

/// <summary>Loads a model; progress is 0 to 1.</summary>
internal delegate Task<ILanguageModel> LoadModel(ModelConfiguration model, IProgress<double>? progress, CancellationToken cancellationToken);
