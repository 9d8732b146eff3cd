using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;

namespace Hearth.Host.Service;

/// <summary>What a model is loaded for.</summary>
internal enum ModelUse
{
    /// <summary>It generates text.</summary>
    Text,

    /// <summary>It turns texts into vectors.</summary>
    Embedding,
}

/// <summary>How an embedding model makes one vector of a text's tokens, in the names of model cards.</summary>
internal enum PoolingName
{
    Mean = PoolingKind.Mean,
    Cls = PoolingKind.First,
    Last = PoolingKind.Last,
    Rank = PoolingKind.Rank,
}

/// <summary>One model, as configuration names it: its file and the members of <see cref="ModelOptions"/>.</summary>
internal sealed record ModelConfiguration
{
    /// <summary>The name by which requests address it; null: the file's name without its extension.</summary>
    public string? Id { get; init; }

    /// <summary>The GGUF file.</summary>
    public string Path { get; init; } = "";

    /// <summary>Null: as the file says. <see cref="ModelUse.Embedding"/> makes an embedding model of a decoder.</summary>
    public ModelUse? Kind { get; init; }

    /// <summary>Of an embedding model; null: as the file says, else the mean for encoders and the last token for decoders.</summary>
    public PoolingName? Pooling { get; init; }

    public int? Threads { get; init; }

    public bool? PinThreads { get; init; }

    public int? ContextLength { get; init; }

    public int? CacheTokens { get; init; }

    public CacheType? KeyType { get; init; }

    public CacheType? ValueType { get; init; }

    public int? MaxSequences { get; init; }

    public int? QueueCapacity { get; init; }

    public int? StepTokens { get; init; }

    public bool? PrefixCaching { get; init; }

    public bool? TemplateControlTokens { get; init; }

    public int? DraftTokens { get; init; }

    public string? CacheFolder { get; init; }

    public long? CacheFolderBytes { get; init; }

    /// <summary>"hearth" or another engine that this build carries, such as "llamasharp"; what follows is for such a one.</summary>
    public string? Engine { get; init; }

    public int? GpuLayers { get; init; }

    public GpuSplit? GpuSplit { get; init; }

    public int? MainGpu { get; init; }

    public bool? FlashAttention { get; init; }

    public bool? MemoryMap { get; init; }

    public double? RopeFrequencyBase { get; init; }

    public double? RopeFrequencyScale { get; init; }

    /// <summary>Bytes that the cache may take where <see cref="CacheTokens"/> says nothing; null: a quarter of the machine's memory.</summary>
    public long? CacheBytes { get; init; }

    /// <summary>The chat template: "chatml", or a file with one in Jinja; null: the model's own, and ChatML where it has none.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>The system prompt of chats that bring none.</summary>
    public string? System { get; init; }

    /// <summary>Options where a request says nothing.</summary>
    public SamplingConfiguration? Sampling { get; init; }

    /// <summary>Further names by which requests address it.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>Whether it is loaded by the first request for it rather than at the service's start.</summary>
    public bool OnDemand { get; init; }

    /// <summary>Seconds that it stays loaded without requests; -1: for good. Null: for good, or where it is <see cref="OnDemand"/> as the service says.</summary>
    public double? KeepAliveSeconds { get; init; }

    /// <summary>Requests of a model that run at a time, where nobody says how many.</summary>
    public const int UsualSequences = 16;

    public string EffectiveId => Id ?? global::System.IO.Path.GetFileNameWithoutExtension(Path);

    /// <summary>Whether another configuration loads the very same, whatever else it says of it.</summary>
    public bool LoadsAs(ModelConfiguration other) => ToLoad() == other.ToLoad();

    private ModelConfiguration ToLoad() => this with { System = null, Sampling = null, Aliases = [], OnDemand = false, KeepAliveSeconds = null };

    public ModelOptions ToOptions() => new()
    {
        Id = EffectiveId,
        Threads = Threads,
        PinThreads = PinThreads,
        ContextLength = ContextLength,
        CacheTokens = CacheTokens,
        CacheBytes = CacheBytes,
        KeyType = KeyType,
        ValueType = ValueType,
        MaxSequences = MaxSequences,
        QueueCapacity = QueueCapacity,
        StepTokens = StepTokens,
        PrefixCaching = PrefixCaching,
        TemplateControlTokens = TemplateControlTokens,
        DraftTokens = DraftTokens,
        CacheFolder = CacheFolder,
        CacheFolderBytes = CacheFolderBytes,
        Engine = Engine,
        GpuLayers = GpuLayers,
        GpuSplit = GpuSplit,
        MainGpu = MainGpu,
        FlashAttention = FlashAttention,
        MemoryMap = MemoryMap,
        RopeFrequencyBase = RopeFrequencyBase,
        RopeFrequencyScale = RopeFrequencyScale,
    };
}

/// <summary>Loads a model, an <see cref="ILanguageModel"/> or <see cref="IEmbeddingModel"/> as its configuration and file say; progress is 0 to 1.</summary>
internal delegate Task<IModel> LoadModel(ModelConfiguration model, IProgress<double>? progress, CancellationToken cancellationToken);
