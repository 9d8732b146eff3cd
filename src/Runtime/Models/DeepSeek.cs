using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Decoders whose experts follow DeepSeek's: an expert that every row meets, a few dense layers at the front, weights by softmax or sigmoid.</summary>
/// <remarks>
/// Sources: DeepSeekMoE (arXiv 2401.06066), DeepSeek-V2 (2405.04434: latent attention), DeepSeek-V3 (2412.19437: sigmoid
/// weights, groups, a bias of the choice), DeepSeek-V3.2 (2512.02556: the indexer), MiniMax-M3 (model card), DeepSeek-OCR (2510.18234), GLM-4.5 (2508.06471), Ling (2503.05139), dots.llm1
/// (2506.05767), ERNIE 4.5 (technical report), MiniCPM3 (2404.06395), PLM (2503.12167).
/// </remarks>
internal static class DeepSeek
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["deepseek"] = First,
        ["deepseek2"] = model => Second(model, LatentAttention(model, RopeLayout.Interleaved, raisesScoresAlone: true)),
        ["mistral4"] = model => Second(model, LatentAttention(model, RopeLayout.Interleaved)),
        ["deepseek32"] = model => Indexed(model, RopeLayout.Halves, keyEpsilon: 1e-6f, shares: false),
        ["glm-dsa"] = model => Indexed(model, RopeLayout.Interleaved, keyEpsilon: 0, shares: true),
        ["deepseek2-ocr"] = model => Second(model, model.Attention(RopeLayout.Halves)),
        ["bailingmoe"] = Bailing,
        ["bailingmoe2"] = Bailing2,
        ["dots1"] = Dots,
        ["glm4moe"] = Glm,
        ["ernie4_5-moe"] = Ernie,
        ["hy_v3"] = Hunyuan3,
        ["minimax-m2"] = MiniMax,
        ["minimax-m3"] = MiniMax3,
        ["minicpm3"] = MiniCpm,
        ["plm"] = Plm,
    };

    private static DecoderDescription First(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        return new()
        {
            Attention = model.Attention(RopeLayout.Interleaved),
            FeedForward = sizes.BehindDense(new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: false, sizes.Scale))
            {
                Width = sizes.Expert,
                SharedWidth = sizes.Expert * sizes.SharedCount,
            }),
        };
    }

    // A few small models have this attention and no experts (Youtu-LLM).
    private static DecoderDescription Second(ModelFile model, Func<int, AttentionPart> attention)
    {
        if (!ExpertSizes.Any(model))
            return new() { Attention = attention };
        var sizes = new ExpertSizes(model);

        // GLM-4.7-Flash's first files have no key for the gating.
        var isGlm = model.Sizes.Layers is 47 or 48 && model.Rows("token_embd.weight") == 154880;
        return new()
        {
            Attention = attention,
            FeedForward = sizes.BehindDense(sizes.ByKeys(isGlm ? ExpertGating.Sigmoid : ExpertGating.Softmax) with { SharedWidth = sizes.Expert * sizes.SharedCount }),
        };
    }

    private static DecoderDescription Indexed(ModelFile model, RopeLayout layout, float keyEpsilon, bool shares)
    {
        var latent = LatentAttention(model, RopeLayout.Interleaved);
        var rotation = model.Rotation(layout);
        var indexer = new KeyIndexer(model, rotation with { Terms = Magnitude(model, rotation.Terms, raisesScoresAlone: false).Terms }, keyEpsilon, shares);
        return Second(model, layer => (LatentAttention)latent(layer) with { Indexer = indexer });
    }

    private static bool IsIndexer(string tensor) => tensor.Contains(".indexer.", StringComparison.Ordinal);

    // Some of these models have heads of another width than the residual stream's share of one.
    private static DecoderDescription Bailing(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var rotation = model.Rotation(RopeLayout.Interleaved);
        var head = rotation.Terms.Dimensions;
        return new()
        {
            Attention = layer => model.Attention(layer, rotation) with
            {
                Terms = model.Sizes.Attention(layer) with { KeyWidth = head, ValueWidth = head, Scale = 1 / MathF.Sqrt(head) },
            },
            FeedForward = _ => new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, sizes.Normalizes, sizes.Scale))
            {
                Width = sizes.Expert,
                SharedWidth = sizes.Expert * sizes.SharedCount,
            },
            Head = HeadWeights.Own,
        };
    }

    private static DecoderDescription Bailing2(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.Rms) }),
            FeedForward = sizes.BehindDense(sizes.ByKeys() with { SharedWidth = sizes.SharedOr(sizes.Expert) * sizes.SharedCount }),
            Head = HeadWeights.Own,
        };
    }

    private static DecoderDescription Dots(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.Rms) }),
            FeedForward = sizes.BehindDense(sizes.ByKeys() with { SharedWidth = sizes.Expert * sizes.SharedCount }),
            Head = HeadWeights.Own,
        };
    }

    private static DecoderDescription Glm(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.Rms) { IsOptional = true } }),
            FeedForwardNorm = "post_attention_norm",
            FeedForward = sizes.BehindDense(sizes.ByKeys(ExpertGating.Sigmoid) with { ChoiceBias = Presence.Required, SharedWidth = sizes.Expert * sizes.SharedCount }),
        };
    }

    private static DecoderDescription Ernie(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var step = model.Keys.Size("interleave_moe_layer_step", int.MaxValue);
        var experts = new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: true))
        {
            Width = sizes.Expert,
            ChoiceBias = Presence.Optional,
            SharedWidth = sizes.SharedOr(0),
        };
        return new()
        {
            Attention = model.Attention(RopeLayout.Interleaved),
            FeedForward = layer => layer >= sizes.LeadingDense && (layer + 1) % step == 0 ? experts : GatedFeedForward.Silu,
        };
    }

    private static DecoderDescription Hunyuan3(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var experts = sizes.ByKeys(ExpertGating.Sigmoid) with { ChoiceBiasName = "exp_probs_b", SharedWidth = sizes.SharedOr(sizes.Expert) };
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.Rms) }),
            FeedForward = layer => model.Has($"blk.{layer}.ffn_gate_inp.weight") ? experts : GatedFeedForward.Silu,
        };
    }

    private static DecoderDescription MiniMax(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.Rms, NormSpan.Row) }),
            FeedForward = _ => new ExpertFeedForward(sizes, sizes.Router(sizes.Gating(), normalizes: true)) { ChoiceBias = Presence.Required },
            Head = HeadWeights.Own,
        };
    }

    // Of its blocks of positions an indexer chooses the best ones; here all are attended to.
    private static DecoderDescription MiniMax3(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var dense = new GatedFeedForward(GptOss.Gate);
        var experts = sizes.ByKeys() with
        {
            ChoiceBias = Presence.Required,
            Gate = GptOss.Gate,
            SharedGate = GptOss.Gate,
            SharedWidth = sizes.Expert * sizes.SharedCount,
        };
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.Rms) }),
            FeedForward = layer => layer < sizes.LeadingDense ? dense : experts,
            Head = HeadWeights.Own,
            Ignores = IsIndexer,
        };
    }

    // Constants that no key tells.
    private static DecoderDescription MiniCpm(ModelFile model) => new()
    {
        Attention = LatentAttention(model, RopeLayout.Halves),
        EmbeddingScale = 12,
        ResidualScale = 1.4f / MathF.Sqrt(model.Sizes.Layers),
        LogitScale = 256f / model.Sizes.Width,
    };

    private static DecoderDescription Plm(ModelFile model) => new()
    {
        Attention = LatentAttention(model, RopeLayout.Interleaved),
        FeedForward = _ => new PlainFeedForward(ActivationFunction.ReluSquared),
        Head = HeadWeights.Embedding,
    };

    private static Func<int, AttentionPart> LatentAttention(ModelFile model, RopeLayout layout, bool raisesScoresAlone = false)
    {
        var rotation = model.Rotation(layout);
        var sizes = LatentSizes.Read(model, rotation.Terms);
        var (terms, magnitude) = Magnitude(model, rotation.Terms, raisesScoresAlone);
        var length = model.Keys.Size("attention.temperature_length", int.MaxValue, otherwise: 0, least: 0);
        var temperature = model.Keys.Number("attention.temperature_scale", 0);
        return layer => new LatentAttention(
            sizes,
            model.Sizes.Attention(layer) with
            {
                Scale = magnitude * magnitude / MathF.Sqrt(sizes.Head),
                Temperature = temperature,
                TemperatureLength = temperature == 0 ? 0 : length,
            },
            rotation with { Terms = terms });
    }

    // YaRN raises the rotated values' magnitude with the context; these models raise the whole score instead, by the
    // square of one plus a tenth of the multiplier times the logarithm of the factor; and some nothing else.
    private static (RopeTerms Terms, float Score) Magnitude(ModelFile model, RopeTerms terms, bool raisesScoresAlone)
    {
        if (terms.Extrapolation == 0 || terms.FrequencyScale >= 1)
            return (terms, 1);
        var log = MathF.Log(1 / terms.FrequencyScale);
        var multiplier = model.Keys.Number("rope.scaling.yarn_log_multiplier", 0) / 0.1f;
        var usual = 1 + 0.1f * log;
        var raised = 1 + 0.1f * multiplier * log;
        var rotated = multiplier == 0 ? usual : raisesScoresAlone ? 1 : usual / raised;
        rotated *= terms.AttentionFactor;
        return (terms with { AttentionFactor = rotated / usual }, rotated * raised);
    }
}
