using System.Diagnostics;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Sampling;
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
internal sealed class Scheduler
{
    /// <summary>How long the requests of a step wait for what the constraint of one of them allows.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(3);

    private readonly IStepRunner _runner;
    private readonly KvCache _cache;
    private readonly SourceEncoder? _encoder;
    private readonly RequestQueue _queue;
    private readonly StepLoopOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly int _maxAdmitted;
    private readonly int _rowBudget;
    private readonly List<ScheduledRequest> _admitted = [];
    private readonly List<StepEntry> _plan = [];
    private readonly StepBatch _batch = new();
    private readonly SamplerScratch[] _scratch;
    private readonly (ScheduledRequest Request, Memory<float> Logits)[] _choosing;
    private readonly List<(ScheduledRequest Request, Memory<float> Logits)> _late = [];
    private readonly WorkCrew _choosers;
    private readonly float[] _logits;
    private (ScheduledRequest Request, long Version)? _refused; // who had no room last, and the state of the caches then
    private volatile int _admittedCount;

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
        _logits = new float[(long)_maxAdmitted * runner.VocabularySize];
        _choosing = new (ScheduledRequest, Memory<float>)[_maxAdmitted];
        var choosers = Math.Min(options.ChoosingThreads, _maxAdmitted);
        _scratch = [.. Enumerable.Range(0, choosers).Select(_ => new SamplerScratch())];
        _choosers = new WorkCrew(choosers, (i, worker) => _choosing[i].Request.Choose(_choosing[i].Logits.Span, _scratch[worker]));
    }

    /// <summary>Requests that own pages; may be read from any thread.</summary>
    public int AdmittedCount => _admittedCount;

    /// <summary>Makes one step.</summary>
    public StepOutcome Step()
    {
        EndUnwanted();
        TakeLate();
        Admit();
        if (_admitted.Count == 0)
        {
            return _queue.Count == 0 ? StepOutcome.Idle : StepOutcome.Blocked;
        }

        var read = ReadSources();
        StepPlan.Build(_admitted, _rowBudget, _plan);
        ReservePages();
        return _plan.Count > 0 ? Run() : read ?? (WaitForMask() ? StepOutcome.Waited : StepOutcome.Released);
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

    private void Admit()
    {
        while (_admitted.Count < _maxAdmitted && _queue.Peek() is { } next && HasRows(next) && TryAdmit(next))
        {
        }
    }

    /// <summary>Whether those that come before a request leave it a row of the next step.</summary>
    /// <remarks>Admitted no sooner, it finds the prefixes that they leave: of many equal system prompts few are computed.</remarks>
    private bool HasRows(ScheduledRequest request)
    {
        long taken = 0;
        foreach (var other in _admitted)
        {
            if (other.IsDecoding || RequestOrder.Instance.Compare(other, request) < 0)
            {
                taken += other.Pending;
            }
        }

        return taken < _rowBudget;
    }

    private bool TryAdmit(ScheduledRequest request)
    {
        var version = CacheVersion;
        if (_admitted.Count > 0 && (_refused == (request, version) || !HasRoom(request)))
        {
            _refused = (request, version);
            return false;
        }

        var match = new PrefixMatch(0, CacheMissReason.NothingCached);
        var sequence = SharesPrefix(request) ? _cache.CreateSequence(request.History, out match, request.CacheScope) : _cache.CreateSequence();
        if (!TryAdmitSource(request, ref match) || !_queue.TryRemove(request))
        {
            _refused = (request, version);
            sequence.Dispose();
            request.ReleaseMemory();
            return false;
        }

        if (request.Match is null)
        {
            HearthMetrics.PromptTokens.Add(request.PromptTokens, Tag);
            HearthMetrics.CachedTokens.Add(match.Length, Tag);
        }

        request.Match ??= match;
        request.Sequence = sequence;
        request.State = RequestState.Prefilling;
        var place = _admitted.BinarySearch(request, RequestOrder.Instance);
        _admitted.Insert(~place, request);
        CountAdmitted(1);
        request.ReportAdmitted();
        if (request.CompletionTokens == 0)
        {
            // What a constraint forces from the start is read with the prompt.
            JumpAhead(request);
        }

        request.Walk?.FillAhead();
        return true;
    }

    // What a decoder caches depends on the source that it attends to, not on its own tokens alone; and a recurrent
    // sequence has forgotten its beginning.
    private bool SharesPrefix(ScheduledRequest request) => _options.CachePrefixes && request.Source is null && _options.Recurrence is null;

    private bool TryAdmitSource(ScheduledRequest request, ref PrefixMatch match)
    {
        if (request.Source is null)
        {
            return true;
        }

        if (!_encoder!.TryAdmit(request))
        {
            return false;
        }

        if (!request.AwaitsSource)
        {
            match = new PrefixMatch(request.Source.Length, CacheMissReason.None);
        }

        return true;
    }

    // Changes where somebody lets pages go or leaves a prefix: until then there is no more room than there was.
    private long CacheVersion => _cache.Version + (_encoder?.Cache.Version ?? 0);

    /// <summary>Whether a request's prompt fits beside those of the others and a page of growth for each.</summary>
    /// <remarks>Asked while others are admitted. Alone a request is always tried: nobody will make room later.</remarks>
    private bool HasRoom(ScheduledRequest request)
    {
        long wanted = 1 + (SharesPrefix(request) ? _cache.PagesToStart(request.History, request.CacheScope) : _cache.PagesFor(Growth(0, request.History.Length)));
        foreach (var other in _admitted)
        {
            wanted += _cache.PagesToReserve(other.Sequence!, Growth(other.Sequence!.Length, other.Pending)) + 1;
        }

        return wanted <= _cache.AvailablePages;
    }

    // By how many positions a sequence grows when a text goes on; of one that is read in segments only the last are held.
    private int Growth(int held, int positions)
        => _options.Recurrence is { } recurrence
            ? (int)Math.Clamp(recurrence.MostHeld(_rowBudget, _cache.PageTokens) - held, 0, positions) : positions;

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
            return entry.Request.Sequence!.TryReserve(entry.Rows);
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
        return StepOutcome.Ran;
    }

    private void BuildBatch()
    {
        _batch.Clear();
        foreach (var (request, rows, wantsLogits) in _plan)
        {
            var sequence = request.Sequence!;
            var memory = request.Memory is { } source ? source.Pages : default;
            _batch.Add(
                sequence.Length, request.History.Slice(sequence.End, rows), sequence.Pages, wantsLogits ? 1 : 0,
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

        ChooseAll();
        foreach (var (request, _, wantsLogits) in _plan)
        {
            if (request.LateLogits is not null)
            {
                continue;
            }

            if (wantsLogits)
            {
                TakeChoice(request);
            }
            else if (request.Pending == 0)
            {
                Complete(request, FinishReason.Length);
            }
        }
    }

    // Each by itself, on as many threads as there are; what comes of it is taken in order afterwards.
    private void ChooseAll()
    {
        var (count, row) = (0, 0);
        foreach (var entry in _plan)
        {
            if (entry.WantsLogits)
            {
                var logits = _logits.AsMemory(row++ * _runner.VocabularySize, _runner.VocabularySize);
                if (entry.Request.Walk is { IsReady: false })
                {
                    _late.Add((entry.Request, logits));
                }
                else
                {
                    _choosing[count++] = (entry.Request, logits);
                }
            }
        }

        RunChoosers(count);
        count = 0;

        // A mask is there long before its step ends, but for a few. Those are waited for a little; then the others go on.
        var begin = Stopwatch.GetTimestamp();
        foreach (var (request, logits) in _late)
        {
            var left = s_patience - Stopwatch.GetElapsedTime(begin);
            if (request.Walk!.WaitReady(left > TimeSpan.Zero ? left : TimeSpan.Zero))
            {
                _choosing[count++] = (request, logits);
            }
            else
            {
                request.LateLogits = logits.ToArray();
            }
        }

        _late.Clear();
        RunChoosers(count);
    }

    /// <summary>Chooses for those whose masks were late and are there now.</summary>
    private void TakeLate()
    {
        var count = 0;
        foreach (var request in _admitted)
        {
            if (request.LateLogits is { } logits && request.Walk!.IsReady)
            {
                _choosing[count++] = (request, logits);
                _late.Add((request, default));
            }
        }

        RunChoosers(count);
        foreach (var (request, _) in _late)
        {
            request.LateLogits = null;
            TakeChoice(request);
        }

        _late.Clear();
    }

    /// <summary>Where all wait for their masks, waits for one of them a little; false where none waits.</summary>
    private bool WaitForMask()
    {
        var late = _admitted.Find(request => request.LateLogits is not null);
        late?.Walk!.WaitReady(s_patience);
        return late is not null;
    }

    private void RunChoosers(int count)
    {
        _choosers.Run(count);
        Array.Clear(_choosing, 0, count);
    }

    private void TakeChoice(ScheduledRequest request)
    {
        if (request.ChoiceFault is { } fault)
        {
            Fail(request, fault);
            return;
        }

        if (!Take(request, request.Choice))
        {
            return;
        }

        request.State = RequestState.Decoding;
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
            Complete(request, FinishReason.Length);
            return false;
        }

        return true;
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
