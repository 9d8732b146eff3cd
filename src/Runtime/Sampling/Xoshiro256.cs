using System.Numerics;

namespace Hearth.Runtime.Sampling;

/// <summary>xoshiro256**, seeded through SplitMix64 (Blackman and Vigna, arXiv 1805.01407).</summary>
/// <remarks>Written out here rather than taken from System.Random so that a seed gives the same numbers on every platform and version.</remarks>
internal struct Xoshiro256
{
    private ulong _s0;
    private ulong _s1;
    private ulong _s2;
    private ulong _s3;

    public Xoshiro256(ulong seed)
    {
        _s0 = SplitMix64(ref seed);
        _s1 = SplitMix64(ref seed);
        _s2 = SplitMix64(ref seed);
        _s3 = SplitMix64(ref seed);
    }

    public ulong Next()
    {
        var result = BitOperations.RotateLeft(_s1 * 5, 7) * 9;
        var t = _s1 << 17;
        _s2 ^= _s0;
        _s3 ^= _s1;
        _s1 ^= _s2;
        _s0 ^= _s3;
        _s2 ^= t;
        _s3 = BitOperations.RotateLeft(_s3, 45);
        return result;
    }

    /// <summary>From 0, inclusive, to 1, exclusive; 53 random bits.</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>The seed of one of several texts that share a seed; each is far from the others.</summary>
    /// <param name="seed">The seed they share.</param>
    /// <param name="index">Which of them, at least 1.</param>
    public static ulong DeriveSeed(ulong seed, int index)
    {
        // Mixed twice: a seed that only counts up would give the same state words, one place further.
        var state = seed ^ ((ulong)index * 0xD1342543DE82EF95);
        state = SplitMix64(ref state);
        return SplitMix64(ref state);
    }

    private static ulong SplitMix64(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
