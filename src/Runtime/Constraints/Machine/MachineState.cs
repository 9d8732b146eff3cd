using Hearth.Runtime.Constraints.Lexemes;

namespace Hearth.Runtime.Constraints.Machine;

/// <summary>One reading of the text so far: a lexeme in progress, the place behind it, and all stacks of calls under it.</summary>
internal readonly record struct MachineThread(LexState Lexeme, Node Target, StackSet Stacks);

/// <summary>All readings of the text so far. Made by <see cref="PushdownMachine"/>, equal ones once; immutable but for what it remembers.</summary>
internal sealed class MachineState
{
    /// <summary>Transitions up to which they are a list; most states have few.</summary>
    private const int MostListed = 8;

    private Transition[] _transitions = [];
    private MachineState?[]? _table;

    internal MachineState(MachineThread[] threads, bool canEnd)
    {
        Threads = threads;
        CanEnd = canEnd;
    }

    /// <summary>Ordered by lexeme and place.</summary>
    public MachineThread[] Threads { get; }

    /// <summary>Whether the text may end here.</summary>
    public bool CanEnd { get; }

    /// <summary>Whether nothing can follow.</summary>
    public bool MustEnd => CanEnd && Threads.Length == 0;

    /// <summary>Whether no text begins like this.</summary>
    public bool IsDead => !CanEnd && Threads.Length == 0;

    /// <summary>Whether the state is of one text alone; see <see cref="LexState.IsTransient"/>.</summary>
    public bool IsTransient { get; init; }

    /// <summary>The only byte that can follow; -1: there are several, or none; -2: not yet known.</summary>
    internal int ForcedByte { get; set; } = -2;

    internal MachineState? KnownNext(byte value)
    {
        if (Volatile.Read(ref _table) is { } table)
        {
            return Volatile.Read(ref table[value]);
        }

        foreach (var transition in Volatile.Read(ref _transitions))
        {
            if (transition.Value == value)
            {
                return transition.State;
            }
        }

        return null;
    }

    /// <summary>Takes a transition; by one thread at a time.</summary>
    internal void Remember(byte value, MachineState next)
    {
        if (_table is null && _transitions.Length < MostListed)
        {
            Volatile.Write(ref _transitions, [.. _transitions, new Transition(value, next)]);
            return;
        }

        var table = _table ?? new MachineState?[256];
        foreach (var transition in _transitions)
        {
            table[transition.Value] = transition.State;
        }

        Volatile.Write(ref table[value], next);
        Volatile.Write(ref _table, table);
        Volatile.Write(ref _transitions, []);
    }

    internal void Forget()
    {
        Volatile.Write(ref _transitions, []);
        Volatile.Write(ref _table, null);
    }

    private readonly record struct Transition(byte Value, MachineState State);
}
