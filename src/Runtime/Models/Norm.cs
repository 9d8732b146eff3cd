namespace Hearth.Runtime.Models;

/// <summary>Whether a file must, may or may not have a tensor.</summary>
internal enum Presence
{
    /// <summary>The computation has no such term.</summary>
    None,

    /// <summary>Used where the file has it.</summary>
    Optional,

    /// <summary>A file without it is refused.</summary>
    Required,
}

/// <summary>A normalization of rows, or of every head of a row.</summary>
/// <param name="IsLayerNorm">Layer norm (arXiv 1607.06450), which takes the mean away first; else RMS norm (1910.07467).</param>
/// <param name="IsWeighted">Whether the file has a factor for every element.</param>
/// <param name="Bias">Whether the file has a summand for every element.</param>
internal sealed record Norm(bool IsLayerNorm, bool IsWeighted, Presence Bias)
{
    /// <summary>RMS norm with a weight: most decoders'.</summary>
    public static readonly Norm Rms = new(false, true, Presence.None);

    /// <summary>RMS norm alone.</summary>
    public static readonly Norm PlainRms = new(false, false, Presence.None);

    /// <summary>Layer norm with weight and bias.</summary>
    public static readonly Norm Layer = new(true, true, Presence.Required);

    /// <summary>Layer norm with a weight.</summary>
    public static readonly Norm LayerWithoutBias = new(true, true, Presence.None);

    /// <summary>Layer norm alone.</summary>
    public static readonly Norm PlainLayer = new(true, false, Presence.None);

    /// <summary>Added to the variance; null: the file says.</summary>
    public float? Epsilon { get; init; }

    /// <summary>GGUF's key of the epsilon, behind the architecture.</summary>
    public string EpsilonKey => IsLayerNorm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";
}

/// <summary>Which values of queries and keys are normalized together, and how their weights are shaped.</summary>
internal enum NormSpan
{
    /// <summary>Each head by itself, all by one weight [head].</summary>
    Head,

    /// <summary>Each head by itself, by a weight of its own [head, heads].</summary>
    EachHead,

    /// <summary>All heads as one row [heads * head].</summary>
    Row,
}

/// <summary>Normalization of queries and keys before their product (arXiv 2302.05442).</summary>
/// <param name="Norm">How.</param>
/// <param name="Span">What together.</param>
internal sealed record QueryKeyNorm(Norm Norm, NormSpan Span = NormSpan.Head)
{
    /// <summary>Whether heads are rotated first.</summary>
    public bool AfterRotation { get; init; }

    /// <summary>Whether files may lack it.</summary>
    public bool IsOptional { get; init; }
}
