namespace Hearth.Runtime.Gguf;

/// <summary>The type numbers of metadata values (GGUF specification, gguf_metadata_value_type).</summary>
internal enum GgufValueType : uint
{
    UInt8 = 0,
    Int8 = 1,
    UInt16 = 2,
    Int16 = 3,
    UInt32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    UInt64 = 10,
    Int64 = 11,
    Float64 = 12,
}

/// <summary>Limits of the format that reader and writer share.</summary>
internal static class GgufLimits
{
    /// <summary>The four bytes "GGUF", read as a little-endian number.</summary>
    public const uint Magic = 0x46554747;

    /// <summary>
    /// Bytes that everything before the tensor data may take. Vocabularies of 260 thousand tokens take 15 million; the
    /// bound keeps a sparse file of hostile length from filling the memory.
    /// </summary>
    public const int HeaderBytes = 1 << 27;

    /// <summary>Tensors of one file; models have a few thousand.</summary>
    public const int Tensors = 1 << 17;

    /// <summary>Metadata pairs of one file; models have about a hundred.</summary>
    public const int Pairs = 1 << 16;

    /// <summary>The specification's bound for keys, in bytes.</summary>
    public const int KeyBytes = 65535;

    /// <summary>Generous against the 64 bytes of the reference, so that long names of other exporters load.</summary>
    public const int TensorNameBytes = 1024;

    /// <summary>Axes of a tensor; ggml has four.</summary>
    public const int Axes = 4;

    /// <summary>Arrays in arrays in arrays: no exporter goes past two; the bound keeps the parser's stack shallow.</summary>
    public const int ArrayDepth = 8;

    /// <summary>The alignment of tensor data where the file names none.</summary>
    public const int DefaultAlignment = 32;

    /// <summary>The specification asks for a multiple of 8; kernels rely on it for f32 and f64 data.</summary>
    public const int MinAlignment = 8;

    /// <summary>A larger alignment would only pad the file.</summary>
    public const int MaxAlignment = 1 << 20;

    /// <summary>The bytes that a value of this type takes at least; 0 for unknown types.</summary>
    public static int MinBytes(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt32 or GgufValueType.Int32 or GgufValueType.Float32 => 4,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 or GgufValueType.String => 8,
        GgufValueType.Array => 12,
        _ => 0,
    };

    /// <summary>The next multiple of an alignment (a power of two); offset at most 2^63 minus the alignment.</summary>
    public static long Align(long offset, long alignment) => (offset + alignment - 1) & -alignment;
}
