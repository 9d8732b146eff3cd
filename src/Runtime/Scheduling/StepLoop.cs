using Hearth.Runtime.Caching;
using Hearth.Runtime.Caching.Durable;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Sampling;
using Microsoft.Extensions.Logging;

namespace Hearth.Runtime.Scheduling;

/// <summary>One loaded model's loop: a thread of its own that steps while there is work and sleeps while there is none.</summary>
/// <remarks>Safe to use from several threads. Nothing that a reader does or leaves undone holds the loop up.</remarks>
internal sealed class StepLoop : IAsyncDisposable
{
    private readonly RequestQueue _queue;
    private readonly Scheduler _scheduler;
    private readonly SourceEncoder? _encoder;
    private readonly int _decoderStart;
    private readonly int _draftTokens;
    private readonly bool _mayDraft;
    private readonly Func<int, bool> _isEnd;
    private readonly Lazy<int[]> _ends;
    private readonly bool _isEndless;
    private readonly bool _isRecurrent;
    private readonly KeyValuePair<int, float>[] _suppressed;
    private readonly BeamSearches _searches;
    private readonly ILogger _logger;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _stopping;
    private volatile Exception? _fault;

    // How long a request waits for pages that beam searches or callers hold before it is tried again: they do not tell.
    private static readonly TimeSpan s_blockedWait = TimeSpan.FromMilliseconds(10);

    /// <summary>Starts the loop.</summary>
    /// <param name="runner">Computes steps; called on the loop's thread and, a step at a time, by beam searches.</param>
    /// <param name="store">The runner's pages; nobody else may use them.</param>
    /// <param name="options">Limits.</param>
    /// <param name="isEndOfGeneration">Whether a token id ends a text.</param>
    /// <param name="time">The clock of deadlines.</param>
    /// <param name="logger">Told of failures, never of contents.</param>
    /// <param name="encoder">What reads the requests' sources, for an encoder–decoder.</param>
    public StepLoop(
        IStepRunner runner, IPageStore store, StepLoopOptions options, Func<int, bool> isEndOfGeneration,
        TimeProvider time, ILogger logger, SourceEncoder? encoder = null)
    {
        options.Validate();
        _encoder = encoder;
        _decoderStart = options.DecoderStart;
        _draftTokens = options.DraftTokens;
        _mayDraft = options.GivesSameBits;
        Cache = new KvCache(store, options.ModelFingerprint, runner.VocabularySize, options.Recurrence?.ForgottenUnit(store.PageTokens) ?? 0);
        ContextLength = options.Recurrence is null ? (int)Math.Min(options.ContextLength, Cache.Capacity) : options.ContextLength;
        VocabularySize = runner.VocabularySize;
        _isEnd = isEndOfGeneration;
        _ends = new Lazy<int[]>(() => [.. Enumerable.Range(0, VocabularySize).Where(isEndOfGeneration)]);
        _logger = logger;
        _queue = new RequestQueue(options.QueueCapacity, options.ModelId, TimeToPlace);
        _isRecurrent = options.Recurrence is not null;
        _isEndless = _isRecurrent && ContextLength == CacheSizing.Endless;
        _suppressed = [.. options.Suppressed.Select(token => KeyValuePair.Create(token, float.NegativeInfinity))];
        _searches = new BeamSearches(runner, Cache, encoder, options, time);
        _scheduler = new Scheduler(runner, Cache, _queue, options, time, logger, encoder);
        new Thread(Run) { IsBackground = true, Name = "hearth-steps" }.Start();
    }

    /// <summary>The pages that the loop's requests live in.</summary>
    public KvCache Cache { get; }

    /// <summary>Tokens that prompt and completion may have together: the model's limit or the cache's, whichever is less.</summary>
    public int ContextLength { get; }

    /// <summary>Prefixes on disk; null: none are kept there.</summary>
    public DurablePrefixes? Durable { get; set; }

    /// <summary>How fast prompts are read; null: not known yet.</summary>
    public double? PromptTokensPerSecond => _scheduler.Pace.PromptRowsPerSecond;

