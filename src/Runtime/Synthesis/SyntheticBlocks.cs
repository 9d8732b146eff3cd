using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Synthesis;

/// <summary>Fills memory with random valid blocks of one storage type whose weights have mean 0 and a given deviation.</summary>
/// <remarks>
/// Codes are drawn directly, without quantizing: F32, F16, BF16 and Q8_0 follow a normal distribution, the smaller types a
/// uniform one over their codes or grids with scales that differ from block to block. Same seed and sizes, same bytes.
/// </remarks>
internal sealed class SyntheticBlocks
{
    /// <summary>The types that can be filled.</summary>
    public static readonly GgmlType[] Types =
    [
        GgmlType.F32, GgmlType.F16, GgmlType.BF16, GgmlType.Q8_0, GgmlType.Q4_0, GgmlType.Q5_0, GgmlType.Q4_K, GgmlType.Q6_K,
        GgmlType.IQ1_S, GgmlType.IQ1_M, GgmlType.IQ2_XXS, GgmlType.IQ2_XS, GgmlType.IQ2_S, GgmlType.IQ3_XXS, GgmlType.IQ3_S,
        GgmlType.TQ1_0, GgmlType.TQ2_0, GgmlType.NVFP4, GgmlType.Q1_0, GgmlType.Q2_0, GgmlType.Q2_0_G128,
    ];

    // Blocks take their scales from a few hundred prepared ones, so that a block costs little more than its random bits.
    private const int Variants = 256;

    // Four ternary codes of 2 bits each for every random byte.
    private static readonly byte[] TernaryBytes = [.. Enumerable.Range(0, 256).Select(i => i * 81 / 256)
        .Select(n => (byte)(n % 3 | n / 3 % 3 << 2 | n / 9 % 3 << 4 | n / 27 << 6))];

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
            GgmlType.Q4_0 => SignedScales(deviation, Math.Sqrt(Enumerable.Range(-8, 16).Average(c => (double)c * c))),
            GgmlType.Q5_0 => SignedScales(deviation, Math.Sqrt(Enumerable.Range(-16, 32).Average(c => (double)c * c))),
            GgmlType.Q4_K => ScalesOfQ4K(deviation),
            GgmlType.Q6_K => ScalesOfQ6K(deviation),
            GgmlType.NVFP4 => ScalesOfNvfp4(deviation),
            _ when MeanSquare(type) is { } meanSquare => SignedScales(deviation, Math.Sqrt(meanSquare)),
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
            case GgmlType.Q5_0: FillCodes(blocks, blockBytes: 22, scaleBytes: 2, scaleFirst: true); break;
            case GgmlType.Q4_K: FillCodes(blocks, blockBytes: 144, scaleBytes: 16, scaleFirst: true); break;
            case GgmlType.Q6_K: FillCodes(blocks, blockBytes: 210, scaleBytes: 18, scaleFirst: false); break;
            case GgmlType.NVFP4: FillCodes(blocks, blockBytes: 36, scaleBytes: 4, scaleFirst: true); break;
            default: FillAroundScale(blocks); break;
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

    /// <summary>Random bytes, all of them valid, around one f16 scale a block; ternary codes of 2 bits are kept below 3.</summary>
    private void FillAroundScale(Span<byte> blocks)
    {
        var blockBytes = GgmlTypes.Of(_type).BlockBytes;
        var isTernary = _type is GgmlType.TQ2_0 or GgmlType.Q2_0 or GgmlType.Q2_0_G128;
        for (var at = 0; at < blocks.Length; at += blockBytes)
        {
            var block = blocks.Slice(at, blockBytes);
            for (var i = 0; i < blockBytes;)
            {
                var bits = _random.Next();
                for (var end = Math.Min(i + 8, blockBytes); i < end; i++, bits >>= 8)
                    block[i] = isTernary ? TernaryBytes[(byte)bits] : (byte)bits;
            }

            var scale = _table.AsSpan(2 * (int)(_random.Next() >> 56), 2);
            if (_type == GgmlType.IQ1_M)
                ScatterScale(BinaryPrimitives.ReadUInt16LittleEndian(scale), block[48..]);
            else
                scale.CopyTo(_type is GgmlType.TQ1_0 or GgmlType.TQ2_0 ? block[^2..] : block);
        }
    }

    /// <summary>IQ1_M has four bits of the scale on top of each of four words.</summary>
    private static void ScatterScale(ushort scale, Span<byte> words)
    {
        for (var i = 0; i < 4; i++)
            words[2 * i + 1] = (byte)(words[2 * i + 1] & 0xF | (scale >> 4 * i & 0xF) << 4);
    }

    /// <summary>
    /// The mean square of the weights of random codes at a block scale of 1, null for types that are not random bytes around
    /// a scale: the mean square of the grid, times that of 2 s + 1 over 4-bit (341) or 3-bit (85) scales s, times the
    /// square of the unit.
    /// </summary>
    private static double? MeanSquare(GgmlType type) => type switch
    {
        GgmlType.IQ1_S or GgmlType.IQ1_M => 39.027 * 85 / 64,
        GgmlType.IQ2_XXS => 534.43 * 341 / 64,
        GgmlType.IQ2_XS => 586.476 * 341 / 64,
        GgmlType.IQ2_S => 596.842 * 341 / 64,
        GgmlType.IQ3_XXS => 951.641 * 341 / 16,
        GgmlType.IQ3_S => 57.672 * 341,
        GgmlType.TQ1_0 or GgmlType.TQ2_0 or GgmlType.Q2_0 or GgmlType.Q2_0_G128 => 2.0 / 3,
        GgmlType.Q1_0 => 1,
        _ => null,
    };

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

    /// <summary>Scales of both signs, which cancel the mean that codes may have: that of Q4_0's 16 codes is -1/2.</summary>
    private static byte[] SignedScales(double deviation, double codeDeviation)
    {
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

    /// <summary>NVFP4: four scales without a sign, in E4M3 at half their value, for codes whose mean square is 34.25.</summary>
    private static byte[] ScalesOfNvfp4(double deviation)
    {
        var table = new byte[4 * Variants];
        for (var i = 0; i < table.Length; i++)
            table[i] = NearestUe4m3(2 * deviation / Math.Sqrt(34.25) * Spread(i / 4));
        return table;
    }

    // The numbers rise with their bits: 0 to 448.
    private static byte NearestUe4m3(double value)
    {
        static double ValueOf(int bits) => bits < 8 ? Math.ScaleB(bits, -9) : Math.ScaleB(8 + (bits & 7), (bits >> 3) - 10);
        var best = 0;
        while (best < 0x7e && Math.Abs(ValueOf(best + 1) - value) < Math.Abs(ValueOf(best) - value))
            best++;
        return (byte)best;
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
