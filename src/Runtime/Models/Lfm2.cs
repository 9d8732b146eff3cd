using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>LFM2, dense or with experts: gated short convolutions, and attention in a few layers.</summary>
/// <remarks>Source: LFM2 (arXiv 2511.23404). The last norm is called <c>token_embd_norm</c>.</remarks>
internal static class Lfm2
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["lfm2"] = model => Dense(model, model.Keys.Size("attention.sliding_window", int.MaxValue, otherwise: 0, least: 0)),
        ["lfm2moe"] = WithExperts,
    };

    private static DecoderDescription Dense(ModelFile model, int window)
    {
        if (!model.Keys.Flag("attention.causal", otherwise: true))
            throw new UnsupportedModelException("LFM2 whose convolutions see later tokens", ["causal LFM2"]);
        var mixer = new ShortConvolutionMixer(model.Keys.Size("shortconv.l_cache", 64, least: 2));
        var rotation = model.Rotation(RopeLayout.Halves);
        return new()
        {
            Attention = Mamba.Alternating(model, mixer, layer => (model.Attention(layer, rotation) with { QueryKeyNorm = new(Norm.Rms) }).Within(window)),
            OutputNorm = "token_embd_norm",
        };
    }

    private static DecoderDescription WithExperts(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var experts = new ExpertFeedForward(sizes, sizes.Router(sizes.Gating(), normalizes: true, sizes.Scale)) { Width = sizes.Expert, ChoiceBias = Presence.Required };
        return Dense(model, window: 0) with { FeedForward = sizes.BehindDense(experts) };
    }

    /// <summary>LFM2's layer in attention's place: c * convolution(b * x).</summary>
    /// <param name="Taps">Of the convolution.</param>
    private sealed record ShortConvolutionMixer(int Taps) : AttentionPart
    {
        /// <inheritdoc/>
        public override Value Attend(Block block, Value x)
        {
            var width = block.Model.Sizes.Width;
            var parts = block.SplitLinear(x, "shortconv.in_proj", width, width, width);
            return parts[1] * block.Convolution(parts[0] * parts[2], "shortconv.conv", Taps);
        }

        /// <inheritdoc/>
        public override Value Project(Block block, Value attended) => block.Linear(attended, "shortconv.out_proj", block.Model.Sizes.Width);
    }
}
