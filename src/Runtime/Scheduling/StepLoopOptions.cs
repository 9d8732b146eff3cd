using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Scheduling;

/// <summary>How a step loop divides its steps.</summary>
internal sealed record StepLoopOptions
{
    /// <summary>Requests that own pages at a time, at least 1.</summary>
    public int MaxConcurrentSequences { get; init; } = 16;

    /// <summary>Rows of one step, at least 1: first a row of each decoding request, then pieces of prompts.</summary>
    public int TokenBudget { get; init; } = 512;

    /// <summary>Threads that choose tokens of a step's requests at a time, at least 1; what they choose does not depend on it.</summary>
    public int ChoosingThreads { get; init; } = Math.Min(Environment.ProcessorCount, 8);

    /// <summary>Requests that may wait at a time, at least 1.</summary>
    public int QueueCapacity { get; init; } = 256;

    /// <summary>Positions that the model can tell apart, at least 1; the cache's capacity is a second limit.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Whether prompts start from cached prefixes, and leave theirs.</summary>
    public bool CachePrefixes { get; init; } = true;

    /// <summary>How text is read in segments; then the context has no end. Null: as one.</summary>
    public Recurrence? Recurrence { get; init; }

    /// <summary>The token that an encoder–decoder's output begins with.</summary>
    public int DecoderStart { get; init; }

    /// <summary>Tokens that are never chosen; each within the vocabulary.</summary>
    public IReadOnlyList<int> Suppressed { get; init; } = [];

    /// <summary>Whether a row gives the same bits with any rows beside it: only then guesses change no text.</summary>
    public bool GivesSameBits { get; init; } = true;

    /// <summary>Tokens guessed in a step where a request does not say how many.</summary>
    public int DraftTokens { get; init; }

    /// <summary>The name in metrics.</summary>
    public string ModelId { get; init; } = "";

    /// <summary>Names the model and the types of its cache in saved sequences.</summary>
    public string ModelFingerprint { get; init; } = "";

    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxConcurrentSequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(TokenBudget, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(QueueCapacity, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ChoosingThreads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ContextLength, 1);
    }
}
