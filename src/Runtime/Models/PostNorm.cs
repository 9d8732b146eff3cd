using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Decoders that normalize what attention and feed-forward add to the residual stream: OLMo 2 and 3, EXAONE 4, GLM-4, PLaMo 3, Chameleon.</summary>
/// <remarks>
/// Sources: OLMo (arXiv 2402.00838, which has norms without weights, in front), OLMo 2 (2501.00656), EXAONE 4 (2507.11407),
/// ChatGLM (2406.12793), GLM-4 (2406.12793), Chameleon (2405.09818).
/// </remarks>
internal static class PostNorm
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["olmo"] = Olmo,
        ["olmo2"] = Olmo2,
        ["exaone4"] = Exaone4,
        ["chatglm"] = Llama.Interleaved,
        ["glm4"] = Glm4,
        ["plamo3"] = Plamo3,
        ["chameleon"] = Chameleon,
    };

    private static DecoderDescription Olmo(ModelFile model)
    {
        var clamp = model.Keys.Number("attention.clamp_kqv", 0, least: 0);
        return new() { Attention = model.Attention(RopeLayout.Interleaved, a => a with { Clamp = clamp }), Norm = Norm.PlainLayer };
    }

    // The third generation's windowed layers are rotated as they were trained, without scaling.
    private static DecoderDescription Olmo2(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var local = new Rotation(new RopeTerms { Layout = RopeLayout.Halves, Dimensions = rotation.Terms.Dimensions, Base = rotation.Terms.Base }, rotation.Factors);
        return Behind(model.WindowedAttention(0, period: 4, local, rotation, a => a with { QueryKeyNorm = new(Norm.Rms, NormSpan.Row) })) with { Head = HeadWeights.Own };
    }

    // Only the large size has windows; its other layers are not rotated.
    private static DecoderDescription Exaone4(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var norm = new QueryKeyNorm(Norm.Rms);
        return Behind(model.Sizes.Layers == 64
            ? model.WindowedAttention(4096, period: 4, rotation, global: null, a => a with { QueryKeyNorm = norm })
            : layer => model.Attention(layer, rotation) with { QueryKeyNorm = norm });
    }

    // Files of the vision models, which are told by their sections, rotate halves together.
    private static DecoderDescription Glm4(ModelFile model)
    {
        var sections = model.Keys.Numbers("rope.dimension_sections");
        var layout = sections.Length > 1 && sections[0] > 0 && sections[1] > 0 ? RopeLayout.Halves : RopeLayout.Interleaved;
        return Around(model.Attention(layout));
    }

    private static DecoderDescription Plamo3(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var local = model.LocalRotation(rotation with { Terms = rotation.Terms with { FrequencyScale = 1 } }, otherwise: 10000);
        return Around(model.WindowedAttention(0, period: 8, local, rotation, a => a with { QueryKeyNorm = new(Norm.Rms) }));
    }

    // The large size has its norms behind. Image tokens, which a text has no use for, are never drawn.
    private static DecoderDescription Chameleon(ModelFile model)
    {
        var isBehind = model.Keys.Flag("swin_norm", false);
        var norm = new Norm(IsLayerNorm: true, IsWeighted: true, Presence.Optional) { Epsilon = 1e-5f };
        return new()
        {
            Attention = model.Attention(RopeLayout.Interleaved, a => a with { QueryKeyNorm = new(norm, NormSpan.EachHead) }),
            AttentionNorm = isBehind ? null : "attn_norm",
            FeedForwardNorm = isBehind ? null : "ffn_norm",
            AttentionPostNorm = isBehind ? "attn_norm" : null,
            FeedForwardPostNorm = isBehind ? "ffn_norm" : null,
            Suppressed = (4, 8196),
        };
    }

    // Norms behind attention and feed-forward only.
    private static DecoderDescription Behind(Func<int, AttentionPart> attention) => Around(attention) with { AttentionNorm = null, FeedForwardNorm = null };

    // Norms in front and behind.
    private static DecoderDescription Around(Func<int, AttentionPart> attention) => new()
    {
        Attention = attention,
        AttentionPostNorm = "post_attention_norm",
        FeedForwardPostNorm = "post_ffw_norm",
    };
}
