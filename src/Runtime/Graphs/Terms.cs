using Hearth.Runtime.Kernels;

namespace Hearth.Runtime.Graphs;

/// <summary>An activation function; numbered as in hearth.h.</summary>
internal enum ActivationFunction
{
    /// <summary>The identity.</summary>
    None = 0,

    /// <summary>x * sigmoid(x) (arXiv 1702.03118).</summary>
    Silu = 1,

    /// <summary>x * Phi(x) by the error function (arXiv 1606.08415).</summary>
    Gelu = 2,

    /// <summary>GELU's tanh approximation, GPT-2's.</summary>
    GeluTanh = 3,

    /// <summary>max(x, 0).</summary>
    Relu = 4,

    /// <summary>max(x, 0) squared (arXiv 2109.08668).</summary>
    ReluSquared = 5,

    /// <summary>1 / (1 + exp(-x)).</summary>
    Sigmoid = 6,

    /// <summary>x * sigmoid(1.702 x): GELU's sigmoid approximation (arXiv 1606.08415).</summary>
    GeluSigmoid = 7,

    /// <summary>The hyperbolic tangent.</summary>
    Tanh = 8,

    /// <summary><see cref="GeluTanh"/> of the value rounded to half precision, itself rounded so; for <see cref="ProgramBuilder.Activate"/> alone.</summary>
    GeluTanhHalf = 10,

    /// <summary>log(1 + e^x).</summary>
    Softplus = 11,

    /// <summary>e^x.</summary>
    Exp = 12,
}

/// <summary>Which values of a head are rotated together; numbered as in hearth.h.</summary>
internal enum RopeLayout
{
    /// <summary>Neighbours (2i, 2i + 1): RoFormer's own, and what GGUF's llama files hold.</summary>
    Interleaved = 0,

    /// <summary>Halves (i, i + dimensions / 2): GPT-NeoX's.</summary>
    Halves = 1,
}

/// <summary>Rotary position embedding (RoFormer, arXiv 2104.09864) with linear or YaRN scaling (arXiv 2309.00071).</summary>
internal sealed record RopeTerms
{
    /// <summary>Which values are rotated together.</summary>
    public required RopeLayout Layout { get; init; }

    /// <summary>Rotated values of each head, even; the others pass through.</summary>
    public required int Dimensions { get; init; }

    /// <summary>Base of the frequencies.</summary>
    public float Base { get; init; } = 10000;

    /// <summary>Factor of all frequencies: 1 / the scaling factor.</summary>
    public float FrequencyScale { get; init; } = 1;

    /// <summary>YaRN's share of extrapolation; 0 switches YaRN off.</summary>
    public float Extrapolation { get; init; }

    /// <summary>Magnitude of the rotated values, before YaRN's own.</summary>
    public float AttentionFactor { get; init; } = 1;

    /// <summary>YaRN: rotations above which a dimension is not interpolated.</summary>
    public float BetaFast { get; init; } = 32;

    /// <summary>YaRN: rotations below which a dimension is wholly interpolated.</summary>
    public float BetaSlow { get; init; } = 1;

    /// <summary>YaRN: positions that the model was trained with before it was scaled.</summary>
    public int OriginalContext { get; init; }

    /// <summary>The first rotated value of each head.</summary>
    public int Offset { get; init; }
}

/// <summary>The terms of an attention operation over a cache layer or over rows.</summary>
internal sealed record AttentionTerms
{
    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads; divides <see cref="Heads"/>.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Values of one query or key head.</summary>
    public required int KeyWidth { get; init; }

    /// <summary>Values of one value head.</summary>
    public required int ValueWidth { get; init; }

    /// <summary>Factor of the scores.</summary>
    public required float Scale { get; init; }

    /// <summary>All query heads together.</summary>
    public int QueryWidth => Heads * KeyWidth;

    /// <summary>All key heads together.</summary>
    public int KeysWidth => KvHeads * KeyWidth;

    /// <summary>All value heads together.</summary>
    public int ValuesWidth => KvHeads * ValueWidth;

    /// <summary>Which keys a query sees.</summary>
    public AttentionMask Mask { get; init; }

