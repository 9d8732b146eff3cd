using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>GET /health: 200 once every model that the service starts with is loaded, 503 before, and where none could be.</summary>
internal static class HealthEndpoint
{
    /// <summary>HEAD is answered as GET, without the body.</summary>
    internal static readonly string[] ReadMethods = [HttpMethods.Get, HttpMethods.Head];

    public static void MapHealth(this IEndpointRouteBuilder routes) => routes.MapMethods("/health", ReadMethods, (HttpContext context, ModelCatalog catalog) =>
    {
        var models = catalog.Entries.Select(Describe).ToList();
        var status = models.All(model => model.Status == "failed") ? "failed" : catalog.Entries.Any(entry => entry.IsStarting) ? "loading" : "ok";
        context.Response.StatusCode = status == "ok" ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsJsonAsync(
            new HealthResponse { Status = status, Model = catalog.DefaultFor(model => model is ILanguageModel).Id, Models = models }, ProtocolJson.Wire.HealthResponse, cancellationToken: context.RequestAborted);
    });

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
