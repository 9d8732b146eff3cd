using Hearth.Runtime.Graphs;
using Hearth.Runtime.Kernels;

namespace Hearth.Runtime.Models;

/// <summary>Diffusion models of text: every position sees all others, and a text is made by filling masked positions.</summary>
/// <remarks>
/// Sources: LLaDA (arXiv 2502.09992: Llama's block), Dream (2508.15487: Qwen2's). A whole text is one step, and nothing is
/// cached; writing it token by token is not what they are made for.
/// </remarks>
internal static class Diffusion
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["llada"] = model => Bidirectional(model, RopeLayout.Interleaved),
        ["dream"] = model => Bidirectional(model, RopeLayout.Halves),
    };

    private static DecoderDescription Bidirectional(ModelFile model, RopeLayout layout)
        => new() { Attention = model.Attention(layout, a => a with { Terms = a.Terms with { Mask = AttentionMask.Bidirectional } }) };
}
