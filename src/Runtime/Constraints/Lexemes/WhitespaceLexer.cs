namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>A run of JSON's white space, at least one and at most some bytes long.</summary>
/// <remarks>Source: RFC 8259, section 2.</remarks>
internal static class WhitespaceLexer
{
    /// <summary>The state before a run.</summary>
    /// <param name="most">Bytes of the longest run, at least 1.</param>
    public static LexState Start(int most)
    {
        LexState next = EndState.Instance;
        for (var left = 1; left < most; left++)
        {
            next = new State(next, isAccepting: true);
        }

        return new State(next, isAccepting: false);
    }

    private sealed class State(LexState next, bool isAccepting) : LexState(isAccepting)
    {
        private protected override LexState Compute(byte value) => value is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t' ? next : Dead;
    }
}
