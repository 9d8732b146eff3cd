using System.Runtime.InteropServices;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Microsoft.Extensions.Logging;

namespace Hearth.Runtime.Scheduling;

/// <summary>What a step came to.</summary>
internal enum StepOutcome
{
    /// <summary>Nothing is admitted and nothing waits.</summary>
    Idle,

    /// <summary>Nothing is admitted: what waits needs pages that others than requests hold.</summary>
    Blocked,

    /// <summary>The step ran; its positions are committed and its tokens handed out.</summary>
    Ran,

    /// <summary>Nothing ran: every admitted request waits for what its constraint allows.</summary>
    Waited,

    /// <summary>No request of the step could have its pages; each was put back or ended.</summary>
    Released,

    /// <summary>The runner failed, and with it the requests of the step.</summary>
    Failed,
}

/// <summary>Continuous batching: every step serves whatever requests there are, each at its own place.</summary>
/// <remarks>
/// A step is a transaction: end what nobody wants, admit, plan (changes nothing), reserve pages, run, then commit or
/// release. Between steps each admitted request owns exactly the pages of its positions. Not thread-safe: one thread steps.
/// </remarks>
internal sealed partial class Scheduler
{
    private readonly IStepRunner _runner;
    private readonly KvCache _cache;
    private readonly SourceEncoder? _encoder;
    private readonly RequestQueue _queue;
    private readonly StepLoopOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly int _maxAdmitted;
    private readonly int _rowBudget;
    private readonly int _outputBudget;
    private readonly List<ScheduledRequest> _admitted = [];
    private readonly List<StepEntry> _plan = [];
    private readonly StepBatch _batch = new();
    private readonly List<int> _tokens = [];
    private readonly ChoiceCrew _choosers;
    private readonly float[] _logits;
    private (ScheduledRequest Request, long Version)? _refused; // who had no room last, and the state of the caches then
    private volatile int _admittedCount;
    private int _pendingRows; // of prompts that are let in and not read yet

    // Of all requests of a step together: beyond it a step of guesses is no longer one that the weights' way from memory decides.
    private const int MostGuesses = 32;

    /// <summary>Creates a scheduler.</summary>
    /// <param name="runner">Sets further limits on rows and output rows; the smaller limits hold.</param>
    /// <param name="cache">The runner's pages.</param>
    /// <param name="queue">Where requests come from.</param>
    /// <param name="options">Checked.</param>
    /// <param name="time">Deadlines are compared with its clock.</param>
    /// <param name="logger">Told of failed steps and preemptions; never of contents.</param>
    /// <param name="encoder">Reads the requests' sources, for an encoder–decoder.</param>
    public Scheduler(
        IStepRunner runner, KvCache cache, RequestQueue queue, StepLoopOptions options,
        TimeProvider time, ILogger logger, SourceEncoder? encoder = null)
    {
        _encoder = encoder;
        _runner = runner;
        _cache = cache;
        _queue = queue;
        _options = options;
        _time = time;
        _logger = logger;
        _rowBudget = Math.Min(options.TokenBudget, runner.MaxRows);

        // Never more requests than rows, so that none waits for its row and a prompt always has at least one.
        _maxAdmitted = Math.Min(Math.Min(options.MaxConcurrentSequences, _rowBudget), runner.MaxOutputRows);
        _outputBudget = Math.Min(_maxAdmitted + MostGuesses, runner.MaxOutputRows);
        _logits = new float[(long)_outputBudget * runner.VocabularySize];
        _choosers = new ChoiceCrew(_maxAdmitted, Math.Min(options.ChoosingThreads, _maxAdmitted), runner.VocabularySize);
    }

    /// <summary>Requests that own pages; may be read from any thread.</summary>
    public int AdmittedCount => _admittedCount;

    /// <summary>How fast it has been lately.</summary>
    public LoopPace Pace { get; } = new();

    /// <summary>Rows of prompts that are let in and not read yet; may be read from any thread.</summary>
    public int PendingRows => Volatile.Read(ref _pendingRows);

    /// <summary>The most requests that own pages at a time.</summary>
    public int MaxAdmitted => _maxAdmitted;

