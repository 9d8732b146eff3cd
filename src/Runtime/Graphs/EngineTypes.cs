using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Graphs;

/// <summary>The tensor types that the engine computes with (hearth_type).</summary>
internal static class EngineTypes
{
    private static readonly GgmlType[] _supported =
    [
        GgmlType.F32, GgmlType.F16, GgmlType.BF16, GgmlType.Q4_0, GgmlType.Q4_1, GgmlType.Q5_0, GgmlType.Q5_1, GgmlType.Q8_0,
        GgmlType.Q2_K, GgmlType.Q3_K, GgmlType.Q4_K, GgmlType.Q5_K, GgmlType.Q6_K,
        GgmlType.IQ1_S, GgmlType.IQ1_M, GgmlType.IQ2_XXS, GgmlType.IQ2_XS, GgmlType.IQ2_S, GgmlType.IQ3_XXS, GgmlType.IQ3_S,
        GgmlType.IQ4_NL, GgmlType.IQ4_XS, GgmlType.TQ1_0, GgmlType.TQ2_0, GgmlType.MXFP4,
        GgmlType.NVFP4, GgmlType.Q1_0, GgmlType.Q2_0, GgmlType.Q2_0_G128,
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<GgmlType> Supported => _supported;

    /// <summary>Whether the engine computes with a type.</summary>
    public static bool IsSupported(GgmlType type) => Array.IndexOf(_supported, type) >= 0;

    /// <summary>Refuses a tensor of another type.</summary>
    /// <exception cref="UnsupportedModelException">Names the tensor, its type and what is supported.</exception>
    public static void Require(GgufTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        if (!IsSupported(tensor.Type))
            throw new UnsupportedModelException($"type {GgmlTypes.Of(tensor.Type).Name} of tensor '{tensor.Name}'", _supported.Select(t => GgmlTypes.Of(t).Name));
    }
}
