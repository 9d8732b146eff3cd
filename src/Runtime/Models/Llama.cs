using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Llama and its kin: pre-norm decoders with RMS norm, rotary positions, grouped heads and a SiLU-gated feed-forward.</summary>
/// <remarks>
/// Sources: LLaMA (arXiv 2302.13971), Llama 3 (2407.21783), Mistral (2310.06825), Qwen2 (2407.10671: biases on query, key
/// and value), Qwen3 (2505.09388: query and key normalized head by head), Phi-3 (2404.14219: query, key and value in one
/// matrix, gate and up in another).
/// </remarks>
internal static class Llama
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["llama"] = Interleaved,
        ["mistral"] = Interleaved,
        ["qwen2"] = Halves,
        ["qwen3"] = NormalizedHeads,

        // attention.sliding_window is not applied: exporters fill it from configurations that do not say which layers it
        // is for, and llama.cpp, for which these files are made, leaves it alone for that reason.
        ["phi3"] = Halves,
    };

    private static DecoderDescription Interleaved(ModelFile model) => new() { Attention = model.Attention(RopeLayout.Interleaved) };

    private static DecoderDescription Halves(ModelFile model) => new() { Attention = model.Attention(RopeLayout.Halves) };

    private static DecoderDescription NormalizedHeads(ModelFile model) => new()
    {
        Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.Rms) }),
    };
}
