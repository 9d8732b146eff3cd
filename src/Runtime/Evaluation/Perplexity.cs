using System.Numerics.Tensors;
using Hearth.Runtime.Caching;

namespace Hearth.Runtime.Evaluation;

/// <summary>How a text's perplexity is measured.</summary>
public sealed record PerplexityOptions
{
    /// <summary>Tokens of a chunk, at least 4, at most the model's context. A stride of S makes chunks S / 2 longer.</summary>
    public int Context { get; init; } = 512;

    /// <summary>Tokens from one chunk to the next, each scored once with all that precedes it in the chunk; 0: chunks follow one another and the second half of each is scored.</summary>
    public int Stride { get; init; }

    /// <summary>The most chunks; null: as many as the text has.</summary>
    public int? Chunks { get; init; }

    /// <summary>How keys and values are kept meanwhile.</summary>
    public CacheType CacheType { get; init; } = CacheType.F16;
}

/// <summary>What is known after some chunks.</summary>
/// <param name="Chunks">Chunks so far.</param>
/// <param name="ChunksTotal">Chunks that there will be.</param>
/// <param name="TokensScored">Tokens so far whose probability counts.</param>
/// <param name="Perplexity">exp of the mean negative log-probability so far.</param>
/// <param name="Error">The standard error of <paramref name="Perplexity"/>; not a number before two tokens are scored.</param>
public readonly record struct PerplexityEstimate(int Chunks, int ChunksTotal, long TokensScored, double Perplexity, double Error);

/// <summary>Sums the negative log-probabilities of tokens.</summary>
internal sealed class PerplexitySum
{
    private double _sum;
    private double _squares;
    private long _count;

    /// <summary>Adds one token's.</summary>
    public void Add(double negativeLog)
    {
        _sum += negativeLog;
        _squares += negativeLog * negativeLog;
        _count++;
    }

    /// <summary>The estimate so far.</summary>
    public PerplexityEstimate Estimate(int chunks, int total)
    {
        var mean = _sum / _count;
        var perplexity = Math.Exp(mean);
        // Rounding can leave a variance of nothing a little below zero.
        var variance = Math.Max(0, (_squares / _count) - (mean * mean));
        return new PerplexityEstimate(chunks, total, _count, perplexity, perplexity * Math.Sqrt(variance / (_count - 1)));
    }

    /// <summary>-log softmax(logits)[token].</summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="token">The token that followed.</param>
    /// <param name="scratch">As long as the logits; overwritten.</param>
    public static double NegativeLog(ReadOnlySpan<float> logits, int token, Span<float> scratch)
    {
        var most = TensorPrimitives.Max(logits);
        TensorPrimitives.Subtract(logits, most, scratch);
        TensorPrimitives.Exp(scratch, scratch);
        var sum = 0.0;
        foreach (var value in scratch)
            sum += value;
        return Math.Log(sum) + most - logits[token];
    }
}
