using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>gpt-oss: experts with biases and bounded gates, attention sinks, every other layer windowed (arXiv 2508.10925).</summary>
internal static class GptOss
{
    /// <summary>By GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new() { ["gpt-oss"] = Describe };

    /// <summary>x * sigmoid(1.702 x) of a bounded gate, times one more than a bounded inner value.</summary>
    public static readonly Gate Gate = new(ActivationFunction.GeluSigmoid) { MostInput = 7, UpBound = 7, UpOffset = 1 };

    private static DecoderDescription Describe(ModelFile model)
    {
        var sizes = new ExpertSizes(model);
        var rotation = model.Rotation(RopeLayout.Halves);
        return new()
        {
            Attention = model.WindowedAttention(null, period: 2, model.LocalRotation(rotation), rotation, a => a with { Sinks = Presence.Required }),
            FeedForwardNorm = "post_attention_norm",
            FeedForward = _ => new ExpertFeedForward(sizes, sizes.Router(ExpertGating.SoftmaxOfChosen, normalizes: false))
            {
                Width = sizes.Expert,
                HasBiases = true,
                Gate = Gate,
            },
            Head = HeadWeights.Own,
        };
    }
}
