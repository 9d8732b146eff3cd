using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Apertus: Llama with normalized heads and a feed-forward of xIELU without a gate.</summary>
/// <remarks>Sources: Apertus (arXiv 2509.14233), xIELU (2411.13010).</remarks>
internal static class Apertus
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new() { ["apertus"] = Describe };

    private static DecoderDescription Describe(ModelFile model)
    {
        float[] negative = Constant("alpha_n"), positive = Constant("alpha_p"), beta = Constant("beta"), epsilon = Constant("eps");
        return Qwen.NormalizedHeads(model) with
        {
            FeedForward = layer => new XieluFeedForward(
                new XieluTerms(beta[layer] + Softplus(negative[layer]), Softplus(positive[layer]), beta[layer], epsilon[layer])),
            Head = HeadWeights.Own,
        };

        // These keys bear no architecture.
        float[] Constant(string name) => Hyperparameters.Keys.Bare(model.Metadata).LayerNumbers($"xielu.{name}", model.Sizes.Layers);
    }

    // The file holds what was trained, before it is made positive.
    private static float Softplus(float x) => x > 20 ? x : MathF.Log(1 + MathF.Exp(x));

    private sealed record XieluFeedForward(XieluTerms Terms) : FeedForwardPart
    {
        public override Value Write(Block block, Value x)
        {
            var hidden = block.Program.Xielu(block.Linear(x, "ffn_up", HiddenWidth(block)), Terms);
            return block.Linear(hidden, "ffn_down", block.Model.Sizes.Width);
        }
    }
}
