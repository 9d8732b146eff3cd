using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Decoders like Llama's or Qwen's whose feed-forward layers are experts with softmax weights.</summary>
/// <remarks>
/// Sources: Mixtral (arXiv 2401.04088), Qwen2 (2407.10671), Qwen3 (2505.09388), OLMoE (2409.02060), Phi-3.5-MoE
/// (2404.14219), Hunyuan-Large (2411.02265), GroveMoE (2508.07785), DBRX, Snowflake Arctic and Grok-1 (model cards).
/// </remarks>
internal static class Mixtral
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["qwen2moe"] = Qwen2,
        ["qwen3moe"] = Qwen3,
        ["qwen3vlmoe"] = Qwen3,
        ["rnd1"] = model => Qwen3(model) with { Attention = NormalizedHeads(model, a => a with { Terms = a.Terms with { Mask = Kernels.AttentionMask.Bidirectional } }) },
        ["llada-moe"] = LLaDA,
        ["olmoe"] = Olmo,
        ["phimoe"] = Phi,
        ["dbrx"] = Dbrx,
        ["hunyuan-moe"] = Hunyuan,
        ["arctic"] = Arctic,
        ["grok"] = Grok,
        ["mellum"] = Mellum,
        ["grovemoe"] = Grove,
    };

    /// <summary>Mixtral's experts in files that have some, else a dense layer: for architectures that come in both forms.</summary>
    /// <param name="model">The file.</param>
    /// <param name="sharedWidth">The width inside an expert that every row meets; null: there is none.</param>
    public static Func<int, FeedForwardPart?> ExpertsOrDense(ModelFile model, Func<ExpertSizes, int>? sharedWidth = null)
    {
        if (!ExpertSizes.Any(model))
            return _ => GatedFeedForward.Silu;
        var sizes = new ExpertSizes(model);
        var experts = new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: true)) { SharedWidth = sharedWidth?.Invoke(sizes) ?? 0 };
        return _ => experts;
    }

    private static DecoderDescription Qwen2(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves),
            FeedForward = _ => new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: false))
            {
                Width = sizes.ExpertOr(sizes.Layer / sizes.Used),
                SharedWidth = sizes.SharedOr(sizes.Layer),
                WeighsShared = true,
            },
            Head = HeadWeights.Own,
        };
    }

    private static DecoderDescription Qwen3(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        return new()
        {
            Attention = NormalizedHeads(model),
            FeedForward = _ => new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: true)) { Width = sizes.ExpertOr(sizes.Layer / sizes.Used) },
        };
    }

    private static DecoderDescription LLaDA(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        return new()
        {
            Attention = NormalizedHeads(model, a => a with { Terms = a.Terms with { Mask = Kernels.AttentionMask.Bidirectional } }),
            FeedForward = _ => new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: false)) { Width = sizes.ExpertOr(sizes.Layer / sizes.Used) },
            Head = HeadWeights.Own,
        };
    }

    private static DecoderDescription Olmo(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.Rms, NormSpan.Row) }),
            FeedForward = _ => new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: false)),
            Head = HeadWeights.Own,
        };
    }

    private static DecoderDescription Phi(ModelFile model) => new()
    {
        Attention = model.Attention(RopeLayout.Halves),
        FeedForward = ExpertsOrDense(model),
        Norm = new(IsLayerNorm: false, IsWeighted: true, Presence.Required),
        Head = HeadWeights.Own,
    };

    private static DecoderDescription Dbrx(ModelFile model)
    {
        var clamp = model.Keys.Number("attention.clamp_kqv", least: 0);
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves, a => a with { Clamp = clamp }),
            FeedForward = ExpertsOrDense(model),
            Norm = Norm.LayerWithoutBias,
            FeedForwardNorm = "attn_output_norm",
            Head = HeadWeights.Own,
        };
    }

    private static DecoderDescription Hunyuan(ModelFile model) => new()
    {
        Attention = NormalizedHeads(model, a => a with { QueryKeyNorm = a.QueryKeyNorm! with { AfterRotation = true } }),
        FeedForward = ExpertsOrDense(model, sizes => sizes.SharedOr(sizes.Layer)),
    };

    // Experts work beside attention and a dense layer, on the residual stream as it entered the layer.
    private static DecoderDescription Arctic(ModelFile model)
    {
        var experts = ExpertsOrDense(model)(0)!;
        return new()
        {
            Attention = model.Attention(RopeLayout.Interleaved),
            FeedForward = _ => new DenseAndExperts(GatedFeedForward.Silu with { Width = model.Sizes.Width }, experts) { ExpertNorm = "ffn_norm_exps" },
        };
    }

    private static DecoderDescription Grok(ModelFile model)
    {
        var keys = model.Keys;
        var sizes = new ExpertSizes(model);
        var experts = new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: true)) { Width = sizes.ExpertOr(sizes.Layer), Gate = ActivationFunction.GeluTanh };
        var (scale, cap) = (keys.Number("attention.output_scale", 0.08838834764831845f), keys.Number("attn_logit_softcapping", 30, least: 0));
        var rotation = model.Rotation(RopeLayout.Halves);
        if (rotation.Terms.Extrapolation != 0)
            rotation = rotation with { Terms = rotation.Terms with { Extrapolation = keys.Number("rope.scaling.yarn_ext_factor", 1, least: 0), BetaFast = keys.Number("rope.scaling.yarn_beta_fast", 8) } };
        return new()
        {
            Attention = layer => model.Attention(layer, rotation) with { Terms = model.Sizes.Attention(layer) with { Scale = scale, Softcap = cap } },
            AttentionPostNorm = "attn_output_norm",
            FeedForward = layer => model.Has($"blk.{layer}.ffn_up.weight")
                ? new DenseAndExperts(new GatedFeedForward(ActivationFunction.GeluTanh), experts) { Scale = MathF.Sqrt(2) / 2 }
                : experts,
            FeedForwardPostNorm = model.Has("blk.0.layer_output_norm.weight") ? "layer_output_norm" : "post_ffw_norm",
            EmbeddingScale = keys.Number("embedding_scale", 78.38367176906169f),
            LogitScale = keys.Number("logit_scale", 0.5773502691896257f),
            LogitCap = keys.Number("final_logit_softcapping", 0, least: 0),
        };
    }

    // Windowed layers are rotated without the scaling of the others.
    private static DecoderDescription Mellum(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var plain = rotation with { Terms = new() { Layout = RopeLayout.Halves, Dimensions = rotation.Terms.Dimensions, Base = rotation.Terms.Base } };
        return Qwen3(model) with
        {
            Attention = model.WindowedAttention(0, period: 4, model.LocalRotation(plain), rotation, a => a with { QueryKeyNorm = new(Norm.Rms) }),
            Head = HeadWeights.Own,
        };
    }

    private static DecoderDescription Grove(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var perGroup = model.Keys.Size("experts_per_group", sizes.Count);
        if (sizes.Count % perGroup != 0)
            throw model.Keys.Wrong("experts_per_group", $"must divide the {sizes.Count} experts, found {perGroup}");
        var router = sizes.Router(ExpertGating.Softmax, normalizes: true) with { ChooseByScore = true };
        var experts = new ExpertFeedForward(sizes, router) { Width = sizes.ExpertOr(sizes.Layer / sizes.Used) };
        var adjugate = new ExpertFeedForward(sizes, router with { Chosen = Math.Min(sizes.Used, sizes.Count / perGroup), ExpertsPerMatrix = perGroup })
        {
            Width = model.Keys.Size("expert_chunk_feed_forward_length", Hyperparameters.LargestWidth, otherwise: model.Sizes.KeyWidth),
            Suffix = "_chexps",
        };
        var scale = model.Keys.Number("expert_group_scale");
        return new() { Attention = NormalizedHeads(model), FeedForward = _ => new GroveFeedForward(experts, adjugate, scale) };
    }

    private static Func<int, AttentionPart> NormalizedHeads(ModelFile model, Func<SelfAttention, SelfAttention>? change = null)
        => model.Attention(RopeLayout.Halves, a => (change ?? (b => b))(a with { QueryKeyNorm = new(Norm.Rms) }));

    /// <summary>Experts, and behind them one for each group of those that were chosen (GroveMoE).</summary>
    /// <param name="Experts">Read the normalized residual stream.</param>
    /// <param name="Adjugate">Read the others' sum; chosen by the same scores.</param>
    /// <param name="Scale">Factor of what they add to it.</param>
    private sealed record GroveFeedForward(ExpertFeedForward Experts, ExpertFeedForward Adjugate, float Scale) : FeedForwardPart
    {
        /// <inheritdoc/>
        public override Value Write(Block block, Value x)
        {
            var scores = block.Linear(x, "ffn_gate_inp", Experts.Sizes.Count);
            var sum = Experts.Write(block, x, scores);
            return sum + block.Program.Scale(Adjugate.Write(block, sum, scores), Scale);
        }
    }

    /// <summary>A dense layer beside experts.</summary>
    /// <param name="Dense">Reads the normalized residual stream.</param>
    /// <param name="Experts">Read the same, or the layer's input behind a norm of their own.</param>
    private sealed record DenseAndExperts(FeedForwardPart Dense, FeedForwardPart Experts) : FeedForwardPart
    {
        /// <summary>The norm of the layer's input for the experts; null: they read what the dense layer reads.</summary>
        public string? ExpertNorm { get; init; }

        /// <summary>Factor of the sum.</summary>
        public float Scale { get; init; } = 1;

        /// <inheritdoc/>
        public override Value Write(Block block, Value x)
        {
            var sum = Dense.Write(block, x) + Experts.Write(block, ExpertNorm is null ? x : block.Norm(block.Input!, ExpertNorm));
            return Scale == 1 ? sum : block.Program.Scale(sum, Scale);
        }
    }
}