    /// <summary>Brings what is on disk of a request's prompt into the cache, on a thread of the pool.</summary>
    public Task FetchAsync(ScheduledRequest request, CancellationToken cancellationToken)
        => Durable is { } durable && request.Source is null ? Task.Run(() => durable.Fetch(request.History, request.CacheScope), cancellationToken) : Task.CompletedTask;

    /// <summary>Logits of a row.</summary>
    public int VocabularySize { get; }

    /// <summary>What the loop is doing now.</summary>
    public ModelLoad Load
    {
        get
        {
            var pages = Cache.GetStatistics();
            return new ModelLoad(_scheduler.AdmittedCount + _searches.Running, _queue.Count + _searches.Waiting, pages.UsedPages, pages.CachedPages, pages.TotalPages);
        }
    }

    /// <summary>What ended the loop other than its disposal; null while it serves.</summary>
    public Exception? Fault => _fault;

    /// <summary>Checks a request, which is queued once it is read.</summary>
    /// <remarks>Tokens wait for their reader.</remarks>
    /// <param name="request">Its prompt is copied.</param>
    /// <param name="decoder">A new one, for this request alone.</param>
    /// <param name="startWalk">Begins its constraint, on a thread of the pool; null without one.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <exception cref="InvalidRequestException">An option or a token id is out of its range, the prompt is empty, or one for the decoder was given to a model without encoder.</exception>
    /// <exception cref="ContextLengthExceededException">The prompt does not fit.</exception>
    public Generation Prepare(
        GenerationRequest request, ITextDecoder decoder, Func<CancellationToken, ITokenConstraint>? startWalk = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new Generation(this, Schedule(request, Resolve(request.Options)), decoder, request.Options, startWalk, cancellationToken);
    }

    /// <summary>Checks a request for several texts of one prompt, which are queued together once they are read.</summary>
    /// <param name="request">Its prompt is copied.</param>
    /// <param name="newDecoder">Makes one for each text.</param>
    /// <param name="startWalk">Begins the texts' constraint; null without one.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <exception cref="InvalidRequestException">As <see cref="Prepare"/>.</exception>
    /// <exception cref="ContextLengthExceededException">The prompt does not fit.</exception>
    public ChoiceGeneration PrepareChoices(
        GenerationRequest request, Func<ITextDecoder> newDecoder, Func<CancellationToken, ITokenConstraint>? startWalk, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var parameters = Resolve(request.Options);
        var leader = Schedule(request, parameters);
        leader.IsAwaited = true;
        var requests = Enumerable.Range(0, request.Options.ChoiceCount ?? 1)
            .Select(choice => choice == 0 ? leader : Schedule(request, parameters with { Seed = Sampling.Xoshiro256.DeriveSeed(parameters.Seed, choice) }, leader));
        return new ChoiceGeneration(
            this, [.. requests.Select(choice => new Generation(this, choice, newDecoder(), request.Options, startWalk: null, cancellationToken))], startWalk, cancellationToken);
    }

    /// <summary>What a request would cost now; nothing runs for it.</summary>
    /// <remarks>Fails as <see cref="Prepare"/> does.</remarks>
    public RequestEstimate Estimate(GenerationRequest request)
    {
        Resolve(request.Options);
        var (prompt, source, shift) = CheckedPrompts(request);
        var tokens = source ?? System.Runtime.InteropServices.CollectionsMarshal.AsSpan(prompt);
        var match = source is null && !_isEndless ? Cache.FindPrefix(tokens, request.CacheScope) : new PrefixMatch(0, CacheMissReason.NothingCached);
        var place = _queue.PlaceOf(request.Client, request.Priority);
        var longest = Math.Min((long)request.Options.TokenLimit, ContextLength - prompt.Count);
        var kept = match.Length / Cache.PageTokens;
        return new RequestEstimate(
            tokens.Length, match.Length, match.Reason,
            Math.Max(0, Cache.PagesFor(prompt.Count) - kept) * Cache.Store.PageBytes,
            Math.Max(0, Cache.PagesFor(prompt.Count + longest) - kept) * Cache.Store.PageBytes,
            place, TimeToFirst(tokens.Length - match.Length, place))
        {
            DroppedTokens = shift?.Dropped ?? 0,
        };
    }