    /// <summary>Keys that a query sees, its own counted, and with <see cref="AttentionMask.Bidirectional"/> as many positions, half on either side; the chunk of <see cref="AttentionMask.Chunked"/>; 0: all.</summary>
    public int Window { get; init; }

    /// <summary>For <see cref="AttentionMask.Prefix"/>: positions that every query sees.</summary>
    public int PrefixLength { get; init; }

    /// <summary>Scores become cap * tanh(score / cap); 0: none.</summary>
    public float Softcap { get; init; }

    /// <summary>ALiBi's largest bias; 0: none.</summary>
    public float AlibiBias { get; init; }

    /// <summary>Buckets of T5's relative bias (arXiv 1910.10683); 0: none.</summary>
    public int BiasBuckets { get; init; }

    /// <summary>The distance from which on all share T5's last bucket.</summary>
    public int BiasDistance { get; init; }

    /// <summary>Positions between rises of the scores' temperature (Llama 4); 0: none.</summary>
    public int TemperatureLength { get; init; }

    /// <summary>How much the scale rises: by Temperature * ln(1 + floor((position + TemperatureOffset) / TemperatureLength)).</summary>
    public float Temperature { get; init; }

    /// <summary>Added to the position before it is divided.</summary>
    public float TemperatureOffset { get; init; }

    /// <summary>Positions before its chunk that a query sees with <see cref="AttentionMask.Chunked"/>: a segment's memory (Transformer-XL, arXiv 1901.02860).</summary>
    public int ChunkMemory { get; init; }

    /// <summary>Whether the values are the first ValueWidth values of the keys: latent attention (DeepSeek-V2, arXiv 2405.04434).</summary>
    public bool ValuesInKeys { get; init; }
}

/// <summary>What one layer of the KV cache holds.</summary>
/// <param name="KvHeads">Heads of keys and values.</param>
/// <param name="KeyWidth">Values of a key head.</param>
/// <param name="ValueWidth">Values of a value head; 0 where the values lie in the keys.</param>
internal readonly record struct CacheLayer(int KvHeads, int KeyWidth, int ValueWidth);

/// <summary>The constants of xIELU (arXiv 2411.13010): above 0 PositiveAlpha x² + Beta x, below NegativeAlpha (expm1(min(x, Epsilon)) - x) + Beta x.</summary>
/// <param name="NegativeAlpha">Factor below 0.</param>
/// <param name="PositiveAlpha">Factor above 0.</param>
/// <param name="Beta">Slope at 0.</param>
/// <param name="Epsilon">The largest exponent, just below 0.</param>
internal readonly record struct XieluTerms(float NegativeAlpha, float PositiveAlpha, float Beta, float Epsilon);

/// <summary>How scores become an expert's weight; numbered as in hearth.h.</summary>
internal enum ExpertGating
{
    /// <summary>Softmax over all experts.</summary>
    Softmax = 1,

    /// <summary>The sigmoid of each score.</summary>
    Sigmoid = 2,

    /// <summary>Softmax over the chosen experts' scores.</summary>
    SoftmaxOfChosen = 3,
}

/// <summary>How experts are chosen for a row and weighted (arXiv 1701.06538; groups: DeepSeek-V3, arXiv 2412.19437).</summary>
internal sealed record RouterTerms
{
    /// <summary>Experts for each row.</summary>
    public required int Chosen { get; init; }

    /// <summary>How scores become weights.</summary>
    public required ExpertGating Gating { get; init; }

    /// <summary>Equal groups of experts, of which only the best are looked at; 0 or 1: none.</summary>
    public int Groups { get; init; }

    /// <summary>Groups that are looked at.</summary>
    public int ChosenGroups { get; init; }

    /// <summary>Whether the chosen experts' weights are divided by their sum.</summary>
    public bool Normalize { get; init; }

    /// <summary>Whether raw scores, not gates, decide the choice (Llama 4).</summary>
    public bool ChooseByScore { get; init; }

    /// <summary>The least sum that weights are divided by.</summary>
    public float LeastSum { get; init; }

    /// <summary>Factor of the weights.</summary>
    public float Scale { get; init; } = 1;

    /// <summary>So many neighbouring experts share a matrix, whose number comes out, with the gate of the expert of that number (GroveMoE, arXiv 2508.07785); 0 or 1: each has its own.</summary>
    public int ExpertsPerMatrix { get; init; }
}
