using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Finds the model that a request is for.</summary>
internal static class ModelLookup
{
    /// <summary>The model that a request names, or the default one.</summary>
    /// <exception cref="ApiException">There is none of that name, it is not loaded yet, or it does not generate text.</exception>
    public static (string Id, ILanguageModel Model) FindText(ModelCatalog catalog, string? id)
        => Find<ILanguageModel>(catalog, id, other => $"the model '{other}' computes embeddings and generates no text; use /v1/embeddings");

    /// <inheritdoc cref="FindText"/>
    public static (string Id, IEmbeddingModel Model) FindEmbedding(ModelCatalog catalog, string? id)
        => Find<IEmbeddingModel>(
            catalog, id, other => $"the model '{other}' generates text and computes no embeddings; a decoder does where the service's configuration says \"Kind\": \"Embedding\" of it");

    public static ApiException NotFound(ModelCatalog catalog, string id)
        => new(StatusCodes.Status404NotFound, $"the model '{id}' does not exist; there are: {string.Join(", ", catalog.Entries.Select(entry => entry.Id))}")
        {
            Param = "model",
            Code = WireNames.ModelNotFound,
        };

    private static (string Id, T Model) Find<T>(ModelCatalog catalog, string? id, Func<string, string> mismatch)
        where T : class, IModel
    {
        var entry = string.IsNullOrEmpty(id) ? catalog.DefaultFor<T>() : catalog.Find(id) ?? throw NotFound(catalog, id);
        return entry.Model switch
        {
            T model => (entry.Id, model),
            null => throw new ApiException(StatusCodes.Status503ServiceUnavailable, $"the model '{entry.Id}' is still being loaded ({entry.Progress:P0})")
            {
                Code = WireNames.ModelLoading,
                RetryAfter = 1,
            },
            _ => throw ApiException.BadRequest(mismatch(entry.Id), "model", WireNames.WrongModelKind),
        };
    }
}
