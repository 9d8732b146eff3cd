namespace Hearth.Runtime;

/// <summary>The base of every error that Hearth raises on purpose; the message is written for the caller.</summary>
public class HearthException : Exception
{
    /// <summary>Creates the error with a message.</summary>
    public HearthException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the error with a message and what caused it.</summary>
    public HearthException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>A model file does not say what its format demands.</summary>
public sealed class ModelFormatException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What was expected and what was found.</param>
    /// <param name="file">The file at fault, where there is one.</param>
    /// <param name="offset">The byte offset in the file at which reading failed, where there is one.</param>
    /// <param name="innerException">What caused it.</param>
    public ModelFormatException(string message, string? file = null, long? offset = null, Exception? innerException = null)
        : base(Compose(message, file, offset), innerException)
    {
        File = file;
        Offset = offset;
    }

    /// <summary>The file at fault, or null for data that came from elsewhere.</summary>
    public string? File { get; }

    /// <summary>The byte offset at which reading failed, or null where no single place is at fault.</summary>
    public long? Offset { get; }

    private static string Compose(string message, string? file, long? offset) => (file, offset) switch
    {
        (null, null) => message,
        (null, _) => $"{message} (at byte {offset})",
        (_, null) => $"{file}: {message}",
        _ => $"{file}: {message} (at byte {offset})",
    };
}

/// <summary>The file is sound, but asks for an architecture, tensor type or tokenizer that is not built in.</summary>
public sealed class UnsupportedModelException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="what">What is not supported, for instance <c>architecture 'mamba'</c>.</param>
    /// <param name="supported">The names that are supported.</param>
    public UnsupportedModelException(string what, IEnumerable<string> supported)
        : base($"{what} is not supported; supported: {string.Join(", ", supported)}")
        => What = what;

    /// <summary>Adds to a refusal which other engines of this process take the model.</summary>
    /// <param name="refused">Why this engine does not.</param>
    /// <param name="engines">The others' names, at least one.</param>
    internal UnsupportedModelException(UnsupportedModelException refused, IEnumerable<string> engines)
        : base($"{refused.Message}. It is available with the engine {string.Join(" or ", engines)} (the option Engine, or --engine)", refused)
        => What = refused.What;

    /// <summary>What is not supported.</summary>
    public string What { get; }
}

/// <summary>A request needs more positions than the model or its cache has.</summary>
public sealed class ContextLengthExceededException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="tokensAsked">Tokens that the request would occupy.</param>
    /// <param name="tokensPossible">Tokens that one sequence may occupy.</param>
    /// <param name="textIndex">Which of several texts does not fit, from 0; null where there is one.</param>
    /// <param name="isLeast">Whether the text was refused by its length alone and takes so many tokens at least.</param>
    public ContextLengthExceededException(long tokensAsked, long tokensPossible, int? textIndex = null, bool isLeast = false)
        : base($"{(textIndex is null ? "the prompt" : $"text {textIndex}")} takes {(isLeast ? "at least " : "")}{tokensAsked} tokens, but at most {tokensPossible} fit into the context")
    {
        TokensAsked = tokensAsked;
        TokensPossible = tokensPossible;
        TextIndex = textIndex;
    }

    /// <summary>Creates the error of a text that filled the context before it ended.</summary>
    /// <param name="tokensPossible">Tokens that one sequence may occupy.</param>
    internal ContextLengthExceededException(long tokensPossible)
        : base($"the text filled the context of {tokensPossible} tokens before it ended")
    {
        TokensAsked = tokensPossible + 1;
        TokensPossible = tokensPossible;
    }

    /// <summary>Which of several texts to embed does not fit, from 0; null for a prompt.</summary>
    public int? TextIndex { get; }

    /// <summary>Tokens that the request would occupy.</summary>
    public long TokensAsked { get; }

    /// <summary>Tokens that one sequence may occupy.</summary>
    public long TokensPossible { get; }
}

/// <summary>A text to fill in has no mask, or more than are possible.</summary>
public sealed class MaskCountException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="found">Masks in the text.</param>
    /// <param name="possible">Masks that it may have.</param>
    /// <param name="spelling">How a mask is spelled.</param>
    /// <param name="textIndex">Which of the texts, from 0.</param>
    public MaskCountException(int found, int possible, string spelling, int textIndex)
        : base(found == 0 ? $"text {textIndex} has no mask; this model's is spelled '{spelling}'" : $"text {textIndex} has {found} masks, but at most {possible} are to be filled")
    {
        Found = found;
        Possible = possible;
        TextIndex = textIndex;
    }

    /// <summary>Masks in the text.</summary>
    public int Found { get; }

    /// <summary>Masks that it may have.</summary>
    public int Possible { get; }

    /// <summary>Which of the texts, from 0.</summary>
    public int TextIndex { get; }
}

/// <summary>The native engine could not be found, loaded or started.</summary>
public sealed class NativeLibraryException : HearthException
{
    /// <summary>Creates the error.</summary>
    public NativeLibraryException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>Memory for a model, its cache or its scratch space could not be had.</summary>
public sealed class OutOfModelMemoryException : HearthException
{
    /// <summary>Creates the error; the message holds the numbers.</summary>
    public OutOfModelMemoryException(string message)
        : base(message)
    {
    }
}

/// <summary>Too many requests are waiting; try again later.</summary>
public sealed class QueueFullException : HearthException
{
    /// <summary>Creates the error.</summary>
    /// <param name="capacity">Requests that may wait at a time.</param>
    /// <param name="retryAfter">When a place is likely to be free, as far as that is known.</param>
    public QueueFullException(int capacity, TimeSpan? retryAfter = null)
        : base($"{capacity} requests are waiting already; try again later")
    {
        Capacity = capacity;
        RetryAfter = retryAfter;
    }

    /// <summary>When a place is likely to be free, at the pace of the latest requests; null where nothing is known.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <summary>Requests that may wait at a time.</summary>
    public int Capacity { get; }
}