    /// <summary>Makes one step.</summary>
    public StepOutcome Step()
    {
        EndUnwanted();
        foreach (var request in _choosers.ChooseLate(_admitted))
        {
            TakeChoices(request);
        }

        Admit();
        Volatile.Write(ref _pendingRows, _admitted.Sum(request => request.IsDecoding ? 0 : request.Pending));
        if (_admitted.Count == 0)
        {
            return _queue.Count == 0 ? StepOutcome.Idle : StepOutcome.Blocked;
        }

        var read = ReadSources();
        StepPlan.Build(_admitted, _rowBudget, _plan);
        Guess();
        ReservePages();
        return _plan.Count > 0 ? Run() : read ?? (ChoiceCrew.Wait(_admitted) ? StepOutcome.Waited : StepOutcome.Released);
    }

    /// <summary>Reads waiting sources in a step of the encoder, between two of the decoder.</summary>
    private StepOutcome? ReadSources()
    {
        try
        {
            return _encoder?.Read(_admitted) > 0 ? StepOutcome.Ran : null;
        }
        catch (Exception error)
        {
            _logger.LogError(error, "Reading the sources of {Requests} requests failed", _encoder!.LastRead.Count);
            foreach (var request in _encoder.LastRead)
            {
                Fail(request, SharedFault.ForOne(error));
            }

            return StepOutcome.Failed;
        }
    }

    /// <summary>Fails whatever is admitted.</summary>
    public void FailAll(Func<Exception> error)
    {
        while (_admitted.Count > 0)
        {
            Fail(_admitted[^1], error());
        }
    }

    private void EndUnwanted()
    {
        var now = _time.GetUtcNow();
        foreach (var request in _queue.RemoveUnwanted(now))
        {
            End(request, now);
        }

        for (var i = _admitted.Count - 1; i >= 0; i--)
        {
            var request = _admitted[i];
            if (request.CancelRequested || request.Deadline <= now)
            {
                ReleasePages(request, publish: true);
                End(request, now);
            }
        }

        static void End(ScheduledRequest request, DateTimeOffset now)
        {
            if (request.CancelRequested)
            {
                request.Cancel();
            }
            else
            {
                request.Complete(FinishReason.DeadlineExceeded);
            }
        }
    }

    /// <summary>Fills what is left of the step with guesses of how texts go on.</summary>
    /// <remarks>Not of models with states, which cannot go back to the row before a wrong guess, nor of texts under a constraint, which forces what is certain.</remarks>
    private void Guess()
    {
        var (rows, outputs) = (_rowBudget, _outputBudget);
        foreach (var entry in _plan)
        {
            rows -= entry.Rows;
            outputs -= entry.WantsLogits ? 1 : 0;
            entry.Request.Guesses.Clear();
        }

        if (_cache.KeepsStates || _options.Recurrence is not null)
        {
            return;
        }

        foreach (var (request, _, wantsLogits) in _plan)
        {
            if (wantsLogits && request is { Lookup: { } lookup, Walk: null, State: RequestState.Decoding })
            {
                lookup.Guess(request.History, Math.Min(Math.Min(rows, outputs), request.RoomToGuess), request.Guesses);
                rows -= request.Guesses.Count;
                outputs -= request.Guesses.Count;
            }
        }
    }

    private void ReservePages()
    {
        foreach (var entry in _plan)
        {
            while (entry.Request.State.IsAdmitted() && !TryReserve(entry))
            {
                MakeWay(entry.Request);
            }
        }

        _plan.RemoveAll(entry => !entry.Request.State.IsAdmitted());
    }

    private bool TryReserve(StepEntry entry)
    {
        try
        {
            var request = entry.Request;
            if (request.Guesses.Count > 0 && !request.Sequence!.TryReserve(entry.Rows + request.Guesses.Count))
            {
                // Nobody gives way to a guess.
                request.Guesses.Clear();
            }

            return request.Guesses.Count > 0 || request.Sequence!.TryReserve(entry.Rows);
        }
        catch (Exception error)
        {
            // Copying a shared page failed: nobody else is touched by it.
            _logger.LogError(error, "Reserving pages failed");
            Fail(entry.Request, error);
            return false;
        }
    }

