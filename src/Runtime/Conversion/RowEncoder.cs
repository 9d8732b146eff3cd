using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Conversion;

/// <summary>Stores rows of float32 in the types that a conversion can write.</summary>
internal static class RowEncoder
{
    private const int BlockElements = 32;

    /// <summary>The types, each with the number by which <c>general.file_type</c> calls a file of mostly such weights.</summary>
    public static IReadOnlyDictionary<GgmlType, uint> FileTypes { get; } = new Dictionary<GgmlType, uint>
    {
        [GgmlType.F32] = 0,
        [GgmlType.F16] = 1,
        [GgmlType.Q8_0] = 7,
        [GgmlType.BF16] = 32,
    };

    /// <summary>The magnitude from which on a number rounds to infinity in a type: half a step beyond its largest.</summary>
    public static double Beyond(GgmlType type) => type switch
    {
        GgmlType.F32 => double.PositiveInfinity,
        GgmlType.F16 => 65520,
        GgmlType.BF16 => 255.5 * Math.Pow(2, 120),

        // The scale of a block, its largest magnitude / 127, is an F16.
        _ => 65520.0 * 127,
    };

    /// <summary>Encodes a row, rounding to the nearest.</summary>
    /// <param name="type">One of <see cref="FileTypes"/>.</param>
    /// <param name="row">The numbers; for Q8_0 whole blocks of 32.</param>
    /// <param name="bytes">Takes as many bytes as the row has in the type.</param>
    public static void Encode(GgmlType type, ReadOnlySpan<float> row, Span<byte> bytes)
    {
        switch (type)
        {
            case GgmlType.F32:
                MemoryMarshal.AsBytes(row).CopyTo(bytes);
                break;
            case GgmlType.F16:
                TensorPrimitives.ConvertToHalf(row, MemoryMarshal.Cast<byte, Half>(bytes));
                break;
            case GgmlType.BF16:
                ToBfloat16(row, MemoryMarshal.Cast<byte, ushort>(bytes));
                break;
            default:
                ToQ8(row, bytes);
                break;
        }
    }

    private static void ToBfloat16(ReadOnlySpan<float> row, Span<ushort> halves)
    {
        for (var i = 0; i < row.Length; i++)
        {
            var bits = BitConverter.SingleToUInt32Bits(row[i]);
            // Ties go to the even neighbour; a NaN stays one.
            halves[i] = float.IsNaN(row[i]) ? (ushort)((bits >> 16) | 64) : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }

    // Blocks of 32: an f16 scale, then signed codes.
    private static void ToQ8(ReadOnlySpan<float> row, Span<byte> bytes)
    {
        for (; !row.IsEmpty; row = row[BlockElements..], bytes = bytes[(2 + BlockElements)..])
        {
            var block = row[..BlockElements];
            var scale = TensorPrimitives.MaxMagnitude(block) is var most && most < 0 ? -most / 127 : most / 127;
            var inverse = scale == 0 ? 0 : 1 / scale;
            MemoryMarshal.Write(bytes, (Half)scale);
            for (var i = 0; i < BlockElements; i++)
                bytes[2 + i] = (byte)(sbyte)Math.Clamp(MathF.Round(block[i] * inverse, MidpointRounding.AwayFromZero), -127, 127);
        }
    }
}