    // Its own rows and those before it at the pace of prompts; where no place is free, the end of others besides.
    private TimeSpan? TimeToFirst(int rows, int place)
    {
        var pace = _scheduler.Pace;
        if (pace.PromptRowsPerSecond is not { } speed)
        {
            return null;
        }

        var seconds = (rows + _scheduler.PendingRows + _queue.WaitingRows(place)) / speed;
        var without = _scheduler.AdmittedCount + place + 1 - _scheduler.MaxAdmitted;
        return TimeSpan.FromSeconds(seconds + (without > 0 ? (pace.Residence ?? 0) * without / _scheduler.MaxAdmitted : 0));
    }

    // When the next of those that are served is likely to end, which lets another in.
    private TimeSpan? TimeToPlace() => _scheduler.Pace.Residence is { } seconds ? TimeSpan.FromSeconds(seconds / _scheduler.MaxAdmitted) : null;

    /// <summary>Checks a request and queues it at once, to be served whether or not it is read.</summary>
    /// <remarks>Fails as <see cref="Prepare"/> and <see cref="Start"/> do.</remarks>
    public Generation Submit(GenerationRequest request, ITextDecoder decoder, CancellationToken cancellationToken = default)
    {
        var generation = Prepare(request, decoder, startWalk: null, cancellationToken);
        generation.Start();
        return generation;
    }

    /// <summary>Queues requests, all or none.</summary>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    /// <exception cref="HearthException">The loop ended by a fault of its own.</exception>
    /// <exception cref="ObjectDisposedException">The loop is disposed.</exception>
    public void Start(IReadOnlyList<ScheduledRequest> requests) => _queue.Enqueue(requests);

    /// <summary>Checks a request for a beam search.</summary>
    /// <exception cref="InvalidRequestException">An option or a token id is out of its range, options contradict each other, the model cannot be searched with so many beams, or the prompt is empty.</exception>
    /// <exception cref="ContextLengthExceededException">The prompt does not fit.</exception>
    public BeamTask PrepareSearch(GenerationRequest request)
    {
        var options = request.Options;
        var bias = Resolve(options).Bias;
        if (options.FindBeamConflict(searches: true) is { } conflict)
        {
            throw conflict;
        }

        if (_isEndless && options.TokenLimit == int.MaxValue)
        {
            throw new InvalidRequestException(nameof(options.MaxTokens), "must be given to a search: a text of a model that reads in segments has no end of its own");
        }

        var width = options.Beams ?? 1;
        if (width > _searches.MostBeams)
        {
            throw new InvalidRequestException(nameof(options.Beams), $"must be at most {_searches.MostBeams}, the rows of a step, found {width}");
        }

        var (prompt, source, _) = CheckedPrompts(request);
        var most = Math.Min(options.TokenLimit, ContextLength - prompt.Count);
        return new BeamTask(
            [.. prompt], source, width, options.LengthPenalty ?? 1, most, EndsOf(options), options.MinTokens ?? 0, bias, request.Deadline, request.Admitted, request.CacheScope);
    }

    /// <inheritdoc cref="BeamSearches.RunAsync"/>
    public Task<BeamOutcome> SearchAsync(BeamTask task, CancellationToken cancellationToken) => _searches.RunAsync(task, cancellationToken);

    /// <summary>Ends a request that nobody wants any more: at once while it waits, else before the next step.</summary>
    public void Cancel(ScheduledRequest request)
    {
        request.RequestCancellation();
        if (_queue.TryRemove(request))
        {
            request.Cancel();
        }
    }

