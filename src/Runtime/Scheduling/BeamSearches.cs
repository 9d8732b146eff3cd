using Hearth.Runtime.Caching;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Scheduling;

/// <summary>A beam search that was asked for, checked.</summary>
/// <param name="Prompt">What every text begins with; at least one token.</param>
/// <param name="Source">What the encoder of an encoder–decoder reads; null for a decoder alone.</param>
/// <param name="Width">Beams, at least 1.</param>
/// <param name="LengthPenalty">The exponent of the length.</param>
/// <param name="MaxTokens">The most tokens of a text.</param>
/// <param name="Ends">Which tokens end a text.</param>
/// <param name="MinTokens">Tokens before which no text ends.</param>
/// <param name="Bias">Token ids and what is added to their logits.</param>
/// <param name="Deadline">When it is no longer worth going on; null: never.</param>
/// <param name="Admitted">Called when its turn has come.</param>
/// <param name="CacheScope">Whose cached prefixes it starts from; null: everybody's.</param>
internal sealed record BeamTask(
    int[] Prompt, int[]? Source, int Width, double LengthPenalty, int MaxTokens, TextEnds Ends, int MinTokens, KeyValuePair<int, float>[] Bias, DateTimeOffset? Deadline,
    Action? Admitted = null, string? CacheScope = null)
{
    /// <summary>Where every text begins in its constraint; null without one.</summary>
    public ITokenConstraint? Walk { get; init; }

    /// <summary>Tokens of the text that was given.</summary>
    public int PromptTokens => Source?.Length ?? Prompt.Length;
}

/// <summary>What a beam search came to.</summary>
/// <param name="Texts">The best first; empty where the deadline passed before the end.</param>
/// <param name="Match">What the cache held of the prompt.</param>
internal sealed record BeamOutcome(IReadOnlyList<FoundText> Texts, PrefixMatch Match);

/// <summary>One model's beam searches: each in its turn, on a thread of its own beside the step loop, on the same pages.</summary>
/// <remarks>Safe to use from several threads. Steps of searches and of the loop take turns in the engine.</remarks>
internal sealed class BeamSearches : IAsyncDisposable
{
    private readonly IStepRunner _runner;
    private readonly KvCache _cache;
    private readonly SourceEncoder? _encoder;
    private readonly StepLoopOptions _options;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly CancellationTokenSource _stopping = new();
    private int _asked;

    /// <summary>Prepares for searches.</summary>
    /// <param name="runner">Computes steps.</param>
    /// <param name="cache">The runner's pages.</param>
    /// <param name="encoder">Reads the sources of an encoder–decoder.</param>
    /// <param name="options">Searches that may wait; whether prompts start from cached prefixes.</param>
    /// <param name="time">The clock of deadlines.</param>
    public BeamSearches(IStepRunner runner, KvCache cache, SourceEncoder? encoder, StepLoopOptions options, TimeProvider time)
        => (_runner, _cache, _encoder, _options, _time) = (runner, cache, encoder, options, time);

    /// <summary>Searches that run: 0 or 1.</summary>
    public int Running => 1 - _turn.CurrentCount;

    /// <summary>Searches that wait for their turn.</summary>
    public int Waiting => Math.Max(0, Volatile.Read(ref _asked) - Running);

    /// <summary>The most beams that a step holds.</summary>
    public int MostBeams => Math.Min(_runner.MaxRows, _runner.MaxOutputRows);

    /// <summary>Searches when its turn comes.</summary>
    /// <exception cref="QueueFullException">Too many searches are waiting.</exception>
    /// <exception cref="OutOfModelMemoryException">The cache has no pages left for the source or the beams.</exception>
    /// <exception cref="ObjectDisposedException">The model was unloaded.</exception>
    public async Task<BeamOutcome> RunAsync(BeamTask task, CancellationToken cancellationToken)
    {
        using var deadline = DeadlineOf(task);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stopping.Token, deadline.Token);
        if (Interlocked.Increment(ref _asked) > _options.QueueCapacity + 1)
        {
            Interlocked.Decrement(ref _asked);
            throw new QueueFullException(_options.QueueCapacity);
        }

        try
        {
            await _turn.WaitAsync(either.Token).ConfigureAwait(false);
            try
            {
                ScheduledRequest.Report(task.Admitted);
                return await Task.Run(() => Run(task, either.Token), either.Token).ConfigureAwait(false);
            }
            finally
            {
                _turn.Release();
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw StepLoop.Unloaded();
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return new BeamOutcome([], new PrefixMatch(0, CacheMissReason.NothingCached));
        }
        finally
        {
            Interlocked.Decrement(ref _asked);
        }
    }

    /// <summary>Ends the search that runs, at its next step, and those that wait.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _turn.WaitAsync().ConfigureAwait(false);
        _turn.Release();
    }

    private CancellationTokenSource DeadlineOf(BeamTask task)
    {
        if (task.Deadline is not { } deadline)
            return new CancellationTokenSource();
        // Timers take no more than 49 days; a search is over by then.
        var left = deadline - _time.GetUtcNow();
        return new CancellationTokenSource(left < TimeSpan.Zero ? TimeSpan.Zero : left > TimeSpan.FromDays(40) ? TimeSpan.FromDays(40) : left, _time);
    }

    private BeamOutcome Run(BeamTask task, CancellationToken cancellationToken)
    {
        var match = new PrefixMatch(0, CacheMissReason.NothingCached);
        var known = false;
        using var memory = task.Source is null ? null : _encoder!.Encode(task.Source, out known, task.CacheScope);
        if (known)
            match = new PrefixMatch(task.Source!.Length, CacheMissReason.None);
        var shares = task.Source is null && _options.CachePrefixes && _options.Recurrence is null;
        var search = new BeamSearch(_runner, memory, task, _options.Recurrence);
        var sequence = shares ? _cache.CreateSequence(task.Prompt, out match, task.CacheScope) : _cache.CreateSequence();
        HearthMetrics.PromptTokens.Add(task.PromptTokens, HearthMetrics.Model(_options.ModelId));
        HearthMetrics.CachedTokens.Add(match.Length, HearthMetrics.Model(_options.ModelId));
        var texts = search.Run(sequence, shares, cancellationToken);
        HearthMetrics.GeneratedTokens.Add(texts.Sum(text => text.Tokens.Count), HearthMetrics.Model(_options.ModelId));
        return new BeamOutcome(texts, match);
    }
}
