using Hearth.Runtime;

namespace Hearth.Extensions.AI.Backends;

/// <summary>A model of this process, which may have to be loaded first.</summary>
/// <typeparam name="T">The use: <see cref="ILanguageModel"/> or <see cref="IEmbeddingModel"/>.</typeparam>
internal interface IModelSource<T>
    where T : class, IModel
{
    /// <summary>The model, where it is loaded.</summary>
    T? Loaded { get; }

    /// <summary>The model for one request; it stays loaded until the use is disposed.</summary>
    ValueTask<ModelUse<T>> UseAsync(CancellationToken cancellationToken);
}

/// <summary>A model while a request runs on it.</summary>
internal sealed class ModelUse<T>(T model, Action? release) : IDisposable
    where T : class, IModel
{
    private Action? _release = release;

    public T Model => model;

    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
}

/// <summary>A model that its owner loaded, and disposes.</summary>
internal sealed class OwnedModel<T>(T model) : IModelSource<T>
    where T : class, IModel
{
    public T? Loaded => model;

    public ValueTask<ModelUse<T>> UseAsync(CancellationToken cancellationToken) => ValueTask.FromResult(new ModelUse<T>(model, release: null));
}
