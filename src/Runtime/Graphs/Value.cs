namespace Hearth.Runtime.Graphs;

/// <summary>A numbered value of a program: float32 [rows, Width], its rows those of a step or of its output.</summary>
/// <remarks>Known only while a program is written; nothing is computed by writing one.</remarks>
internal sealed class Value
{
    internal Value(ProgramBuilder builder, int number, int width)
    {
        Builder = builder;
        Number = number;
        Width = width;
    }

    /// <summary>Floats of one row.</summary>
    public int Width { get; }

    internal ProgramBuilder Builder { get; }

    internal int Number { get; }

    /// <summary>The sum, element by element; both of one shape.</summary>
    public static Value operator +(Value left, Value right)
    {
        ArgumentNullException.ThrowIfNull(left);
        return left.Builder.Add(left, right);
    }

    /// <summary>The product, element by element; both of one shape.</summary>
    public static Value operator *(Value left, Value right)
    {
        ArgumentNullException.ThrowIfNull(left);
        return left.Builder.Multiply(left, right);
    }
}
