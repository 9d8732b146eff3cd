using Hearth.Host.Agents;
using Hearth.Host.Page;
using Hearth.Host.Service;
using Hearth.Runtime.Conversations;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Hosting.Systemd;
using Microsoft.Extensions.Options;

namespace Hearth.Host.Http;

/// <summary>Builds the background service: Generic Host, systemd and Windows-service lifetimes, HTTP API.</summary>
internal static class HearthServer
{
    /// <summary>After the time to drain, what the last events may take to be sent.</summary>
    private static readonly TimeSpan LastEventsTime = TimeSpan.FromSeconds(5);

    /// <summary>How long a client may be slower than it has to be.</summary>
    private static readonly TimeSpan SlowTime = TimeSpan.FromSeconds(5);

    /// <summary>Builds the service, which listens and loads its models once it is started.</summary>
    /// <param name="arguments">The command line; it wins over file and environment.</param>
    /// <param name="load">Loads a model.</param>
    /// <param name="quiet">Whether to log warnings and errors only.</param>
    /// <exception cref="HearthException">The configuration is unusable.</exception>
    public static WebApplication Build(ServeArguments arguments, LoadModel load, bool quiet = false)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        ConfigurationSources.Add(builder.Configuration, arguments.File);
        var configuration = ServiceConfiguration.Read(builder.Configuration, arguments);
        var addresses = UsesUrls(builder.Configuration, arguments) ? ListenAddress.ParseAll(configuration.Urls, "Urls") : EndpointAddresses(builder.Configuration);
        configuration = configuration with { OpenAddress = addresses.FirstOrDefault(address => !ListenAddress.IsLocal(address))?.ToString() };