    /// <summary>Waits for the step in progress, then ends every request with an <see cref="ObjectDisposedException"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        Close(Unloaded);
        await _searches.DisposeAsync().ConfigureAwait(false);
        await _ended.Task.ConfigureAwait(false);
    }

    internal static ObjectDisposedException Unloaded() => new("LanguageModel", "the model was unloaded before the request ended");

    // An encoder–decoder turns a text into another: unless a choice is asked for, the likeliest is meant.
    private SamplingParameters Resolve(GenerationOptions options)
    {
        if (!_mayDraft && options.DraftTokens > 0)
        {
            throw new InvalidRequestException(nameof(options.DraftTokens), "must be 0 on this engine, whose texts depend on how many tokens a step computes");
        }

        var isPlain = options is { Temperature: null, TopK: null, TopP: null, MinP: null, Seed: null };
        var resolved = SamplingParameters.Resolve(_encoder is not null && isPlain ? options with { Temperature = 0 } : options, VocabularySize);
        return _suppressed.Length == 0 ? resolved : resolved with { Bias = [.. resolved.Bias, .. _suppressed] };
    }

    private ScheduledRequest Schedule(GenerationRequest request, SamplingParameters parameters, ScheduledRequest? leader = null)
    {
        var (prompt, source, shift) = CheckedPrompts(request);
        return new ScheduledRequest(prompt, request, parameters, ContextLength, EndsOf(request.Options), source, leader, _draftTokens, shift);
    }

    private TextEnds EndsOf(GenerationOptions options) => new(_isEnd, options.IgnoreEndOfText, options.StopTokenIds, _ends);

    // What the decoder begins with, what the encoder reads, and what goes where the context is full.
    private (List<int> Prompt, int[]? Source, ContextShift? Shift) CheckedPrompts(GenerationRequest request)
    {
        var shifts = request.Options.OnFull == FullContext.Shift;
        if (_encoder is not null)
        {
            if (shifts)
            {
                throw new InvalidRequestException(nameof(request.Options.OnFull), "must be stop or error for an encoder–decoder: its text is an answer to all of its source");
            }

            int[] source = [.. CheckedPrompt(nameof(request.Prompt), request.Prompt, _encoder.LongestSource)];
            return (CheckedPrompt(nameof(request.DecoderPrompt), request.DecoderPrompt ?? [_decoderStart], ContextLength), source, null);
        }

        if (request.DecoderPrompt is not null)
        {
            throw new InvalidRequestException(nameof(request.DecoderPrompt), "needs an encoder–decoder; this model is a decoder alone");
        }

        // A text of segments goes on by itself: the model forgets its beginning as it reads.
        if (!shifts || _isEndless)
        {
            return (CheckedPrompt(nameof(request.Prompt), request.Prompt, ContextLength), null, null);
        }

        if (_isRecurrent)
        {
            throw new InvalidRequestException(nameof(request.Options.OnFull), "must be stop or error: this model forgets by itself, and its context was limited when it was loaded");
        }

        foreach (var shorter in request.ShorterPrompts)
        {
            CheckTokens(nameof(request.ShorterPrompts), shorter);
        }

        var prompt = CheckedPrompt(nameof(request.Prompt), request.Prompt, int.MaxValue);
        var shift = new ContextShift(prompt, request, ContextLength);
        return prompt.Count <= ContextLength ? (prompt, null, shift) : throw new ContextLengthExceededException(prompt.Count, ContextLength);
    }

    private List<int> CheckedPrompt(string name, IReadOnlyList<int> prompt, int most)
    {
        if (prompt.Count > most)
        {
            throw new ContextLengthExceededException(prompt.Count, most);
        }

        CheckTokens(name, prompt);
        return [.. prompt];
    }

    private void CheckTokens(string name, IReadOnlyList<int> prompt)
    {
        if (prompt.Count == 0)
        {
            throw new InvalidRequestException(name, "must have at least one token");
        }

        foreach (var token in prompt)
        {
            if ((uint)token >= (uint)VocabularySize)
            {
                throw new InvalidRequestException(name, $"names token {token}, but the vocabulary has the tokens 0 to {VocabularySize - 1}");
            }
        }
    }

    private void Run()
    {
        Func<Exception> error = Unloaded;
        try
        {
            while (_queue.WaitForWork())
            {
                while (!_stopping && _scheduler.Step() is var outcome and not StepOutcome.Idle)
                {
                    if (outcome == StepOutcome.Blocked)
                    {
                        _queue.WaitForChange(s_blockedWait);
                    }
                }
            }
        }
        catch (Exception fault)
        {
            _logger.LogCritical(fault, "The step loop ended by a fault of its own");
            _fault = fault;
            error = () => new HearthException("the model's step loop ended by a fault of its own", fault);
        }

        Close(error);
        _scheduler.FailAll(error);
        _ended.SetResult();
    }

    private void Close(Func<Exception> error)
    {
        foreach (var request in _queue.Close(error))
        {
            request.Fail(error());
        }
    }
}
