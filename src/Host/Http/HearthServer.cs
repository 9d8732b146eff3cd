using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>Builds the background service: Generic Host, systemd and Windows-service lifetimes, HTTP API.</summary>
internal static class HearthServer
{
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

        ConfigureLogging(builder, quiet);
        builder.Services.AddSystemd();
        builder.Services.AddWindowsService(options => options.ServiceName = "Hearth");
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(5));
        builder.Services.AddSingleton(configuration);
        builder.Services.AddSingleton(load);
        builder.Services.AddSingleton<ModelCatalog>();
        builder.Services.AddSingleton<ApiFailures>();
        builder.Services.AddHostedService(provider => provider.GetRequiredService<ModelCatalog>());

        builder.WebHost.UseKestrelHttpsConfiguration();
        if (arguments.Urls is not null || !builder.Configuration.GetSection("Kestrel:Endpoints").Exists())
        {
            builder.WebHost.UseUrls(configuration.Urls);
        }

        builder.WebHost.ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = configuration.Limits.BodyBytes;
            options.Limits.MaxConcurrentConnections = 1024;
            options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(30);
        });

        var app = builder.Build();
        app.UseMiddleware<ApiErrorMiddleware>();
        app.MapStatusPage();
        app.MapHealth();
        app.MapModels();
        app.MapChatCompletions();
        app.MapCompletions();
        app.MapEmbeddings();
        app.MapRerank();
        return app;
    }

    private static void ConfigureLogging(WebApplicationBuilder builder, bool quiet)
    {
        builder.Logging.SetMinimumLevel(quiet ? LogLevel.Warning : LogLevel.Information);
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);

        // Why the host cannot start is told once, by the command.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        builder.Logging.AddSimpleConsole(options => options.SingleLine = true);
    }
}
