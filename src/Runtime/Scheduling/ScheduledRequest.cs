using System.Runtime.InteropServices;
using System.Threading.Channels;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Sampling;

namespace Hearth.Runtime.Scheduling;

/// <summary>A request in the scheduler's hands.</summary>
/// <remarks>
/// Owned by the queue while it waits and by the scheduler's thread while it is admitted. Its reader sees the tokens,
/// the cancellation flag and, once the tokens have ended, the outcome.
/// </remarks>
internal sealed class ScheduledRequest
{
    // Bounded by the context length: the loop never waits for a reader.
    private readonly Channel<int> _tokens = Channel.CreateUnbounded<int>(
        new UnboundedChannelOptions { SingleReader = true, SingleWriter = true, AllowSynchronousContinuations = false });

    private readonly List<int> _history;
    private readonly int _begin;
    private Action? _admitted;
    private volatile bool _cancelRequested;

    /// <summary>Takes a checked prompt.</summary>
    /// <param name="prompt">Token ids, at least one, at most contextLength.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="parameters">Its options, checked.</param>
    /// <param name="contextLength">Positions that one sequence may have.</param>
    /// <param name="source">The text that the encoder of an encoder–decoder reads, checked; the prompt is then the decoder's.</param>
    public ScheduledRequest(List<int> prompt, GenerationRequest request, SamplingParameters parameters, int contextLength, int[]? source = null)
    {
        _history = prompt;
        _begin = prompt.Count;
        Source = source;
        MaxCompletion = Math.Min(request.Options.TokenLimit, contextLength - prompt.Count);
        IgnoreEndOfText = request.Options.IgnoreEndOfText;
        Priority = request.Priority;
        Deadline = request.Deadline;
        CacheScope = request.CacheScope;
        _admitted = request.Admitted;
        Sampler = new Sampler(parameters, CollectionsMarshal.AsSpan(prompt));
    }

    /// <summary>Prompt and chosen tokens.</summary>
    public ReadOnlySpan<int> History => CollectionsMarshal.AsSpan(_history);

    /// <summary>Tokens of the text that was given: the source's, of an encoder–decoder.</summary>
    public int PromptTokens => Source?.Length ?? _begin;

    public int CompletionTokens => _history.Count - _begin;

    /// <summary>What the encoder reads; null for a decoder alone.</summary>
    public int[]? Source { get; }

    /// <summary>The most tokens that are generated, by the request's limit and the context's.</summary>
    public int MaxCompletion { get; }

    public bool IgnoreEndOfText { get; }

    public int Priority { get; }

    /// <summary>Whose cached prefixes it starts from; null: everybody's.</summary>
    public string? CacheScope { get; }

    public DateTimeOffset? Deadline { get; }

    public Sampler Sampler { get; }

    /// <summary>Rises with each request that is queued; kept through preemption.</summary>
    public long Arrival { get; set; }

    public RequestState State { get; set; } = RequestState.Waiting;

    /// <summary>Its pages, while it is admitted.</summary>
    public KvSequence? Sequence { get; set; }

    /// <summary>The encoder's output, or the pages for it, while it is admitted.</summary>
    public KvSequence? Memory { get; set; }

    /// <summary>Whether the encoder has yet to read its source.</summary>
    public bool AwaitsSource => Source is not null && Memory!.Length == 0;

    /// <summary>What the cache held when it was first admitted; null before.</summary>
    public PrefixMatch? Match { get; set; }

    /// <summary>Set when it is Completed.</summary>
    public FinishReason? FinishReason { get; private set; }

    /// <summary>Tokens that are not in its pages yet; at least 1 while it is admitted.</summary>
    public int Pending => _history.Count - Sequence!.End;

    public bool CancelRequested => _cancelRequested;

    public ChannelReader<int> Tokens => _tokens.Reader;

    public void RequestCancellation() => _cancelRequested = true;

    /// <summary>Tells whoever asked that the prompt begins to be read; the first time only.</summary>
    public void ReportAdmitted() => Report(Interlocked.Exchange(ref _admitted, null));

    /// <summary>Calls what a caller gave; whatever it does, the others' requests go on.</summary>
    public static void Report(Action? admitted)
    {
        try
        {
            admitted?.Invoke();
        }
        catch (Exception)
        {
            // Documented: it is lost.
        }
    }

    /// <summary>Takes a chosen token and hands it to the reader.</summary>
    public void Append(int token)
    {
        _history.Add(token);
        _tokens.Writer.TryWrite(token);
    }

    /// <summary>Lets the encoder's output go.</summary>
    public void ReleaseMemory()
    {
        Memory?.Dispose();
        Memory = null;
    }

    public void Complete(FinishReason reason)
    {
        State = RequestState.Completed;
        FinishReason = reason;
        _tokens.Writer.TryComplete();
    }

    public void Cancel()
    {
        State = RequestState.Cancelled;
        _tokens.Writer.TryComplete(new OperationCanceledException("the request was cancelled"));
    }

    public void Fail(Exception error)
    {
        State = RequestState.Failed;
        _tokens.Writer.TryComplete(error);
    }

    /// <summary>What the request cost if it ends after a number of its tokens.</summary>
    public TokenUsage Usage(int completionTokens)
    {
        var match = Match ?? new PrefixMatch(0, CacheMissReason.NothingCached);
        return new TokenUsage(PromptTokens, completionTokens, match.Length, match.Reason, match.Length);
    }
}

/// <summary>Who comes first: higher priority, then earlier arrival.</summary>
internal sealed class RequestOrder : IComparer<ScheduledRequest>
{
    public static RequestOrder Instance { get; } = new();

    public int Compare(ScheduledRequest? x, ScheduledRequest? y)
    {
        var byPriority = y!.Priority.CompareTo(x!.Priority);
        return byPriority != 0 ? byPriority : x.Arrival.CompareTo(y.Arrival);
    }
}
