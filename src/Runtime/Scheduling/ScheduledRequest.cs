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
    private readonly Channel<TextToken> _tokens = Channel.CreateUnbounded<TextToken>(
        new UnboundedChannelOptions { SingleReader = true, SingleWriter = true, AllowSynchronousContinuations = false });

    // What an answer without a limit is taken to cost when clients take turns.
    private const int UsualCompletion = 512;

    private readonly List<int> _history;
    private readonly int _promptTokens;
    private readonly TextEnds _ends;
    private readonly int _minTokens;
    private readonly List<int> _forced = [];
    private int _forcedTaken;
    private Action? _admitted;
    private volatile bool _cancelRequested;
    private volatile bool _letsOthersIn;

    /// <summary>Takes a checked prompt.</summary>
    /// <param name="prompt">Token ids, at least one, at most contextLength.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="parameters">Its options, checked.</param>
    /// <param name="contextLength">Positions that one sequence may have.</param>
    /// <param name="ends">Which tokens end its text.</param>
    /// <param name="source">The text that the encoder of an encoder–decoder reads, checked; the prompt is then the decoder's.</param>
    /// <param name="leader">The request of the same prompt that computes it first; null for none.</param>
    /// <param name="draftTokens">Guesses of a step where the request does not say how many.</param>
    /// <param name="shift">What goes where the context is full; null: the text ends there.</param>
    public ScheduledRequest(
        List<int> prompt, GenerationRequest request, SamplingParameters parameters, int contextLength, TextEnds ends, int[]? source = null, ScheduledRequest? leader = null, int draftTokens = 0, ContextShift? shift = null)
    {
        _ends = ends;
        Leader = leader;
        _minTokens = request.Options.MinTokens ?? 0;
        Alternatives = request.Options.LogProbabilities;
        _history = prompt;
        _promptTokens = prompt.Count;
        ContextLength = contextLength;
        Source = source;
        Shift = shift;
        var limit = request.Options.TokenLimit;
        var room = contextLength - prompt.Count;
        MaxCompletion = shift is null ? Math.Min(limit, room) : limit == int.MaxValue ? contextLength : limit;
        FailsAtLimit = request.Options.OnFull == FullContext.Error && limit > room;
        Priority = request.Priority;
        Deadline = request.Deadline;
        CacheScope = request.CacheScope;
        Client = request.Client;
        Cost = (Source?.Length ?? 0) + prompt.Count + Math.Min(MaxCompletion, UsualCompletion);
        _admitted = request.Admitted;
        Sampler = new Sampler(parameters, CollectionsMarshal.AsSpan(prompt));
        Lookup = (request.Options.DraftTokens ?? draftTokens) is > 0 and var most ? new PromptLookup(most) : null;
    }

    /// <summary>Prompt and chosen tokens, without what was left out of a full context.</summary>
    public ReadOnlySpan<int> History => CollectionsMarshal.AsSpan(_history);

    /// <summary>Tokens of the text that was given: the source's, of an encoder–decoder.</summary>
    public int PromptTokens => Source?.Length ?? _promptTokens;

    public int CompletionTokens { get; private set; }

    /// <summary>What the encoder reads; null for a decoder alone.</summary>
    public int[]? Source { get; }

    /// <summary>The most tokens that are generated, by the request's limit and the context's.</summary>
    public int MaxCompletion { get; }

    /// <summary>Whether reaching <see cref="MaxCompletion"/> is an error: the context is full, and the caller wants to be told so.</summary>
    public bool FailsAtLimit { get; }

    /// <summary>What goes where the context is full; null: the text ends there.</summary>
    public ContextShift? Shift { get; }

    /// <summary>Positions that it may have.</summary>
    public int ContextLength { get; }

    /// <summary>Tokens that may be guessed behind the next one.</summary>
    public int RoomToGuess => Math.Min(MaxCompletion - CompletionTokens - 1, ContextLength - _history.Count);

    /// <summary>How many of the likeliest tokens are told of each place; null: not even how likely the chosen one was.</summary>
    public int? Alternatives { get; }

    /// <summary>The request of the same prompt that computes it first; null for none.</summary>
    public ScheduledRequest? Leader { get; }

    /// <summary>Whether the same prompt is being computed by another request, whose pages this one will find.</summary>
    public bool AwaitsLeader => Leader is { _letsOthersIn: false };

    /// <summary>Whether other requests of its prompt wait for it.</summary>
    public bool IsAwaited { get; set; }

    /// <summary>Where its text stands in its constraint; null without one.</summary>
    public ConstraintWalk? Walk { get; private set; }

    /// <summary>The tokens that <see cref="Choose"/> came to: those guesses that were right, and one more.</summary>
    public List<TextToken> Choices { get; } = [];

    /// <summary>Guesses how the text goes on; null where none are asked for.</summary>
    public PromptLookup? Lookup { get; }

    /// <summary>Tokens that the next step computes behind what is pending, in case they are chosen.</summary>
    public List<int> Guesses { get; } = [];

    /// <summary>Why it came to none; null where it did.</summary>
    public Exception? ChoiceFault { get; private set; }

    /// <summary>The stop token that ended the text; null where something else did.</summary>
    public int? StopToken { get; private set; }

    public int Priority { get; }

    /// <summary>Whose cached prefixes it starts from; null: everybody's.</summary>
    public string? CacheScope { get; }

    public DateTimeOffset? Deadline { get; }

    /// <summary>Who asks; null: somebody.</summary>
    public string? Client { get; }

    /// <summary>Tokens that it takes at most, or is taken to.</summary>
    public int Cost { get; }

    /// <summary>Where it stands among the requests of all clients, in tokens; kept through preemption.</summary>
    public double Turn { get; set; }

    /// <summary>When it was first let in.</summary>
    public long AdmittedAt { get; set; }

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

    /// <summary>The logits from which its next token is chosen once its constraint has said which may come; null where it waits for none.</summary>
    public float[]? LateLogits { get; set; }

    /// <summary>Whether it takes no part in a step: its source is not read yet, or its next token not chosen.</summary>
    public bool Awaits => AwaitsSource || LateLogits is not null;

    /// <summary>What the cache held when it was first admitted; null before.</summary>
    public PrefixMatch? Match { get; set; }

    /// <summary>Set when it is Completed.</summary>
    public FinishReason? FinishReason { get; private set; }

    /// <summary>Tokens that are not in its pages yet; at least 1 while it is admitted.</summary>
    public int Pending => _history.Count - Sequence!.End;

    /// <summary>Whether it takes part in every step: its next token is wanted, behind what is forced of its text.</summary>
    public bool IsDecoding => State == RequestState.Decoding || Pending == 1;

    public bool CancelRequested => _cancelRequested;

    public ChannelReader<TextToken> Tokens => _tokens.Reader;

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

    /// <summary>Begins its constraint, before it is queued.</summary>
    public void Constrain(ConstraintWalk walk)
    {
        Walk = walk;
        FindForced();
    }

    /// <summary>Chooses the token that follows the computed ones and goes on in the constraint by it.</summary>
    /// <remarks>Touches nothing but this request and the scratch, so requests of a step choose at the same time. Does not throw: see <see cref="ChoiceFault"/>.</remarks>
    /// <param name="logits">[1 + guesses, vocabulary]; changed in place.</param>
    /// <param name="scratch">The thread's own.</param>
    public void Choose(Span<float> logits, SamplerScratch scratch)
    {
        ChoiceFault = null;
        Choices.Clear();
        var width = logits.Length / (1 + Guesses.Count);
        try
        {
            // As long as the model chooses what was guessed, the row behind the guess is that of the text.
            do
            {
                Choices.Add(ChooseOne(logits.Slice(Choices.Count * width, width), scratch));
            }
            while (Choices.Count <= Guesses.Count && Choices[^1].Id == Guesses[Choices.Count - 1] && !EndsText(Choices[^1].Id));
        }
        catch (Exception error)
        {
            // Where a guess was right the text goes on all the same: the next step comes to the same fault.
            ChoiceFault = Choices.Count == 0 ? error : null;
        }
    }

    private TextToken ChooseOne(Span<float> logits, SamplerScratch scratch)
    {
        var choice = Alternatives is { } top ? ChooseScored(logits, scratch, top) : ChooseToken(logits, scratch);
        if (Walk is null || choice.IsForced || EndsText(choice.Id))
        {
            return choice;
        }

        if (!Walk.TryAccept(choice.Id))
        {
            throw new HearthException($"the constraint refuses token {choice.Id}, which its mask allows");
        }

        FindForced();
        return choice;
    }

    /// <summary>Takes the next token that the constraint forces; false where there is a choice, or every token's probability is to be told.</summary>
    public bool TryJumpAhead(out TextToken token)
    {
        token = default;
        return Alternatives is null && CompletionTokens < MaxCompletion && TryTakeForced(out token);
    }

    /// <summary>Whether the text ends before a token.</summary>
    public bool EndsText(int token) => _ends.Contains(token);

    /// <summary>Takes a token into the text and hands it to the reader.</summary>
    public void Append(TextToken token)
    {
        _history.Add(token.Id);
        CompletionTokens++;
        _tokens.Writer.TryWrite(token);
    }

    /// <summary>Makes room in a full context; its sequence holds what is no more then.</summary>
    /// <returns>Tokens that went.</returns>
    public int ShiftContext() => Shift!.Apply(_history);

    /// <summary>Has other requests of the same prompt admitted: its pages are there to be found.</summary>
    public void LetOthersIn() => _letsOthersIn = true;

    /// <summary>Lets the encoder's output go.</summary>
    public void ReleaseMemory()
    {
        Memory?.Dispose();
        Memory = null;
    }

    /// <summary>Ends the text before a token that ends it.</summary>
    public void CompleteBefore(int token)
    {
        StopToken = _ends.IsStopToken(token) ? token : null;
        Complete(Runtime.FinishReason.Stop);
    }

    public void Complete(FinishReason reason)
    {
        _letsOthersIn = true;
        State = RequestState.Completed;
        FinishReason = reason;
        _tokens.Writer.TryComplete();
    }

    public void Cancel()
    {
        _letsOthersIn = true;
        State = RequestState.Cancelled;
        _tokens.Writer.TryComplete(new OperationCanceledException("the request was cancelled"));
    }

    public void Fail(Exception error)
    {
        _letsOthersIn = true;
        State = RequestState.Failed;
        _tokens.Writer.TryComplete(error);
    }

    /// <summary>What the request cost if it ends after a number of its tokens, some of them forced.</summary>
    public TokenUsage Usage(int completionTokens, int forcedTokens)
    {
        var match = Match ?? new PrefixMatch(0, CacheMissReason.NothingCached);
        return new TokenUsage(PromptTokens, completionTokens, match.Length, match.Reason, match.Length)
        {
            ForcedTokens = forcedTokens,
            DraftedTokens = Lookup?.Guessed ?? 0,
            AcceptedTokens = Lookup?.Right ?? 0,
            DroppedTokens = Shift?.Dropped ?? 0,
        };
    }

    private TextToken ChooseScored(Span<float> logits, SamplerScratch scratch, int top)
    {
        var raw = new RawLogits(logits, scratch);
        var token = TryTakeForced(out var forced) ? forced : ChooseToken(logits, scratch);
        return token with { Scores = raw.Of(token.Id, top) };
    }

    private TextToken ChooseToken(Span<float> logits, SamplerScratch scratch)
    {
        var forbidden = CompletionTokens + Choices.Count < _minTokens ? _ends.All : [];
        return new TextToken(Sampler.Sample(logits, scratch, new TokenLimits(forbidden, Walk is null ? [] : Walk.Mask())));
    }

    private void FindForced()
    {
        _forced.Clear();
        _forcedTaken = 0;
        if (!Walk!.MustEnd)
        {
            Walk.FindForced(_forced);
        }
    }

    private bool TryTakeForced(out TextToken token)
    {
        token = default;
        if (_forcedTaken == _forced.Count)
        {
            return false;
        }

        // What ends the text is not walked through; what is not allowed after all is chosen like any other token.
        var next = _forced[_forcedTaken++];
        if (!EndsText(next))
        {
            if (!Walk!.TryAccept(next))
            {
                _forcedTaken = _forced.Count;
                return false;
            }

            Sampler.Accept(next);
        }

        token = new TextToken(next, IsForced: true);
        return true;
    }
}

