using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Granite and MiniCPM, dense or with experts: Llama with factors on embedding, residuals, scores and logits.</summary>
/// <remarks>Sources: MiniCPM (arXiv 2404.06395), Granite 3 (technical report, 2024); maximal update parametrization (2203.03466).</remarks>
internal static class Granite
{
    /// <summary>The kin, by GGUF's general.architecture.</summary>
    public static readonly Dictionary<string, Func<ModelFile, DecoderDescription>> Architectures = new()
    {
        ["granite"] = Scaled,
        ["granitemoe"] = model => Scaled(model) with { FeedForward = Mixtral.ExpertsOrDense(model, sizes => sizes.SharedOr(0)) },
        ["minicpm"] = MiniCpm,
    };

    /// <summary>Granite's block; a file without positions is one that was trained without them.</summary>
    public static DecoderDescription Scaled(ModelFile model) => Scaled(model, model.Keys.Number("logit_scale", least: float.Epsilon));

    /// <summary>Granite's block with a divisor of the logits.</summary>
    public static DecoderDescription Scaled(ModelFile model, float logitScale)
    {
        var scale = OneIfZero(model.Keys.Number("attention.scale", 0), 1 / MathF.Sqrt(model.Sizes.KeyWidth));
        var isRotated = model.Keys.Flag("rope.scaling.finetuned", true);
        return new()
        {
            Attention = model.Attention(isRotated ? RopeLayout.Interleaved : null, a => a with { Terms = a.Terms with { Scale = scale } }),
            FeedForward = Mixtral.ExpertsOrDense(model),
            EmbeddingScale = OneIfZero(model.Keys.Number("embedding_scale", 0)),
            ResidualScale = OneIfZero(model.Keys.Number("residual_scale", 0)),
            LogitScale = 1 / logitScale,
            Ignores = name => !isRotated && name.StartsWith("rope_", StringComparison.Ordinal),
        };
    }

    private static DecoderDescription MiniCpm(ModelFile model) => new()
    {
        Attention = model.Attention(RopeLayout.Interleaved),
        FeedForward = Mixtral.ExpertsOrDense(model),
        EmbeddingScale = model.Keys.Number("embedding_scale", 12),
        ResidualScale = model.Keys.Number("residual_scale", 1.4f / MathF.Sqrt(model.Sizes.Layers)),
        LogitScale = 1 / model.Keys.Number("logit_scale", 256f / model.Sizes.Width, least: float.Epsilon),
    };

    private static float OneIfZero(float factor, float otherwise = 1) => factor == 0 ? otherwise : factor;
}
