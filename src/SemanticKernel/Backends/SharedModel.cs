using Hearth.Runtime;
using Hearth.Runtime.Graphs;

namespace Hearth.SemanticKernel.Backends;

/// <summary>Loads a file's model to generate text.</summary>
internal delegate Task<ILanguageModel> LoadModel(string path, ModelOptions? options, CancellationToken cancellationToken);

/// <summary>Loads a file's model to embed.</summary>
internal delegate Task<IEmbeddingModel> LoadEmbeddingModel(string path, ModelOptions? options, PoolingKind? pooling, CancellationToken cancellationToken);

/// <summary>How the model of a file is to be loaded; every service that names the file for the same use must agree on it.</summary>
/// <typeparam name="T">The use: <see cref="ILanguageModel"/> or <see cref="IEmbeddingModel"/>.</typeparam>
internal sealed record SharedModelSettings<T>(ModelOptions? Options, PoolingKind? Pooling);

/// <summary>One loaded model for all services of a container that name the same file for the same use.</summary>
/// <remarks>Loaded at the first request; a load that failed or was cancelled is tried again by the next one.</remarks>
internal sealed class SharedModel<T>(Func<CancellationToken, Task<T>> load) : IAsyncDisposable, IDisposable
    where T : class, IModel
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private readonly CancellationTokenSource _disposing = new();
    private T? _model;
    private bool _disposed;

    public async Task<T> GetAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
        if (Volatile.Read(ref _model) is { } ready)
        {
            return ready;
        }

        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _disposing.Token);
            return _model ??= await load(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_disposing.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ObjectDisposedException(GetType().FullName);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Ends a load in progress and frees the model.</summary>
    public async ValueTask DisposeAsync()
    {
        Volatile.Write(ref _disposed, true);

        // Never disposed itself: it has no timer, and a caller may be just about to ask for its token.
        await _disposing.CancelAsync().ConfigureAwait(false);
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            var model = _model;
            _model = null;
            if (model is IAsyncDisposable disposable)
            {
                await disposable.DisposeAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            _gate.Release();
        }
    }

    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();
}
