using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Decoders of which most layers are gated delta nets: Qwen3-Next, Qwen3.5 and its kin, Kimi Linear.</summary>
/// <remarks>
/// Sources: Gated DeltaNet (arXiv 2412.06464), gated attention (2505.06708), Qwen3-Next and Qwen3.5 (model cards), Kimi
/// Linear (2510.26692). A text's position streams are one and the same, so that multi-section rotation is the usual one.
/// </remarks>
internal static class DeltaNet
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["qwen35"] = model => Qwen(model, keysInTurns: true),
        ["qwen35moe"] = model => Qwen(model, keysInTurns: true) with { FeedForward = Experts(model) },
        ["qwen3next"] = model => Qwen(model, keysInTurns: false) with { FeedForward = Experts(model) },
        ["kimi-linear"] = Kimi,
    };

    private static DecoderDescription Qwen(ModelFile model, bool keysInTurns)
    {
        var mixer = new DeltaMixer(MambaSizes.ReadHeads(model), keysInTurns);
        var rotation = model.Rotation(RopeLayout.Halves);
        var scale = model.Keys.Number("attention.scale", 0) is not 0 and var given ? given : 1 / MathF.Sqrt(model.Sizes.KeyWidth);
        var isRecurrent = Recurrent(model);
        return new()
        {
            Attention = layer => isRecurrent(layer) ? mixer : new GatedAttention(model.Sizes.Attention(layer) with { Scale = scale }, rotation),
            FeedForwardNorm = "post_attention_norm",

            // Biases of query, key and value may stand in a file, but llama.cpp, for which it is made, does not add them;
            // files with both forms of a layer's input hold the older one besides.
            Ignores = name => name.EndsWith(".attn_q.bias", StringComparison.Ordinal) || name.EndsWith(".attn_k.bias", StringComparison.Ordinal)
                || name.EndsWith(".attn_v.bias", StringComparison.Ordinal)
                || (name.EndsWith(".ssm_in.weight", StringComparison.Ordinal) && model.Has(name.Replace(".ssm_in.", ".attn_qkv.", StringComparison.Ordinal))),
        };
    }

    // Layer by layer, or all but every so many-th.
    private static Func<int, bool> Recurrent(ModelFile model)
    {
        if (model.Keys.Flags("attention.recurrent_layers", model.Sizes.Layers) is { } flags)
            return layer => flags[layer];
        var interval = model.Keys.Size("full_attention_interval", Hyperparameters.MostLayers, otherwise: 4);
        return layer => (layer + 1) % interval != 0;
    }

    private static Func<int, FeedForwardPart?> Experts(ModelFile model)
    {
        if (!ExpertSizes.Any(model))
            return _ => GatedFeedForward.Silu;
        var sizes = new ExpertSizes(model);
        var experts = new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: true, sizes.Scale)) { Width = sizes.ExpertOr(sizes.Layer / sizes.Used) };
        return layer => !model.Has($"blk.{layer}.ffn_gate_inp.weight") ? GatedFeedForward.Silu
            : model.Has($"blk.{layer}.ffn_up_shexp.weight") ? experts with { SharedWidth = sizes.SharedOr(model.Sizes.Of(layer).FeedForward), WeighsShared = true }
            : experts;
    }

    private static DecoderDescription Kimi(ModelFile model)
    {
        var rotation = model.Rotation(RopeLayout.Interleaved);
        var sizes = LatentSizes.Read(model, rotation.Terms);
        var heads = Enumerable.Range(0, model.Sizes.Layers).Max(layer => model.Sizes.Of(layer).Heads);
        var mixer = new KimiMixer(heads, model.Keys.Size("kda.head_dim", 1 << 12), model.Keys.Size("ssm.conv_kernel", 64, least: 2));
        var experts = new ExpertSizes(model);
        return new()
        {
            Attention = Mamba.Alternating(
                model, mixer,
                layer => new LatentAttention(sizes, model.Sizes.Attention(layer) with { Scale = 1 / MathF.Sqrt(sizes.Head) }, rotation) { IsRotated = false }),
            FeedForward = experts.BehindDense(new ExpertFeedForward(experts, experts.Router(experts.Gating(), normalizes: true, experts.Scale))
            {
                Width = experts.Expert,
                ChoiceBias = Presence.Required,
                SharedWidth = experts.Expert * Math.Max(1, experts.SharedCountOr(0)),
            }),
            Head = HeadWeights.Own,
            Ignores = name => IsOfMixer(model, name) && (name.EndsWith(".attn_q.bias", StringComparison.Ordinal)
                || name.EndsWith(".attn_k.bias", StringComparison.Ordinal) || name.EndsWith(".attn_v.bias", StringComparison.Ordinal)),
        };
    }

    private static bool IsOfMixer(ModelFile model, string name)
        => Hyperparameters.LayerOf(name) is { } layer && layer < model.Sizes.Layers && model.Sizes.Of(layer).KvHeads == 0;

    /// <summary>Attention whose output is gated, value by value, by what the query's projection holds beside each head.</summary>
    /// <param name="Terms">Heads and scale.</param>
    /// <param name="Rotation">Of queries and keys, behind their norms.</param>
    private sealed record GatedAttention(AttentionTerms Terms, Rotation Rotation) : AttentionPart
    {
        /// <inheritdoc/>
        public override Value Attend(Block block, Value x)
        {
            var program = block.Program;
            var (heads, width) = (Terms.Heads, Terms.KeyWidth);
            var products = program.Linear(
                x, ActivationFunction.None, (block.Matrix("attn_q", x.Width, 2 * heads * width), null),
                (block.Matrix("attn_k", x.Width, Terms.KeysWidth), null), (block.Matrix("attn_v", x.Width, Terms.ValuesWidth), null));
            var query = Prepare(block, program.Slice(products[0], heads, 0, width), "attn_q_norm");
            var attended = program.CachedAttention(query, Prepare(block, products[1], "attn_k_norm"), products[2], program.CacheLayerCount, Terms);
            return attended * program.Activate(ActivationFunction.Sigmoid, program.Slice(products[0], heads, width, width));
        }

        private Value Prepare(Block block, Value heads, string norm)
            => block.Program.Rope(block.Model.Norm(heads, block.Name(norm), new QueryKeyNorm(Norm.Rms), Terms.KeyWidth), Terms.KeyWidth, Rotation.Terms, Rotation.Factors);
    }
}
