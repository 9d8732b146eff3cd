using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Gemma 4: windowed layers with heads of another width, last layers that attend to the keys and values of earlier ones, a narrow embedding for every layer, experts beside a dense layer in one size.</summary>
/// <remarks>Source: the model cards and configurations of Gemma 4; Gemma 3n's report for what both share.</remarks>
internal static class Gemma4
{
    /// <summary>By GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new() { ["gemma4"] = Describe };

    private static DecoderDescription Describe(ModelFile model)
    {
        var feedForward = FeedForward(model);
        var width = model.Keys.Size("embedding_length_per_layer_input", Hyperparameters.LargestWidth / model.Sizes.Layers, least: 0);
        return new()
        {
            Attention = Attention(model),
            AttentionPostNorm = "post_attention_norm",
            FeedForward = _ => feedForward,
            FeedForwardNorm = null,
            FeedForwardPostNorm = "post_ffw_norm",
            EmbeddingScale = MathF.Sqrt(model.Sizes.Width),
            Ending = new EmbeddedAndScaled(width == 0 ? null : new LayerEmbeddings(width)),
            LogitCap = model.Keys.Number("final_logit_softcapping", 30, least: 0),
            Ignores = SharingAttention.IsIdle(model, FirstSharing(model)),
        };
    }

    private static Func<int, AttentionPart> Attention(ModelFile model)
    {
        var (keys, sizes) = (model.Keys, model.Sizes);
        var head = keys.Size("attention.key_length_swa", sizes.LargestHead);
        var global = model.Rotation(RopeLayout.Halves);
        var local = new RopeTerms
        {
            Layout = RopeLayout.Halves,
            Dimensions = keys.Size("rope.dimension_count_swa", head, otherwise: head),
            Base = keys.Number("rope.freq_base_swa", 10000, least: float.Epsilon),
        };
        if (local.Dimensions % 2 != 0)
            throw keys.Wrong("rope.dimension_count_swa", $"must be even, found {local.Dimensions}");
        keys.Same("attention.value_length_swa", head);
        keys.Same("attention.value_length", sizes.KeyWidth);

        var window = keys.Size("attention.sliding_window", int.MaxValue);
        var isWindowed = model.Windowed(period: 0);
        var ownLayers = FirstSharing(model);
        return layer =>
        {
            var isLocal = isWindowed(layer);
            var terms = sizes.Attention(layer) with { Scale = 1 };
            if (isLocal)
                terms = terms with { Window = window, KeyWidth = head, ValueWidth = head };
            return new SharingAttention(terms, isLocal ? new(local, Factors: null) : global)
            {
                MayLackValues = true,
                Shares = layer < ownLayers ? null : ownLayers - (isLocal ? 2 : 1),
            };
        };
    }

    // The layer behind the last with keys of its own; the last two of those are a windowed one and one that sees everything.
    private static int FirstSharing(ModelFile model)
        => model.Sizes.Layers - model.Keys.Size("attention.shared_kv_layers", Math.Max(model.Sizes.Layers - 2, 0), otherwise: 0, least: 0);

    private static NormalizedFeedForward FeedForward(ModelFile model)
    {
        var dense = new GatedFeedForward(ActivationFunction.GeluTanh);
        if (!ExpertSizes.Any(model))
            return new NormalizedFeedForward(dense, Experts: null);
        var sizes = new ExpertSizes(model);
        return new NormalizedFeedForward(dense, new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: true))
        {
            Width = sizes.Expert,
            Gate = ActivationFunction.GeluTanh,
        });
    }

    private sealed record EmbeddedAndScaled(LayerEmbeddings? Embeddings) : LayerEnding
    {
        public override Value Prepare(ModelFile model, Value embedded) => Embeddings?.Prepare(model, embedded) ?? embedded;

        public override Value End(Block block, Value x, Value prepared)
        {
            if (Embeddings is not null)
                x += Embeddings.Write(block, x, prepared);
            return block.Program.OptionalVector(block.Name("layer_output_scale.weight"), 1) is { } scale ? block.Program.Multiply(x, scale) : x;
        }
    }

    /// <summary>A dense layer with its norm and, in some sizes, experts beside it, each with norms of their own.</summary>
    private sealed record NormalizedFeedForward(FeedForwardPart Dense, ExpertFeedForward? Experts) : FeedForwardPart
    {
        public override Value Write(Block block, Value x)
        {
            var dense = Dense.Write(block, block.Norm(x, "ffn_norm"));
            if (Experts is null || !block.Has("ffn_gate_inp.weight"))
                return dense;
            var experts = Experts.Write(block, block.Norm(x, "pre_ffw_norm_2"), Scores(block, x));
            return block.Norm(dense, "post_ffw_norm_1") + block.Norm(experts, "post_ffw_norm_2");
        }

        // The router has a norm without weights, and a factor for each value.
        private Value Scores(Block block, Value x)
        {
            var (program, width) = (block.Program, block.Model.Sizes.Width);
            var normed = program.Scale(block.Model.Norm(x, block.Name("ffn_gate_inp"), Norm.PlainRms), 1 / MathF.Sqrt(width));
            return program.Linear(program.Multiply(normed, program.Vector(block.Name("ffn_gate_inp.scale"), width)), block.Matrix("ffn_gate_inp", width, Experts!.Sizes.Count));
        }
    }
}
