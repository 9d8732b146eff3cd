using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>GPT-2 and its kin: layer norm, biases, and a GELU feed-forward without a gate.</summary>
/// <remarks>Sources: "Language Models are Unsupervised Multitask Learners" (2019).</remarks>
internal static class Gpt
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["gpt2"] = model => LearnedPositions(model),
    };

    private static DecoderDescription LearnedPositions(ModelFile model) => new()
    {
        Attention = model.Attention(layout: null),
        FeedForward = _ => new PlainFeedForward(ActivationFunction.GeluTanh),
        Norm = Norm.Layer,
        RequiresBiases = true,
        Positions = Presence.Required,
    };
}
