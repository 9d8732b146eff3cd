namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>A state that remembers the bytes that led to it, because what follows depends on them.</summary>
/// <remarks>Never shared and never remembered: a text has its own.</remarks>
internal sealed class CaptureState : LexState
{
    private readonly CaptureState? _before;
    private readonly byte _value;

    private CaptureState(LexState shape, CaptureState? before, byte value)
        : base(shape.IsAccepting)
    {
        Shape = shape;
        _before = before;
        _value = value;
    }

    /// <inheritdoc/>
    public override bool IsCapturing => true;

    /// <inheritdoc/>
    public override LexState Shape { get; }

    /// <summary>Remembers from here on.</summary>
    public static CaptureState Start(LexState shape) => new(shape, null, 0);

    /// <summary>The state after a byte, or <see cref="LexState.Dead"/>.</summary>
    public LexState Advance(byte value) => Shape.Next(value) is var next && next == Dead ? Dead : new CaptureState(next, this, value);

    /// <inheritdoc/>
    public override byte[] CapturedText()
    {
        var length = 0;
        for (var state = this; state._before is not null; state = state._before)
        {
            length++;
        }

        var text = new byte[length];
        for (var state = this; state._before is not null; state = state._before)
        {
            text[--length] = state._value;
        }

        return text;
    }

    private protected override LexState Compute(byte value) => Advance(value);
}
