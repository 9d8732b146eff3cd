using System.Diagnostics.CodeAnalysis;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Quantization;

/// <summary>What a quantized file is called: a type for most of its matrices, and rules that give some of them more bits.</summary>
/// <param name="Name">The name as users know it, for instance <c>Q4_K_M</c>.</param>
/// <param name="FileType">The number that general.file_type holds (LLAMA_FTYPE).</param>
/// <param name="Type">The type of matrices that no rule treats apart.</param>
public sealed record QuantizationMix(string Name, uint FileType, GgmlType Type)
{
    private static readonly QuantizationMix[] Table =
    [
        new("F32", 0, GgmlType.F32),
        new("F16", 1, GgmlType.F16),
        new("BF16", 32, GgmlType.BF16),
        new("Q8_0", 7, GgmlType.Q8_0),
        new("Q6_K", 18, GgmlType.Q6_K),
        new("Q5_K_M", 17, GgmlType.Q5_K),
        new("Q5_K_S", 16, GgmlType.Q5_K),
        new("Q5_1", 9, GgmlType.Q5_1),
        new("Q5_0", 8, GgmlType.Q5_0),
        new("Q4_K_M", 15, GgmlType.Q4_K),
        new("Q4_K_S", 14, GgmlType.Q4_K),
        new("Q4_1", 3, GgmlType.Q4_1),
        new("Q4_0", 2, GgmlType.Q4_0),
        new("IQ4_NL", 25, GgmlType.IQ4_NL),
        new("IQ4_XS", 30, GgmlType.IQ4_XS),
        new("MXFP4_MOE", 38, GgmlType.MXFP4),
        new("Q3_K_L", 13, GgmlType.Q3_K),
        new("Q3_K_M", 12, GgmlType.Q3_K),
        new("Q3_K_S", 11, GgmlType.Q3_K),
        new("Q2_K", 10, GgmlType.Q2_K),
        new("Q2_K_S", 21, GgmlType.Q2_K),
    ];

    private static readonly Dictionary<string, string> Aliases = new(StringComparer.OrdinalIgnoreCase)
    {
        ["Q3_K"] = "Q3_K_M",
        ["Q4_K"] = "Q4_K_M",
        ["Q5_K"] = "Q5_K_M",
    };

    /// <summary>Every mix, from large to small. Q3_K, Q4_K and Q5_K also name their M mixes.</summary>
    public static IReadOnlyList<QuantizationMix> All => Table;

    /// <summary>The types that a tensor can be given.</summary>
    public static IReadOnlyList<GgmlType> Types { get; } = [.. Table.Select(m => m.Type).Distinct()];

    /// <summary>Looks a name up, in upper or lower case; false for names of no mix.</summary>
    public static bool TryParse([NotNullWhen(true)] string? name, [NotNullWhen(true)] out QuantizationMix? mix)
    {
        if (name is not null && Aliases.TryGetValue(name, out var full))
            name = full;
        mix = Array.Find(Table, m => string.Equals(m.Name, name, StringComparison.OrdinalIgnoreCase));
        return mix is not null;
    }

    /// <summary>The mix of a name.</summary>
    /// <exception cref="UnsupportedModelException">No mix has the name; says which there are.</exception>
    public static QuantizationMix Parse(string name)
        => TryParse(name, out var mix) ? mix : throw new UnsupportedModelException($"quantization '{name}'", Table.Select(m => m.Name));

    /// <summary>The type of a name that a tensor can be given, in upper or lower case.</summary>
    /// <exception cref="UnsupportedModelException">Nothing is written in a type of that name; says which there are.</exception>
    public static GgmlType ParseType(string name)
        => GgmlTypes.TryParse(name, out var info) && Types.Contains(info.Type)
            ? info.Type
            : throw new UnsupportedModelException($"tensor type '{name}'", Types.Select(t => GgmlTypes.Of(t).Name));
}
