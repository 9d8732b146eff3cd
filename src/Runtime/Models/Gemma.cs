using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Gemma 1 to 3: decoders like Llama's with scaled embeddings and a GELU gate; most layers of the later ones look back through a window.</summary>
/// <remarks>
/// Sources: Gemma (arXiv 2403.08295), Gemma 2 (2408.00118: norms behind each part, capped scores and logits, every other
/// layer windowed), Gemma 3 (2503.19786: query and key normalized head by head, five of six layers windowed with a rotary
/// base of their own). Files hold a norm's weight with the 1 that the papers add to it.
/// </remarks>
internal static class Gemma
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["gemma"] = First,
        ["gemma2"] = Second,
        ["gemma3"] = Third,
    };

    /// <summary>Gemma 1.</summary>
    public static DecoderDescription First(ModelFile model) => new()
    {
        Attention = model.Attention(RopeLayout.Halves),
        FeedForward = _ => new GatedFeedForward(ActivationFunction.GeluTanh),
        EmbeddingScale = MathF.Sqrt(model.Sizes.Width),
    };

    private static DecoderDescription Second(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var terms = Scores(model, layersOf27B: 46, cap: 50);
        return Later(model, logitCap: 30, model.WindowedAttention(4096, period: 2, model.LocalRotation(rotation), rotation, terms));
    }

    private static DecoderDescription Third(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var local = model.LocalRotation(rotation with { Terms = rotation.Terms with { FrequencyScale = 1 } }, otherwise: 10000);
        var terms = Scores(model, layersOf27B: 62, cap: 0);
        return Later(model, logitCap: 0, model.WindowedAttention(0, period: 6, local, rotation, a => terms(a) with { QueryKeyNorm = new(Norm.Rms) }));
    }

    private static DecoderDescription Later(ModelFile model, float logitCap, Func<int, AttentionPart> attention)
    {
        model.RequireOneHeadSize();
        return First(model) with
        {
            Attention = attention,
            AttentionPostNorm = "post_attention_norm",
            FeedForwardPostNorm = "post_ffw_norm",
            LogitCap = model.Keys.Number("final_logit_softcapping", logitCap, least: 0),
        };
    }

    // Of the one size no key tells that scores are scaled by the width's share of a head.
    private static Func<SelfAttention, SelfAttention> Scores(ModelFile model, int layersOf27B, float cap)
    {
        var scale = 1 / MathF.Sqrt(model.Sizes.Layers == layersOf27B ? model.Sizes.Width / Math.Max(1, model.Sizes.Of(0).Heads) : model.Sizes.KeyWidth);
        cap = model.Keys.Number("attn_logit_softcapping", cap, least: 0);
        return a => a with { Terms = a.Terms with { Scale = scale, Softcap = cap } };
    }
}
