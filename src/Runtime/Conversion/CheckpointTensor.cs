using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Conversion;

/// <summary>A tensor of a checkpoint, in place in its file; its numbers come out as float32.</summary>
internal sealed unsafe class CheckpointTensor
{
    private static readonly Dictionary<string, int> _elementBytes = new(StringComparer.Ordinal)
    {
        ["F32"] = 4,
        ["F16"] = 2,
        ["BF16"] = 2,
        ["F64"] = 8,
        ["I64"] = 8,
        ["U64"] = 8,
        ["I32"] = 4,
        ["U32"] = 4,
        ["I16"] = 2,
        ["U16"] = 2,
        ["I8"] = 1,
        ["U8"] = 1,
        ["BOOL"] = 1,
        ["F8_E4M3"] = 1,
        ["F8_E5M2"] = 1,
    };

    private readonly GgufPart _part;

    public CheckpointTensor(GgufPart part, string name, string type, long[] shape, long offset, long byteSize)
        => (_part, Name, Type, Shape, Offset, ByteSize) = (part, name, type, shape, offset, byteSize);

    /// <summary>All types by their names in safetensors; numbers are read from F32, F16, BF16 and F64.</summary>
    public static IEnumerable<string> Types => _elementBytes.Keys;

    /// <summary>The name in the checkpoint.</summary>
    public string Name { get; }

    /// <summary>The type by its name in safetensors.</summary>
    public string Type { get; }

    /// <summary>Extents, outermost axis first.</summary>
    public long[] Shape { get; }

    /// <summary>Where the data begins in the file.</summary>
    public long Offset { get; }

    /// <summary>Bytes of data.</summary>
    public long ByteSize { get; }

    /// <summary>The file that holds the tensor.</summary>
    public string File => _part.Source;

    /// <summary>Bytes of an element; null for an unknown type.</summary>
    public static int? ElementBytes(string type) => _elementBytes.TryGetValue(type, out var bytes) ? bytes : null;

    /// <summary>The tensor as rows of float32.</summary>
    /// <exception cref="UnsupportedModelException">The type holds no floating-point numbers.</exception>
    /// <exception cref="ModelFormatException">The shape is no shape of a weight.</exception>
    public RowTensor AsRows()
    {
        if (Type is not ("F32" or "F16" or "BF16" or "F64"))
            throw new UnsupportedModelException($"dtype '{Type}' of the weight '{Name}' in {File}", ["F32", "F16", "BF16", "F64"]);
        if (Shape.Length is < 1 or > GgufLimits.Axes || Array.Exists(Shape, extent => extent < 1) || Shape[^1] > RowTensor.LongestRow)
            throw new ModelFormatException($"tensor '{Name}' has the shape [{string.Join(", ", Shape)}], expected 1 to {GgufLimits.Axes} axes of at least 1", File);
        return new RowTensor(Shape, (row, values) => Read(row * Shape[^1], values)) { Column = ReadColumn, Type = Type, Name = Name };
    }

    private void Read(long first, Span<float> values)
    {
        var source = (byte*)_part.Base + Offset + (first * _elementBytes[Type]);
        switch (Type)
        {
            case "F32":
                new ReadOnlySpan<byte>(source, values.Length * 4).CopyTo(MemoryMarshal.AsBytes(values));
                break;
            case "F16":
                TensorPrimitives.ConvertToSingle(new ReadOnlySpan<Half>(source, values.Length), values);
                break;
            default:
                for (var i = 0; i < values.Length; i++)
                    values[i] = Element(source, i);
                break;
        }
    }

    private void ReadColumn(long column, Span<float> values)
    {
        var bytes = _elementBytes[Type];
        var source = (byte*)_part.Base + Offset + (column * bytes);
        for (var i = 0; i < values.Length; i++)
            values[i] = Element(source, i * Shape[^1]);
    }

    private float Element(byte* source, long index) => Type switch
    {
        "F32" => Unsafe.ReadUnaligned<float>(source + (index * 4)),
        "F16" => (float)Unsafe.ReadUnaligned<Half>(source + (index * 2)),
        "BF16" => BitConverter.UInt32BitsToSingle((uint)Unsafe.ReadUnaligned<ushort>(source + (index * 2)) << 16),
        _ => (float)Unsafe.ReadUnaligned<double>(source + (index * 8)),
    };
}
