namespace Hearth.Runtime.Scheduling;

/// <summary>Turns one generation's tokens into text as they come.</summary>
/// <remarks>Holds back what is not yet a whole character. Used by one thread at a time.</remarks>
internal interface ITextDecoder
{
    /// <summary>Takes the next token; returns the whole characters that are certain now.</summary>
    string Append(int token);

    /// <summary>The bytes that a token stands for; empty for one that has no text.</summary>
    ReadOnlyMemory<byte> BytesOf(int token);

    /// <summary>Returns what is still held back, for want of further tokens.</summary>
    string Flush();
}
