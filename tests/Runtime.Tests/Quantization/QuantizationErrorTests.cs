using Hearth.Runtime.Gguf;
using Hearth.Runtime.Quantization;

namespace Hearth.Runtime.Tests.Quantization;

public sealed class QuantizationErrorTests
{
    private const int Columns = 256;
    private const int Rows = 64;

    /// <summary>The mean squared error that the reference's quantizer (August 2026) leaves in <see cref="HeavyTailed"/>.</summary>
    public static TheoryData<GgmlType, double> ReferenceErrors() => new()
    {
        { GgmlType.Q8_0, 1.01823e-6 },
        { GgmlType.Q4_0, 1.61977e-4 },
        { GgmlType.Q4_1, 1.27604e-4 },
        { GgmlType.Q5_0, 5.24779e-5 },
        { GgmlType.Q5_1, 3.05217e-5 },
        { GgmlType.Q2_K, 1.24905e-3 },
        { GgmlType.Q3_K, 2.48996e-4 },
        { GgmlType.Q4_K, 9.79227e-5 },
        { GgmlType.Q5_K, 2.77555e-5 },
        { GgmlType.Q6_K, 8.95919e-6 },
        { GgmlType.IQ4_NL, 1.06803e-4 },
        { GgmlType.IQ4_XS, 1.09015e-4 },
        { GgmlType.MXFP4, 2.48814e-4 },
    };

    [Theory]
    [MemberData(nameof(ReferenceErrors))]
    public void Heavy_tailed_weights_keep_less_error_than_with_the_reference(GgmlType type, double reference)
    {
        var weights = HeavyTailed();
        var blocks = new byte[GgmlTypes.ByteSize(type, weights.Length)];
        var values = new float[weights.Length];
        BlockConverter.Quantize(type, weights, Columns, [], blocks);
        BlockConverter.Dequantize(type, blocks, values);
        var error = weights.Zip(values, (x, y) => Math.Pow((double)x - y, 2)).Average();
        Assert.InRange(error, reference / 10, reference);
    }

    /// <summary>u / (1.02 - u²) for u uniform in [-1, 1), by xorshift32 from 1: most are small, a few are 25 times larger.</summary>
    private static float[] HeavyTailed()
    {
        var weights = new float[Columns * Rows];
        var state = 1u;
        for (var i = 0; i < weights.Length; i++)
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            var u = (state >> 8) / 8388608.0 - 1;
            weights[i] = (float)(0.02 * u / (1.02 - u * u));
        }

        return weights;
    }
}
