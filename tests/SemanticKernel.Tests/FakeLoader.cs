using Hearth.Extensions.AI.Backends;
using Hearth.Runtime.Graphs;

namespace Hearth.SemanticKernel.Tests;

/// <summary>Loads what a function says.</summary>
internal sealed class FakeLoader(Func<string, PoolingKind?, CancellationToken, Task<IModel>> load) : IModelLoader
{
    public FakeLoader(Func<string, CancellationToken, Task<IModel>> load)
        : this((path, _, cancellationToken) => load(path, cancellationToken))
    {
    }

    public FakeLoader(Func<string, PoolingKind?, Task<IModel>> load)
        : this((path, pooling, _) => load(path, pooling))
    {
    }

    public Task<IModel> LoadAsync<T>(string path, ModelOptions options, PoolingKind? pooling, CancellationToken cancellationToken)
        where T : class, IModel
        => load(path, pooling, cancellationToken);
}
