using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Graphs;

/// <summary>A weight of a program: a tensor of the model's file, or a part of it.</summary>
/// <remarks>Shape as GGUF has it: a matrix maps Columns inputs to Rows outputs; a vector has one row.</remarks>
public sealed class Weight
{
    internal Weight(int number, GgufTensor tensor, long first, long columns, long rows, int stack, WeightForm? form)
    {
        Number = number;
        Tensor = tensor;
        First = first;
        Columns = columns;
        Rows = rows;
        Stack = stack;
        Form = form;
    }

    /// <summary>The tensor that holds it.</summary>
    public GgufTensor Tensor { get; }

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

/// <summary>How the values of a vector are made of a tensor's when they are loaded.</summary>
/// <param name="Times">How often each is repeated, one after another.</param>
/// <param name="IsReciprocal">Whether 1 / value is used.</param>
internal sealed record WeightForm(int Times, bool IsReciprocal)
{
    /// <summary>The tensor's values.</summary>
    public static readonly WeightForm AsStored = new(1, IsReciprocal: false);

    /// <summary>Makes the vector.</summary>
    public float[] Apply(float[] values)
    {
        if (this == AsStored)
            return values;
        var made = new float[values.Length * Times];
        for (var i = 0; i < made.Length; i++)
            made[i] = IsReciprocal ? 1 / values[i / Times] : values[i / Times];
        return made;
    }
}
