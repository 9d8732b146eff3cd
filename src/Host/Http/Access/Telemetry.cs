using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Hearth.Host.Http;

/// <summary>OpenTelemetry, where the environment names a collector (<c>OTEL_EXPORTER_OTLP_ENDPOINT</c> and its kin).</summary>
/// <remarks>Requests as spans and the meters of service, web server and runtime; nothing of what was said is in them.</remarks>
internal static class Telemetry
{
    private static readonly string[] Endpoints = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];

    public static void AddTelemetry(this IServiceCollection services)
    {
        if (Endpoints.All(name => string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name))))
        {
            return;
        }

        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("hearth", serviceVersion: typeof(Telemetry).Assembly.GetName().Version?.ToString(3)).AddEnvironmentVariableDetector())
            .WithTracing(traces => traces.AddSource("Microsoft.AspNetCore").AddOtlpExporter())
            .WithMetrics(metrics => metrics
                .AddMeter(ServiceMetrics.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "Microsoft.AspNetCore.RateLimiting", "System.Runtime")
                .AddOtlpExporter());
    }
}
