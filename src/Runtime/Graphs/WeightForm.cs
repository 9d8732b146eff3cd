namespace Hearth.Runtime.Graphs;

/// <summary>How the values of a vector are made of a tensor's when they are loaded.</summary>
/// <param name="Times">How often each is repeated, one after another.</param>
/// <param name="IsReciprocal">Whether 1 / value is used.</param>
internal sealed record WeightForm(int Times, bool IsReciprocal)
{
    /// <summary>The tensor's values.</summary>
    public static readonly WeightForm AsStored = new(1, IsReciprocal: false);

    /// <summary>Values of the rows of a matrix that is given column by column; 0: as it is.</summary>
    public int TransposedColumns { get; init; }

    /// <summary>Makes the vector.</summary>
    public float[] Apply(float[] values)
    {
        if (this == AsStored)
            return values;
        if (TransposedColumns > 0)
            return Transposed(values);
        var made = new float[values.Length * Times];
        for (var i = 0; i < made.Length; i++)
            made[i] = IsReciprocal ? 1 / values[i / Times] : values[i / Times];
        return made;
    }

    private float[] Transposed(float[] values)
    {
        var rows = values.Length / TransposedColumns;
        var made = new float[values.Length];
        for (var i = 0; i < made.Length; i++)
            made[i] = values[(i % rows * TransposedColumns) + (i / rows)];
        return made;
    }
}
