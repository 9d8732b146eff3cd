namespace Hearth.Runtime.Graphs;

/// <summary>A state that is kept on the way through a step; laid out as hearth_checkpoint.</summary>
/// <param name="Rows">After so many of the sequence's rows in the step: 1 to its rows - 1.</param>
/// <param name="State">The state's number.</param>
internal readonly record struct StateCheckpoint(int Rows, int State);

/// <summary>Where a sequence's state is before and after a step, for models whose layers remember by a state.</summary>
/// <param name="From">The state's number; -1 at the beginning of a text.</param>
/// <param name="To">The number under which it is afterwards; may be <paramref name="From"/>.</param>
/// <param name="Checkpoints">Kept on the way, by rising rows.</param>
/// <remarks>The default is that of a model that keeps no state.</remarks>
internal readonly record struct StateMove(int From, int To, ReadOnlyMemory<StateCheckpoint> Checkpoints = default)
{
    /// <summary>A state that is written over by the next, from zeros on where the text begins.</summary>
    /// <param name="state">The state's number.</param>
    /// <param name="past">Rows before this step.</param>
    public static StateMove InPlace(int state, int past) => new(past == 0 ? -1 : state, state);
}
