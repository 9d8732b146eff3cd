using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Graphs;

/// <summary>A weight of a program: a tensor of the model's file, a part of one, or numbers computed when the model is loaded.</summary>
/// <remarks>Shape as GGUF has it: a matrix maps Columns inputs to Rows outputs; a vector has one row.</remarks>
internal sealed class Weight
{
    internal Weight(int number, GgufTensor tensor, long first, long columns, long rows, int stack, WeightForm? form)
        : this(number, tensor.Name, tensor.Type, columns, rows, stack, form)
    {
        Tensor = tensor;
        First = first;
    }

    internal Weight(int number, string name, Func<float[]> compute, long columns, long rows, int stack, WeightForm? form)
        : this(number, name, GgmlType.F32, columns, rows, stack, form)
        => Compute = compute;

    private Weight(int number, string name, GgmlType type, long columns, long rows, int stack, WeightForm? form)
    {
        Number = number;
        Name = name;
        Type = type;
        Columns = columns;
        Rows = rows;
        Stack = stack;
        Form = form;
    }

    /// <summary>The tensor's name, or what the computed numbers are.</summary>
    public string Name { get; }

    /// <summary>How the values are stored; F32 for computed ones.</summary>
    public GgmlType Type { get; }

    /// <summary>The tensor that holds it; null where it is computed.</summary>
    public GgufTensor? Tensor { get; }

    /// <summary>Values of a row.</summary>
    public long Columns { get; }

    /// <summary>Rows of one matrix.</summary>
    public long Rows { get; }

    /// <summary>Matrices of this shape that lie one after another, an expert or a head each; 1 for most.</summary>
    public int Stack { get; }

    /// <summary>Values in all, as the file has them.</summary>
    public long Count => Columns * Rows * Stack;

    internal int Number { get; }

    /// <summary>The first element taken, counted through the tensor.</summary>
    internal long First { get; }

    /// <summary>Computes the values, matrix by matrix and row by row, where no tensor holds them.</summary>
    internal Func<float[]>? Compute { get; }

    /// <summary>Whether a product uses it, so that every step reads it whole; an embedding table is read row by row.</summary>
    internal bool IsMultiplied { get; set; }

    /// <summary>How many of the stack a row reads: all heads, but only the chosen experts.</summary>
    internal int StackRead { get; set; } = 1;

    /// <summary>Whether a norm, bias or the like uses it: such vectors are kept in float32.</summary>
    internal bool IsVector => Form is not null;

    /// <summary>How a vector's values are made of the tensor's; null for a matrix.</summary>
    internal WeightForm? Form { get; }

    /// <summary>Values of a row as the engine gets them.</summary>
    internal long EngineColumns => Columns * (Form?.Times ?? 1);
}