        ConfigureLogging(builder, quiet);
        builder.Services.AddSingleton<ISystemdNotifier>(_ => new SystemdNotifier());
        builder.Services.AddSingleton<SystemdState>();
        builder.Services.AddWindowsService(options => options.ServiceName = "Hearth");
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = StopTime(configuration));
        builder.Services.AddSingleton(provider => Live(provider, arguments, configuration));
        builder.Services.AddTransient(provider => provider.GetRequiredService<LiveConfiguration>().Current);
        builder.Services.AddSingleton(load);
        builder.Services.AddSingleton<ModelCatalog>();
        builder.Services.AddSingleton<ApiFailures>();
        builder.Services.AddSingleton<ResponseStore>();
        builder.Services.AddSingleton<ToolServers>();
        builder.Services.AddSingleton<BodyBudget>();
        builder.Services.AddSingleton(_ => new ConversationStore());
        builder.Services.AddSingleton<Drain>();
        builder.Services.AddSingleton<ConnectionGate>();
        builder.Services.AddSingleton<KeyRing>();
        builder.Services.AddSingleton<KeyUsage>();
        builder.Services.AddHostedService(provider => provider.GetRequiredService<KeyUsage>());
        builder.Services.AddSingleton<ServiceMetrics>();
        builder.Services.AddProbes();
        builder.Services.AddTelemetry();

        // Without the rest of AddAuthentication, which protects cookies by keys that it writes into the user's folder.
        builder.Services.AddAuthenticationCore(options =>
        {
            options.DefaultScheme = KeyAuthentication.Name;
            options.AddScheme<KeyAuthentication>(KeyAuthentication.Name, null);
        });
        builder.Services.AddWebEncoders();
        builder.Services.AddSingleton<IAuthorizationHandler, KeyAuthorization>();
        builder.Services.AddAuthorizationBuilder().SetFallbackPolicy(new AuthorizationPolicyBuilder(KeyAuthentication.Name).AddRequirements(new KeyRequirement()).Build());
        builder.Services.AddRateLimiter(KeyRates.Configure);
        LiveConfiguration? live = null;
        builder.Services.AddCors(options => options.AddDefaultPolicy(policy => policy
            .SetIsOriginAllowed(origin => AccessGuard.AllowsOrigin(live!.Current, origin)).AllowAnyHeader().AllowAnyMethod().WithExposedHeaders("Retry-After", "x-request-id", "request-id")));
        builder.Services.AddHostedService(provider => provider.GetRequiredService<ModelCatalog>());
        builder.Services.AddHostedService<SystemdWatchdog>();

        builder.WebHost.UseKestrelHttpsConfiguration();
        if (UsesUrls(builder.Configuration, arguments))
        {
            builder.WebHost.UseUrls(configuration.Urls);
        }

        builder.WebHost.ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = configuration.Limits.BodyBytes;

            // What Kestrel reads ahead of us, on every connection at once.
            options.Limits.MaxRequestBufferSize = 128 * 1024;
            options.Limits.MaxRequestHeadersTotalSize = configuration.Limits.HeaderBytes;
            options.Limits.MaxRequestLineSize = Math.Min(options.Limits.MaxRequestLineSize, configuration.Limits.HeaderBytes);
            options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(configuration.Limits.HeaderSeconds);
            options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(configuration.Limits.IdleSeconds);
            var rate = configuration.Limits.LeastBytesPerSecond is > 0 and var least ? new MinDataRate(least, SlowTime) : null;
            options.Limits.MinRequestBodyDataRate = rate;
            options.Limits.MinResponseDataRate = rate;
            var gate = options.ApplicationServices.GetRequiredService<ConnectionGate>();
            options.ConfigureEndpointDefaults(endpoint => endpoint.Use(next => connection => gate.ServeAsync(connection, next)));
        });

        var app = builder.Build();
        live = app.Services.GetRequiredService<LiveConfiguration>();
        Announce(app, live);
        var gate = app.Services.GetRequiredService<ConnectionGate>();

        // What is wrong with the keys is told before anything listens.
        var ring = app.Services.GetRequiredService<KeyRing>();
        live.Changed += (_, changed) =>
        {
            ((IConfigurationRoot)app.Configuration).Reload();
            app.Services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout = StopTime(changed);
            ring.Reload(changed);
        };
        if (configuration.OpenAddress is { } open)
        {
            WarnOfOpenness(app.Logger, open, ring);
        }

        app.UseRouting();
        app.UseRequestIds();
        app.UseMiddleware<Audit>();
        app.UseMiddleware<ApiErrorMiddleware>();
        app.Use((context, next) => gate.AnswerAsync(context, next));
        app.UseMiddleware<AccessGuard>();
        app.UseCors();
        app.UsePage();
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseRateLimiter();
        app.UseMiddleware<KeyQuota>();
        app.MapPage();
        app.MapHealth();
        app.MapProbes();
        app.MapModels();
        app.MapChatCompletions();
        app.MapCompletions();
        app.MapEmbeddings();
        app.MapRerank();
        app.MapOllama();
        app.MapAnthropic();
        app.MapResponses();
        app.MapLlama();
        app.MapEstimate();
        app.MapConversations();
        app.MapCache();
        app.MapStatus();
        app.MapLens();
        return app;
    }

    /// <summary>Where the service listens, or is to.</summary>
    public static IReadOnlyList<BindingAddress> Addresses(WebApplication app, ServeArguments arguments)
        => UsesUrls(app.Configuration, arguments)
            ? ListenAddress.ParseAll(app.Services.GetRequiredService<ServiceConfiguration>().Urls, "Urls")
            : EndpointAddresses(app.Configuration);

    private static TimeSpan StopTime(ServiceConfiguration configuration) => TimeSpan.FromSeconds(configuration.Limits.DrainSeconds) + LastEventsTime;

    private static LiveConfiguration Live(IServiceProvider provider, ServeArguments arguments, ServiceConfiguration first)
        => new(first, () =>
        {
            // Read apart, so that one that cannot be used leaves everything as it was.
            var builder = new ConfigurationBuilder();
            ConfigurationSources.Add(builder, arguments.File);
            return ServiceConfiguration.Read(builder.Build(), arguments);
        }, provider.GetRequiredService<ILogger<LiveConfiguration>>());

    private static bool UsesUrls(IConfiguration configuration, ServeArguments arguments)
        => arguments.Urls is not null || !configuration.GetSection("Kestrel:Endpoints").Exists();

    private static List<BindingAddress> EndpointAddresses(IConfiguration configuration)
        => [.. configuration.GetSection("Kestrel:Endpoints").GetChildren().SelectMany(endpoint => ListenAddress.ParseAll(
            endpoint["Url"] ?? "", $"{ConfigurationReader.Source(configuration, endpoint.Path)}: {endpoint.Path}:Url"))];

    private static void WarnOfOpenness(ILogger logger, string address, KeyRing ring)
    {
        if (!ring.IsRequired)
        {
            logger.LogWarning("{Address} can be reached from other machines, and whoever reaches it may use it", address);
        }
        else if (address.StartsWith("http:", StringComparison.OrdinalIgnoreCase))
        {
            logger.LogWarning("{Address} is not encrypted: keys and texts can be read on their way", address);
        }
    }

    // What is made only once it is asked for would miss the signal.
    private static void Announce(WebApplication app, LiveConfiguration configuration)
    {
        var (drain, systemd) = (app.Services.GetRequiredService<Drain>(), app.Services.GetRequiredService<SystemdState>());
        drain.Stopping.Register(() => systemd.Stopping(StopTime(configuration.Current) + LastEventsTime));
    }

    private static void ConfigureLogging(WebApplicationBuilder builder, bool quiet)
    {
        builder.Logging.SetMinimumLevel(quiet ? LogLevel.Warning : LogLevel.Information);
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);

        // Who asks too early is answered so; the log tells of loading and failing itself.
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);

        // What is wrong with a tool server is told in one line, by ToolServers.
        builder.Logging.AddFilter("ModelContextProtocol", LogLevel.None);

        // Why the host cannot start is told once, by the command.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        if (SystemdHelpers.IsSystemdService())
        {
            builder.Logging.AddSystemdConsole();
        }
        else
        {
            builder.Logging.AddSimpleConsole(options => options.SingleLine = true);
        }
    }
}
