using Hearth.Runtime.Gguf;
using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Graphs;

/// <summary>The most that will be asked of a program: memory is laid out for it.</summary>
/// <param name="MaxRows">Rows of one step.</param>
/// <param name="MaxOutputRows">Rows of one step whose logits are wanted; no more than MaxRows.</param>
internal readonly record struct StepLimits(int MaxRows, int MaxOutputRows)
{
    /// <summary>Positions that a sequence may have, by which some models choose their rotary frequencies; 0: as many as the model was made for.</summary>
    public int ContextLength { get; init; }

    /// <summary>Null: logits; else hidden states, pooled as the file says.</summary>
    public EmbeddingTerms? Embedding { get; init; }

    /// <summary>Whether an encoder's output is not pooled but made into logits of what stands at the wanted rows: masked words.</summary>
    public bool FillsMasks { get; init; }
}

/// <summary>Asks a family for a text's vector instead of logits.</summary>
/// <param name="Pooling">How the tokens' hidden states become one; null: as the file says, else as is usual for its kind.</param>
internal sealed record EmbeddingTerms(PoolingKind? Pooling = null);

/// <summary>What a model computes: a flat list of operations over numbered values, and the weights they use.</summary>
/// <remarks>Immutable; written with <see cref="ProgramBuilder"/>, run with <see cref="CompiledProgram"/>.</remarks>
internal sealed class ModelProgram
{
    internal ModelProgram(NativeOperation[] operations, int[] valueWidths, Weight[] weights, CacheLayer[] cacheLayers, CacheLayer[] memoryLayers, int result, StepLimits limits)
    {
        Operations = operations;
        ValueWidths = valueWidths;
        Weights = weights;
        CacheLayers = cacheLayers;
        MemoryLayers = memoryLayers;
        Result = result;
        Limits = limits;
    }

    /// <summary>The weights, by number.</summary>
    public IReadOnlyList<Weight> Weights { get; }

    /// <summary>The cache's layers, by number; empty for a model without a cache.</summary>
    public IReadOnlyList<CacheLayer> CacheLayers { get; }

    /// <summary>The layers of the memory that attention reads beside the cache, an encoder's output; empty for a decoder alone.</summary>
    public IReadOnlyList<CacheLayer> MemoryLayers { get; }

    /// <summary>Floats of a sequence's state for each operation that keeps one; empty for a model that remembers by keys and values alone.</summary>
    public IReadOnlyList<long> StateWidths { get; init; } = [];

    /// <summary>The most rows of a step.</summary>
    public StepLimits Limits { get; }

    /// <summary>The program whose cache is this one's memory: the encoder of an encoder–decoder; null for others.</summary>
    public ModelProgram? Encoder { get; init; }

    /// <summary>How text is read in segments with a memory of those before, so that a sequence may be of any length; null: as one.</summary>
    public Recurrence? Recurrence { get; init; }

    /// <summary>How an output row comes of a text's hidden states; null where the output is logits.</summary>
    public PoolingKind? Pooling { get; init; }

    /// <summary>How a classifier reads the text, where <see cref="Pooling"/> is <see cref="PoolingKind.Rank"/>; null: it is none, or its scores are of the first token.</summary>
    public RankingTerms? Ranking { get; init; }

    /// <summary>Floats of one output row.</summary>
    public int OutputWidth => ValueWidths[Result];

    /// <summary>Bytes of the weights that a step of one row reads, as the file stores them: all products', of experts the chosen ones, not the embedding tables'.</summary>
    public long BytesPerStep => Weights.Where(w => w.IsMultiplied).Sum(w => GgmlTypes.ByteSize(w.Type, w.Count / w.Stack * w.StackRead));

    /// <summary>Whether rows attend to each other within a step, so that a text must be one step and nothing of it is cached.</summary>
    public bool NeedsWholeText => Operations.Any(ProgramBuilder.IsAmongRows);

    /// <summary>Multiply-adds with weights for every row of a step, of experts the chosen ones; the output head, which only wanted rows reach, is not counted.</summary>
    public long ProductsPerRow => ProgramBuilder.ProductsPerRow(this);

    /// <summary>Positions for which the model has rows of a table, learned ones or sinusoids; null where positions are treated otherwise, and a text may be longer than those the model was made for.</summary>
    public int? LearnedPositions => ProgramBuilder.LearnedPositions(this);

    /// <summary>How many operations there are.</summary>
    public int OperationCount => Operations.Length;

    /// <summary>A step of a sequence that keeps its state, if the model has any, under one number.</summary>
    /// <param name="state">The number.</param>
    /// <param name="past">Rows before the step.</param>
    internal StateMove StateInPlace(int state, int past) => StateWidths.Count > 0 ? StateMove.InPlace(state, past) : default;

    internal NativeOperation[] Operations { get; }

    internal int[] ValueWidths { get; }

    internal int Result { get; }
}
