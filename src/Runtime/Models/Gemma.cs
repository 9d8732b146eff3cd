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

    private static DecoderDescription First(ModelFile model) => new()
    {
        Attention = model.Attention(RopeLayout.Halves),
        FeedForward = _ => new GatedFeedForward(ActivationFunction.GeluTanh),
        EmbeddingScale = MathF.Sqrt(model.Sizes.Width),
    };

    private static DecoderDescription Second(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var scale = Scale(model, layersOf27B: 46);
        var cap = model.Keys.Number("attn_logit_softcapping", 50, least: 0);
        return First(model) with
        {
            Attention = Windowed(model, window: 4096, period: 2, rotation, rotation, a => a with { Terms = a.Terms with { Scale = scale, Softcap = cap } }),
            AttentionPostNorm = "post_attention_norm",
            FeedForwardPostNorm = "post_ffw_norm",
            LogitCap = model.Keys.Number("final_logit_softcapping", 30, least: 0),
        };
    }

    private static DecoderDescription Third(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var local = rotation with { Terms = rotation.Terms with { Base = 10000, FrequencyScale = 1 } };
        var scale = Scale(model, layersOf27B: 62);
        var cap = model.Keys.Number("attn_logit_softcapping", 0, least: 0);
        return First(model) with
        {
            Attention = Windowed(model, window: 0, period: 6, rotation, local, a => a with
            {
                Terms = a.Terms with { Scale = scale, Softcap = cap },
                QueryKeyNorm = new(Norm.Rms),
            }),
            AttentionPostNorm = "post_attention_norm",
            FeedForwardPostNorm = "post_ffw_norm",
            LogitCap = model.Keys.Number("final_logit_softcapping", 0, least: 0),
        };
    }

    // All but one layer of a period look back through a window, rotated by a base of their own where the file has one.
    private static Func<int, AttentionPart> Windowed(
        ModelFile model, int window, int period, Rotation rotation, Rotation local, Func<SelfAttention, SelfAttention> change)
    {
        model.RequireOneHeadSize();
        window = model.Keys.Size("attention.sliding_window", int.MaxValue, window, least: 0);
        local = local with { Terms = local.Terms with { Base = model.Keys.Number("rope.freq_base_swa", local.Terms.Base, least: float.Epsilon) } };
        var isWindowed = model.Windowed(period);
        return layer => window > 0 && isWindowed(layer)
            ? change(model.Attention(layer, local)).Within(window)
            : change(model.Attention(layer, rotation));
    }

    // Of the one size no key tells that scores are scaled by the width's share of a head.
    private static float Scale(ModelFile model, int layersOf27B)
        => 1 / MathF.Sqrt(model.Sizes.Layers == layersOf27B ? model.Sizes.Width / model.Sizes.Of(0).Heads : model.Sizes.KeyWidth);
}
