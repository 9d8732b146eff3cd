using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>GET /hearth/cache: what the pages of each model are used for, and what its folder holds.</summary>
internal static class CacheEndpoint
{
    public static void MapCache(this IEndpointRouteBuilder routes) => routes.MapMethods("/hearth/cache", HealthEndpoint.ReadMethods, (HttpContext context, ModelCatalog catalog, ServiceConfiguration configuration) =>
    {
        context.Response.Headers.CacheControl = "no-store";
        var models = catalog.EntriesFor(context).Where(entry => entry.Model is LanguageModel).Select(entry => Describe(entry.Id, (LanguageModel)entry.Model!));
        return context.Response.WriteAsJsonAsync(new JsonObject { ["object"] = "list", ["data"] = new JsonArray([.. models]), ["memory"] = Memory(catalog, configuration) }, ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);
    });

    /// <summary>What the process has, and what of it the loaded models are counted with: weights, work space and whole caches.</summary>
    private static JsonObject Memory(ModelCatalog catalog, ServiceConfiguration configuration) => new()
    {
        ["budget_bytes"] = configuration.MemoryBytes,
        ["models_bytes"] = catalog.UsedBytes,
        ["managed_bytes"] = GC.GetTotalMemory(forceFullCollection: false),
        ["resident_bytes"] = Environment.WorkingSet,
        ["machine_bytes"] = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
    };

    private static JsonObject Describe(string id, LanguageModel model)
    {
        var pages = model.Cache.GetStatistics();
        var memory = model.Memory;
        return new JsonObject
        {
            ["model"] = id,
            ["page_tokens"] = model.Cache.PageTokens,
            ["total_pages"] = pages.TotalPages,
            ["used_pages"] = pages.UsedPages,
            ["cached_pages"] = pages.CachedPages,
            ["free_pages"] = pages.FreePages,
            ["sequences"] = pages.Sequences,
            ["evicted_pages"] = pages.EvictedPages,
            ["copied_pages"] = pages.CopiedPages,
            ["bytes"] = new JsonObject { ["weights"] = memory.Weights, ["scratch"] = memory.Scratch, ["cache"] = memory.Cache },
            ["folder"] = model.Durable is not { } folder ? null : new JsonObject
            {
                ["pages"] = folder.Pages,
                ["bytes"] = folder.Bytes,
                ["written_pages"] = folder.WrittenPages,
                ["read_pages"] = folder.ReadPages,
                ["declined_pages"] = folder.DeclinedPages,
            },
        };
    }
}
