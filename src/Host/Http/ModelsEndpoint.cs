using Hearth.Host.Service;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>GET /v1/models and /v1/models/{id}.</summary>
internal static class ModelsEndpoint
{
    public static void MapModels(this IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/v1/models", HealthEndpoint.ReadMethods, (HttpContext context, ModelCatalog catalog) => context.Response.WriteAsJsonAsync(
            new ModelList { Data = [.. catalog.Entries.Select(Describe)] }, ProtocolJson.Wire.ModelList, cancellationToken: context.RequestAborted));

        // Ids may hold slashes, as those of hubs do.
        routes.MapMethods("/v1/models/{**id}", HealthEndpoint.ReadMethods, (HttpContext context, ModelCatalog catalog, string id) => context.Response.WriteAsJsonAsync(
            Describe(catalog.Find(id) ?? throw ModelLookup.NotFound(catalog, id)), ProtocolJson.Wire.ModelEntry, cancellationToken: context.RequestAborted));
    }

    private static ModelEntry Describe(CatalogEntry entry)
    {
        var information = entry.Model?.Information;
        var embedding = entry.Model as IEmbeddingModel;
        return new ModelEntry
        {
            Id = entry.Id,
            Created = information?.Created.ToUnixTimeSeconds() ?? 0,
            Architecture = information?.Architecture,
            ContextLength = information?.ContextLength,
            VocabularySize = information?.VocabularySize,
            ParameterCount = information?.ParameterCount,
            SizeBytes = information?.FileBytes,
            Kind = information is null ? null : embedding is null ? "text" : embedding.Pooling == PoolingKind.Rank ? "ranking" : "embedding",

            // An embedding model made of a chat model still bears its template.
            Chat = information is null ? null : information.HasChatTemplate && embedding is null,
            Engine = information?.Engine,
            Backend = information?.Backend,
            Warnings = information is { Warnings.Count: > 0 } ? information.Warnings : null,
            Dimensions = embedding?.Pooling == PoolingKind.Rank ? null : embedding?.Dimensions,
            Pooling = embedding?.Pooling.ToWire(),
        };
    }
}
