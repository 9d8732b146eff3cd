using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Qwen 1 to 3, dense, with the texts of their vision models.</summary>
/// <remarks>
/// Sources: Qwen (arXiv 2309.16609), Qwen2 (2407.10671: biases on query, key and value), Qwen3 (2505.09388: query and key
/// normalized head by head), Qwen2-VL (2409.12191). A text's three position streams are one and the same, so that
/// multi-section rotation is the usual one.
/// </remarks>
internal static class Qwen
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["qwen"] = First,
        ["qwen2"] = Llama.Halves,
        ["qwen2vl"] = Llama.Halves,
        ["qwen3"] = Third,
        ["qwen3vl"] = Third,
    };

    /// <summary>Qwen3's block.</summary>
    public static DecoderDescription NormalizedHeads(ModelFile model) => new()
    {
        Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.Rms) }),
    };

    private static DecoderDescription Third(ModelFile model) => NormalizedHeads(model) with { Ranking = RankingTerms.OfLastToken };

    // feed_forward_length counts gate and up together.
    private static DecoderDescription First(ModelFile model) => Llama.Halves(model) with
    {
        FeedForward = layer => new GatedFeedForward(ActivationFunction.Silu) { Width = model.Sizes.Of(layer).FeedForward / 2 },
        Head = HeadWeights.Own,
    };
}
