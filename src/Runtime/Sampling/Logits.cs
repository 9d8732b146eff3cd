using System.Numerics.Tensors;

namespace Hearth.Runtime.Sampling;

/// <summary>What all policies need of a row of logits.</summary>
internal static class Logits
{
    /// <summary>The index of the greatest logit, the first of equal ones.</summary>
    /// <remarks>
    /// Afterwards the row holds neither NaN nor positive infinity: NaN becomes negative infinity, which no policy
    /// chooses; beside a positive infinity everything else is impossible.
    /// </remarks>
    /// <exception cref="HearthException">No logit is above negative infinity.</exception>
    public static int Maximum(Span<float> logits)
    {
        var index = TensorPrimitives.IndexOfMax(logits);
        if (index >= 0 && float.IsFinite(logits[index]))
        {
            return index;
        }

        Repair(logits);
        index = TensorPrimitives.IndexOfMax(logits);
        return index >= 0 && logits[index] > float.NegativeInfinity
            ? index
            : throw new HearthException("no token can be chosen: every logit is NaN or negative infinity");
    }

    /// <summary>The sum of exp(logit - maximum).</summary>
    /// <param name="logits">Without NaN and positive infinity.</param>
    /// <param name="maximum">The greatest of them.</param>
    /// <param name="scratch">As long as logits.</param>
    public static double Total(ReadOnlySpan<float> logits, float maximum, Span<float> scratch)
    {
        var weights = scratch[..logits.Length];
        TensorPrimitives.Subtract(logits, maximum, weights);
        TensorPrimitives.Exp(weights, weights);
        return TensorPrimitives.Sum<float>(weights);
    }

    private static void Repair(Span<float> logits)
    {
        var hasInfinity = logits.Contains(float.PositiveInfinity);
        foreach (ref var logit in logits)
        {
            if (hasInfinity)
            {
                logit = float.IsPositiveInfinity(logit) ? 0 : float.NegativeInfinity;
            }
            else if (float.IsNaN(logit))
            {
                logit = float.NegativeInfinity;
            }
        }
    }
}
