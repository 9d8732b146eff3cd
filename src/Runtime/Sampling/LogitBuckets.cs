namespace Hearth.Runtime.Sampling;

/// <summary>A row of logits sorted roughly: into buckets by distance from the greatest, 128 to a unit.</summary>
/// <remarks>One pass finds the logit at a rank or at a share of the probability to a 128th, so that only the few candidates of one bucket need sorting. Not thread-safe.</remarks>
internal sealed class LogitBuckets
{
    // The last one holds whatever is further than 32 below the maximum: 1e-14 of its probability.
    private const int Count = 4096;
    private const float PerUnit = Count / 32;

    private readonly int[] _counts = new int[Count];
    private readonly double[] _masses = new double[Count];

    /// <summary>The bucket of a logit: the greater the logit, the lower, and the same for equal ones.</summary>
    public static int Of(float logit, float maximum) => (int)MathF.Min((maximum - logit) * PerUnit, Count - 1);

    /// <summary>A number that no logit of the bucket, or of one before it, is less than.</summary>
    public static float LowerBound(int bucket, float maximum) => bucket == Count - 1 ? float.NegativeInfinity : maximum - ((bucket + 2) / PerUnit);

    /// <summary>The bucket in which the logit of a rank lies.</summary>
    /// <param name="logits">Without NaN and positive infinity.</param>
    /// <param name="maximum">The greatest of them.</param>
    /// <param name="rank">From 1 to logits.Length.</param>
    public int FindRank(ReadOnlySpan<float> logits, float maximum, int rank)
    {
        Array.Clear(_counts);
        foreach (var logit in logits)
        {
            _counts[Of(logit, maximum)]++;
        }

        var bucket = 0;
        for (var before = 0; bucket < Count - 1 && before + _counts[bucket] < rank; bucket++)
        {
            before += _counts[bucket];
        }

        return bucket;
    }

    /// <summary>The bucket in which the weights of the likeliest reach a sum, and the weights of all before it.</summary>
    /// <param name="logits">Without NaN and positive infinity.</param>
    /// <param name="maximum">The greatest of them.</param>
    /// <param name="weights">One for each logit.</param>
    /// <param name="wanted">The sum; the last bucket where all together do not reach it.</param>
    public (int Bucket, double Before) FindMass(ReadOnlySpan<float> logits, float maximum, ReadOnlySpan<float> weights, double wanted)
    {
        Array.Clear(_masses);
        for (var i = 0; i < logits.Length; i++)
        {
            _masses[Of(logits[i], maximum)] += weights[i];
        }

        var (bucket, before) = (0, 0.0);
        for (; bucket < Count - 1 && before + _masses[bucket] < wanted; bucket++)
        {
            before += _masses[bucket];
        }

        return (bucket, before);
    }
}
