using Hearth.Runtime.Gguf;
using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Quantization;

/// <summary>Converts rows between tensor types through the native library.</summary>
internal static unsafe class BlockConverter
{
    /// <summary>Numbers of whole blocks as float32.</summary>
    /// <param name="type">The type of <paramref name="blocks"/>.</param>
    /// <param name="blocks">The blocks of as many numbers as <paramref name="values"/> takes.</param>
    /// <param name="values">Takes them.</param>
    /// <exception cref="HearthException">The library does not read the type.</exception>
    public static void Dequantize(GgmlType type, ReadOnlySpan<byte> blocks, Span<float> values)
    {
        fixed (byte* from = blocks)
        fixed (float* to = values)
            NativeStatus.Check(NativeMethods.hearth_dequantize((int)type, from, (nuint)blocks.Length, to, (nuint)values.Length));
    }

    /// <summary>A whole tensor as float32.</summary>
    /// <exception cref="HearthException">The library does not read its type.</exception>
    public static float[] ToSingle(GgufTensor tensor)
    {
        var values = new float[tensor.ElementCount];
        Dequantize(tensor.Type, tensor.Bytes(), values);
        return values;
    }

    /// <summary>Rows of float32 as blocks with the least squared error that is found.</summary>
    /// <param name="type">The type of <paramref name="blocks"/>.</param>
    /// <param name="values">Rows of <paramref name="columns"/> numbers.</param>
    /// <param name="columns">A multiple of the type's block.</param>
    /// <param name="importance">A weight for the error of each column, or empty.</param>
    /// <param name="blocks">Takes the blocks.</param>
    /// <exception cref="ArgumentException">A number is not finite, or beyond the range of the type.</exception>
    public static void Quantize(GgmlType type, ReadOnlySpan<float> values, long columns, ReadOnlySpan<float> importance, Span<byte> blocks)
    {
        fixed (float* from = values)
        fixed (float* weights = importance)
        fixed (byte* to = blocks)
            NativeStatus.Check(NativeMethods.hearth_quantize((int)type, from, (nuint)values.Length, columns, weights, to, (nuint)blocks.Length));
    }
}
