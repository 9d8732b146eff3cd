using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>The sizes of Mamba's layers, read from GGUF's <c>{architecture}.ssm.*</c> keys and checked once.</summary>
internal sealed record MambaSizes
{
    private const int MostTaps = 64;
    private const int MostStates = 1 << 12;

    private MambaSizes()
    {
    }

    /// <summary>Width inside a layer.</summary>
    public required int Inner { get; init; }

    /// <summary>Taps of the convolution.</summary>
    public required int Taps { get; init; }

    /// <summary>States of each channel.</summary>
    public required int States { get; init; }

    /// <summary>Heads of Mamba-2; of Mamba the width of the row that step sizes are made of.</summary>
    public required int Rank { get; init; }

    /// <summary>Of Mamba-2's heads that share B and C.</summary>
    public required int Groups { get; init; }

    /// <summary>Values of one of Mamba-2's heads.</summary>
    public int HeadWidth => Inner / Rank;

    /// <summary>What passes through Mamba-2's convolution: x, B and C.</summary>
    public int Mixed => checked(Inner + (2 * Groups * States));

    /// <summary>Reads the sizes of Mamba's layers.</summary>
    /// <exception cref="ModelFormatException">A key is missing or out of range.</exception>
    public static MambaSizes Read(ModelFile model) => Read(model, groups: 1);

    /// <summary>Reads the sizes of Mamba-2's layers, whose heads divide the width and whose groups divide the heads.</summary>
    /// <exception cref="ModelFormatException">A key is missing or out of range.</exception>
    public static MambaSizes ReadHeads(ModelFile model)
    {
        var sizes = Read(model, model.Keys.Size("ssm.group_count", Hyperparameters.MostHeads, otherwise: 1));
        if (sizes.Inner % sizes.Rank != 0)
            throw model.Keys.Wrong("ssm.time_step_rank", $"must divide the {sizes.Inner} of ssm.inner_size, found {sizes.Rank}");
        if (sizes.Rank % sizes.Groups != 0)
            throw model.Keys.Wrong("ssm.group_count", $"must divide the {sizes.Rank} heads, found {sizes.Groups}");
        return sizes;
    }

    /// <summary>Reads the sizes of heads that all share B and C, whatever the file says of groups (PLaMo 2).</summary>
    /// <exception cref="ModelFormatException">A key is missing or out of range.</exception>
    public static MambaSizes ReadOneGroup(ModelFile model)
    {
        var sizes = Read(model, groups: 1);
        return sizes.Inner % sizes.Rank == 0 ? sizes : throw model.Keys.Wrong("ssm.time_step_rank", $"must divide the {sizes.Inner} of ssm.inner_size, found {sizes.Rank}");
    }

    private static MambaSizes Read(ModelFile model, int groups) => new()
    {
        Inner = model.Keys.Size("ssm.inner_size", Hyperparameters.LargestWidth),
        Taps = model.Keys.Size("ssm.conv_kernel", MostTaps, least: 2),
        States = model.Keys.Size("ssm.state_size", MostStates),
        Rank = model.Keys.Size("ssm.time_step_rank", Hyperparameters.LargestWidth),
        Groups = groups,
    };
}

/// <summary>Mamba's layer in attention's place: a short convolution and a selective scan, gated.</summary>
/// <param name="Sizes">Widths.</param>
/// <remarks>Sources: Mamba (arXiv 2312.00752), Jamba (2403.19887: norms of step size, B and C), Falcon Mamba (2410.05355: those norms without weights).</remarks>
internal sealed record MambaMixer(MambaSizes Sizes) : AttentionPart
{
    /// <summary>Whether step size, B and C are normalized in files without weights for that.</summary>
    public bool NormalizesPlainly { get; init; }

    /// <inheritdoc/>
    public override Value Attend(Block block, Value x)
    {
        var program = block.Program;
        var (inner, states) = (Sizes.Inner, Sizes.States);
        var both = block.SplitLinear(x, "ssm_in", inner, inner);
        var mixed = block.Convolution(both[0], "ssm_conv1d", Sizes.Taps, ActivationFunction.Silu);
        var parts = block.SplitLinear(mixed, "ssm_x", Sizes.Rank, states, states);
        var size = block.Linear(Normed(block, parts[0], "ssm_dt_norm"), "ssm_dt", inner, ActivationFunction.Softplus);
        var scanned = program.SelectiveScan(
            mixed, size, Normed(block, parts[1], "ssm_b_norm"), Normed(block, parts[2], "ssm_c_norm"),
            program.TransposedTable(block.Name("ssm_a"), states, inner), program.Vector(block.Name("ssm_d"), inner),
            new ScanTerms(inner, HeadWidth: 1, states, DecaysByState: true));
        return program.Activate(ActivationFunction.Silu, both[1], scanned);
    }

