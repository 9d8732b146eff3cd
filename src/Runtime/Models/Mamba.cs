using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Mamba and Mamba-2, and the decoders that have their layers in place of attention or beside it.</summary>
/// <remarks>
/// Sources: Mamba (arXiv 2312.00752), Mamba-2 (2405.21060), Jamba (2403.19887), Falcon-H1 (2507.22448), Nemotron-H
/// (2504.03624), PLaMo 2 (2509.04897), Granite 4 (model cards). A layer without key and value heads is one of Mamba's.
/// </remarks>
internal static class Mamba
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["mamba"] = First,
        ["mamba2"] = Second,
        ["jamba"] = Jamba,
        ["granitehybrid"] = GraniteHybrid,
        ["falcon-h1"] = FalconH1,
        ["nemotron_h"] = NemotronH,
        ["nemotron_h_moe"] = NemotronH,
        ["plamo2"] = Plamo,
    };

    private static DecoderDescription First(ModelFile model)
    {
        var mixer = new MambaMixer(MambaSizes.Read(model)) { NormalizesPlainly = model.Keys.Flag("ssm.dt_b_c_rms", otherwise: false) };
        return new() { Attention = _ => mixer, FeedForward = _ => null };
    }

    private static DecoderDescription Second(ModelFile model)
    {
        var mixer = new Mamba2Mixer(MambaSizes.ReadHeads(model));
        return new() { Attention = _ => mixer, FeedForward = _ => null };
    }

    // Positions are known from Mamba's layers: nothing is rotated.
    private static DecoderDescription Jamba(ModelFile model)
    {
        var mixer = new MambaMixer(MambaSizes.Read(model));
        var experts = ExpertSizes.Any(model) && new ExpertSizes(model) is { } sizes
            ? new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: false, sizes.Scale)) : null;
        return new()
        {
            Attention = Alternating(model, mixer, layer => model.Attention(layer, rotation: null)),
            FeedForward = layer => experts is not null && model.Has($"blk.{layer}.ffn_gate_inp.weight") ? experts : GatedFeedForward.Silu,
        };
    }

    private static DecoderDescription GraniteHybrid(ModelFile model)
    {
        var mixer = new Mamba2Mixer(MambaSizes.ReadHeads(model));
        var granite = Granite.Scaled(model, model.Keys.Number("logit_scale", 0, least: 0) is not 0 and var scale ? scale : 1);
        var experts = ExpertSizes.Any(model) && new ExpertSizes(model) is { } sizes
            ? new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: true, sizes.Scale)) { SharedWidth = sizes.SharedOr(0) } : null;
        return granite with
        {
            Attention = Alternating(model, mixer, granite.Attention),
            FeedForward = _ => experts is null ? GatedFeedForward.Silu : experts,
        };
    }

    // llama.cpp, for which the files are made, adds no bias to attention's output and has no factors for the rotation.
    private static DecoderDescription FalconH1(ModelFile model)
    {
        var mixer = new Mamba2Mixer(MambaSizes.ReadHeads(model));
        var rotation = model.Rotation(RopeLayout.Halves) with { Factors = null };
        var scale = model.Keys.Number("attention.scale", 0) is not 0 and var given ? given : 1 / MathF.Sqrt(model.Sizes.KeyWidth);
        return new()
        {
            Attention = layer => new SideBySide(model.Attention(layer, rotation) with { Terms = model.Sizes.Attention(layer) with { Scale = scale }, AddsOutputBias = false }, mixer),
            Ignores = name => name == "rope_freqs.weight" || name.EndsWith(".attn_output.bias", StringComparison.Ordinal),
        };
    }

    // Each layer is one thing alone: Mamba-2, attention or feed-forward.
    private static DecoderDescription NemotronH(ModelFile model)
    {
        var mixer = new Mamba2Mixer(MambaSizes.ReadHeads(model));
        var scale = model.Keys.Number("attention.scale", 0) is not 0 and var given ? given : 1 / MathF.Sqrt(model.Sizes.KeyWidth);
        FeedForwardPart feedForward = ExpertSizes.Any(model) ? LatentExperts.Read(model) : new PlainFeedForward(ActivationFunction.ReluSquared);
        return new()
        {
            Attention = layer => model.Sizes.Of(layer) switch
            {
                { FeedForward: > 0 } => null,
                { KvHeads: 0 } => mixer,
                _ => model.Attention(layer, rotation: null) with { Terms = model.Sizes.Attention(layer) with { Scale = scale } },
            },
            FeedForward = layer => model.Sizes.Of(layer).FeedForward > 0 ? feedForward : null,
            FeedForwardNorm = "attn_norm",
        };
    }

    private static DecoderDescription Plamo(ModelFile model)
    {
        var mixer = new PlamoMixer(MambaSizes.ReadOneGroup(model));
        var rotation = model.Rotation(RopeLayout.Halves);
        return new()
        {
            Attention = Alternating(model, mixer, layer => model.Attention(layer, rotation) with { QueryKeyNorm = new(Norm.Rms, NormSpan.EachHead) }),
            AttentionPostNorm = "post_attention_norm",
            FeedForwardPostNorm = "post_ffw_norm",
        };
    }

    /// <summary>Attention in the layers that have key and value heads, something else in the others.</summary>
    /// <param name="model">The file.</param>
    /// <param name="mixer">In place of attention.</param>
    /// <param name="attention">Of the layers that have it.</param>
    public static Func<int, AttentionPart?> Alternating(ModelFile model, AttentionPart mixer, Func<int, AttentionPart?> attention)
        => layer => model.Sizes.Of(layer).KvHeads == 0 ? mixer : attention(layer);

    /// <summary>Two parts that read the same row and are added up.</summary>
    private sealed record SideBySide(SelfAttention First, AttentionPart Second) : AttentionPart
    {
        /// <inheritdoc/>
        public override Value Attend(Block block, Value x)
            => block.Program.Concat(First.Attend(block, x), Second.Attend(block, x), groups: 1);

        /// <inheritdoc/>
        public override Value Project(Block block, Value attended)
        {
            var (program, width) = (block.Program, First.Terms.Heads * First.Terms.ValueWidth);
            return First.Project(block, program.Slice(attended, 1, 0, width)) + Second.Project(block, program.Slice(attended, 1, width, attended.Width - width));
        }
    }

    /// <summary>Nemotron's experts, which may work on a narrower row than the residual stream's, beside one that every row meets.</summary>
    /// <param name="Experts">Chosen by the whole row.</param>
    /// <param name="SharedWidth">Inside the expert that every row meets.</param>
    /// <param name="LatentWidth">Of the narrower row; 0: the residual stream's.</param>
    /// <remarks>Source: Nemotron 3 (technical report, 2025).</remarks>
    private sealed record LatentExperts(ExpertFeedForward Experts, int SharedWidth, int LatentWidth) : FeedForwardPart
    {
        public static LatentExperts Read(ModelFile model)
        {
            var sizes = new ExpertSizes(model);
            var latent = model.Keys.Size("moe_latent_size", Hyperparameters.LargestWidth, otherwise: 0, least: 0);
            var experts = new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Sigmoid, sizes.Normalizes, sizes.Scale))
            {
                Width = sizes.Expert,
                ChoiceBias = Presence.Required,
                Plain = ActivationFunction.ReluSquared,
                OutputWidth = latent > 0 ? latent : null,
            };
            return new LatentExperts(experts, sizes.Shared, latent);
        }

        /// <inheritdoc/>
        public override Value Write(Block block, Value x)
        {
            var scores = block.Linear(x, "ffn_gate_inp", Experts.Sizes.Count);
            var narrow = LatentWidth > 0 ? block.Linear(x, "ffn_latent_down", LatentWidth) : x;
            var chosen = Experts.Write(block, narrow, scores);
            if (LatentWidth > 0)
                chosen = block.Linear(chosen, "ffn_latent_up", block.Model.Sizes.Width);
            return chosen + block.Linear(block.Linear(x, "ffn_up_shexp", SharedWidth, ActivationFunction.ReluSquared), "ffn_down_shexp", block.Model.Sizes.Width);
        }
    }
}
