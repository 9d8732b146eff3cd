using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Hearth.Runtime.Gguf;

/// <summary>Fills memory with random valid blocks of one storage type whose weights have mean 0 and a given deviation.</summary>
/// <remarks>
/// Codes are drawn directly, without quantizing: F32, F16, BF16 and Q8_0 follow a normal distribution, the smaller types a
/// uniform one with scales that differ from block to block. Same seed and sizes, same bytes.
/// </remarks>
internal sealed class SyntheticBlocks
{
    /// <summary>The types that can be filled.</summary>
    public static readonly GgmlType[] Types =
        [GgmlType.F32, GgmlType.F16, GgmlType.BF16, GgmlType.Q8_0, GgmlType.Q4_0, GgmlType.Q4_K, GgmlType.Q6_K];

    // Blocks take their scales from a few hundred prepared ones, so that a block costs little more than its random bits.
    private const int Variants = 256;

    private static readonly float[] NormalOf16Bits = Normals(1 << 16);

    private readonly GgmlType _type;
    private readonly byte[] _table;
    private Xoshiro256 _random;

    /// <summary>Prepares the tables of one tensor.</summary>
    /// <param name="type">One of <see cref="Types"/>.</param>
    /// <param name="deviation">The standard deviation of the weights, above 0.</param>
    /// <param name="seed">Any number.</param>
    public SyntheticBlocks(GgmlType type, double deviation, ulong seed)
    {
        _type = type;
        _random = new Xoshiro256(seed);
        _table = type switch
        {
            GgmlType.F32 => Values(n => n * (float)deviation),
            GgmlType.F16 => Values(n => (Half)(n * (float)deviation)),
            GgmlType.BF16 => Values(n => (ushort)((BitConverter.SingleToUInt32Bits(n * (float)deviation) + 0x8000) >> 16)),
            GgmlType.Q8_0 => NormalCodes(deviation),
            GgmlType.Q4_0 => SignedScales(deviation),
            GgmlType.Q4_K => ScalesOfQ4K(deviation),
            GgmlType.Q6_K => ScalesOfQ6K(deviation),
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "random blocks of this type cannot be made"),
        };
    }

    /// <summary>Fills a whole number of blocks with the next ones of the sequence.</summary>
    public void Fill(Span<byte> blocks)
    {
        switch (_type)
        {
            case GgmlType.F32: FillValues(MemoryMarshal.Cast<byte, float>(blocks), MemoryMarshal.Cast<byte, float>(_table)); break;
            case GgmlType.F16 or GgmlType.BF16: FillValues(MemoryMarshal.Cast<byte, ushort>(blocks), MemoryMarshal.Cast<byte, ushort>(_table)); break;
            case GgmlType.Q8_0: FillQ8(blocks); break;
            case GgmlType.Q4_0: FillCodes(blocks, blockBytes: 18, scaleBytes: 2, scaleFirst: true); break;
            case GgmlType.Q4_K: FillCodes(blocks, blockBytes: 144, scaleBytes: 16, scaleFirst: true); break;
            default: FillCodes(blocks, blockBytes: 210, scaleBytes: 18, scaleFirst: false); break;
        }
    }

    private void FillValues<T>(Span<T> values, ReadOnlySpan<T> table)
    {
        for (var i = 0; i < values.Length;)
        {
            var bits = _random.Next();
            for (var end = Math.Min(i + 4, values.Length); i < end; i++, bits >>= 16)
                values[i] = table[(ushort)bits];
        }
    }

    /// <summary>Q8_0: an f16 scale, then 32 codes that map random bytes to quantiles of the normal distribution.</summary>
    private void FillQ8(Span<byte> blocks)
    {
        var codes = _table.AsSpan(0, 256);
        var scales = _table.AsSpan(256);
        for (var at = 0; at < blocks.Length; at += 34)
        {
            var block = blocks.Slice(at, 34);
            var variant = (int)(_random.Next() >> 56);
            scales.Slice(2 * variant, 2).CopyTo(block);
            for (var i = 2; i < 34;)
            {
                var bits = _random.Next();
                for (var end = i + 8; i < end; i++, bits >>= 8)
                    block[i] = codes[(byte)bits];
            }
        }
    }

    /// <summary>Blocks in which every bit pattern of the codes is valid: random bytes, and prepared scales before or after.</summary>
    private void FillCodes(Span<byte> blocks, int blockBytes, int scaleBytes, bool scaleFirst)
    {
        var codeBytes = blockBytes - scaleBytes;
        for (var at = 0; at < blocks.Length; at += blockBytes)
        {
            var block = blocks.Slice(at, blockBytes);
            var variant = (int)(_random.Next() >> 56);
            _table.AsSpan(variant * scaleBytes, scaleBytes).CopyTo(scaleFirst ? block : block[codeBytes..]);
            var codes = scaleFirst ? block[scaleBytes..] : block[..codeBytes];
            foreach (ref var word in MemoryMarshal.Cast<byte, ulong>(codes))
                word = _random.Next();
        }
    }

    private static byte[] Values<T>(Func<float, T> convert)
        where T : unmanaged
        => MemoryMarshal.AsBytes(Array.ConvertAll(NormalOf16Bits, n => convert(n)).AsSpan()).ToArray();

    /// <summary>256 codes that are normal quantiles up to ±127, then 256 f16 scales within half and one and a half of their mean.</summary>
    private static byte[] NormalCodes(double deviation)
    {
        var quantiles = Normals(256);
        var codes = Array.ConvertAll(quantiles, q => (sbyte)MathF.Round(q * 127 / quantiles[^1]));
        var table = new byte[256 + 2 * Variants];
        MemoryMarshal.AsBytes(codes.AsSpan()).CopyTo(table);
        var codeDeviation = Math.Sqrt(codes.Average(c => (double)c * c));
        for (var i = 0; i < Variants; i++)
            WriteHalf(table.AsSpan(256 + 2 * i), deviation / codeDeviation * Spread(i));
        return table;
    }

    /// <summary>Q4_0: weights are scale (code - 8); scales of both signs cancel the mean of -1/2 that 16 codes leave.</summary>
    private static byte[] SignedScales(double deviation)
    {
        var codeDeviation = Math.Sqrt(Enumerable.Range(-8, 16).Average(c => (double)c * c));
        var table = new byte[2 * Variants];
        for (var i = 0; i < Variants; i++)
            WriteHalf(table.AsSpan(2 * i), deviation / codeDeviation * Spread(i) * (i % 2 == 0 ? 1 : -1));
        return table;
    }

    /// <summary>
    /// Q4_K: weights are d scale code - dmin minimum, with scale and minimum of 6 bits for each of 8 sub-blocks. The minimum
    /// is the scale and dmin is 7.5 d, so that a weight is d scale (code - 7.5), which has mean 0.
    /// </summary>
    private byte[] ScalesOfQ4K(double deviation)
    {
        const double meanSquareOfScale = ((63.0 * 64 * 127) - (31.0 * 32 * 63)) / 6 / 32;
        var codeDeviation = Math.Sqrt((16.0 * 16 - 1) / 12);
        var d = (double)(Half)(deviation / codeDeviation / Math.Sqrt(meanSquareOfScale));
        var table = new byte[16 * Variants];
        Span<int> scales = stackalloc int[8];
        for (var i = 0; i < Variants; i++)
        {
            foreach (ref var scale in scales)
                scale = 32 + (int)(_random.Next() >> 59);
            var block = table.AsSpan(16 * i, 16);
            WriteHalf(block, d);
            WriteHalf(block[2..], 7.5 * d);
            for (var j = 0; j < 4; j++)
            {
                block[4 + j] = block[8 + j] = (byte)(scales[j] | scales[4 + j] >> 4 << 6);
                block[12 + j] = (byte)((scales[4 + j] & 0xF) * 0x11);
            }
        }

        return table;
    }

    /// <summary>Q6_K: weights are d scale (code - 32), with a signed 8-bit scale for each of 16 sub-blocks; both signs cancel the mean.</summary>
    private byte[] ScalesOfQ6K(double deviation)
    {
        const double meanSquareOfScale = ((127.0 * 128 * 255) - (63.0 * 64 * 127)) / 6 / 64;
        var codeDeviation = Math.Sqrt(Enumerable.Range(-32, 64).Average(c => (double)c * c));
        var table = new byte[18 * Variants];
        for (var i = 0; i < Variants; i++)
        {
            var block = table.AsSpan(18 * i, 18);
            for (var j = 0; j < 16; j++)
            {
                var bits = _random.Next();
                var scale = 64 + (int)(bits >> 58);
                block[j] = (byte)(sbyte)((bits & 1) == 0 ? scale : -scale);
            }

            WriteHalf(block[16..], deviation / codeDeviation / Math.Sqrt(meanSquareOfScale));
        }

        return table;
    }

    /// <summary>Evenly from 1/2 to 3/2, divided by the root of their mean square.</summary>
    private static double Spread(int variant) => (0.5 + (variant + 0.5) / Variants) / Math.Sqrt(13.0 / 12);

    private static void WriteHalf(Span<byte> at, double value) => BinaryPrimitives.WriteHalfLittleEndian(at, (Half)value);

    /// <summary>Evenly spaced quantiles of the standard normal distribution, ascending.</summary>
    private static float[] Normals(int count)
    {
        var quantiles = new float[count];
        for (var i = 0; i < count / 2; i++)
        {
            var quantile = (float)InverseNormal((i + 0.5) / count);
            (quantiles[i], quantiles[count - 1 - i]) = (quantile, -quantile);
        }

        return quantiles;
    }

    /// <summary>The quantile of a probability below one half (Abramowitz and Stegun 26.2.23, error below 4.5e-4).</summary>
    private static double InverseNormal(double probability)
    {
        var t = Math.Sqrt(-2 * Math.Log(probability));
        return (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
    }
}

/// <summary>The generator xoshiro256++ (Blackman and Vigna 2019), seeded by splitmix64.</summary>
internal struct Xoshiro256
{
    private ulong _a;
    private ulong _b;
    private ulong _c;
    private ulong _d;

    public Xoshiro256(ulong seed) => (_a, _b, _c, _d) = (Split(ref seed), Split(ref seed), Split(ref seed), Split(ref seed));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Next()
    {
        var result = BitOperations.RotateLeft(_a + _d, 23) + _a;
        var shifted = _b << 17;
        _c ^= _a;
        _d ^= _b;
        _b ^= _c;
        _a ^= _d;
        _c ^= shifted;
        _d = BitOperations.RotateLeft(_d, 45);
        return result;
    }

    private static ulong Split(ref ulong state)
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
