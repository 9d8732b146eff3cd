using Hearth.Host.Service;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Hearth.Host.Http;

/// <summary>GET /live and /ready, for what starts, watches and routes to services: a status and one word.</summary>
internal static class Probes
{
    private const string ReadyTag = "ready";

    public static void AddProbes(this IServiceCollection services)
        => services.AddHealthChecks().AddCheck<ModelsReady>("models", tags: [ReadyTag]);

    public static void MapProbes(this IEndpointRouteBuilder routes)
    {
        // A service that answers is alive, whatever its models are.
        Map("/live", _ => false);
        Map("/ready", check => check.Tags.Contains(ReadyTag));

        void Map(string path, Func<HealthCheckRegistration, bool> predicate)
            => routes.MapHealthChecks(path, new HealthCheckOptions { Predicate = predicate }).WithMetadata(new HttpMethodMetadata(HealthEndpoint.ReadMethods));
    }

    /// <summary>Ready once every model that the service starts with is loaded, until it is to stop.</summary>
    private sealed class ModelsReady(ModelCatalog catalog, Drain drain) : IHealthCheck
    {
        public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
            => Task.FromResult(!drain.Stopping.IsCancellationRequested && HealthEndpoint.StatusOf(catalog) == "ok" ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy());
    }
}
