using Hearth.Host.Service;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>GET /v1/models and /v1/models/{id}.</summary>
internal static class ModelsEndpoint
{
    public static void MapModels(this IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/models", HealthEndpoint.ReadMethods, (HttpContext context, ModelCatalog catalog)
            => context.Response.WriteAsJsonAsync(new ModelList { Data = DescribeAll(context, catalog) }, ProtocolJson.Wire.ModelList, cancellationToken: context.RequestAborted));
        routes.MapMethods("/v1/models", HealthEndpoint.ReadMethods, (HttpContext context, ModelCatalog catalog) => IsAnthropic(context)
            ? context.Response.WriteAsJsonAsync(AnthropicEndpoints.Describe(catalog.EntriesFor(context)), ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted)
            : context.Response.WriteAsJsonAsync(new ModelList { Data = DescribeAll(context, catalog) }, ProtocolJson.Wire.ModelList, cancellationToken: context.RequestAborted));

        // Ids may hold slashes, as those of hubs do.
        routes.MapMethods("/v1/models/{**id}", HealthEndpoint.ReadMethods, (HttpContext context, ModelCatalog catalog, string id) =>
        {
            var preset = catalog.FindPreset(id);
            var entry = catalog.Find(preset?.Model ?? id) is { } found && ModelAccess.Opens(catalog, context, found, preset) ? found : throw ModelLookup.NotFound(context, catalog, id);
            return IsAnthropic(context)
                ? context.Response.WriteAsJsonAsync(AnthropicEndpoints.Describe(entry), ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted)
                : context.Response.WriteAsJsonAsync(Describe(entry, preset?.Id), ProtocolJson.Wire.ModelEntry, cancellationToken: context.RequestAborted);
        });
    }

    // A preset is what its model is, under a name of its own.
    private static List<ModelEntry> DescribeAll(HttpContext context, ModelCatalog catalog)
        => [.. catalog.EntriesFor(context).Select(entry => Describe(entry)), .. catalog.PresetsFor(context).Select(preset => catalog.Find(preset.Model) is { } entry ? Describe(entry, preset.Id) : null).OfType<ModelEntry>()];

    // Both protocols have this route; its client's version tells them apart.
    private static bool IsAnthropic(HttpContext context) => context.Request.Headers.ContainsKey("anthropic-version");

    private static ModelEntry Describe(CatalogEntry entry, string? id = null)
    {
        var information = entry.Model?.Information;
        var embedding = entry.Model as IEmbeddingModel;
        return new ModelEntry
        {
            Id = id ?? entry.Id,
            Aliases = entry.Configuration.Aliases is { Count: > 0 } aliases && id is null ? aliases : null,
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
