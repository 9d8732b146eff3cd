using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>One layer while its operations are written: what its parts need to know, and its tensors by their short names.</summary>
/// <param name="model">The file.</param>
/// <param name="description">The decoder.</param>
/// <param name="layer">Which layer, from 0.</param>
internal sealed class Block(ModelFile model, DecoderDescription description, int layer)
{
    /// <summary>The file.</summary>
    public ModelFile Model => model;

    /// <summary>What is written to.</summary>
    public ProgramBuilder Program => model.Program;

    /// <summary>Which layer, from 0.</summary>
    public int Layer => layer;

    /// <summary>Heads and widths of this layer.</summary>
    public LayerSizes Sizes => model.Sizes.Of(layer);

    /// <summary>The residual stream as it entered the layer, of the rows that are computed after attention.</summary>
    public Value? Input { get; set; }

    /// <summary>A tensor's name in the file, for instance <c>blk.0.ffn_up.weight</c>.</summary>
    public string Name(string name) => $"blk.{layer}.{name}";

    /// <summary>Whether the file has a tensor, named behind the layer: <c>ffn_gate.weight</c>.</summary>
    public bool Has(string name) => model.Has(Name(name));

    /// <summary>Values of a tensor, named behind the layer with its suffix; 0 where the file lacks it.</summary>
    public long Elements(string name) => model.Elements(Name(name));

    /// <summary>x * weight^T + bias, with <c>NAME.weight</c> and, where the file has it, <c>NAME.bias</c>.</summary>
    /// <param name="x">[rows, columns of the weight].</param>
    /// <param name="name">The tensor's name behind the layer, without <c>.weight</c>.</param>
    /// <param name="outputs">Rows of the weight.</param>
    /// <param name="function">Applied to the result.</param>
    public Value Linear(Value x, string name, int outputs, ActivationFunction function = ActivationFunction.None)
        => Program.Linear(x, Matrix(name, x.Width, outputs), Bias(name, outputs), function);

    /// <summary>Two or three products with one input, which are computed together.</summary>
    public Value[] Linears(Value x, params ReadOnlySpan<(string Name, int Outputs)> parts)
    {
        var pieces = new (Weight, Weight?)[parts.Length];
        for (var i = 0; i < parts.Length; i++)
            pieces[i] = (Matrix(parts[i].Name, x.Width, parts[i].Outputs), Bias(parts[i].Name, parts[i].Outputs));
        return Program.Linear(x, ActivationFunction.None, pieces);
    }

    /// <summary>Products with matrices that the file stores as one, one below another.</summary>
    /// <param name="x">[rows, columns of the weight].</param>
    /// <param name="name">The tensor's name behind the layer, without <c>.weight</c>.</param>
    /// <param name="outputs">Rows of each, from the top.</param>
    public Value[] SplitLinear(Value x, string name, params ReadOnlySpan<int> outputs)
    {
        var total = 0;
        foreach (var rows in outputs)
            total = checked(total + rows);
        var pieces = new (Weight, Weight?)[outputs.Length];
        var biased = HasBias(name);
        var first = 0;
        for (var i = 0; i < outputs.Length; first += outputs[i++])
        {
            var weight = Program.MatrixRows(Name(name + ".weight"), x.Width, first, outputs[i], total);
            pieces[i] = (weight, biased ? Program.VectorPart(Name(name + ".bias"), first, outputs[i], total) : null);
        }

        return Program.Linear(x, ActivationFunction.None, pieces);
    }

    /// <summary>A causal convolution, channel by channel, with <c>NAME.weight</c> [taps, width] and, where the file has it, <c>NAME.bias</c>.</summary>
    /// <param name="x">[rows, width].</param>
    /// <param name="name">The tensor's name behind the layer, without <c>.weight</c>.</param>
    /// <param name="taps">At least 2.</param>
    /// <param name="function">Applied to the sums.</param>
    public Value Convolution(Value x, string name, int taps, ActivationFunction function = ActivationFunction.None)
        => Program.ShortConvolution(x, Program.TransposedTable(Name(name + ".weight"), taps, x.Width), Bias(name, x.Width), taps, function);

    /// <summary>Makes every head as long as 1; one shorter than the norms' epsilon stays shorter.</summary>
    /// <param name="x">[rows, heads * width].</param>
    /// <param name="width">Values of a head.</param>
    public Value UnitLength(Value x, int width)
    {
        var epsilon = model.Keys.Number(Models.Norm.Rms.EpsilonKey, least: 0, most: 1);
        return Program.Scale(Program.RmsNorm(x, weight: null, epsilon * epsilon / width, width), 1 / MathF.Sqrt(width));
    }

    /// <summary>Repeats the one value of every group.</summary>
    /// <param name="x">[rows, groups].</param>
    /// <param name="groups">Heads, say.</param>
    /// <param name="times">How often.</param>
    /// <returns>[rows, groups * times].</returns>
    public Value Spread(Value x, int groups, int times)
    {
        if (times == 1)
            return x;
        var half = Spread(x, groups, times / 2);
        var even = Program.Concat(half, half, groups);
        return times % 2 == 0 ? even : Program.Concat(even, x, groups);
    }

    /// <summary>The decoder's norm of a row, with <c>NAME.weight</c> and <c>NAME.bias</c> as the norm has them.</summary>
    public Value Norm(Value x, string name) => model.Norm(x, Name(name), description.Norm);

    /// <summary>A matrix of this layer.</summary>
    public Weight Matrix(string name, int columns, int rows) => Program.Matrix(Name(name + ".weight"), columns, rows);

    private Weight? Bias(string name, int size) => HasBias(name) ? Program.Vector(Name(name + ".bias"), size) : null;

    private bool HasBias(string name) => description.RequiresBiases || Has(name + ".bias");
}
