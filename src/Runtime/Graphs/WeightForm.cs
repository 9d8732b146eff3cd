namespace Hearth.Runtime.Graphs;

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
