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
        => TryMaximum(logits, out var index, out _) ? index : throw new HearthException("no token can be chosen: every logit is NaN or negative infinity");

    /// <inheritdoc cref="Maximum"/>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="index">The index.</param>
    /// <param name="hadNaN">Whether there was a NaN, which no healthy model gives.</param>
    /// <returns>False where no logit is above negative infinity.</returns>
    public static bool TryMaximum(Span<float> logits, out int index, out bool hadNaN)
    {
        hadNaN = false;
        // Two vectorized passes take a third of the time of one that follows the index.
        var maximum = logits.IsEmpty ? float.NaN : TensorPrimitives.Max<float>(logits);
        if (!float.IsFinite(maximum))
        {
            hadNaN = float.IsNaN(maximum);
            Repair(logits);
            maximum = logits.IsEmpty ? float.NegativeInfinity : TensorPrimitives.Max<float>(logits);
        }

        var found = maximum > float.NegativeInfinity;
        index = found ? logits.IndexOf(maximum) : -1;
        return found;
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
