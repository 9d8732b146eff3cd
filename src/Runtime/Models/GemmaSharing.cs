using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Attention with normalized queries, keys and values, of which some layers have only queries and attend to an earlier layer's keys and values (Gemma 3n and 4).</summary>
/// <param name="Terms">Heads, mask, scale.</param>
/// <param name="Rotation">How queries and keys are rotated.</param>
internal sealed record SharingAttention(AttentionTerms Terms, Rotation Rotation) : AttentionPart
{
    private static readonly QueryKeyNorm _norm = new(Norm.Rms);
    private static readonly QueryKeyNorm _valueNorm = new(Norm.PlainRms);

    /// <summary>Whether values are the keys as they were projected where the file has no projection of their own.</summary>
    public bool MayLackValues { get; init; }

    /// <summary>The layer whose keys and values are attended to; null: its own.</summary>
    public int? Shares { get; init; }

    /// <summary>Says of a tensor that it would make keys and values of a layer that has none; some files hold such.</summary>
    /// <param name="model">The file.</param>
    /// <param name="first">The first layer without keys and values.</param>
    public static Func<string, bool> IsIdle(ModelFile model, int first)
        => name => model.IsOfLayer(layer => layer >= first)(name) && (name.Contains(".attn_k", StringComparison.Ordinal) || name.Contains(".attn_v", StringComparison.Ordinal));

    /// <inheritdoc/>
    public override Value Attend(Block block, Value x)
    {
        var program = block.Program;
        if (Shares is { } earlier)
            return program.SharedAttention(Heads(block, block.Linear(x, "attn_q", Terms.Heads * Terms.KeyWidth), "attn_q_norm"), earlier, Terms);

        int queries = Terms.Heads * Terms.KeyWidth, keys = Terms.KvHeads * Terms.KeyWidth;
        var parts = block.Has("attn_v.weight") || !MayLackValues
            ? block.Linears(x, ("attn_q", queries), ("attn_k", keys), ("attn_v", Terms.KvHeads * Terms.ValueWidth))
            : block.Linears(x, ("attn_q", queries), ("attn_k", keys));
        var values = block.Model.Norm(parts[^1], block.Name("attn_v_norm"), _valueNorm, Terms.ValueWidth);
        return program.CachedAttention(Heads(block, parts[0], "attn_q_norm"), Heads(block, parts[1], "attn_k_norm"), values, block.Layer, Terms);
    }

    private Value Heads(Block block, Value x, string norm)
        => block.Program.Rope(block.Model.Norm(x, block.Name(norm), _norm, Terms.KeyWidth), Terms.KeyWidth, Rotation.Terms, Rotation.Factors);
}

/// <summary>A narrow embedding of the token for every layer, which a gate lets into the residual stream (Gemma 3n and 4).</summary>
/// <param name="width">Values of a layer's embedding.</param>
internal sealed class LayerEmbeddings(int width)
{
    /// <summary>Joins the tokens' own embeddings and what the residual stream's start makes of them.</summary>
    /// <param name="model">The file.</param>
    /// <param name="start">[rows, width] the residual stream before the first layer.</param>
    /// <returns>[rows, layers * width of an embedding].</returns>
    public Value Prepare(ModelFile model, Value start)
    {
        var (program, total) = (model.Program, checked(width * model.Sizes.Layers));
        var projected = program.Scale(program.Linear(start, program.Matrix("per_layer_model_proj.weight", start.Width, total)), 1 / MathF.Sqrt(start.Width));
        var own = program.Embed(program.Matrix("per_layer_token_embd.weight", total), MathF.Sqrt(width));
        return program.Scale(own + model.Norm(projected, "per_layer_proj_norm", new QueryKeyNorm(Norm.Rms), width), 1 / MathF.Sqrt(2));
    }

    /// <summary>What a layer's embedding adds to the residual stream.</summary>
    /// <param name="block">The layer.</param>
    /// <param name="x">[rows, width] what the gate is made of.</param>
    /// <param name="prepared">From <see cref="Prepare"/>, of the same rows.</param>
    /// <returns>[rows, width].</returns>
    public Value Write(Block block, Value x, Value prepared)
    {
        var gated = block.Linear(x, "inp_gate", width, ActivationFunction.GeluTanh) * block.Program.Slice(prepared, 1, block.Layer * width, width);
        return block.Norm(block.Linear(gated, "proj", block.Model.Sizes.Width), "post_norm");
    }
}
