using System.Runtime.CompilerServices;
using Hearth.Runtime.Constraints.Lexemes;

namespace Hearth.Runtime.Constraints.Machine;

/// <summary>Reads a text byte by byte along all ways that rules allow, at once.</summary>
/// <remarks>
/// A pushdown automaton whose sets of stacks are shared and canonical, so that ambiguity costs little and states can be
/// remembered. Rules must not call themselves before they read. Safe for several threads. Source: M. Tomita,
/// "An Efficient Augmented-Context-Free Parsing Algorithm", 1987, for stacks that are shared.
/// </remarks>
internal sealed class PushdownMachine
{
    /// <summary>States and stacks that are remembered; beyond it all are forgotten and made again.</summary>
    private const int MostRemembered = 60_000;

    /// <summary>Readings of a text at a time; beyond it the rules are too ambiguous.</summary>
    private const int MostThreads = 4000;

    private readonly Lock _lock = new();
    private readonly StackSets _stacks = new();
    private readonly Dictionary<StateKey, MachineState> _states = [];
    private readonly Builder _builder; // used under the lock, and empty between uses

    /// <summary>Creates a machine that begins at a node.</summary>
    public PushdownMachine(Node start)
    {
        _builder = new Builder(this);
        _builder.Follow(start, _stacks.OnlyEmpty);
        Start = _builder.ToState();
    }

    /// <summary>No text begins like this.</summary>
    public static MachineState Dead { get; } = new([], canEnd: false);

    /// <summary>Before the first byte.</summary>
    public MachineState Start { get; }

    /// <summary>All readings after a byte; <see cref="Dead"/> where there is none.</summary>
    /// <exception cref="ConstraintException">The text has too many readings.</exception>
    public MachineState Next(MachineState state, byte value)
    {
        if (state.KnownNext(value) is { } known)
        {
            return known;
        }

        lock (_lock)
        {
            if (state.KnownNext(value) is { } made)
            {
                return made;
            }

            var builder = _builder;
            builder.Clear();
            try
            {
                foreach (var (lexeme, target, stacks) in state.Threads)
                {
                    builder.Read(lexeme is CaptureState capturing ? capturing.Advance(value) : lexeme.Next(value), target, stacks);
                }
            }
            catch (InsufficientExecutionStackException)
            {
                throw TooDeep();
            }

            // What depends on the text itself would be remembered once a text.
            var next = builder.ToState();
            if (!next.IsTransient && !state.IsTransient)
            {
                state.Remember(value, next);
            }

            return next;
        }
    }

    /// <summary>All readings behind a thread's lexeme that ends.</summary>
    /// <param name="thread">What is read; the text of a lexeme that captures counts as unknown.</param>
    /// <param name="end">The state in which its lexeme ends.</param>
    public MachineState After(in MachineThread thread, LexState end)
    {
        lock (_lock)
        {
            var builder = _builder;
            builder.Clear();
            try
            {
                builder.Follow(end.Choice >= 0 ? thread.Target.Choose(end.Choice) : thread.Target, thread.Stacks);
            }
            catch (InsufficientExecutionStackException)
            {
                throw TooDeep();
            }

            return builder.ToState();
        }
    }

    private static ConstraintException TooDeep() => new("the text is nested too deeply for the constraint to go on");

    private static Node Behind(LexState lexeme, Node target)
        => lexeme.IsCapturing ? target.Capture(lexeme.CapturedText()) : lexeme.Choice >= 0 ? target.Choose(lexeme.Choice) : target;

    /// <summary>The only byte that can follow, or -1.</summary>
    public static int FindForcedByte(MachineState state)
    {
        if (state.ForcedByte == -2)
        {
            state.ForcedByte = state.CanEnd ? -1 : Find();
        }

        return state.ForcedByte;

        int Find()
        {
            var found = -1;
            foreach (var thread in state.Threads)
            {
                for (var value = 0; value < 256; value++)
                {
                    if (value != found && thread.Lexeme.Shape.Next((byte)value) != LexState.Dead)
                    {
                        if (found >= 0)
                        {
                            return -1;
                        }

                        found = value;
                    }
                }
            }

            return found;
        }
    }