    /// <summary>Takes the pages of whoever comes last; a request that is alone and has no room ends.</summary>
    private void MakeWay(ScheduledRequest request)
    {
        if (!request.State.IsAdmitted())
        {
            return;
        }

        if (_admitted.Count > 1)
        {
            Preempt(_admitted[^1]);
        }
        else if (request.CompletionTokens > 0)
        {
            Complete(request, FinishReason.Length);
        }
        else
        {
            Fail(request, new OutOfModelMemoryException(
                $"the prompt needs {_cache.PagesToReserve(request.Sequence!, request.Pending)} more cache pages, but only {_cache.AvailablePages} of {_cache.PageCount} are not held elsewhere"));
        }
    }

    private StepOutcome Run()
    {
        BuildBatch();
        var begun = _time.GetTimestamp();
        var promptRows = _plan.Sum(entry => entry.Request.IsDecoding ? 0 : entry.Rows);
        try
        {
            _runner.Run(_batch, _logits.AsSpan(0, _batch.OutputCount * _runner.VocabularySize));
        }
        catch (Exception error)
        {
            _logger.LogError(error, "A step of {Rows} rows of {Requests} requests failed", _batch.RowCount, _plan.Count);
            foreach (var entry in _plan)
            {
                Fail(entry.Request, SharedFault.ForOne(error));
            }

            return StepOutcome.Failed;
        }

        Commit();
        Pace.NoteStep(promptRows, _time.GetElapsedTime(begun));
        return StepOutcome.Ran;
    }

    private void BuildBatch()
    {
        _batch.Clear();
        foreach (var (request, rows, wantsLogits) in _plan)
        {
            var sequence = request.Sequence!;
            var memory = request.Memory is { } source ? source.Pages : default;
            _tokens.Clear();
            _tokens.AddRange(request.History.Slice(sequence.End, rows));
            _tokens.AddRange(request.Guesses);
            _batch.Add(
                sequence.Length, CollectionsMarshal.AsSpan(_tokens), sequence.Pages, wantsLogits ? 1 + request.Guesses.Count : 0,
                memory, request.Memory?.Length ?? 0, sequence.States, sequence.TokenList);
        }
    }

    private void Commit()
    {
        foreach (var (request, rows, _) in _plan)
        {
            var sequence = request.Sequence!;
            sequence.Commit(request.History.Slice(sequence.End, rows));
            if (_options.Recurrence is { } recurrence)
            {
                sequence.Forget(recurrence.Forgettable(sequence.Length, _cache.PageTokens));
            }

            if (request.State == RequestState.Prefilling && SharesPrefix(request))
            {
                // Others with the same system prompt need not wait for the end of this one.
                sequence.Publish(wholePagesOnly: !request.IsAwaited || request.Pending > 0);
            }

            if (request.Pending == 0)
            {
                request.LetOthersIn();
            }
        }

        _choosers.Choose(_plan, _logits);
        foreach (var (request, _, wantsLogits) in _plan)
        {
            if (request.LateLogits is not null)
            {
                continue;
            }

            if (wantsLogits)
            {
                KeepGuesses(request);
                TakeChoices(request);
            }
            else if (request.Pending == 0)
            {
                EndAtLimit(request);
            }
        }
    }

    /// <summary>The positions of guesses that were right count as the text's; those of the others are written anew.</summary>
    private void KeepGuesses(ScheduledRequest request)
    {
        if (request.Guesses.Count == 0)
        {
            return;
        }

        var right = Math.Max(0, request.Choices.Count - 1);
        var sequence = request.Sequence!;
        if (right > 0)
        {
            sequence.Commit(CollectionsMarshal.AsSpan(request.Guesses)[..right]);
        }

        sequence.CancelReservation();
        request.Lookup!.Learn(request.Guesses.Count, right);
        HearthMetrics.DraftedTokens.Add(request.Guesses.Count, Tag);
        HearthMetrics.AcceptedTokens.Add(right, Tag);
    }

    private void TakeChoices(ScheduledRequest request)
    {
        if (request.ChoiceFault is { } fault)
        {
            Fail(request, fault);
            return;
        }

        request.State = RequestState.Decoding;
        foreach (var choice in request.Choices)
        {
            if (!Take(request, choice))
            {
                return;
            }
        }

        if (JumpAhead(request))
        {
            request.Walk?.FillAhead();
        }
    }

