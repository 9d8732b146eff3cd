using Hearth.Runtime.Graphs;
using Hearth.Runtime.Kernels;

namespace Hearth.Runtime.Models;

/// <summary>BERT and its kin: encoders, in which every token sees the whole text, and which end in one vector a text or in logits of its masks.</summary>
/// <remarks>
/// Sources: BERT (arXiv 1810.04805: norms of the residual stream behind each part, learned positions), Nomic Embed
/// (2402.01613: rotary positions, gated SiLU; the second version has experts in every other layer, 2502.07972), Jina
/// Embeddings 2 (2310.19923: ALiBi, gated GELU) and 3 (2409.10173: rotary positions), NeoBERT (2502.19587), EuroBERT
/// (2503.05500: Llama's block), ModernBERT (2412.13663: windows on two of three layers).
/// </remarks>
internal static class Bert
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["bert"] = model => Original(model, layout: null) with { Positions = Presence.Required },
        ["nomic-bert"] = model => Original(model, RopeLayout.Halves, ActivationFunction.Silu),
        ["nomic-bert-moe"] = NomicExperts,
        ["jina-bert-v2"] = Jina2,
        ["jina-bert-v3"] = model => Original(model, RopeLayout.Halves),
        ["neo-bert"] = model => Llama.Interleaved(model) with { Attention = Ahead(model, RopeLayout.Interleaved), OutputNorm = "enc.output_norm", Head = HeadWeights.None },
        ["eurobert"] = model => Llama.Halves(model) with { Attention = Ahead(model, RopeLayout.Halves), Head = HeadWeights.None },
        ["modern-bert"] = Modern,
    };

    /// <summary>The usual attention with every token seeing the whole text.</summary>
    public static Func<int, AttentionPart> Ahead(ModelFile model, RopeLayout? layout) => model.Attention(layout, SeesAhead);

    /// <summary>Attention with every token seeing the whole text.</summary>
    public static SelfAttention SeesAhead(SelfAttention attention) => attention with { Terms = attention.Terms with { Mask = AttentionMask.Bidirectional } };

    private static DecoderDescription Original(ModelFile model, RopeLayout? layout, ActivationFunction? gate = null) => new()
    {
        Attention = Ahead(model, layout),
        FeedForward = layer => HasGate(model, layer) ? new GatedFeedForward(gate ?? Gelu(model)) : new PlainFeedForward(Gelu(model)),
        Norm = Norm.Layer,
        AddsTokenType = true,
        NormalizesEmbedding = true,
        AttentionNorm = null,
        AttentionSumNorm = "attn_output_norm",
        FeedForwardNorm = null,
        FeedForwardSumNorm = "layer_output_norm",
        OutputNorm = null,
        Head = HeadWeights.None,
    };

    // Vectors are those of llama.cpp, which approximates; masked words are those of the model as it was trained.
    private static ActivationFunction Gelu(ModelFile model) => model.Limits.FillsMasks ? ActivationFunction.Gelu : ActivationFunction.GeluTanh;

    // Gate and up may be one matrix.
    private static bool HasGate(ModelFile model, int layer)
        => model.Has($"blk.{layer}.ffn_gate.weight") || (model.Sizes.Of(layer).FeedForward is > 0 and var width && model.Rows($"blk.{layer}.ffn_up.weight") == 2L * width);

    // One layer of each period has experts, without gates.
    private static DecoderDescription NomicExperts(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var period = model.Keys.Size("moe_every_n_layers", Hyperparameters.MostLayers, otherwise: 0, least: 0);
        var dense = Original(model, RopeLayout.Halves);
        return dense with
        {
            FeedForward = layer => period > 0 && layer % period == 1 % period
                ? new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: false, sizes.Scale)) { Plain = Gelu(model) }
                : dense.FeedForward(layer),
        };
    }

    private static DecoderDescription Jina2(ModelFile model)
    {
        var norm = new QueryKeyNorm(Norm.Layer, NormSpan.Row) { IsOptional = true };
        return Original(model, layout: null) with
        {
            Attention = model.Attention(layout: null, a => SeesAhead(a).WithAlibi(8) with { QueryKeyNorm = norm }),
            InputSumNorm = "attn_norm_2",
        };
    }

    private static DecoderDescription Modern(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Halves);
        var gate = model.Keys.Text("hidden_activation", "gelu") switch
        {
            "gelu" => Gelu(model),
            "silu" => ActivationFunction.Silu,
            var other => throw new UnsupportedModelException($"hidden activation '{other}'", ["gelu", "silu"]),
        };
        return new()
        {
            Attention = model.WindowedAttention(0, period: 3, model.LocalRotation(rotation, otherwise: 10000), rotation, SeesAhead, firstSeesAll: true),
            FeedForward = _ => new GatedFeedForward(gate),
            Norm = Norm.LayerWithoutBias,
            NormalizesEmbedding = true,
            NormalizesFirstLayer = false,
            Head = HeadWeights.None,
            Ranking = RankingTerms.OfMean,
        };
    }
}
