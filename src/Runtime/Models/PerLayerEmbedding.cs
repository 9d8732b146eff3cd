using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>A small embedding for each layer, which gates what the layer ends with (Gemma 3n, model card 2025).</summary>
/// <param name="Width">Values a layer; 0: the file has no such embedding.</param>
internal sealed record PerLayerEmbedding(int Width) : LayerEnding
{
    /// <summary>The mean of what the token's own rows and a projection of its embedding say, times the root of 2.</summary>
    /// <returns>[rows, layers * Width], or null where the file has no such embedding.</returns>
    public override Value? Prepare(ModelFile model, Value embedded)
    {
        if (Width == 0)
            return null;
        var all = checked(Width * model.Sizes.Layers);
        var projected = model.Program.Linear(embedded, model.Program.Matrix("per_layer_model_proj.weight", embedded.Width, all));
        projected = model.Program.Scale(projected, 1 / MathF.Sqrt(embedded.Width));
        projected = model.Norm(projected, "per_layer_proj_norm", new QueryKeyNorm(Norm.Rms), Width);
        var own = model.Program.Embed(model.Program.Matrix("per_layer_token_embd.weight", all), MathF.Sqrt(Width));
        return model.Program.Scale(projected + own, 1 / MathF.Sqrt(2));
    }

    /// <inheritdoc/>
    public override Value End(Block block, Value x, Value? prepared)
    {
        if (prepared is not null)
            x += Gated(block, x, prepared);
        return block.Program.OptionalVector(block.Name("layer_output_scale.weight"), 1) is { } scale ? block.Program.Multiply(x, scale) : x;
    }

    /// <summary>A layer's embedding gated by the residual stream, at the stream's width.</summary>
    /// <param name="block">The layer.</param>
    /// <param name="x">[rows, width], the residual stream.</param>
    /// <param name="prepared">From <see cref="Prepare"/>.</param>
    public Value Gated(Block block, Value x, Value prepared)
    {
        var gate = block.Linear(x, "inp_gate", Width, ActivationFunction.GeluTanh);
        var gated = gate * block.Program.Slice(prepared, 1, block.Layer * Width, Width);
        return block.Norm(block.Linear(gated, "proj", block.Model.Sizes.Width), "post_norm");
    }
}
