using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Gemma 4: Gemma 3 with heads of two sizes, shared keys and values, an embedding for each layer, and experts beside the dense part.</summary>
/// <remarks>Source: the model cards (2026). Scores are not scaled, since queries and keys are normalized.</remarks>
internal static class Gemma4
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new() { ["gemma4"] = Describe };

    private static DecoderDescription Describe(ModelFile model)
    {
        var (isLocal, writers) = (Pattern(model), Writers(model));
        var perLayer = model.Keys.Size("embedding_length_per_layer_input", Hyperparameters.LargestWidth / model.Sizes.Layers, least: 0);
        return new()
        {
            Attention = Attention(model, isLocal, writers),
            FeedForward = layer => model.Has($"blk.{layer}.ffn_gate_inp.weight") ? new DenseAndExperts() : new GatedFeedForward(ActivationFunction.GeluTanh),
            EmbeddingScale = MathF.Sqrt(model.Sizes.Width),
            AttentionPostNorm = "post_attention_norm",
            FeedForwardPostNorm = "post_ffw_norm",
            Ending = new PerLayerEmbedding(perLayer),
            LogitCap = model.Keys.Number("final_logit_softcapping", 30, least: 0),
            Ignores = name => Hyperparameters.LayerOf(name) >= writers && (name.Contains(".attn_k", StringComparison.Ordinal) || name.Contains(".attn_v", StringComparison.Ordinal)),
        };
    }

    private static Func<int, AttentionPart> Attention(ModelFile model, Func<int, bool> isLocal, int writers)
    {
        var sizes = model.Sizes;
        var most = Hyperparameters.LargestWidth / Math.Max(1, sizes.Of(0).Heads);
        var window = model.Keys.Size("attention.sliding_window", int.MaxValue);
        var localWidth = model.Keys.Size("attention.key_length_swa", most);
        if (model.Keys.Size("attention.value_length_swa", most) != localWidth || sizes.ValueWidth != sizes.KeyWidth)
            throw model.Keys.Wrong("attention.value_length", "must be as long as the keys");

        var rotation = model.Rotation(RopeLayout.Halves);
        var plain = new Rotation(rotation.Terms with { Dimensions = localWidth, FrequencyScale = 1 }, Factors: null);
        var localRotation = model.LocalRotation(plain, otherwise: 10000);
        localRotation = localRotation with
        {
            Terms = localRotation.Terms with { Dimensions = model.Keys.Size("rope.dimension_count_swa", localWidth, localWidth) },
        };
        if (Enumerable.Range(0, sizes.Layers).Any(l => !isLocal(l)))
            rotation = rotation with { Factors = model.Program.Vector("rope_freqs.weight", rotation.Terms.Dimensions / 2) };
        return layer =>
        {
            var terms = sizes.Attention(layer) with { Scale = 1 };
            return isLocal(layer)
                ? new SharedKeyAttention(terms with { KeyWidth = localWidth, ValueWidth = localWidth, Window = window }, localRotation, SharedKeyAttention.SourceOf(layer, writers, isLocal: true))
                : new SharedKeyAttention(terms, rotation, SharedKeyAttention.SourceOf(layer, writers, isLocal: false));
        };
    }

    private static Func<int, bool> Pattern(ModelFile model)
    {
        const string Key = "attention.sliding_window_pattern";
        if (model.Keys.Flags(Key, model.Sizes.Layers) is { } flags)
            return layer => flags[layer];
        var all = model.Keys.Size(Key, 1, least: 0) == 1;
        return _ => all;
    }

    // Layers that write keys and values; those behind them read what the last two have written.
    private static int Writers(ModelFile model)
        => model.Sizes.Layers - model.Keys.Size("attention.shared_kv_layers", Math.Max(0, model.Sizes.Layers - 2), otherwise: 0, least: 0);

    /// <summary>A dense part and experts side by side, each with norms of its own.</summary>
    private sealed record DenseAndExperts : FeedForwardPart
    {
        public override Value Write(Block block, Value x)
        {
            var (program, stream) = (block.Program, block.Stream!);
            var sizes = new ExpertSizes(block.Model);
            var experts = new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Softmax, normalizes: true))
            {
                Width = sizes.Expert,
                Gate = ActivationFunction.GeluTanh,
            };

            // The router has a norm of its own, with a factor for every value of the stream.
            var plain = program.Scale(block.Model.Norm(stream, block.Name("ffn_gate_inp"), Norm.PlainRms), 1 / MathF.Sqrt(stream.Width));
            var scores = program.Linear(
                program.Multiply(plain, program.Vector(block.Name("ffn_gate_inp.scale"), stream.Width)), block.Matrix("ffn_gate_inp", stream.Width, sizes.Count));
            var (weights, chosen) = program.Route(scores, experts.Router);
            if (block.Has("ffn_down_exps.scale"))
                weights = program.ExpertLinear(weights, chosen, (program.ExpertFactors(block.Name("ffn_down_exps.scale"), sizes.Count), null))[0];

            var dense = block.Norm(new GatedFeedForward(ActivationFunction.GeluTanh).Write(block, x), "post_ffw_norm_1");
            return dense + block.Norm(experts.Sum(block, block.Norm(stream, "pre_ffw_norm_2"), weights, chosen), "post_ffw_norm_2");
        }
    }
}
