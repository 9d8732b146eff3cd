namespace Hearth.Host.Http;

/// <summary>How long one answer may go on: until its client leaves, or the service's end reaches it.</summary>
/// <remarks>An answer that waits for its turn when the service is to stop is refused at once; one that has begun has the time that <see cref="Drain"/> gives.</remarks>
internal sealed class AnswerLifetime : IDisposable
{
    private const int Waiting = 0;
    private const int Begun = 1;
    private const int Cut = 2;

    private readonly HttpContext _context;
    private readonly Drain _drain;
    private readonly CancellationTokenSource _source;
    private readonly TaskCompletionSource _began = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenRegistration _stopping;
    private int _state;

    /// <exception cref="ApiException">The service is to stop: nothing new begins.</exception>
    public AnswerLifetime(HttpContext context)
    {
        _context = context;
        _drain = context.RequestServices.GetRequiredService<Drain>();
        _drain.ThrowIfStopping();
        _source = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _drain.Ended);
        _stopping = _drain.Stopping.UnsafeRegister(static state => ((AnswerLifetime)state!).CutIfWaiting(), this);
    }

    /// <summary>Ends what computes the answer.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Completes when <see cref="Begin"/> is first called.</summary>
    public Task Began => _began.Task;

    /// <summary>Says that the answer no longer waits for its turn.</summary>
    public void Begin()
    {
        Interlocked.CompareExchange(ref _state, Begun, Waiting);
        RequestAccount.Of(_context).Begin();
        _began.TrySetResult();
    }

    /// <summary>Ends what computes the answer, since nobody wants it any more.</summary>
    public void Cancel() => _source.Cancel();

    /// <summary>Computes, and turns an end that the service's own end made into the refusal that says so.</summary>
    public async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> compute)
    {
        try
        {
            return await compute(Token);
        }
        catch (Exception exception)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(Explain(exception));
            throw;
        }
    }

    /// <summary>The failure, or the refusal where the service's end is behind it.</summary>
    public Exception Explain(Exception exception)
        => exception is OperationCanceledException && Token.IsCancellationRequested && !_context.RequestAborted.IsCancellationRequested ? Drain.Refusal() : exception;

    public void Dispose()
    {
        _stopping.Dispose();
        _source.Dispose();
    }

    private void CutIfWaiting()
    {
        if (Interlocked.CompareExchange(ref _state, Cut, Waiting) == Waiting)
        {
            _source.Cancel();
        }
    }
}
