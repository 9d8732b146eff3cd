using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Llama and its kin: pre-norm decoders with RMS norm, rotary positions, grouped heads and a gated feed-forward.</summary>
/// <remarks>
/// Sources: LLaMA (arXiv 2302.13971), Llama 3 (2407.21783), Mistral (2310.06825), Phi-3 (2404.14219: query, key and value
/// in one matrix, gate and up in another), InternLM2 (2403.17297), Arcee and SmolLM3 (model cards), BitNet b1.58
/// (2402.17764), Hunyuan (2411.02265), Pangu Embedded (2505.22375), ERNIE 4.5, Seed-OSS and EXAONE 3 (2408.03541).
/// Biases are added where a file has them.
/// </remarks>
internal static class Llama
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["llama"] = Interleaved,
        ["mistral"] = Interleaved,
        ["mistral3"] = Mistral3,
        ["internlm2"] = model => Interleaved(model) with { Head = HeadWeights.Own },
        ["xverse"] = model => Interleaved(model) with { Head = HeadWeights.Own },
        ["arcee"] = model => Interleaved(model) with { FeedForward = _ => new PlainFeedForward(ActivationFunction.ReluSquared) },
        ["smollm3"] = SmolLm3,
        ["maincoder"] = model => NormalizedBehindRotation(model, model.Rotation(RopeLayout.Interleaved)),
        ["nanbeige"] = Nanbeige,
        ["deci"] = Deci,

        // The bias of attention's output stands in the file, but llama.cpp, for which it is made, does not add it.
        ["ernie4_5"] = model => Ernie(model, RopeLayout.Interleaved),
        ["paddleocr"] = model => Ernie(model, RopeLayout.Halves),

        // attention.sliding_window is not applied: exporters fill it from configurations that do not say which layers it
        // is for, and llama.cpp, for which these files are made, leaves it alone for that reason.
        ["phi3"] = Halves,
        ["exaone"] = Halves,
        ["pangu-embedded"] = model => Halves(model) with { Attention = model.Attention(RopeLayout.Halves, a => a with { Rotation = a.Rotation! with { Factors = null } }) },
        ["seed_oss"] = model => Halves(model) with { FeedForwardNorm = "post_attention_norm" },
        ["hunyuan-dense"] = Hunyuan,
        ["hunyuan_vl"] = Hunyuan,
        ["bitnet"] = BitNet,
        ["cogvlm"] = CogVlm,
        ["baichuan"] = Baichuan,
        ["refact"] = model => Interleaved(model) with { Attention = model.Attention(layout: null, a => a.WithAlibi(8)) },
    };

    /// <summary>Llama itself, in whose files neighbours rotate together.</summary>
    public static DecoderDescription Interleaved(ModelFile model) => new()
    {
        Attention = model.Attention(RopeLayout.Interleaved),
        FeedForward = Mixtral.ExpertsOrDense(model),
    };

    /// <summary>Llama as most others store it, where the halves of a head rotate together.</summary>
    public static DecoderDescription Halves(ModelFile model) => new() { Attention = model.Attention(RopeLayout.Halves) };

    // Ministral 3: Llama 4's temperature, and a share of YaRN's magnitude taken back.
    private static DecoderDescription Mistral3(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Interleaved);
        var multiplier = model.Keys.Number("rope.scaling.yarn_log_multiplier", 0, least: 0);
        if (rotation.Terms.Extrapolation > 0 && multiplier > 0)
        {
            var magnitude = 1 + (0.1f * multiplier * MathF.Log(1 / rotation.Terms.FrequencyScale));
            rotation = rotation with { Terms = rotation.Terms with { AttentionFactor = rotation.Terms.AttentionFactor / magnitude } };
        }

        var temperature = model.Keys.Number("attention.temperature_scale", 0);
        var length = model.Keys.Size("rope.scaling.original_context_length", Hyperparameters.LongestContext, model.Sizes.ContextLength);
        return new()
        {
            Attention = layer =>
            {
                var attention = model.Attention(layer, rotation);
                return temperature == 0 ? attention : attention with { Terms = attention.Terms with { Temperature = temperature, TemperatureLength = length } };
            },
            FeedForward = Mixtral.ExpertsOrDense(model),
        };
    }

    // Every fourth layer is not rotated (NoPE, arXiv 2501.18795).
    private static DecoderDescription SmolLm3(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Interleaved);
        return new() { Attention = layer => model.Attention(layer, (layer + 1) % 4 == 0 ? null : rotation) };
    }

    private static DecoderDescription NormalizedBehindRotation(ModelFile model, Rotation rotation) => new()
    {
        Attention = layer => model.Attention(layer, rotation) with { QueryKeyNorm = new(Norm.Rms) { AfterRotation = true } },
    };

    // The layers are run several times over.
    private static DecoderDescription Nanbeige(ModelFile model) => Interleaved(model) with
    {
        Loops = model.Keys.Size("num_loops", Hyperparameters.MostLayers / model.Sizes.Layers, 1),
        NormalizesLoops = !model.Keys.Flag("skip_loop_final_norm", false),
    };

    // Llama thinned out layer by layer (arXiv 2411.19146). Of a layer without feed-forward llama.cpp, for which the files
    // are made, runs nothing at all.
    private static DecoderDescription Deci(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Interleaved);
        return new()
        {
            Attention = layer => model.Sizes.Of(layer) switch
            {
                { Heads: 0 } or { FeedForward: 0 } => null,
                { KvHeads: 0 } => new LinearAttention(),
                _ => model.Attention(layer, rotation),
            },
            FeedForward = layer => model.Sizes.Of(layer).FeedForward == 0 ? null : new GatedFeedForward(ActivationFunction.Silu),
            Ignores = model.IsOfLayer(layer => model.Sizes.Of(layer).FeedForward == 0),
        };
    }

    private static DecoderDescription Ernie(ModelFile model, RopeLayout layout) => new()
    {
        Attention = model.Attention(layout, a => a with { AddsOutputBias = false }),
        Ignores = name => name.EndsWith(".attn_output.bias", StringComparison.Ordinal),
    };

    // The base of the frequencies grows with rope.scaling.alpha (NTK-aware scaling).
    private static DecoderDescription Hunyuan(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var alpha = model.Keys.Number("rope.scaling.alpha", 0);
        double head = model.Sizes.KeyWidth;
        if (alpha > 0 && head > 2)
            rotation = rotation with { Terms = rotation.Terms with { Base = rotation.Terms.Base * (float)Math.Pow(alpha, head / (head - 2)) } };
        return NormalizedBehindRotation(model, rotation);
    }

    private static DecoderDescription BitNet(ModelFile model) => new()
    {
        Attention = model.Attention(RopeLayout.Halves, a => a with { InnerNorm = "attn_sub_norm" }),
        FeedForward = _ => new GatedFeedForward(ActivationFunction.Silu) { InnerNorm = "ffn_sub_norm" },
        Head = HeadWeights.Embedding,
    };

    // Text alone: the experts of image rows stay unused, and no key changes the rotation.
    private static DecoderDescription CogVlm(ModelFile model)
    {
        var rotation = new Rotation(new RopeTerms { Layout = RopeLayout.Halves, Dimensions = model.Sizes.KeyWidth }, Factors: null);
        return new()
        {
            Attention = layer => model.Attention(layer, rotation),
            Ignores = name => name.Contains(".vis_", StringComparison.Ordinal) || name == "rope_freqs.weight",
        };
    }

    // No key tells 7B, which rotates, from 13B, which biases the scores (Baichuan 2, arXiv 2309.10305).
    private static DecoderDescription Baichuan(ModelFile model) => new()
    {
        Attention = model.Sizes.Layers switch
        {
            32 => model.Attention(RopeLayout.Interleaved),
            40 => model.Attention(layout: null, a => a.WithAlibi(8)),
            _ => model.Attention(layout: null),
        },
        Head = HeadWeights.Own,
    };

    /// <summary>What is left of attention where a layer has no keys: the product with the output's matrix.</summary>
    private sealed record LinearAttention : AttentionPart
    {
        public override Value Attend(Block block, Value x) => x;
    }
}
