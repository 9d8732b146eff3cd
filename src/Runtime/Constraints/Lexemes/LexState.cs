namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>How far the bytes of a lexeme have been read: a state of a deterministic automaton over bytes, made as it is asked for.</summary>
/// <remarks>
/// Every state but <see cref="Dead"/> can be completed. Lexers make equal states once, so states are compared by identity.
/// Reading is safe from several threads: a transition that two make at once comes out the same.
/// </remarks>
internal abstract class LexState
{
    private static int s_count;

    /// <summary>Transitions up to which they are a list; most states have few.</summary>
    private const int MostListed = 6;

    private LexState?[]? _next;
    private Transition[] _listed = [];
    private ByteSet _dead;
    private sbyte _canContinue; // 0: not yet known; 1: yes; -1: no

    private readonly byte _first;
    private readonly short _count;

    /// <summary>Creates a state.</summary>
    /// <param name="isAccepting">Whether the lexeme may end here.</param>
    /// <param name="first">The least byte that may be read.</param>
    /// <param name="count">Bytes from there on; none of the others may be read.</param>
    private protected LexState(bool isAccepting, byte first = 0, short count = 256)
    {
        IsAccepting = isAccepting;
        _first = first;
        _count = count;
    }

    /// <summary>The state from which nothing can be completed.</summary>
    public static LexState Dead { get; } = new DeadState();

    /// <summary>Orders states by age.</summary>
    public int Id { get; } = Interlocked.Increment(ref s_count);

    /// <summary>Whether the lexeme may end here.</summary>
    public bool IsAccepting { get; }

    /// <summary>Which of several lexemes ends here, where that decides what follows; otherwise -1.</summary>
    public virtual int Choice => -1;

    /// <summary>Whether the whole text may end within the lexeme, though the lexeme itself does not end here.</summary>
    public virtual bool EndsText => false;

    /// <summary>Whether the text of the lexeme matters to what follows it; see <see cref="CapturedText"/>.</summary>
    public virtual bool IsCapturing => false;

    /// <summary>Whether the state is of one text alone, so that remembering it would fill the memory with texts.</summary>
    public virtual bool IsTransient => IsCapturing;

    /// <summary>The bytes read so far, where <see cref="IsCapturing"/>.</summary>
    public virtual byte[] CapturedText() => [];

    /// <summary>The state that behaves alike for masks, where this one only remembers more.</summary>
    public virtual LexState Shape => this;

    /// <summary>Which tokens may come next, once that was asked for.</summary>
    internal Tokens.LexPlan? Plan { get; set; }

    /// <summary>The state after a byte, or <see cref="Dead"/>; not for states that capture.</summary>
    public LexState Next(byte value)
    {
        var index = value - _first;
        if ((uint)index >= (uint)_count)
        {
            return Dead;
        }

        if (Volatile.Read(ref _next) is { } next)
        {
            if (Volatile.Read(ref next[index]) is { } known)
            {
                return known;
            }
        }
        else
        {
            foreach (var transition in Volatile.Read(ref _listed))
            {
                if (transition.Value == value)
                {
                    return transition.State;
                }
            }

            if ((Volatile.Read(ref _dead[value >> 6]) >> (value & 63) & 1) != 0)
            {
                return Dead;
            }
        }

        var state = Compute(value);
        if (!state.IsTransient)
        {
            Remember(value, state);
        }

        return state;
    }

    // What two threads write at once may be lost to one of them; it is found again then.
    private void Remember(byte value, LexState state)
    {
        if (Volatile.Read(ref _next) is not { } next)
        {
            if (state == Dead)
            {
                Interlocked.Or(ref _dead[value >> 6], 1UL << (value & 63));
                return;
            }

            var listed = _listed;
            if (listed.Length < MostListed)
            {
                Volatile.Write(ref _listed, [.. listed, new Transition(value, state)]);
                return;
            }

            next = new LexState?[_count];
            foreach (var transition in listed)
            {
                next[transition.Value - _first] = transition.State;
            }

            for (var i = 0; i < next.Length; i++)
            {
                if ((_dead[(i + _first) >> 6] >> ((i + _first) & 63) & 1) != 0)
                {
                    next[i] = Dead;
                }
            }

            Volatile.Write(ref _next, next);
        }

        Volatile.Write(ref next[value - _first], state);
    }

    /// <summary>Whether anything can be read from here.</summary>
    public bool CanContinue
    {
        get
        {
            if (_canContinue == 0)
            {
                var value = 0;
                while (value < 256 && Shape.Next((byte)value) == Dead)
                {
                    value++;
                }

                _canContinue = (sbyte)(value < 256 ? 1 : -1);
            }

            return _canContinue > 0;
        }
    }

    /// <summary>What the string state says of long runs of characters, by which masks are found faster; null: nothing.</summary>
    public virtual StringRun? Run => null;

    /// <summary>A state that reads and ends alike for so many bytes, so that its tokens are found once for several; this one where none is known.</summary>
    public virtual LexState Within(int bytes) => this;

    /// <summary>Finds the state after a byte; called again where several threads ask at once.</summary>
    private protected abstract LexState Compute(byte value);

    private readonly record struct Transition(byte Value, LexState State);

    [System.Runtime.CompilerServices.InlineArray(4)]
    private struct ByteSet
    {
        private ulong _first;
    }

    private sealed class DeadState() : LexState(isAccepting: false)
    {
        private protected override LexState Compute(byte value) => this;
    }
}

/// <summary>The end of a lexeme that nothing can extend, a closing quote or a last byte.</summary>
/// <param name="choice">Which of several lexemes was read, where that decides what follows (<see cref="Machine.Node.Choose"/>); -1: it does not matter.</param>
internal sealed class EndState(int choice) : LexState(isAccepting: true)
{
    public static EndState Instance { get; } = new(-1);

    /// <inheritdoc/>
    public override int Choice => choice;

    private protected override LexState Compute(byte value) => Dead;
}
