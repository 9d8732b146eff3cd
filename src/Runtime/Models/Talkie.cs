using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Talkie and OpenELM: decoders like Llama's whose gains or widths differ from layer to layer.</summary>
/// <remarks>Sources: OpenELM (arXiv 2404.14619); Talkie (model card: norms without weights, a gain a head, the embedding added behind every layer).</remarks>
internal static class Talkie
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["talkie"] = Gains,
        ["openelm"] = model => Qwen.NormalizedHeads(model) with { Head = HeadWeights.Embedding },
    };

    private static DecoderDescription Gains(ModelFile model) => new()
    {
        Attention = model.Attention(RopeLayout.Halves, a => a with
        {
            QueryKeyNorm = new(Norm.PlainRms) { AfterRotation = true },
            QueryGain = "attn_q_norm.weight",
        }),
        Norm = Norm.PlainRms,
        NormalizesEmbedding = true,
        Ending = new EmbeddingSkip(),
        Head = HeadWeights.Own,
        LogitScale = model.Keys.Number("logit_scale"),
    };

    // Every layer adds the embedding once more, times a factor of its own.
    private sealed record EmbeddingSkip : LayerEnding
    {
        public override Value Prepare(ModelFile model, Value embedded) => embedded;

        public override Value End(Block block, Value x, Value prepared)
            => x + block.Program.Multiply(prepared, block.Program.Vector(block.Name("layer_output_scale.weight"), 1));
    }
}
