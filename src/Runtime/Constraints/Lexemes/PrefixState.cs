namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>One byte, then another state.</summary>
internal sealed class PrefixState(byte value, LexState then) : LexState(isAccepting: false)
{
    private protected override LexState Compute(byte next) => next == value ? then : Dead;
}
