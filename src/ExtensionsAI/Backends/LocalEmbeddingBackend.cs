using Hearth.Runtime;
using Hearth.Runtime.Embedding;
using Hearth.Runtime.Graphs;

namespace Hearth.Extensions.AI.Backends;

/// <summary>An embedding model in this process, loaded when it is first needed.</summary>
internal sealed class LocalEmbeddingBackend(IModelSource<IEmbeddingModel> source, string? modelId) : IEmbeddingBackend
{
    public Uri? Endpoint => null;

    public string? ModelId => modelId;

    public IEmbeddingModel? Model => source.Loaded;

    public async Task<BackendVectors> EmbedAsync(IReadOnlyList<string> texts, string? asked, int? dimensions, CancellationToken cancellationToken)
    {
        using var use = await source.UseAsync(cancellationToken).ConfigureAwait(false);
        var model = use.Model;
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
