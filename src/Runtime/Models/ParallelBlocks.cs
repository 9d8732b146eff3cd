using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Decoders that run attention and feed-forward side by side: GPT-NeoX, Falcon, Phi-2, StableLM, PLaMo, Command R.</summary>
/// <remarks>
/// Sources: GPT-NeoX (arXiv 2204.06745), Falcon (2311.16867), Phi-2 (2309.05463), Stable LM 2 (2402.17834), PLaMo
/// (2410.07563), Command R and R7B (2504.00698).
/// </remarks>
internal static class ParallelBlocks
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["gptneox"] = NeoX,
        ["falcon"] = Falcon,
        ["phi2"] = Phi2,
        ["stablelm"] = StableLm,
        ["plamo"] = model => Llama.Halves(model) with { FeedForwardNorm = null, IsParallel = true, Head = HeadWeights.Own },
        ["command-r"] = CommandR,
        ["cohere2"] = Cohere2,
    };

    private static DecoderDescription NeoX(ModelFile model) => Gpt.Biased(model, RopeLayout.Halves) with
    {
        IsParallel = model.Metadata.Get<bool>(model.Keys.Name("use_parallel_residual")),
        Head = HeadWeights.Own,
    };

    // The larger sizes normalize anew for attention.
    private static DecoderDescription Falcon(ModelFile model)
    {
        var hasTwoNorms = model.Has("blk.0.attn_norm_2.weight");
        return Gpt.Biased(model, RopeLayout.Halves) with
        {
            RequiresBiases = false,
            IsParallel = true,
            AttentionNorm = hasTwoNorms ? "attn_norm_2" : "attn_norm",
            FeedForwardNorm = hasTwoNorms ? "attn_norm" : null,
        };
    }

    private static DecoderDescription Phi2(ModelFile model) => Gpt.Biased(model, RopeLayout.Halves) with
    {
        IsParallel = true,
        FeedForwardNorm = null,
        Head = HeadWeights.Own,
        RequiresHeadBias = true,
    };

    // One size has no norm for the feed-forward and runs in parallel; it normalizes queries and keys, too.
    private static DecoderDescription StableLm(ModelFile model)
    {
        var isParallel = !model.Has("blk.0.ffn_norm.weight");
        return new()
        {
            Attention = model.Attention(RopeLayout.Halves, a => a with { QueryKeyNorm = new(Norm.LayerWithoutBias, NormSpan.EachHead) { IsOptional = true } }),
            Norm = Norm.Layer,
            IsParallel = isParallel,
            FeedForwardNorm = isParallel ? null : "ffn_norm",
            Head = HeadWeights.Own,
        };
    }

    // The largest size alone normalizes queries and keys; no key tells.
    private static DecoderDescription CommandR(ModelFile model)
    {
        var norm = model.Sizes.Layers >= 64 ? new QueryKeyNorm(Norm.LayerWithoutBias, NormSpan.EachHead) : null;
        return Cohere(model, model.Attention(RopeLayout.Interleaved, a => a with { QueryKeyNorm = norm }), model.Keys.Number("logit_scale", 0));
    }

    // Layers that see everything are not rotated.
    private static DecoderDescription Cohere2(ModelFile model)
    {
        model.Keys.Require("attention.sliding_window");
        var attention = model.WindowedAttention(0, period: 4, model.Rotation(RopeLayout.Interleaved), global: null);
        return Cohere(model, attention, model.Keys.Number("logit_scale"));
    }

    private static DecoderDescription Cohere(ModelFile model, Func<int, AttentionPart> attention, float logitScale) => new()
    {
        Attention = attention,
        Norm = Norm.LayerWithoutBias,
        IsParallel = true,
        FeedForwardNorm = null,
        Head = HeadWeights.Embedding,
        LogitScale = logitScale == 0 ? 1 : logitScale,
    };
}
