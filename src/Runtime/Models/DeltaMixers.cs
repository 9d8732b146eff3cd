using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>A gated delta net in attention's place (arXiv 2412.06464), as Qwen has it.</summary>
/// <param name="Sizes">Widths: heads of values are the rank, heads of keys the groups, a key has as many values as there are states.</param>
/// <param name="KeysInTurns">Whether neighbouring heads of values read different key heads, in turns.</param>
internal sealed record DeltaMixer(MambaSizes Sizes, bool KeysInTurns) : AttentionPart
{
    private int Heads => Sizes.Rank;

    private int KeyHeads => Sizes.Groups;

    private int KeyWidth => Sizes.States;

    private int KeysWidth => checked(KeyHeads * KeyWidth);

    /// <inheritdoc/>
    public override Value Attend(Block block, Value x)
    {
        var program = block.Program;
        var (mixed, gate) = Inputs(block, x);
        mixed = block.Convolution(mixed, "ssm_conv1d", Sizes.Taps, ActivationFunction.Silu);
        var query = block.UnitLength(program.Slice(mixed, 1, 0, KeysWidth), KeyWidth);
        var key = block.UnitLength(program.Slice(mixed, 1, KeysWidth, KeysWidth), KeyWidth);
        var value = program.Slice(mixed, 1, 2 * KeysWidth, Sizes.Inner);
        var (beta, alpha) = Betas(block, x);
        var size = program.Activate(ActivationFunction.Softplus, program.Add(alpha, program.Vector(block.Name("ssm_dt.bias"), Heads)));
        var decay = program.Multiply(size, program.Vector(block.Name("ssm_a"), Heads));
        var output = program.DeltaRule(
            query, key, value, decay, program.Activate(ActivationFunction.Sigmoid, beta),
            new DeltaTerms(Heads, KeyHeads, KeyWidth, 1 / MathF.Sqrt(KeyWidth), KeysInTurns));
        var normed = block.Model.Norm(output, block.Name("ssm_norm"), new QueryKeyNorm(Norm.Rms), Sizes.HeadWidth);
        return program.Activate(ActivationFunction.Silu, gate, normed);
    }

    /// <inheritdoc/>
    public override Value Project(Block block, Value attended) => block.Linear(attended, "ssm_out", block.Model.Sizes.Width);

    // Query, key and value as one row, and the output's gate. Qwen3-Next's first files hold them key head by key head in
    // one matrix: query, key, the values of its heads, their gates.
    private (Value Mixed, Value Gate) Inputs(Block block, Value x)
    {
        var mixed = checked((2 * KeysWidth) + Sizes.Inner);
        if (block.Has("attn_qkv.weight") || !block.Has("ssm_in.weight"))
        {
            var products = block.Linears(x, ("attn_qkv", mixed), ("attn_gate", Sizes.Inner));
            return (products[0], products[1]);
        }

        var program = block.Program;
        var all = block.Linear(x, "ssm_in", mixed + Sizes.Inner);
        var each = Sizes.Inner / KeyHeads;
        Value Part(int offset, int width) => program.Slice(all, KeyHeads, offset, width);
        var keys = program.Concat(Part(0, KeyWidth), Part(KeyWidth, KeyWidth), groups: 1);
        return (program.Concat(keys, Part(2 * KeyWidth, each), groups: 1), Part((2 * KeyWidth) + each, each));
    }

    // Apart, or key head by key head in one matrix.
    private (Value Beta, Value Alpha) Betas(Block block, Value x)
    {
        if (!block.Has("ssm_ba.weight"))
        {
            var products = block.Linears(x, ("ssm_beta", Heads), ("ssm_alpha", Heads));
            return (products[0], products[1]);
        }

        var both = block.Linear(x, "ssm_ba", 2 * Heads);
        var each = Heads / KeyHeads;
        return (block.Program.Slice(both, KeyHeads, 0, each), block.Program.Slice(both, KeyHeads, each, each));
    }
}

/// <summary>Kimi Delta Attention in attention's place: a delta net whose keys decay value by value (arXiv 2510.26692).</summary>
/// <param name="Heads">Heads.</param>
/// <param name="Width">Values of a query, key or value head.</param>
/// <param name="Taps">Of the convolutions.</param>
internal sealed record KimiMixer(int Heads, int Width, int Taps) : AttentionPart
{
    /// <inheritdoc/>
    public override Value Attend(Block block, Value x)
    {
        var program = block.Program;
        var all = checked(Heads * Width);
        var products = program.Linear(
            x, ActivationFunction.None, (block.Matrix("attn_q", x.Width, all), null), (block.Matrix("attn_k", x.Width, all), null), (block.Matrix("attn_v", x.Width, all), null));
        Value Mixed(int part, string name) => block.Convolution(products[part], name, Taps, ActivationFunction.Silu);
        var narrow = block.Linears(x, ("ssm_f_a", Width), ("ssm_g_a", Width), ("ssm_beta", Heads));
        var size = program.Activate(ActivationFunction.Softplus, program.Add(block.Linear(narrow[0], "ssm_f_b", all), program.Vector(block.Name("ssm_dt.bias"), all)));
        var decay = program.Multiply(size, program.RepeatedVector(block.Name("ssm_a"), Heads, Width));
        var output = program.DeltaRule(
            block.UnitLength(Mixed(0, "ssm_conv1d_q"), Width), block.UnitLength(Mixed(1, "ssm_conv1d_k"), Width), Mixed(2, "ssm_conv1d_v"),
            decay, program.Activate(ActivationFunction.Sigmoid, narrow[2]), new DeltaTerms(Heads, Heads, Width, 1 / MathF.Sqrt(Width)));
        var normed = block.Model.Norm(output, block.Name("ssm_norm"), new QueryKeyNorm(Norm.Rms), Width);
        return program.Activate(ActivationFunction.Sigmoid, block.Linear(narrow[1], "ssm_g_b", all), normed);
    }
}
