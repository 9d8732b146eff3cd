using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Decoders that were trained on into encoders, and have an architecture's name of their own.</summary>
/// <remarks>Sources: EmbeddingGemma (arXiv 2509.20354: Gemma 3's block, windowed to either side), Llama-Embed-Nemotron (2511.07025).</remarks>
internal static class DecoderEmbedding
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["gemma-embedding"] = Gemma3,
        ["llama-embed"] = Llama3,
    };

    private static DecoderDescription Gemma3(ModelFile model)
    {
        model.RequireOneHeadSize();
        var rotation = model.Rotation(RopeLayout.Halves);
        var local = model.LocalRotation(rotation with { Terms = rotation.Terms with { FrequencyScale = 1 } }, otherwise: 10000);
        return Gemma.First(model) with
        {
            Attention = model.WindowedAttention(window: null, period: 6, local, rotation, a => Bert.SeesAhead(a) with { QueryKeyNorm = new(Norm.Rms) }),
            AttentionPostNorm = "post_attention_norm",
            FeedForwardPostNorm = "post_ffw_norm",
            Head = HeadWeights.None,
        };
    }

    // A file says whether its tokens still see the past alone.
    private static DecoderDescription Llama3(ModelFile model)
    {
        var isCausal = model.Keys.Flag("attention.causal", true);
        return Llama.Interleaved(model) with
        {
            Attention = isCausal ? model.Attention(RopeLayout.Interleaved) : Bert.Ahead(model, RopeLayout.Interleaved),
            Head = HeadWeights.None,
        };
    }
}
