using System.Numerics.Tensors;

namespace Hearth.Runtime.Sampling;

/// <summary>Draws one of the kept tokens by its probability at a temperature.</summary>
internal static class Draw
{
    /// <summary>Draws one of the candidates.</summary>
    /// <param name="candidates">At least one, in any order.</param>
    /// <param name="maximum">The greatest logit.</param>
    /// <param name="temperature">Above 0.</param>
    /// <param name="uniform">0 to below 1.</param>
    /// <param name="scratch">At least as long as candidates.</param>
    /// <returns>The token's id.</returns>
    public static int Choose(ReadOnlySpan<ulong> candidates, float maximum, float temperature, double uniform, Span<float> scratch)
    {
        var weights = scratch[..candidates.Length];
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = (Candidate.Logit(candidates[i]) - maximum) / temperature;
        }

        TensorPrimitives.Exp(weights, weights);
        return Candidate.Token(candidates[Pick(weights, uniform)]);
    }

    /// <summary>Draws one of all tokens.</summary>
    /// <inheritdoc cref="Choose(ReadOnlySpan{ulong}, float, float, double, Span{float})"/>
    public static int Choose(ReadOnlySpan<float> logits, float maximum, float temperature, double uniform, Span<float> scratch)
    {
        var weights = scratch[..logits.Length];
        TensorPrimitives.Subtract(logits, maximum, weights);
        TensorPrimitives.Divide(weights, temperature, weights);
        TensorPrimitives.Exp(weights, weights);
        return Pick(weights, uniform);
    }

    /// <summary>The index at which the running sum of weights passes <paramref name="uniform"/> of the whole.</summary>
    /// <remarks>Sums of blocks come first: they are vectorized, and only one block is looked through weight by weight.</remarks>
    private static int Pick(ReadOnlySpan<float> weights, double uniform)
    {
        const int MostBlocks = 512, LeastBlock = 1024;
        var length = Math.Max(LeastBlock, (weights.Length + MostBlocks - 1) / MostBlocks);
        Span<double> sums = stackalloc double[MostBlocks];
        var (blocks, total) = (0, 0.0);
        for (var begin = 0; begin < weights.Length; begin += length)
        {
            var sum = TensorPrimitives.Sum(weights.Slice(begin, Math.Min(length, weights.Length - begin)));
            total += sums[blocks++] = sum;
        }

        // The last of any weight stands in where rounding leaves a remainder at the end, of blocks as of weights.
        var left = uniform * total;
        var (block, isPassed) = (0, false);
        for (var i = 0; i < blocks && !isPassed; i++)
        {
            if (sums[i] > 0)
            {
                block = i;
                isPassed = left < sums[i];
                left -= isPassed ? 0 : sums[i];
            }
        }

        return Scan(weights, block * length, Math.Min((block + 1) * length, weights.Length), isPassed ? left : double.PositiveInfinity);
    }

    private static int Scan(ReadOnlySpan<float> weights, int begin, int end, double left)
    {
        var picked = begin;
        for (var i = begin; i < end && left >= 0; i++)
        {
            if (weights[i] > 0)
            {
                picked = i;
                left -= weights[i];
            }
        }

        return picked;
    }
}
