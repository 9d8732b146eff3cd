namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>How far the bytes of a lexeme have been read: a state of a deterministic automaton over bytes, made as it is asked for.</summary>
/// <remarks>
/// Every state but <see cref="Dead"/> can be completed. Lexers make equal states once, so states are compared by identity.
/// Reading is safe from several threads: a transition that two make at once comes out the same.
/// </remarks>
internal abstract class LexState
{
    private static int s_count;

    private LexState?[]? _next;
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

        var next = _next ?? Interlocked.CompareExchange(ref _next, new LexState?[_count], null) ?? _next;
        var state = Volatile.Read(ref next[index]);
        if (state is null)
        {
            state = Compute(value);
            if (!state.IsTransient)
            {
                Volatile.Write(ref next[index], state);
            }
        }

        return state;
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

    /// <summary>Finds the state after a byte; called again where several threads ask at once.</summary>
    private protected abstract LexState Compute(byte value);

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
