using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Caching;

/// <summary>The numbers of the states that one sequence holds: its own, those kept on the way, and those reserved for a step.</summary>
/// <remarks>Each number is one reference in the pool of states. Guarded by the cache's lock.</remarks>
internal sealed class SequenceState
{
    /// <summary>How many checkpoints a sequence holds by itself; the prefix tree keeps those that were published.</summary>
    public const int MostCheckpoints = 3;

    /// <summary>The state after the sequence's last position; -1 where it has none.</summary>
    public int Current { get; set; } = -1;

    /// <summary>States after earlier positions, and maybe after the last, by rising length.</summary>
    public List<(int Length, int State)> Checkpoints { get; } = [];

    /// <summary>Receives the state of the step for which positions are reserved; <see cref="Current"/> where it is written in place; -1 without a reservation.</summary>
    public int Next { get; set; } = -1;

    /// <summary>Positions reserved for that step.</summary>
    public int Reserved { get; set; }

    /// <summary>States to be kept on the way through that step.</summary>
    public List<StateCheckpoint> NextCheckpoints { get; } = [];

    /// <summary>The end of the pages that another text began alike: whoever begins so again goes on from there.</summary>
    public int Branch { get; set; }

    public StateMove Move(int length)
        => Next < 0 ? default : new StateMove(length == 0 ? -1 : Current, Next, NextCheckpoints.Count == 0 ? default : NextCheckpoints.ToArray());

    /// <summary>The state after so many positions; -1 where none is held.</summary>
    public int After(int length, int sequenceLength)
    {
        if (length == sequenceLength)
            return Current;
        foreach (var (at, state) in Checkpoints)
        {
            if (at == length)
                return state;
        }

        return -1;
    }
}
