using Hearth.Runtime.Caching;

namespace Hearth.Runtime;

/// <summary>How a model is loaded and run. A null member means the default its text names.</summary>
public sealed record ModelOptions
{
    /// <summary>Every default.</summary>
    public static ModelOptions Default { get; } = new();

    /// <summary>The name by which services address the model. Null: the file's name without extension.</summary>
    public string? Id { get; init; }

    /// <summary>Engine threads, 1 to 512. Null: one for each physical core that this process may use, its affinity and a container's quota counted.</summary>
    public int? Threads { get; init; }

    /// <summary>Whether each engine thread stays on one processor, physical cores first. Null: no, the system places threads.</summary>
    public bool? PinThreads { get; init; }

    /// <summary>Tokens that one sequence may hold, prompt and completion together. Null: what the model was made for, as far as the cache holds it; 2^30 for a model that reads in segments (Transformer-XL).</summary>
    public int? ContextLength { get; init; }

    /// <summary>Tokens that the cache holds over all sequences. Null: <see cref="MaxSequences"/> whole contexts, as far as a quarter of the machine's memory holds them.</summary>
    public int? CacheTokens { get; init; }

    /// <summary>Bytes that the cache may take where <see cref="CacheTokens"/> says nothing, at least 1 MiB. Null: a quarter of the machine's memory.</summary>
    public long? CacheBytes { get; init; }

    /// <summary>How keys are stored. Null: F16.</summary>
    public CacheType? KeyType { get; init; }

    /// <summary>How values are stored. Null: F16.</summary>
    public CacheType? ValueType { get; init; }

    /// <summary>Requests that run at a time, 1 to 256; others wait. Null: 16.</summary>
    public int? MaxSequences { get; init; }

    /// <summary>Requests that may wait; a further one is refused at once. Null: 256.</summary>
    public int? QueueCapacity { get; init; }

    /// <summary>The most rows of one engine step, 1 to 8192: long prompts are read in pieces of it. Null: 512.</summary>
    public int? StepTokens { get; init; }

    /// <summary>Whether a prompt that starts like an earlier one takes that part from the cache. Null: yes.</summary>
    public bool? PrefixCaching { get; init; }

    /// <summary>The chat template, in Jinja, in the place of the file's. Null: the file's.</summary>
    public string? ChatTemplate { get; init; }

    /// <summary>The chat template where the file has none, which is then among the model's warnings; of no effect for models that take no chats. Null: none.</summary>
    public string? FallbackChatTemplate { get; init; }

    /// <summary>
    /// Whether the markers that the file's chat template spells are control tokens whatever the file types them: for files whose
    /// writer typed turn markers as ordinary text, which then fall into pieces (a model says so among its warnings). Null: no.
    /// </summary>
    public bool? TemplateControlTokens { get; init; }

    /// <summary>A folder in which prefixes outlive the process; made where there is none, and shared by any number of models and processes. Null: none.</summary>
    /// <remarks>Pages are written behind, addressed by model, cache types, scope and tokens, and read where that is sooner done than computing them. Of no effect, with a warning in the log, for models whose layers keep states, that read in segments, or that have an encoder.</remarks>
    public string? CacheFolder { get; init; }

    /// <summary>The most bytes of this model's pages in <see cref="CacheFolder"/>, at least 1 MiB; the oldest go first. Null: 4 GiB.</summary>
    public long? CacheFolderBytes { get; init; }

    /// <summary>Tokens guessed in a step where a request does not say how many, 0 to 64 (<see cref="GenerationOptions.DraftTokens"/>). Null: 0.</summary>
    public int? DraftTokens { get; init; }

    /// <summary>What computes the model: "hearth", or an engine of <see cref="Engines.ModelEngines"/> such as "llamasharp". Null: Hearth's own.</summary>
    public string? Engine { get; init; }

    /// <summary>Of another engine: layers whose weights lie on a GPU, at least 0; more than the model has mean all. Null: all that the engine's backend can take.</summary>
    public int? GpuLayers { get; init; }

    /// <summary>Of another engine: how several GPUs share a model. Null: by layers.</summary>
    public GpuSplit? GpuSplit { get; init; }

    /// <summary>Of another engine: the number of the GPU that a model is on which is not split, from 0. Null: 0.</summary>
    public int? MainGpu { get; init; }

    /// <summary>Of another engine: whether its flash attention is used. Null: where it can be.</summary>
    public bool? FlashAttention { get; init; }

    /// <summary>Of another engine: whether the file stays mapped instead of being read. Null: where it can be.</summary>
    public bool? MemoryMap { get; init; }

    /// <summary>Of another engine: the base of rotary frequencies, more than 0. Null: as the file says.</summary>
    public double? RopeFrequencyBase { get; init; }

    /// <summary>Of another engine: the factor on positions, more than 0. Null: as the file says.</summary>
    public double? RopeFrequencyScale { get; init; }

    /// <summary>What Hearth's own engine does not honour, by name.</summary>
    internal IEnumerable<(string Name, object? Value)> EngineMembers() =>
    [
        (nameof(GpuLayers), GpuLayers), (nameof(GpuSplit), GpuSplit), (nameof(MainGpu), MainGpu), (nameof(FlashAttention), FlashAttention),
        (nameof(MemoryMap), MemoryMap), (nameof(RopeFrequencyBase), RopeFrequencyBase), (nameof(RopeFrequencyScale), RopeFrequencyScale),
    ];
}

/// <summary>How several GPUs share a model.</summary>
public enum GpuSplit
{
    /// <summary>Not at all: one has it.</summary>
    None,

    /// <summary>Each has some of the layers.</summary>
    Layer,

    /// <summary>Each has some rows of every matrix.</summary>
    Row,
}
