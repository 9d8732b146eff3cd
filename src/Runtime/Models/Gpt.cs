using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>GPT-2 and its kin: layer norm, most with biases and a feed-forward without a gate; positions are learned, biased or rotated.</summary>
/// <remarks>
/// Sources: GPT-2 (2019), StarCoder (arXiv 2305.06161: one key and value head), BLOOM (2211.05100) and ALiBi (2108.12409),
/// Jais (2308.16149), MPT (MosaicML, 2023), StarCoder2 (2402.19173), CodeShell (2403.15747), Nemotron-4 (2402.16819:
/// squared ReLU), Orion (2401.12246).
/// </remarks>
internal static class Gpt
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["gpt2"] = model => Biased(model, layout: null) with { Positions = Presence.Required },
        ["starcoder"] = model => Biased(model, layout: null) with { Positions = Presence.Required },
        ["bloom"] = model => Biased(model, layout: null) with { Attention = model.Attention(layout: null, a => a.WithAlibi(8)), NormalizesEmbedding = true },
        ["jais"] = Jais,
        ["jais2"] = model => Biased(model, RopeLayout.Halves, ActivationFunction.ReluSquared),
        ["mpt"] = Mpt,
        ["codeshell"] = model => Biased(model, RopeLayout.Halves) with { Head = HeadWeights.Own, EmbedsByHead = true },
        ["starcoder2"] = model => Biased(model, RopeLayout.Halves),
        ["nemotron"] = model => Biased(model, RopeLayout.Halves, ActivationFunction.ReluSquared) with { RequiresBiases = false, Head = HeadWeights.Own },
        ["orion"] = model => Llama.Halves(model) with { Norm = Norm.Layer, Head = HeadWeights.Own },
    };

    /// <summary>GPT-2's block: layer norm with bias, a bias on every product, a feed-forward without a gate.</summary>
    public static DecoderDescription Biased(ModelFile model, RopeLayout? layout, ActivationFunction function = ActivationFunction.GeluTanh) => new()
    {
        Attention = model.Attention(layout),
        FeedForward = _ => new PlainFeedForward(function),
        Norm = Norm.Layer,
        RequiresBiases = true,
    };

    // Scores are divided by the head's width, not by its root.
    private static DecoderDescription Jais(ModelFile model)
    {
        var bias = model.Keys.Number("attention.max_alibi_bias", 0, least: 0);
        return Biased(model, layout: null) with
        {
            Attention = model.Attention(layout: null, a => a with { Terms = a.Terms with { AlibiBias = bias, Scale = 1f / a.Terms.KeyWidth } }),
            FeedForward = _ => new GatedFeedForward(ActivationFunction.Silu),
            Head = HeadWeights.Own,
        };
    }

    private static DecoderDescription Mpt(ModelFile model)
    {
        var norm = new Norm(IsLayerNorm: true, IsWeighted: true, Presence.Optional);
        var bias = model.Keys.Number("attention.max_alibi_bias", 0, least: 0);
        var clamp = model.Keys.Number("attention.clamp_kqv", 0, least: 0);
        return new()
        {
            Attention = model.Attention(layout: null, a => a.WithAlibi(bias) with { Clamp = clamp, QueryKeyNorm = new(norm, NormSpan.Row) { IsOptional = true } }),
            FeedForward = _ => new PlainFeedForward(ActivationFunction.GeluTanh) { Divisors = "ffn.act.scales" },
            Norm = norm,
            Positions = Presence.Optional,
        };
    }
}
