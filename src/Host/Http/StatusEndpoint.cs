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
        // What others do is for those who may look: a bearer of another key is told of its models, and not how much they are asked.
        var looks = KeyAuthentication.Of(context)?.Verbs.HasFlag(KeyVerbs.Inspect) != false;
        context.Response.Headers.CacheControl = "no-store";
        var body = new JsonObject
        {
            ["object"] = "hearth.status",
            ["version"] = typeof(StatusEndpoint).Assembly.GetName().Version?.ToString(3),
            ["default"] = catalog.DefaultFor(model => model is ILanguageModel, entry => ModelAccess.Opens(catalog, context, entry, null))?.Id,
            ["models"] = new JsonArray([.. catalog.EntriesFor(context).Select(entry => Describe(entry, looks))]),
            ["presets"] = new JsonArray([.. catalog.PresetsFor(context).Select(preset => new JsonObject { ["id"] = preset.Id, ["model"] = preset.Model })]),
        };
        return context.Response.WriteAsJsonAsync(body, ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);
    });

    private static JsonObject Describe(CatalogEntry entry, bool looks)
    {
        var model = entry.Model;
        var counters = looks ? entry.Counters : new ModelCounters();
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
                ["prompt_tokens"] = counters.PromptTokens,
                ["cached_tokens"] = counters.CachedTokens,
                ["completion_tokens"] = counters.CompletionTokens,
                ["texts"] = counters.Texts,
                ["streamed_tokens"] = counters.StreamedTokens,
            },
        };
        if (model is null)
        {
            return described;
        }

        described["kind"] = model is ILanguageModel ? "text" : "embedding";
        described["chat"] = model is ILanguageModel && model.Information.HasChatTemplate;
        described["architecture"] = model.Information.Architecture;
        described["context_length"] = model.Information.ContextLength;
        described["parameter_count"] = model.Information.ParameterCount;
        described["size_bytes"] = model.Information.FileBytes;
        if (!looks)
        {
            return described;
        }

        var load = model.Load;
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