    /// <summary>Takes what a constraint forces, which the next step reads as rows; false where the text ends with it.</summary>
    private bool JumpAhead(ScheduledRequest request)
    {
        while (request.TryJumpAhead(out var forced))
        {
            if (!Take(request, forced))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Takes a token into a text; false where the text ends before it or with it.</summary>
    private bool Take(ScheduledRequest request, TextToken token)
    {
        (token.IsForced ? HearthMetrics.ForcedTokens : HearthMetrics.GeneratedTokens).Add(1, Tag);
        if (request.EndsText(token.Id))
        {
            Pace.NoteEnd(_time.GetElapsedTime(request.AdmittedAt));
            ReleasePages(request, publish: true);
            request.CompleteBefore(token.Id);
            return false;
        }

        request.Append(token);
        if (request.Walk is { MustEnd: true })
        {
            Complete(request, FinishReason.Stop);
            return false;
        }

        if (request.CompletionTokens >= request.MaxCompletion)
        {
            EndAtLimit(request);
            return false;
        }

        if (request.Shift?.IsFull(request.History.Length) == true)
        {
            Shift(request);
        }

        return true;
    }

    /// <summary>Leaves out what is in the middle of a text that fills the context; what is kept behind it is read again at its new places.</summary>
    private void Shift(ScheduledRequest request)
    {
        var sequence = request.Sequence!;
        if (SharesPrefix(request))
        {
            sequence.Publish(wholePagesOnly: true);
        }

        var dropped = request.ShiftContext();
        HearthMetrics.DroppedTokens.Add(dropped, Tag);
        _logger.LogDebug("A full context goes on without {Dropped} of its tokens", dropped);
        if (SharesPrefix(request))
        {
            // What of it is cached: the kept beginning, or more where another text went the same way.
            sequence.Dispose();
            request.Sequence = _cache.CreateSequence(request.History, out _, request.CacheScope);
        }
        else
        {
            sequence.Truncate(sequence.Tokens.CommonPrefixLength(request.History[..^1]));
        }

        request.State = RequestState.Prefilling;
    }

    /// <summary>Ends a text at its token limit or at the context's end.</summary>
    private void EndAtLimit(ScheduledRequest request)
    {
        if (!request.FailsAtLimit)
        {
            Complete(request, FinishReason.Length);
            return;
        }

        Pace.NoteEnd(_time.GetElapsedTime(request.AdmittedAt));
        ReleasePages(request, publish: true);
        request.Fail(new ContextLengthExceededException(request.ContextLength));
    }

    private void Preempt(ScheduledRequest request)
    {
        _logger.LogDebug("A request of {Tokens} tokens gives its pages to others", request.History.Length);
        HearthMetrics.Preemptions.Add(1, Tag);
        ReleasePages(request, publish: true);
        request.State = RequestState.Preempted;
        if (!_queue.TryReturn(request))
        {
            request.Fail(StepLoop.Unloaded());
        }
    }

    private void Complete(ScheduledRequest request, FinishReason reason)
    {
        Pace.NoteEnd(_time.GetElapsedTime(request.AdmittedAt));
        ReleasePages(request, publish: true);
        request.Complete(reason);
    }

    private void Fail(ScheduledRequest request, Exception error)
    {
        ReleasePages(request, publish: false);
        request.Fail(error);
    }

    /// <summary>Takes an admitted request's pages before its reader learns of the end, so that what follows finds them.</summary>
    private void ReleasePages(ScheduledRequest request, bool publish)
    {
        var sequence = request.Sequence!;
        if (publish && SharesPrefix(request))
        {
            sequence.Publish();
        }

        sequence.Dispose();
        request.Sequence = null;
        request.LateLogits = null;
        request.ReleaseMemory();
        _admitted.Remove(request);
        _refused = null;
        CountAdmitted(-1);
        KvCacheInvariants.Check(_cache);
    }

    private void CountAdmitted(int change)
    {
        _admittedCount = _admitted.Count;
        HearthMetrics.Running.Add(change, Tag);
    }

    private KeyValuePair<string, object?> Tag => HearthMetrics.Model(_options.ModelId);
}
