namespace Hearth.Host.Service;

/// <summary>What the service reads from hearth.json, HEARTH_* variables and arguments; later ones win.</summary>
internal sealed record ServiceConfiguration
{
    public const string DefaultUrls = "http://127.0.0.1:4327";

    /// <summary>Addresses to listen on, separated by semicolons.</summary>
    public string Urls { get; init; } = DefaultUrls;

    /// <summary>At least one; the first answers requests that name no model.</summary>
    public required IReadOnlyList<ModelConfiguration> Models { get; init; }

    public ServiceLimits Limits { get; init; } = new();

    /// <summary>Reads the service's own keys; model paths in the file are relative to the file.</summary>
    /// <param name="configuration">File and environment, merged.</param>
    /// <param name="arguments">Win over both.</param>
    /// <exception cref="HearthException">A key is unknown, a value unusable, or no model is found.</exception>
    public static ServiceConfiguration Read(IConfiguration configuration, ServeArguments arguments)
    {
        var folder = arguments.File is { } file ? Path.GetDirectoryName(Path.GetFullPath(file))! : Environment.CurrentDirectory;
        try
        {
            return Checked(new ServiceConfiguration
            {
                Urls = arguments.Urls ?? configuration["Urls"] ?? DefaultUrls,
                Models = arguments.Models.Count > 0 ? arguments.Models : ReadModels(configuration, folder),
                Limits = configuration.GetSection("Limits").Get<ServiceLimits>(options => options.ErrorOnUnknownConfiguration = true) ?? new(),
            });
        }
        catch (InvalidOperationException exception)
        {
            throw new HearthException($"configuration: {exception.InnerException?.Message ?? exception.Message}", exception);
        }
    }

    /// <summary>"Model" names one; "Models" describes any number; without both it is the demo model.</summary>
    private static List<ModelConfiguration> ReadModels(IConfiguration configuration, string folder)
    {
        if (configuration["Model"] is { Length: > 0 } single)
        {
            return [new ModelConfiguration { Path = ModelLocator.Find(single) }];
        }

        // Only the children count: HEARTH_MODELS, without an index, names the model folders.
        var models = configuration.GetSection("Models").GetChildren()
            .Select(section => section.Get<ModelConfiguration>(options => options.ErrorOnUnknownConfiguration = true)!)
            .Select(model => Resolve(model, folder))
            .ToList();
        return models.Count > 0 ? models : [new ModelConfiguration { Path = ModelLocator.FindDefault() }];
    }

    private static ModelConfiguration Resolve(ModelConfiguration model, string folder)
        => model.Path.Length > 0
            ? model with { Path = Path.GetFullPath(model.Path, folder) }
            : throw new HearthException($"configuration: the model '{model.Id}' has no path");

    private static ServiceConfiguration Checked(ServiceConfiguration configuration)
    {
        var twice = configuration.Models.GroupBy(model => model.EffectiveId, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1);
        if (twice is not null)
        {
            throw new HearthException($"configuration: {twice.Count()} models have the id '{twice.Key}'; give each its own");
        }

        foreach (var model in configuration.Models)
        {
            CheckUse(model);
        }

        foreach (var url in configuration.Urls.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            // Kestrel's wildcards are no host names of an Uri.
            if (!Uri.TryCreate(url.Replace("//*", "//localhost", StringComparison.Ordinal).Replace("//+", "//localhost", StringComparison.Ordinal), UriKind.Absolute, out var uri)
                || uri.Scheme is not ("http" or "https"))
            {
                throw new HearthException($"configuration: '{url}' is no http or https address");
            }
        }

        return configuration.Limits switch
        {
            { BodyBytes: < 1024 or > 1 << 30 } => throw new HearthException($"configuration: Limits:BodyBytes must be between 1024 and {1 << 30}, found {configuration.Limits.BodyBytes}"),
            { RequestSeconds: <= 0 or > 86400 or double.NaN } => throw new HearthException($"configuration: Limits:RequestSeconds must be above 0 and at most 86400, found {configuration.Limits.RequestSeconds}"),
            _ => configuration,
        };
    }

    // A number binds to an enumeration whether it names a member or not.
    private static void CheckUse(ModelConfiguration model)
    {
        var fault = model switch
        {
            { Kind: { } kind } when !Enum.IsDefined(kind) => $"has an unknown Kind; known: {string.Join(", ", Enum.GetNames<ModelUse>())}",
            { Pooling: { } pooling } when !Enum.IsDefined(pooling) => $"has an unknown Pooling; known: {string.Join(", ", Enum.GetNames<PoolingName>())}",
            { Kind: ModelUse.Text, Pooling: not null } => "generates text, so Pooling has no meaning",
            _ => null,
        };
        if (fault is not null)
        {
            throw new HearthException($"configuration: the model '{model.EffectiveId}' {fault}");
        }
    }
}

/// <summary>What the command line says about the service.</summary>
internal sealed record ServeArguments
{
    /// <summary>The configuration file, or null.</summary>
    public string? File { get; init; }

    public string? Urls { get; init; }

    /// <summary>Replace all models of file and environment where there are any.</summary>
    public IReadOnlyList<ModelConfiguration> Models { get; init; } = [];
}

/// <summary>What one request may cost the service.</summary>
internal sealed record ServiceLimits
{
    /// <summary>Bytes of a request's body.</summary>
    public long BodyBytes { get; init; } = 16 * 1024 * 1024;

    /// <summary>Seconds after which a generation is ended with finish reason "length".</summary>
    public double RequestSeconds { get; init; } = 1800;
}
