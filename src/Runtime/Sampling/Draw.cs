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
    private static int Pick(ReadOnlySpan<float> weights, double uniform)
    {
        var total = 0.0;
        foreach (var weight in weights)
        {
            total += weight;
        }

        var left = uniform * total;
        var picked = 0;
        for (var i = 0; i < weights.Length; i++)
        {
            // The last of any weight stands in where rounding leaves a remainder at the end.
            if (weights[i] > 0)
            {
                picked = i;
                left -= weights[i];
                if (left < 0)
                {
                    break;
                }
            }
        }

        return picked;
    }
}
