using System.Numerics;
using System.Runtime.InteropServices;

namespace Hearth.Runtime.Sampling;

/// <summary>Min-p sampling (arXiv 2407.01082): keeps tokens at least p times as likely as the likeliest.</summary>
internal static class MinP
{
    /// <summary>The least logit that is kept; negative infinity for p = 0.</summary>
    public static float Threshold(float maximum, float p) => p > 0 ? maximum + MathF.Log(p) : float.NegativeInfinity;

    /// <summary>How many of the candidates, likeliest first, are kept; at least 1.</summary>
    public static int Keep(ReadOnlySpan<ulong> candidates, float threshold)
    {
        var kept = candidates.Length;
        while (kept > 1 && Candidate.Logit(candidates[kept - 1]) < threshold)
        {
            kept--;
        }

        return kept;
    }

    /// <summary>Collects every token at or above the threshold and above negative infinity, in order of id.</summary>
    /// <param name="logits">Without NaN.</param>
    /// <param name="threshold">The least logit wanted.</param>
    /// <param name="candidates">At least logits.Length long.</param>
    /// <returns>How many there are.</returns>
    public static int Gather(ReadOnlySpan<float> logits, float threshold, Span<ulong> candidates)
    {
        threshold = Math.Max(threshold, float.MinValue);
        var count = 0;
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(logits);
        for (var v = 0; v < vectors.Length; v++)
        {
            if (Vector.GreaterThanOrEqualAny(vectors[v], new Vector<float>(threshold)))
            {
                var begin = v * Vector<float>.Count;
                Collect(logits.Slice(begin, Vector<float>.Count), begin, threshold, candidates, ref count);
            }
        }

        var rest = vectors.Length * Vector<float>.Count;
        Collect(logits[rest..], rest, threshold, candidates, ref count);
        return count;
    }

    private static void Collect(ReadOnlySpan<float> logits, int firstToken, float threshold, Span<ulong> candidates, ref int count)
    {
        for (var i = 0; i < logits.Length; i++)
        {
            if (logits[i] >= threshold)
            {
                candidates[count++] = Candidate.Pack(firstToken + i, logits[i]);
            }
        }
    }
}
