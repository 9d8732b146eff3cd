using Hearth.Host.Service;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Finds the model that a request is for.</summary>
internal static class ModelLookup
{
    /// <summary>The model that a request names, or the default one; loaded, and kept so until the request is answered.</summary>
    /// <exception cref="ApiException">There is none of that name, it cannot be loaded, it is being loaded at the service's start, or it does not do what is asked.</exception>
    public static Task<FoundModel<ILanguageModel>> FindTextAsync(HttpContext context, string? id)
        => FindAsync<ILanguageModel>(context, id, _ => true, other => $"the model '{other}' generates no text; it answers /v1/embeddings or /v1/rerank");

    /// <inheritdoc cref="FindTextAsync"/>
    public static Task<FoundModel<IEmbeddingModel>> FindEmbeddingAsync(HttpContext context, string? id) => FindAsync<IEmbeddingModel>(
        context, id, model => model.Pooling != PoolingKind.Rank, other => $"the model '{other}' computes no embeddings; one that generates text does where the service's configuration says \"Kind\": \"Embedding\" of it");

    /// <inheritdoc cref="FindTextAsync"/>
    public static Task<FoundModel<IEmbeddingModel>> FindRankingAsync(HttpContext context, string? id) => FindAsync<IEmbeddingModel>(
        context, id, model => model.Pooling == PoolingKind.Rank, other => $"the model '{other}' ranks no documents; one with a ranking head does (pooling \"rank\" in /v1/models)");

    /// <summary>The model of a name, whatever it does.</summary>
    public static Task<FoundModel<IModel>> FindAnyAsync(HttpContext context, string? id) => FindAsync<IModel>(context, id, _ => true, other => other);

    public static ApiException NotFound(HttpContext context, ModelCatalog catalog, string id)
        => new(
            StatusCodes.Status404NotFound,
            $"the model '{Shown(id)}' does not exist{(KeyAuthentication.Of(context) is { Models.Count: > 0 } ? " for this key" : "")}; there are: {string.Join(", ", catalog.EntriesFor(context).Select(entry => entry.Id).Concat(catalog.PresetsFor(context).Select(preset => preset.Id)))}")
        {
            Param = "model",
            Code = WireNames.ModelNotFound,
        };

    private static async Task<FoundModel<T>> FindAsync<T>(HttpContext context, string? id, Func<T, bool> serves, Func<string, string> mismatch)
        where T : class, IModel
    {
        var catalog = context.RequestServices.GetRequiredService<ModelCatalog>();
        var preset = string.IsNullOrEmpty(id) ? null : catalog.FindPreset(id);
        var named = string.IsNullOrEmpty(id) ? null : catalog.Find(preset?.Model ?? id) ?? (catalog.AnswersUnknownNames ? null : throw NotFound(context, catalog, id));
        var entry = named ?? catalog.DefaultFor(model => model is T t && serves(t), other => ModelAccess.Opens(catalog, context, other, null));
        if (entry is null || !ModelAccess.Opens(catalog, context, entry, preset))
        {
            throw NotFound(context, catalog, id ?? "");
        }

        if (entry.IsStarting)
        {
            throw new ApiException(StatusCodes.Status503ServiceUnavailable, $"the model '{entry.Id}' is still being loaded ({entry.Progress:P0})")
            {
                Code = WireNames.ModelLoading,
                RetryAfter = 1,
            };
        }

        var lease = await catalog.AcquireAsync(entry, context.RequestAborted);
        context.Response.RegisterForDispose(lease);
        ModelDefaults.Note(context, entry, preset);
        RequestAccount.Of(context).Model = entry.Id;
        return lease.Model is T model && serves(model)
            ? new FoundModel<T>(preset?.Id ?? entry.Id, model, entry)
            : throw ApiException.BadRequest(mismatch(entry.Id), "model", WireNames.WrongModelKind);
    }

    private static string Shown(string id) => id.Length > 200 ? id[..200] + "..." : id;
}
