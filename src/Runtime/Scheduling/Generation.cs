using System.Text;
using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Scheduling;

/// <summary>A checked request, to be read once; reading it queues it, so that one which nobody reads costs nothing.</summary>
/// <remarks>Text is made here, on the reader's time. Leaving the enumeration early ends the request.</remarks>
internal sealed class Generation : IAsyncEnumerable<GenerationUpdate>
{
    private readonly StepLoop _loop;
    private readonly ITextDecoder _decoder;
    private readonly StopSequenceMatcher _stops;
    private readonly int _minTokens;
    private readonly Func<CancellationToken, ITokenConstraint>? _startWalk;
    private readonly CancellationToken _cancellationToken;
    private CancellationTokenRegistration _registration;
    private bool _started;
    private int _readers;
    private int _tokensRead;
    private int _forcedRead;

    /// <summary>Prepares to read a request.</summary>
    /// <param name="loop">Serves it.</param>
    /// <param name="request">The request, not queued yet.</param>
    /// <param name="decoder">A new one, for this request alone.</param>
    /// <param name="options">Where its text ends.</param>
    /// <param name="startWalk">Begins its constraint, which may take a while, before it is queued; null without one, or where <see cref="Constrain"/> does.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    public Generation(
        StepLoop loop, ScheduledRequest request, ITextDecoder decoder, GenerationOptions options, Func<CancellationToken, ITokenConstraint>? startWalk, CancellationToken cancellationToken)
    {
        _startWalk = startWalk;
        _minTokens = options.MinTokens ?? 0;
        _loop = loop;
        Request = request;
        _decoder = decoder;
        _stops = new StopSequenceMatcher(options.StopSequences);
        _cancellationToken = cancellationToken;
    }

    /// <summary>Queues the request now rather than when it is read.</summary>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public void Start()
    {
        _loop.Start([Request]);
        NoteStart();
    }

    /// <summary>The request.</summary>
    public ScheduledRequest Request { get; }

    /// <summary>Gives the request its constraint, before it is queued.</summary>
    public void Constrain(ITokenConstraint walk) => Request.Constrain(new ConstraintWalk(walk, _loop.VocabularySize));

    /// <summary>Takes note that the request was queued with others.</summary>
    public void NoteStart()
    {
        _started = true;
        _registration = _cancellationToken.UnsafeRegister(static state => ((Generation)state!).Cancel(), this);
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">It was enumerated before.</exception>
    public IAsyncEnumerator<GenerationUpdate> GetAsyncEnumerator(CancellationToken cancellationToken = default)
        => Interlocked.Exchange(ref _readers, 1) == 0
            ? ReadAsync(cancellationToken)
            : throw new InvalidOperationException("a generation can be read once");

    /// <summary>Ends the request; does nothing to one that has ended.</summary>
    public void Cancel() => _loop.Cancel(Request);

    private async IAsyncEnumerator<GenerationUpdate> ReadAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _cancellationToken);
        if (!_started)
        {
            if (_startWalk is not null)
            {
                Constrain(await Task.Run(() => _startWalk(either.Token), either.Token).ConfigureAwait(false));
            }

            await _loop.FetchAsync(Request, either.Token).ConfigureAwait(false);
            either.Token.ThrowIfCancellationRequested();
            Start();
        }

        try
        {
            while (!_stops.Matched && await Request.Tokens.WaitToReadAsync(either.Token).ConfigureAwait(false))
            {
                yield return ReadAvailable();
            }

            if (!_stops.Matched)
            {
                yield return ReadEnd();
            }
        }
        finally
        {
            Cancel();
            _loop.Durable?.Wake();
            await _registration.DisposeAsync().ConfigureAwait(false);
        }
    }

    private GenerationUpdate ReadAvailable()
    {
        var tokens = new List<int>();
        List<TokenLogProbabilities>? scores = null;
        var text = new StringBuilder();
        while (!_stops.Matched && Request.Tokens.TryRead(out var token))
        {
            tokens.Add(token.Id);
            _tokensRead++;
            _forcedRead += token.IsForced ? 1 : 0;
            if (token.Scores is { } found)
            {
                (scores ??= []).Add(new TokenLogProbabilities(
                    Describe(token.Id, found.LogProbability), [.. found.Likeliest.Select(likely => Describe(likely.Token, likely.LogProbability))]));
            }

            var piece = _decoder.Append(token.Id);
            text.Append(_tokensRead <= _minTokens ? piece : _stops.Append(piece));
        }

        var update = new GenerationUpdate(text.ToString(), tokens) { LogProbabilities = scores is null ? [] : scores };
        if (!_stops.Matched)
        {
            return update;
        }

        // Before the update is handed over, so that pages are free however long its reader takes.
        Cancel();
        return update with { FinishReason = FinishReason.Stop, Usage = Request.Usage(_tokensRead, _forcedRead), StopSequence = _stops.Found };
    }

    private GenerationUpdate ReadEnd()
    {
        var text = _stops.Append(_decoder.Flush());
        var reason = _stops.Matched ? FinishReason.Stop : Request.FinishReason!.Value;
        return new GenerationUpdate(text + _stops.Flush(), [], reason, Request.Usage(_tokensRead, _forcedRead))
        {
            StopSequence = _stops.Found,
            StopTokenId = _stops.Matched ? null : Request.StopToken,
        };
    }

    private TokenLogProbability Describe(int token, double logProbability) => new(token, _decoder.BytesOf(token), logProbability);
}
