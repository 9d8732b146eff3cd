using System.Globalization;

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

    /// <summary>Names, beside this machine's own, by which requests may call the service; "*.example.com" and "*" are patterns.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Origins, beside this machine's own, whose pages may use the service; "*": all.</summary>
    public IReadOnlyList<string> AllowedOrigins { get; init; } = [];

    /// <summary>Who starts from whose cached prefixes.</summary>
    public PrefixSharing PrefixSharing { get; init; }

    /// <summary>Reads the service's own keys; model paths in the file are relative to the file.</summary>
    /// <param name="configuration">File and environment, merged.</param>
    /// <param name="arguments">Win over both.</param>
    /// <exception cref="HearthException">A key is unknown, a value unusable, or no model is found.</exception>
    public static ServiceConfiguration Read(IConfiguration configuration, ServeArguments arguments)
    {
        var folder = arguments.File is { } file ? Path.GetDirectoryName(Path.GetFullPath(file))! : Environment.CurrentDirectory;
        var read = new ServiceConfiguration
        {
            Urls = arguments.Urls ?? ConfigurationReader.Text(configuration, "Urls") ?? DefaultUrls,
            Models = arguments.Models.Count > 0 ? arguments.Models : ReadModels(configuration, folder),
            Limits = ConfigurationReader.Record<ServiceLimits>(configuration, configuration.GetSection("Limits")),
            AllowedHosts = ConfigurationReader.Texts(configuration, "AllowedHosts"),
            AllowedOrigins = ConfigurationReader.Texts(configuration, "AllowedOrigins"),
            PrefixSharing = ConfigurationReader.Name<PrefixSharing>(configuration, "PrefixSharing") ?? PrefixSharing.All,
        };
        ListenAddress.ParseAll(read.Urls, arguments.Urls is not null ? "--urls" : $"{ConfigurationReader.Source(configuration, "Urls")}: Urls");
        CheckModels(read.Models);
        CheckLimits(configuration, read.Limits);
        return read;
    }

    /// <summary>"Model" names one; "Models" describes any number; without both it is the demo model.</summary>
    private static List<ModelConfiguration> ReadModels(IConfiguration configuration, string folder)
    {
        if (ConfigurationReader.Text(configuration, "Model") is { Length: > 0 } single)
        {
            return [new ModelConfiguration { Path = ModelLocator.Find(single) }];
        }

        // Only the children count: HEARTH_MODELS, without an index, names the model folders.
        var models = ConfigurationReader.Elements(configuration, configuration.GetSection("Models")).Select(section => ReadModel(configuration, section, folder)).ToList();
        return models.Count > 0 ? models : [new ModelConfiguration { Path = ModelLocator.FindDefault() }];
    }

    private static ModelConfiguration ReadModel(IConfiguration configuration, IConfigurationSection section, string folder)
    {
        if (!section.GetChildren().Any())
        {
            throw ConfigurationReader.Fault(configuration, section, $"a model is expected, {{\"Path\": ...}}, found {(section.Value is { Length: > 0 } value ? $"'{value}'" : "nothing")}");
        }

        var model = ConfigurationReader.Record<ModelConfiguration>(configuration, section);
        return model.Path.Length > 0
            ? model with { Path = Path.GetFullPath(model.Path, folder), CacheFolder = model.CacheFolder is { } cache ? Path.GetFullPath(cache, folder) : null }
            : throw ConfigurationReader.Fault(configuration, section, $"the model{(model.Id is null ? "" : $" '{model.Id}'")} has no Path");
    }

    private static void CheckModels(IReadOnlyList<ModelConfiguration> models)
    {
        var twice = models.GroupBy(model => model.EffectiveId, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1);
        if (twice is not null)
        {
            throw new HearthException($"configuration: {twice.Count()} models have the id '{twice.Key}'; give each its own");
        }

        foreach (var model in models)
        {
            if (model is { Kind: ModelUse.Text, Pooling: not null })
            {
                throw new HearthException($"configuration: the model '{model.EffectiveId}' generates text, so Pooling has no meaning");
            }
        }
    }

    private static void CheckLimits(IConfiguration configuration, ServiceLimits limits)
    {
        Between(nameof(limits.BodyBytes), limits.BodyBytes, 1024, 1 << 30);
        Between(nameof(limits.AllBodiesBytes), limits.AllBodiesBytes, limits.BodyBytes, 1L << 40);
        Between(nameof(limits.RequestSeconds), limits.RequestSeconds, 0.001, 86400);
        Between(nameof(limits.Connections), limits.Connections, 1, 1 << 20);
        Between(nameof(limits.DrainSeconds), limits.DrainSeconds, 0, 86400);
        Between(nameof(limits.PingSeconds), limits.PingSeconds, 0.05, 3600);

        void Between(string name, double value, double least, double most)
        {
            if (!(value >= least && value <= most))
            {
                throw ConfigurationReader.Fault(
                    configuration, configuration.GetSection("Limits:" + name), string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most} is expected, found {value}"));
            }
        }
    }
}
/// <summary>Who starts from whose cached prefixes.</summary>
internal enum PrefixSharing
{
    /// <summary>Everybody from everybody's: the least work. How many tokens were cached, and how soon an answer came, then tells of others' prompts.</summary>
    All,

    /// <summary>Each client from its own: those with the same Authorization header, or without one of the same address.</summary>
    Client,
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

    /// <summary>Bytes of the bodies of all requests that are being read at a time.</summary>
    public long AllBodiesBytes
    {
        get => field == 0 ? Math.Max(64 * 1024 * 1024, BodyBytes) : field;
        init;
    }

    /// <summary>Connections that are held at a time; a newcomer takes the place of the one that has been idle longest.</summary>
    public int Connections { get; init; } = 1024;

    /// <summary>Seconds that what runs may go on once the service is to stop.</summary>
    public double DrainSeconds { get; init; } = 5;

    /// <summary>Seconds of silence in a stream after which a comment says that the answer is alive.</summary>
    public double PingSeconds { get; init; } = 2;

    /// <summary>Seconds after which a generation is ended with finish reason "length".</summary>
    public double RequestSeconds { get; init; } = 1800;
}
