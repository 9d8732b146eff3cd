using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>GET /health: 200 once every model that the service starts with is loaded, 503 before, and where none could be.</summary>
internal static class HealthEndpoint
{
    /// <summary>HEAD is answered as GET, without the body.</summary>
    internal static readonly string[] ReadMethods = [HttpMethods.Get, HttpMethods.Head];

    public static void MapHealth(this IEndpointRouteBuilder routes) => routes.MapMethods("/health", ReadMethods, (HttpContext context, ModelCatalog catalog, KeyRing ring) =>
    {
        var status = StatusOf(catalog);

        // Which models there are, and how much they are asked, is for those who may ask them.
        var isStranger = ring.HasNames && KeyAuthentication.Of(context) is null;
        var models = isStranger ? [] : catalog.EntriesFor(context).Select(Describe).ToList();
        context.Response.StatusCode = status == "ok" ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsJsonAsync(
            new HealthResponse
            {
                Status = status,
                Model = isStranger ? null : catalog.DefaultFor(model => model is ILanguageModel, entry => ModelAccess.Opens(catalog, context, entry, null))?.Id,
                Models = models,
            }, ProtocolJson.Wire.HealthResponse, cancellationToken: context.RequestAborted);
    });

    /// <summary>"ok", "loading" or "failed": of all models together.</summary>
    public static string StatusOf(ModelCatalog catalog)
        => catalog.Entries.All(entry => Describe(entry).Status == "failed") ? "failed" : catalog.Entries.Any(entry => entry.IsStarting) ? "loading" : "ok";

    private static ModelHealth Describe(CatalogEntry entry)
    {
        if (entry.Failure is { } failure)
        {
            return new ModelHealth { Id = entry.Id, Status = "failed", Error = failure.Message };
        }

        if (entry.Model is not { } model)
        {
            return entry is { IsStarting: false, Loading: null }
                ? new ModelHealth { Id = entry.Id, Status = "unloaded" }
                : new ModelHealth { Id = entry.Id, Status = "loading", Progress = Math.Round(entry.Progress, 3) };
        }

        if (model.Fault is not null)
        {
            return new ModelHealth { Id = entry.Id, Status = "failed", Error = "the model's loop ended by a fault of its own; the service's log says which" };
        }

        var load = model.Load;
        var hasPages = model is ILanguageModel;
        return new ModelHealth
        {
            Id = entry.Id,
            Status = "ready",
            Load = new LoadFields
            {
                RunningRequests = load.RunningRequests,
                WaitingRequests = load.WaitingRequests,
                UsedPages = hasPages ? load.UsedPages : null,
                CachedPages = hasPages ? load.CachedPages : null,
                TotalPages = hasPages ? load.TotalPages : null,
            },
        };
    }
}
