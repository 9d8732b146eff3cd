namespace Hearth.Runtime;

/// <summary>What happens where a text fills the context before it has ended.</summary>
public enum FullContext
{
    /// <summary>It ends with <see cref="FinishReason.Length"/>; a prompt that does not fit is refused.</summary>
    Stop,

    /// <summary>
    /// It goes on: what is in the middle is left out, and what is kept is read again at its new places, so that the text goes on
    /// as behind a prompt that never held the rest. <see cref="TokenUsage.DroppedTokens"/> says how much was left out.
    /// </summary>
    Shift,

    /// <summary>It fails with a <see cref="ContextLengthExceededException"/>.</summary>
    Error,
}
