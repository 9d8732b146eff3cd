using Hearth.Runtime;

namespace Hearth.Extensions.AI.Backends;

/// <summary>One user of a pooled model, until it is disposed or collected.</summary>
/// <remarks>
/// Kernels are seldom disposed. So a lease that nobody can reach any more ends too: it is held by what the container made, and
/// by each request of it that still runs.
/// </remarks>
internal sealed class ModelLease<T>(PooledModel model) : IModelSource<T>, IAsyncDisposable, IDisposable
    where T : class, IModel
{
    private readonly CancellationTokenSource _disposing = new();
    private int _isDisposed;

    ~ModelLease()
    {
        // Whoever disposed it has said so to the collector: this is one that was forgotten.
        _ = model.EndLeaseAsync();
    }

    public T? Loaded => Volatile.Read(ref _isDisposed) == 0 ? (T?)model.Loaded : null;

    /// <exception cref="ObjectDisposedException">The lease has ended.</exception>
    public async ValueTask<ModelUse<T>> UseAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed) != 0, this);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposing.Token);
        try
        {
            var loaded = (T)await model.UseAsync(either.Token).ConfigureAwait(false);
            return new ModelUse<T>(loaded, model.EndUse);
        }
        catch (OperationCanceledException) when (_disposing.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ObjectDisposedException(GetType().FullName);
        }
    }

    /// <summary>Ends the lease, and a load that nobody else waits for; where it was the last user and nothing is kept alive, the model is freed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
            return;
        GC.SuppressFinalize(this);

        // Never disposed itself: it has no timer, and a caller may be just about to ask for its token.
        await _disposing.CancelAsync().ConfigureAwait(false);
        await model.EndLeaseAsync().ConfigureAwait(false);
    }

    public void Dispose()
    {
        DisposeAsync().AsTask().GetAwaiter().GetResult();
        GC.SuppressFinalize(this);
    }
}
