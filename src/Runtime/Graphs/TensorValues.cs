using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Graphs;

/// <summary>Numbers of a tensor whose values are stored one by one, as norms, biases and factors are.</summary>
internal static class TensorValues
{
    /// <summary>Reads some of them.</summary>
    /// <param name="tensor">F32, F16 or BF16.</param>
    /// <param name="first">The first, counted through the tensor.</param>
    /// <param name="values">Takes them.</param>
    /// <exception cref="UnsupportedModelException">The tensor is of another type.</exception>
    public static void Read(GgufTensor tensor, long first, Span<float> values)
    {
        if (tensor.Type is not (GgmlType.F32 or GgmlType.F16 or GgmlType.BF16))
            throw new UnsupportedModelException($"type {GgmlTypes.Of(tensor.Type).Name} of the vector '{tensor.Name}'", ["F32", "F16", "BF16"]);
        var bytes = tensor.Bytes(GgmlTypes.ByteSize(tensor.Type, first), checked((int)GgmlTypes.ByteSize(tensor.Type, values.Length)));
        switch (tensor.Type)
        {
            case GgmlType.F32:
                MemoryMarshal.Cast<byte, float>(bytes).CopyTo(values);
                break;
            case GgmlType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), values);
                break;
            default:
                var halves = MemoryMarshal.Cast<byte, ushort>(bytes);
                for (var i = 0; i < values.Length; i++)
                    values[i] = BitConverter.UInt32BitsToSingle((uint)halves[i] << 16);
                break;
        }
    }
}