    private MachineState Intern(MachineThread[] threads, bool canEnd)
    {
        if (threads.Length == 0 && !canEnd)
        {
            return Dead;
        }

        if (Array.Exists(threads, static thread => thread.Lexeme.IsTransient))
        {
            return new MachineState(threads, canEnd) { IsTransient = true };
        }

        var key = new StateKey(threads, canEnd);
        if (_states.TryGetValue(key, out var known))
        {
            return known;
        }

        if (_states.Count + _stacks.Count > MostRemembered)
        {
            _states.Clear();
            _stacks.Forget();
            Start.Forget();
        }

        var state = new MachineState(threads, canEnd);
        _states[key] = state;
        return state;
    }

    /// <summary>Gathers the readings of one state.</summary>
    private sealed class Builder(PushdownMachine machine)
    {
        private readonly Dictionary<(LexState, Node), StackSet> _threads = [];
        private readonly HashSet<(Node, StackSet)> _followed = [];
        private bool _canEnd;

        /// <summary>Takes a reading whose lexeme has been read so far.</summary>
        public void Read(LexState lexeme, Node target, StackSet stacks)
        {
            if (lexeme == LexState.Dead)
            {
                return;
            }

            _canEnd |= lexeme.EndsText;
            if (!lexeme.IsAccepting || lexeme.CanContinue)
            {
                var key = (lexeme, target);
                _threads[key] = _threads.TryGetValue(key, out var others) ? machine._stacks.Union(others, stacks) : stacks;
                if (_threads.Count > MostThreads)
                {
                    throw new ConstraintException($"the text has more than {MostThreads} readings: the grammar is too ambiguous");
                }
            }

            if (lexeme.IsAccepting)
            {
                Follow(Behind(lexeme, target), stacks);
            }
        }

        /// <summary>Takes all readings that begin at a node.</summary>
        public void Follow(Node node, StackSet stacks)
        {
            RuntimeHelpers.EnsureSufficientExecutionStack();
            if (!_followed.Add((node, stacks)))
            {
                return;
            }

            if (node == Node.End)
            {
                _canEnd |= stacks.HoldsEmpty;
                foreach (var (top, below) in stacks.Tops)
                {
                    Follow(top, below);
                }

                return;
            }

            foreach (var (lexeme, target, then) in node.Edges)
            {
                if (lexeme is not null)
                {
                    Read(lexeme, target, stacks);
                }
                else
                {
                    Follow(target, then is null ? stacks : machine._stacks.Push(then, stacks));
                }
            }
        }

        /// <summary>Makes ready for the next state; also where gathering has failed.</summary>
        public void Clear()
        {
            _threads.Clear();
            _followed.Clear();
            _canEnd = false;
        }

        public MachineState ToState()
        {
            var threads = new MachineThread[_threads.Count];
            var i = 0;
            foreach (var ((lexeme, target), stacks) in _threads)
            {
                threads[i++] = new MachineThread(lexeme, target, stacks);
            }

            Array.Sort(threads, static (a, b) => a.Lexeme.Id != b.Lexeme.Id ? a.Lexeme.Id.CompareTo(b.Lexeme.Id) : a.Target.Id.CompareTo(b.Target.Id));
            var canEnd = _canEnd;
            Clear();
            return machine.Intern(threads, canEnd);
        }
    }

    private readonly struct StateKey(MachineThread[] threads, bool canEnd) : IEquatable<StateKey>
    {
        private readonly MachineThread[] _threads = threads;
        private readonly bool _canEnd = canEnd;

        public bool Equals(StateKey other) => _canEnd == other._canEnd && _threads.AsSpan().SequenceEqual(other._threads);

        public override bool Equals(object? obj) => obj is StateKey other && Equals(other);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            hash.Add(_canEnd);
            foreach (var (lexeme, target, stacks) in _threads)
            {
                hash.Add(lexeme.Id);
                hash.Add(target.Id);
                hash.Add(stacks.Id);
            }

            return hash.ToHashCode();
        }
    }
}
