using System.Text;

namespace Hearth.Runtime.Scheduling;

/// <summary>A checked request, to be read once; reading it queues it, so that one which nobody reads costs nothing.</summary>
/// <remarks>Text is made here, on the reader's time. Leaving the enumeration early ends the request.</remarks>
internal sealed class Generation : IAsyncEnumerable<GenerationUpdate>
{
    private readonly StepLoop _loop;
    private readonly ScheduledRequest _request;
    private readonly ITextDecoder _decoder;
    private readonly StopSequenceMatcher _stops;
    private readonly CancellationToken _cancellationToken;
    private CancellationTokenRegistration _registration;
    private bool _started;
    private int _readers;
    private int _tokensRead;

    public Generation(
        StepLoop loop, ScheduledRequest request, ITextDecoder decoder, IReadOnlyList<string> stops, CancellationToken cancellationToken)
    {
        _loop = loop;
        _request = request;
        _decoder = decoder;
        _stops = new StopSequenceMatcher(stops);
        _cancellationToken = cancellationToken;
    }

    /// <summary>Queues the request now rather than when it is read.</summary>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public void Start()
    {
        _loop.Start(_request);
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
    public void Cancel() => _loop.Cancel(_request);

    private async IAsyncEnumerator<GenerationUpdate> ReadAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _cancellationToken);
        if (!_started)
        {
            either.Token.ThrowIfCancellationRequested();
            Start();
        }

        try
        {
            while (!_stops.Matched && await _request.Tokens.WaitToReadAsync(either.Token).ConfigureAwait(false))
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
            await _registration.DisposeAsync().ConfigureAwait(false);
        }
    }

    private GenerationUpdate ReadAvailable()
    {
        var tokens = new List<int>();
        var text = new StringBuilder();
        while (!_stops.Matched && _request.Tokens.TryRead(out var token))
        {
            tokens.Add(token);
            text.Append(_stops.Append(_decoder.Append(token)));
        }

        _tokensRead += tokens.Count;
        if (!_stops.Matched)
        {
            return new GenerationUpdate(text.ToString(), tokens);
        }

        // Before the update is handed over, so that pages are free however long its reader takes.
        Cancel();
        return new GenerationUpdate(text.ToString(), tokens, FinishReason.Stop, _request.Usage(_tokensRead));
    }

    private GenerationUpdate ReadEnd()
    {
        var text = _stops.Append(_decoder.Flush());
        var reason = _stops.Matched ? FinishReason.Stop : _request.FinishReason!.Value;
        return new GenerationUpdate(text + _stops.Flush(), [], reason, _request.Usage(_tokensRead));
    }
}
