using System.Diagnostics.CodeAnalysis;

namespace Hearth.Runtime.Gguf;

/// <summary>What the reader must know of a storage type: its name and the size of its blocks.</summary>
/// <param name="Type">The type number.</param>
/// <param name="Name">The name as users know it, for instance <c>Q4_K</c>.</param>
/// <param name="BlockElements">Elements in a block; a row (axis 0) is a whole number of blocks.</param>
/// <param name="BlockBytes">Bytes of a block.</param>
public readonly record struct GgmlTypeInfo(GgmlType Type, string Name, int BlockElements, int BlockBytes)
{
    /// <summary>Whether blocks hold codes that need a scale to become numbers.</summary>
    public bool IsQuantized => BlockElements > 1;

    /// <summary>Bits that one element takes on average, scales included.</summary>
    public double BitsPerElement => 8.0 * BlockBytes / BlockElements;
}

/// <summary>The table of storage types (block sizes as in ggml's ggml-common.h).</summary>
public static class GgmlTypes
{
    private static readonly GgmlTypeInfo[] Table =
    [
        new(GgmlType.F32, "F32", 1, 4),
        new(GgmlType.F16, "F16", 1, 2),
        new(GgmlType.BF16, "BF16", 1, 2),
        new(GgmlType.F64, "F64", 1, 8),
        new(GgmlType.I8, "I8", 1, 1),
        new(GgmlType.I16, "I16", 1, 2),
        new(GgmlType.I32, "I32", 1, 4),
        new(GgmlType.I64, "I64", 1, 8),
        new(GgmlType.Q4_0, "Q4_0", 32, 18),
        new(GgmlType.Q4_1, "Q4_1", 32, 20),
        new(GgmlType.Q5_0, "Q5_0", 32, 22),
        new(GgmlType.Q5_1, "Q5_1", 32, 24),
        new(GgmlType.Q8_0, "Q8_0", 32, 34),
        new(GgmlType.Q8_1, "Q8_1", 32, 36),
        new(GgmlType.Q2_K, "Q2_K", 256, 84),
        new(GgmlType.Q3_K, "Q3_K", 256, 110),
        new(GgmlType.Q4_K, "Q4_K", 256, 144),
        new(GgmlType.Q5_K, "Q5_K", 256, 176),
        new(GgmlType.Q6_K, "Q6_K", 256, 210),
        new(GgmlType.Q8_K, "Q8_K", 256, 292),
        new(GgmlType.IQ1_S, "IQ1_S", 256, 50),
        new(GgmlType.IQ1_M, "IQ1_M", 256, 56),
        new(GgmlType.IQ2_XXS, "IQ2_XXS", 256, 66),
        new(GgmlType.IQ2_XS, "IQ2_XS", 256, 74),
        new(GgmlType.IQ2_S, "IQ2_S", 256, 82),
        new(GgmlType.IQ3_XXS, "IQ3_XXS", 256, 98),
        new(GgmlType.IQ3_S, "IQ3_S", 256, 110),
        new(GgmlType.IQ4_NL, "IQ4_NL", 32, 18),
        new(GgmlType.IQ4_XS, "IQ4_XS", 256, 136),
        new(GgmlType.TQ1_0, "TQ1_0", 256, 54),
        new(GgmlType.TQ2_0, "TQ2_0", 256, 66),
        new(GgmlType.MXFP4, "MXFP4", 32, 17),
        new(GgmlType.NVFP4, "NVFP4", 64, 36),
        new(GgmlType.Q1_0, "Q1_0", 128, 18),
        new(GgmlType.Q2_0, "Q2_0", 64, 18),
        new(GgmlType.Q2_0_G128, "Q2_0_G128", 128, 34),
    ];

    private static readonly Dictionary<GgmlType, GgmlTypeInfo> ByType = Table.ToDictionary(t => t.Type);

    private static readonly Dictionary<string, GgmlTypeInfo> ByName =
        Table.ToDictionary(t => t.Name, StringComparer.OrdinalIgnoreCase);

    /// <summary>Every known type.</summary>
    public static IReadOnlyList<GgmlTypeInfo> All => Table;

    /// <summary>The entry of a type.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The number names no type.</exception>
    public static GgmlTypeInfo Of(GgmlType type)
        => ByType.TryGetValue(type, out var info) ? info : throw new ArgumentOutOfRangeException(nameof(type), type, "no such tensor type");

    /// <summary>Looks a type number up; false for numbers that name no type.</summary>
    public static bool TryGet(uint number, out GgmlTypeInfo info) => ByType.TryGetValue((GgmlType)number, out info);

    /// <summary>Looks a name up, in upper or lower case; false for names of no type.</summary>
    public static bool TryParse([NotNullWhen(true)] string? name, out GgmlTypeInfo info)
    {
        info = default;
        return name is not null && ByName.TryGetValue(name, out info);
    }

    /// <summary>What stands in for a type whose blocks do not fit a row: one of at least as many bits with blocks of 32, or F16 (llama.cpp's choices).</summary>
    /// <param name="type">The type that was asked for.</param>
    /// <param name="columns">Elements of a row.</param>
    internal static GgmlType Fallback(GgmlType type, long columns)
    {
        var other = type switch
        {
            GgmlType.Q2_K or GgmlType.Q3_K => GgmlType.Q4_0,
            GgmlType.Q4_K => GgmlType.Q5_0,
            GgmlType.Q5_K => GgmlType.Q5_1,
            GgmlType.Q6_K => GgmlType.Q8_0,
            GgmlType.IQ4_XS => GgmlType.IQ4_NL,
            _ => GgmlType.F16,
        };
        return columns % Of(other).BlockElements == 0 ? other : GgmlType.F16;
    }

    /// <summary>Bytes that elements take; a multiple of the block is asked for.</summary>
    /// <param name="type">The storage type.</param>
    /// <param name="elements">How many elements, zero or more.</param>
    /// <exception cref="ArgumentException">The elements are not a whole number of blocks.</exception>
    /// <exception cref="OverflowException">The result exceeds 2^63 - 1.</exception>
    public static long ByteSize(GgmlType type, long elements)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(elements);
        var info = Of(type);
        var (blocks, rest) = Math.DivRem(elements, info.BlockElements);
        if (rest != 0)
            throw new ArgumentException($"{elements} elements are not a whole number of {info.Name} blocks of {info.BlockElements}", nameof(elements));
        return checked(blocks * info.BlockBytes);
    }
}
