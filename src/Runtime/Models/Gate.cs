using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>How a gate and an inner value become one: function(gate) * up (arXiv 2002.05202), a few families within bounds.</summary>
/// <param name="Function">Of the gate.</param>
internal sealed record Gate(ActivationFunction Function)
{
    /// <summary>The most that the function gets to see; infinity: no bound.</summary>
    public float MostInput { get; init; } = float.PositiveInfinity;

    /// <summary>The most that the function's result may be; infinity: no bound.</summary>
    public float MostOutput { get; init; } = float.PositiveInfinity;

    /// <summary>Bound of the inner value's size; infinity: none.</summary>
    public float UpBound { get; init; } = float.PositiveInfinity;

    /// <summary>Added to the inner value.</summary>
    public float UpOffset { get; init; }

    /// <summary>A gate without bounds.</summary>
    public static implicit operator Gate(ActivationFunction function) => new(function);

    /// <summary>Writes it.</summary>
    /// <param name="program">Takes the operations.</param>
    /// <param name="gate">[rows, width].</param>
    /// <param name="up">[rows, width], the inner value.</param>
    /// <returns>[rows, width].</returns>
    public Value Apply(ProgramBuilder program, Value gate, Value up)
    {
        if (float.IsFinite(MostInput))
            gate = program.Clamp(gate, float.NegativeInfinity, MostInput);
        if (float.IsFinite(UpBound))
            up = program.Clamp(up, -UpBound, UpBound);
        if (UpOffset != 0)
            up = program.Scale(up, 1, UpOffset);
        return float.IsFinite(MostOutput)
            ? program.Multiply(program.Clamp(program.Activate(Function, gate), float.NegativeInfinity, MostOutput), up)
            : program.Activate(Function, gate, up);
    }
}