    /// <inheritdoc/>
    public override Value Project(Block block, Value attended) => block.Linear(attended, "ssm_out", block.Model.Sizes.Width);

    private Value Normed(Block block, Value x, string name)
        => block.Has(name + ".weight") ? block.Model.Norm(x, block.Name(name), Norm.Rms)
            : NormalizesPlainly ? block.Model.Norm(x, block.Name(name), Norm.PlainRms)
            : x;
}

/// <summary>Mamba-2's layer in attention's place: heads that share their decay, groups of them B and C.</summary>
/// <param name="Sizes">Widths.</param>
/// <remarks>Source: Mamba-2 (arXiv 2405.21060). <c>ssm_in</c> holds gate, x, B, C and step sizes one below another.</remarks>
internal sealed record Mamba2Mixer(MambaSizes Sizes) : AttentionPart
{
    /// <inheritdoc/>
    public override Value Attend(Block block, Value x)
    {
        var program = block.Program;
        var (inner, heads, shared) = (Sizes.Inner, Sizes.Rank, Sizes.Groups * Sizes.States);
        var parts = block.SplitLinear(x, "ssm_in", inner, Sizes.Mixed, heads);
        var mixed = block.Convolution(parts[1], "ssm_conv1d", Sizes.Taps, ActivationFunction.Silu);
        var size = program.Activate(ActivationFunction.Softplus, program.Add(parts[2], program.Vector(block.Name("ssm_dt.bias"), heads)));
        var scanned = program.SelectiveScan(
            program.Slice(mixed, 1, 0, inner), size, program.Slice(mixed, 1, inner, shared), program.Slice(mixed, 1, inner + shared, shared),
            program.Table(block.Name("ssm_a"), 1, heads), program.Table(block.Name("ssm_d"), 1, heads),
            new ScanTerms(heads, Sizes.HeadWidth, Sizes.States, Sizes.Groups));
        var gated = program.Activate(ActivationFunction.Silu, parts[0], scanned);
        return block.Has("ssm_norm.weight")
            ? block.Model.Norm(gated, block.Name("ssm_norm"), new QueryKeyNorm(Norm.Rms, NormSpan.EachHead), inner / Sizes.Groups)
            : gated;
    }

    /// <inheritdoc/>
    public override Value Project(Block block, Value attended) => block.Linear(attended, "ssm_out", block.Model.Sizes.Width);
}

/// <summary>PLaMo 2's layer in attention's place: Mamba-2's heads, whose B, C and step sizes are made as Mamba's are, normalized.</summary>
/// <param name="Sizes">Widths.</param>
/// <remarks>Source: PLaMo 2 (arXiv 2509.04897). <c>ssm_in</c> holds gate and x head by head.</remarks>
internal sealed record PlamoMixer(MambaSizes Sizes) : AttentionPart
{
    /// <inheritdoc/>
    public override Value Attend(Block block, Value x)
    {
        var program = block.Program;
        var (heads, width, states) = (Sizes.Rank, Sizes.HeadWidth, Sizes.States);
        var both = block.Linear(x, "ssm_in", 2 * Sizes.Inner);
        var mixed = block.Convolution(program.Slice(both, heads, width, width), "ssm_conv1d", Sizes.Taps, ActivationFunction.Silu);

        // Wide enough for small models, too.
        var rank = Math.Max(64, block.Model.Sizes.Width / 16);
        var parts = block.SplitLinear(mixed, "ssm_x", states, states, rank);
        var size = block.Linear(block.Norm(parts[2], "ssm_dt_norm"), "ssm_dt", heads, ActivationFunction.Softplus);
        var scanned = program.SelectiveScan(
            mixed, size, block.Norm(parts[0], "ssm_b_norm"), block.Norm(parts[1], "ssm_c_norm"),
            program.Vector(block.Name("ssm_a"), heads), program.Vector(block.Name("ssm_d"), heads), new ScanTerms(heads, width, states));
        return program.Activate(ActivationFunction.Silu, program.Slice(both, heads, 0, width), scanned);
    }

    /// <inheritdoc/>
    public override Value Project(Block block, Value attended) => block.Linear(attended, "ssm_out", block.Model.Sizes.Width);
}
