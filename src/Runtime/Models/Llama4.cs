using Hearth.Runtime.Graphs;
using Hearth.Runtime.Kernels;

namespace Hearth.Runtime.Models;

/// <summary>Llama 4: attention in chunks of positions, every fourth layer over everything without rotation, experts that are weighted before they work.</summary>
/// <remarks>
/// Source: "The Llama 4 herd" (model cards and configurations of Scout and Maverick). Chunk, temperature and the period of
/// rotated layers are the same in all of them and are not in the file.
/// </remarks>
internal static class Llama4
{
    private const int Chunk = 8192;
    private const int UnrotatedPeriod = 4;
    private const int MaverickExperts = 128;

    /// <summary>By GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new() { ["llama4"] = Describe };

    private static DecoderDescription Describe(ModelFile model)
    {
        if (model.Keys.Size("attention.sliding_window", int.MaxValue, otherwise: Chunk, least: 0) == 0)
            throw new UnsupportedModelException($"'{model.Keys.Name("attention.sliding_window")}' 0", ["attention in chunks"]);
        var sizes = new ExpertSizes(model);
        var step = model.Keys.Size("interleave_moe_layer_step", int.MaxValue);
        var experts = new ExpertFeedForward(sizes, sizes.Router(ExpertGating.Sigmoid, normalizes: false) with { ChooseByScore = true })
        {
            Width = sizes.Expert,
            WeighsInput = true,
            SharedWidth = sizes.Expert,
        };
        return new()
        {
            Attention = Attention(model, normalizes: sizes.Count != MaverickExperts),
            FeedForward = layer => (layer + 1) % step == 0 ? experts : GatedFeedForward.Silu,
        };
    }

    private static Func<int, AttentionPart> Attention(ModelFile model, bool normalizes)
    {
        var rotation = model.Rotation(RopeLayout.Interleaved);
        var local = model.LocalRotation(rotation);
        var isChunkedLayer = model.Windowed(period: 4);
        return layer =>
        {
            var isChunked = isChunkedLayer(layer);
            var attention = model.Attention(layer, null);
            var terms = isChunked ? attention.Terms with { Mask = AttentionMask.Chunked, Window = Chunk } : attention.Terms;
            return (layer + 1) % UnrotatedPeriod == 0
                ? attention with { Terms = terms with { Temperature = 0.1f, TemperatureLength = Chunk, TemperatureOffset = 1 } }
                : attention with
                {
                    Terms = terms,
                    Rotation = isChunked ? local : rotation,
                    QueryKeyNorm = normalizes ? new(Norm.PlainRms) { AfterRotation = true } : null,
                };
        };
    }
}
