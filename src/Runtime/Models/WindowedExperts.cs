using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Decoders with experts in which most layers look back through a window, rotated otherwise than the layers that see everything.</summary>
/// <remarks>
/// Sources: EXAONE 4.0 (arXiv 2507.11407), SmallThinker (2507.20984), and the model cards and configurations of Trinity
/// (afmoe), Laguna, MiMo-V2, Step-3.5 and Command A's experts (cohere2moe).
/// </remarks>
internal static class WindowedExperts
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["exaone-moe"] = Exaone,
        ["smallthinker"] = SmallThinker,
        ["cohere2moe"] = Cohere,
        ["afmoe"] = Trinity,
        ["laguna"] = Laguna,
        ["mimo2"] = MiMo,
        ["step35"] = Step,
    };

    private static DecoderDescription Exaone(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var local = model.LocalRotation(model.Rotation(RopeLayout.Halves));
        return new()
        {
            Attention = model.WindowedAttention(null, period: 4, local, global: null, a => a with { QueryKeyNorm = new(Norm.Rms) }),
            FeedForward = sizes.BehindDense(sizes.ByKeys() with { SharedWidth = sizes.SharedOr(sizes.Expert) }),
            Head = HeadWeights.Own,
        };
    }

    // The router looks at the residual stream before attention. The window is 4096 whatever the key says of its size.
    private static DecoderDescription SmallThinker(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var rotation = model.Rotation(RopeLayout.Halves);
        var layers = model.WindowedAttention(0, period: 4, model.LocalRotation(rotation), rotation, firstSeesAll: true);
        var hasWindows = model.Keys.Size("attention.sliding_window", int.MaxValue, otherwise: 0, least: 0) > 0;
        return new()
        {
            Attention = layer =>
            {
                var attention = layers(layer).Within(layers(layer).Terms.Window > 0 ? 4096 : 0);
                return hasWindows && layer % 4 == 0 ? attention with { Rotation = null } : attention;
            },
            FeedForward = _ => new ExpertFeedForward(sizes, sizes.Router(sizes.Gating(), normalizes: true))
            {
                Width = sizes.ExpertOr(sizes.Layer),
                Gate = ActivationFunction.Relu,
                RoutesInput = true,
            },
        };
    }

    private static DecoderDescription Cohere(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var rotation = model.Rotation(RopeLayout.Interleaved);
        var layers = model.WindowedAttention(null, period: 4, model.LocalRotation(rotation), rotation, firstSeesAll: true);
        var hasShared = sizes.SharedCountOr(0) > 0;
        var experts = sizes.ByKeys(ExpertGating.Sigmoid) with
        {
            ChoiceBias = Presence.None,
            SharedWidth = hasShared ? sizes.SharedOr(sizes.Expert * sizes.SharedCount) : 0,
            Scale = hasShared ? 0.5f : 1,
        };
        return new()
        {
            Attention = layer => layers(layer) is var a && (a.Terms.Window > 0 || layer < sizes.LeadingDense) ? a : a with { Rotation = null },
            FeedForward = sizes.BehindDense(experts),
            FeedForwardNorm = null,
            IsParallel = true,
            Norm = model.Keys.Number("attention.layer_norm_rms_epsilon", 0) > 0 ? Norm.Rms : Norm.LayerWithoutBias,
            LogitScale = model.Keys.Number("logit_scale"),
        };
    }

    private static DecoderDescription Trinity(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var rotation = model.Rotation(RopeLayout.Halves);
        var layers = model.WindowedAttention(0, period: 4, model.LocalRotation(rotation), rotation, a => a with { QueryKeyNorm = new(Norm.Rms), Gate = ActivationFunction.Sigmoid });
        return new()
        {
            Attention = layer => (layer + 1) % 4 == 0 ? layers(layer) with { Rotation = null } : layers(layer),
            AttentionPostNorm = "post_attention_norm",
            FeedForward = sizes.BehindDense(sizes.ByKeys(ExpertGating.Sigmoid) with { ChoiceBias = Presence.Required, SharedWidth = sizes.Expert * sizes.SharedCountOr(0) }),
            FeedForwardPostNorm = "post_ffw_norm",
            EmbeddingScale = MathF.Sqrt(model.Sizes.Width),
        };
    }

    // Windowed layers are rotated without the scaling of the others, and rotate another share of a head.
    private static DecoderDescription Laguna(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var rotation = model.Rotation(RopeLayout.Halves);
        var plain = new RopeTerms { Layout = RopeLayout.Halves, Dimensions = LocalDimensions(model, rotation.Terms.Dimensions), Base = rotation.Terms.Base };
        var local = model.LocalRotation(new Rotation(plain, Factors: null));
        return new()
        {
            Attention = model.WindowedAttention(
                0, period: 4, local, rotation, a => a with { QueryKeyNorm = new(Norm.Rms), Gate = ActivationFunction.Softplus }, firstSeesAll: true),
            FeedForward = sizes.BehindDense(sizes.ByKeys(ExpertGating.Sigmoid) with
            {
                ChoiceBias = Presence.Required,
                SharedWidth = sizes.SharedOr(sizes.Expert * sizes.SharedCountOr(1)),
            }),
        };
    }

    private static DecoderDescription MiMo(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var scale = model.Keys.Number("attention.value_scale", 1);
        var rotation = model.Rotation(RopeLayout.Halves);
        var experts = new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Sigmoid, normalizes: true)) { Width = sizes.Expert, ChoiceBias = Presence.Optional };
        return new()
        {
            Attention = model.WindowedAttention(
                null, period: 0, model.LocalRotation(rotation, otherwise: 10000), rotation, a => a with { Sinks = Presence.Optional, OutputScale = scale }),
            FeedForward = layer => model.Has($"blk.{layer}.ffn_gate_inp.weight") ? experts : GatedFeedForward.Silu,
            Head = HeadWeights.Own,
        };
    }

    // Layers that see everything rotate half of the values that the file names.
    private static DecoderDescription Step(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var named = model.Sizes.ReadRope(model.Keys, RopeLayout.Halves);
        var local = named with { Dimensions = LocalDimensions(model, named.Dimensions) };
        var global = named with { Dimensions = named.Dimensions / 2 };
        const string Factors = "rope_freqs.weight";
        var factors = model.Has(Factors) ? model.Program.VectorPart(Factors, 0, global.Dimensions / 2, Math.Max(global.Dimensions, local.Dimensions) / 2) : null;
        var bounds = model.Keys.LayerNumbers("swiglu_clamp_exp", model.Sizes.Layers, otherwise: 0);
        var sharedBounds = model.Keys.LayerNumbers("swiglu_clamp_shexp", model.Sizes.Layers, otherwise: 0);
        var experts = sizes.ByKeys(ExpertGating.Sigmoid) with { SharedWidth = sizes.SharedOr(0) };
        return new()
        {
            Attention = model.WindowedAttention(null, period: 0, model.LocalRotation(new Rotation(local, Factors: null), otherwise: 10000), new Rotation(global, factors), a => a with
            {
                QueryKeyNorm = new(Norm.Rms) { IsOptional = true },
                Gate = ActivationFunction.Sigmoid,
                GateIsOptional = true,
            }),
            FeedForward = layer => model.Has($"blk.{layer}.ffn_gate_inp.weight")
                ? experts with { Gate = Bounded(bounds[layer]), SharedGate = Bounded(sharedBounds[layer]) }
                : new GatedFeedForward(Bounded(sharedBounds[layer])),
            Head = HeadWeights.Own,
        };
    }

    private static Gate Bounded(float bound) => bound > 1e-6f ? new Gate(ActivationFunction.Silu) { MostOutput = bound, UpBound = bound } : ActivationFunction.Silu;

    private static int LocalDimensions(ModelFile model, int otherwise)
    {
        var found = model.Keys.Size("rope.dimension_count_swa", model.Sizes.KeyWidth, otherwise);
        return found % 2 == 0 ? found : throw model.Keys.Wrong("rope.dimension_count_swa", $"must be even, found {found}");
    }
}
