using System.Runtime.InteropServices;

namespace Hearth.Ember.Gguf;

/// <summary>Q8_0: blocks of 32 weights, one f16 scale (largest magnitude / 127) and 32 signed codes.</summary>
public static class Q8Block
{
    public const int Weights = 32, Bytes = 34;

    public static byte[] Quantize(ReadOnlySpan<float> values)
    {
        if (values.Length % Weights != 0) throw new ArgumentException($"[q8_0] expected a multiple of {Weights} weights, got {values.Length}");
        var bytes = new byte[values.Length / Weights * Bytes];
        for (int b = 0; b < values.Length / Weights; b++)
        {
            var block = values.Slice(b * Weights, Weights);
            float largest = 0;
            foreach (float v in block) largest = Math.Max(largest, Math.Abs(v));
            float scale = largest / 127;
            float inverse = scale > 0 ? 1 / scale : 0;
            MemoryMarshal.Write(bytes.AsSpan(b * Bytes), (Half)scale);
            for (int i = 0; i < Weights; i++) bytes[b * Bytes + 2 + i] = (byte)(sbyte)MathF.Round(block[i] * inverse, MidpointRounding.AwayFromZero);
        }
        return bytes;
    }

    public static float[] Dequantize(ReadOnlySpan<byte> bytes)
    {
        var values = new float[bytes.Length / Bytes * Weights];
        for (int b = 0; b < bytes.Length / Bytes; b++)
        {
            float scale = (float)MemoryMarshal.Read<Half>(bytes[(b * Bytes)..]);
            for (int i = 0; i < Weights; i++) values[b * Weights + i] = scale * (sbyte)bytes[b * Bytes + 2 + i];
        }
        return values;
    }
}
