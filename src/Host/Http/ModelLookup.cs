using Hearth.Host.Service;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Finds the model that a request is for.</summary>
internal static class ModelLookup
{
    /// <summary>The model that a request names, or the default one.</summary>
    /// <exception cref="ApiException">There is none of that name, it is not loaded yet, or it does not do what is asked.</exception>
    public static (string Id, ILanguageModel Model) FindText(ModelCatalog catalog, string? id)
        => Find<ILanguageModel>(catalog, id, _ => true, other => $"the model '{other}' generates no text; it answers /v1/embeddings or /v1/rerank");

    /// <inheritdoc cref="FindText"/>
    public static (string Id, IEmbeddingModel Model) FindEmbedding(ModelCatalog catalog, string? id) => Find<IEmbeddingModel>(
        catalog, id, model => model.Pooling != PoolingKind.Rank, other => $"the model '{other}' computes no embeddings; one that generates text does where the service's configuration says \"Kind\": \"Embedding\" of it");

    /// <inheritdoc cref="FindText"/>
    public static (string Id, IEmbeddingModel Model) FindRanking(ModelCatalog catalog, string? id) => Find<IEmbeddingModel>(
        catalog, id, model => model.Pooling == PoolingKind.Rank, other => $"the model '{other}' ranks no documents; one with a ranking head does (pooling \"rank\" in /v1/models)");

    public static ApiException NotFound(ModelCatalog catalog, string id)
        => new(StatusCodes.Status404NotFound, $"the model '{id}' does not exist; there are: {string.Join(", ", catalog.Entries.Select(entry => entry.Id))}")
        {
            Param = "model",
            Code = WireNames.ModelNotFound,
        };

    private static (string Id, T Model) Find<T>(ModelCatalog catalog, string? id, Func<T, bool> serves, Func<string, string> mismatch)
        where T : class, IModel
    {
        var entry = string.IsNullOrEmpty(id) ? catalog.DefaultFor(model => model is T t && serves(t)) : catalog.Find(id) ?? throw NotFound(catalog, id);
        return entry.Model switch
        {
            T model when serves(model) => (entry.Id, model),
            null => throw new ApiException(StatusCodes.Status503ServiceUnavailable, $"the model '{entry.Id}' is still being loaded ({entry.Progress:P0})")
            {
                Code = WireNames.ModelLoading,
                RetryAfter = 1,
            },
            _ => throw ApiException.BadRequest(mismatch(entry.Id), "model", WireNames.WrongModelKind),
        };
    }
}