/// <summary>Who comes first: higher priority, then whose client's turn it is, then earlier arrival.</summary>
internal sealed class RequestOrder : IComparer<ScheduledRequest>
{
    public static RequestOrder Instance { get; } = new();

    public int Compare(ScheduledRequest? x, ScheduledRequest? y)
    {
        var byPriority = y!.Priority.CompareTo(x!.Priority);
        var byTurn = byPriority != 0 ? byPriority : x.Turn.CompareTo(y.Turn);
        return byTurn != 0 ? byTurn : x.Arrival.CompareTo(y.Arrival);
    }
}

/// <summary>A token of a request's text.</summary>
/// <param name="Id">The token.</param>
/// <param name="IsForced">Whether a constraint allowed nothing else, so that nothing was chosen.</param>
/// <param name="Scores">How likely the model held it; null where that was not asked for.</param>
internal readonly record struct TextToken(int Id, bool IsForced = false, TokenScores? Scores = null);

/// <summary>The tokens before which a request's text ends.</summary>
/// <remarks>Shared by requests; safe for several threads.</remarks>
/// <param name="isEnd">Whether a token is the model's own end of a text.</param>
/// <param name="ignoresEnd">Whether texts go on past it.</param>
/// <param name="stops">Tokens that end the text besides.</param>
/// <param name="ends">All of the model's own ends, made where they are wanted.</param>
internal sealed class TextEnds(Func<int, bool> isEnd, bool ignoresEnd, IReadOnlyList<int> stops, Lazy<int[]> ends)
{
    private readonly Lazy<int[]> _all = new(() => ignoresEnd ? [.. stops] : [.. ends.Value, .. stops]);

    /// <summary>All of them.</summary>
    public ReadOnlySpan<int> All => _all.Value;

    public bool Contains(int token) => (!ignoresEnd && isEnd(token)) || (stops.Count > 0 && stops.Contains(token));

    /// <summary>Whether a request named the token.</summary>
    public bool IsStopToken(int token) => stops.Contains(token);
}
