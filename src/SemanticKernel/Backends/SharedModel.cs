using Hearth.Runtime;

namespace Hearth.SemanticKernel.Backends;

/// <summary>Loads the model of a file.</summary>
internal delegate Task<ILanguageModel> LoadModel(string path, ModelOptions? options, CancellationToken cancellationToken);

/// <summary>How the model of a file is to be loaded; every service that names the file must agree on it.</summary>
internal sealed record SharedModelSettings(ModelOptions? Options);

/// <summary>One loaded model for all services of a container that name the same file.</summary>
/// <remarks>Loaded at the first request; a load that failed or was cancelled is tried again by the next one.</remarks>
internal sealed class SharedModel(string path, ModelOptions? options, LoadModel load) : IAsyncDisposable, IDisposable
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private ILanguageModel? _model;
    private bool _disposed;

    public async Task<ILanguageModel> GetAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), this);
        if (Volatile.Read(ref _model) is { } ready)
        {
            return ready;
        }

        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _model ??= await load(path, options, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            var model = _model;
            (_disposed, _model) = (true, null);
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
