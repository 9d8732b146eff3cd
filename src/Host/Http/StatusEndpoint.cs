using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>GET /hearth/status: of each model whether it is loaded, what it does now, what it has done, and a map of its cache.</summary>
internal static class StatusEndpoint
{
    /// <summary>Cells of a map; of larger caches each stands for several pages.</summary>
    private const int MostCells = 1024;

    public static void MapStatus(this IEndpointRouteBuilder routes) => routes.MapMethods("/hearth/status", HealthEndpoint.ReadMethods, (HttpContext context, ModelCatalog catalog) =>
    {
        context.Response.Headers.CacheControl = "no-store";
        var body = new JsonObject
        {
            ["object"] = "hearth.status",
            ["version"] = typeof(StatusEndpoint).Assembly.GetName().Version?.ToString(3),
            ["default"] = catalog.DefaultFor(model => model is ILanguageModel).Id,
            ["models"] = new JsonArray([.. catalog.Entries.Select(Describe)]),
            ["presets"] = new JsonArray([.. catalog.Presets.Select(preset => new JsonObject { ["id"] = preset.Id, ["model"] = preset.Model })]),
        };
        return context.Response.WriteAsJsonAsync(body, ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);
    });

    private static JsonObject Describe(CatalogEntry entry)
    {
        var model = entry.Model;
        var described = new JsonObject
        {
            ["id"] = entry.Id,
            ["status"] = entry switch
            {
                { Loading: not null } or { IsStarting: true } => "loading",
                { Failure: not null } or { Model.Fault: not null } => "failed",
                { Model: null } => "unloaded",
                _ => "ready",
            },
            ["progress"] = Math.Round(entry.Progress, 3),
            ["error"] = entry.Failure?.Message,
            ["on_demand"] = entry.Configuration.OnDemand,
            ["counters"] = new JsonObject
            {
                ["prompt_tokens"] = entry.Counters.PromptTokens,
                ["cached_tokens"] = entry.Counters.CachedTokens,
                ["completion_tokens"] = entry.Counters.CompletionTokens,
                ["texts"] = entry.Counters.Texts,
                ["streamed_tokens"] = entry.Counters.StreamedTokens,
            },
        };
        if (model is null)
        {
            return described;
        }

        var load = model.Load;
        described["kind"] = model is ILanguageModel ? "text" : "embedding";
        described["chat"] = model is ILanguageModel && model.Information.HasChatTemplate;
        described["architecture"] = model.Information.Architecture;
        described["context_length"] = model.Information.ContextLength;
        described["parameter_count"] = model.Information.ParameterCount;
        described["size_bytes"] = model.Information.FileBytes;
        described["running_requests"] = load.RunningRequests;
        described["waiting_requests"] = load.WaitingRequests;
        if (model is LanguageModel own)
        {
            described["bytes"] = new JsonObject { ["weights"] = own.Memory.Weights, ["scratch"] = own.Memory.Scratch, ["cache"] = own.Memory.Cache };
            described["cache"] = Describe(own.Cache);
        }

        return described;
    }

    private static JsonObject Describe(KvCache cache)
    {
        var pages = cache.GetStatistics();
        var uses = cache.CapturePageUses();
        var pagesPerCell = Math.Max(1, (uses.Length + MostCells - 1) / MostCells);
        return new JsonObject
        {
            ["page_tokens"] = cache.PageTokens,
            ["total_pages"] = pages.TotalPages,
            ["used_pages"] = pages.UsedPages,
            ["cached_pages"] = pages.CachedPages,
            ["free_pages"] = pages.FreePages,
            ["sequences"] = pages.Sequences,
            ["evicted_pages"] = pages.EvictedPages,
            ["copied_pages"] = pages.CopiedPages,
            ["pages_per_cell"] = pagesPerCell,

            // A digit for each cell: what most is done with one of its pages.
            ["cells"] = string.Concat(uses.Chunk(pagesPerCell).Select(cell => (char)('0' + (int)cell.Max()))),
        };
    }
}
