namespace Hearth.Runtime.Gguf;

/// <summary>How a tensor's numbers are stored; the values are the type numbers of a GGUF tensor entry (ggml_type).</summary>
/// <remarks>The numbers 4, 5, 31 to 33 and 36 to 38 once named types that no longer exist in files.</remarks>
public enum GgmlType
{
    /// <summary>IEEE 754 single precision.</summary>
    F32 = 0,

    /// <summary>IEEE 754 half precision.</summary>
    F16 = 1,

    /// <summary>Blocks of 32: f16 scale, 4-bit codes minus 8.</summary>
    Q4_0 = 2,

    /// <summary>Blocks of 32: f16 scale and minimum, 4-bit codes.</summary>
    Q4_1 = 3,

    /// <summary>Blocks of 32: f16 scale, 5-bit codes minus 16.</summary>
    Q5_0 = 6,

    /// <summary>Blocks of 32: f16 scale and minimum, 5-bit codes.</summary>
    Q5_1 = 7,

    /// <summary>Blocks of 32: f16 scale, signed 8-bit codes.</summary>
    Q8_0 = 8,

    /// <summary>Blocks of 32: f16 scale, f16 scale times the sum of codes, signed 8-bit codes (activations only).</summary>
    Q8_1 = 9,

    /// <summary>Superblocks of 256: 16 sub-blocks with 4-bit scales and minima, 2-bit codes.</summary>
    Q2_K = 10,

    /// <summary>Superblocks of 256: 16 sub-blocks with 6-bit scales, 3-bit codes.</summary>
    Q3_K = 11,

    /// <summary>Superblocks of 256: 8 sub-blocks with 6-bit scales and minima, 4-bit codes.</summary>
    Q4_K = 12,

    /// <summary>Superblocks of 256: 8 sub-blocks with 6-bit scales and minima, 5-bit codes.</summary>
    Q5_K = 13,

    /// <summary>Superblocks of 256: 16 sub-blocks with 8-bit scales, 6-bit codes minus 32.</summary>
    Q6_K = 14,

    /// <summary>Superblocks of 256: f32 scale, signed 8-bit codes, sums of 16 (activations only).</summary>
    Q8_K = 15,

    /// <summary>Superblocks of 256: codebook of 256 vectors of 8, 2.06 bits a weight.</summary>
    IQ2_XXS = 16,

    /// <summary>Superblocks of 256: codebook of 512 vectors of 8, 2.31 bits a weight.</summary>
    IQ2_XS = 17,

    /// <summary>Superblocks of 256: codebook of 256 vectors of 4, 3.06 bits a weight.</summary>
    IQ3_XXS = 18,

    /// <summary>Superblocks of 256: codebook of 2048 ternary vectors of 8, 1.56 bits a weight.</summary>
    IQ1_S = 19,

    /// <summary>Blocks of 32: f16 scale, 4-bit codes into 16 unevenly spaced values.</summary>
    IQ4_NL = 20,

    /// <summary>Superblocks of 256: codebook of 512 vectors of 4, 3.44 bits a weight.</summary>
    IQ3_S = 21,

    /// <summary>Superblocks of 256: codebook of 1024 vectors of 8, 2.56 bits a weight.</summary>
    IQ2_S = 22,

    /// <summary>Superblocks of 256: 8 sub-blocks with 6-bit scales, codes as in IQ4_NL.</summary>
    IQ4_XS = 23,

    /// <summary>Signed 8-bit integers.</summary>
    I8 = 24,

    /// <summary>Signed 16-bit integers.</summary>
    I16 = 25,

    /// <summary>Signed 32-bit integers.</summary>
    I32 = 26,

    /// <summary>Signed 64-bit integers.</summary>
    I64 = 27,

    /// <summary>IEEE 754 double precision.</summary>
    F64 = 28,

    /// <summary>Superblocks of 256: codebook of 2048 ternary vectors of 8, 1.75 bits a weight.</summary>
    IQ1_M = 29,

    /// <summary>The upper half of a single-precision number.</summary>
    BF16 = 30,

    /// <summary>Superblocks of 256: ternary codes, five to a byte.</summary>
    TQ1_0 = 34,

    /// <summary>Superblocks of 256: ternary codes of 2 bits.</summary>
    TQ2_0 = 35,

    /// <summary>Blocks of 32: a power-of-two scale (E8M0), 4-bit floats (E2M1).</summary>
    MXFP4 = 39,

    /// <summary>Blocks of 64: four 8-bit float scales (UE4M3), 4-bit floats (E2M1).</summary>
    NVFP4 = 40,

    /// <summary>Blocks of 128: f16 scale, one bit a weight.</summary>
    Q1_0 = 41,

    /// <summary>Blocks of 64: f16 scale, 2-bit codes.</summary>
    Q2_0 = 42,

    /// <summary>Q2_0 in blocks of 128. Some writers give it the number 42, by which alone it cannot be told from the other; the reader does by the tensors' places.</summary>
    Q2_0_G128 = 142,
}
