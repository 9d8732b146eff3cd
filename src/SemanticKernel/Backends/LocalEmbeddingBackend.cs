using Hearth.Runtime;
using Hearth.Runtime.Embedding;
using Hearth.Runtime.Graphs;

namespace Hearth.SemanticKernel.Backends;

/// <summary>An embedding model in this process, loaded when it is first needed.</summary>
internal sealed class LocalEmbeddingBackend(Func<CancellationToken, Task<IEmbeddingModel>> getModel, string? modelId) : IEmbeddingBackend
{
    private volatile IEmbeddingModel? _model;

    public LocalEmbeddingBackend(IEmbeddingModel model)
        : this(_ => Task.FromResult(model), model.Information.Id) => _model = model;

    public Uri? Endpoint => null;

    public string? ModelId => modelId;

    public IEmbeddingModel? Model => _model;

    public async Task<BackendVectors> EmbedAsync(IReadOnlyList<string> texts, string? asked, int? dimensions, CancellationToken cancellationToken)
    {
        var model = await getModel(cancellationToken).ConfigureAwait(false);
        _model = model;
        var id = modelId ?? model.Information.Id;
        if (asked is not null && asked != id)
        {
            throw new NotSupportedException($"this generator has the model '{id}' only, but '{asked}' was asked for");
        }

        if (model.Pooling == PoolingKind.Rank)
        {
            throw new NotSupportedException($"the model '{id}' scores how well a document fits a query and computes no embeddings");
        }

        if (dimensions > model.Dimensions)
        {
            throw new ArgumentOutOfRangeException(nameof(dimensions), dimensions, $"the model '{id}' has {model.Dimensions} dimensions");
        }

        // Many texts take a while to tokenize; the caller's thread may be one that must not wait.
        var tokens = await Task.Run(() => texts.Select(text => Tokenize(model, text, cancellationToken)).ToList(), cancellationToken).ConfigureAwait(false);
        var vectors = await model.EmbedAsync(tokens, normalize: true, cancellationToken).ConfigureAwait(false);
        return new BackendVectors(id, [.. vectors.Select(vector => EmbeddingVectors.Shorten(vector, dimensions))], tokens.Sum(ids => (long)ids.Count));
    }

    private static IReadOnlyList<int> Tokenize(IEmbeddingModel model, string text, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return model.Tokenize(text);
    }
}
