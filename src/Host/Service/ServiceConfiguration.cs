using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Host.Service;

/// <summary>What the service reads from hearth.json, HEARTH_* variables and arguments; later ones win.</summary>
internal sealed record ServiceConfiguration
{
    public const string DefaultUrls = "http://127.0.0.1:4327";

    /// <summary>Addresses to listen on, separated by semicolons.</summary>
    public string Urls { get; init; } = DefaultUrls;

    /// <summary>At least one, where there are none in folders; the first answers requests that name no model.</summary>
    public required IReadOnlyList<ModelConfiguration> Models { get; init; }

    /// <summary>Names of their own for models with a system prompt and options.</summary>
    public IReadOnlyList<PresetConfiguration> Presets { get; init; } = [];

    /// <summary>Servers whose tools presets may offer.</summary>
    public IReadOnlyList<ToolServerConfiguration> ToolServers { get; init; } = [];

    public ServiceLimits Limits { get; init; } = new();

    /// <summary>Names, beside this machine's own, by which requests may call the service; "*.example.com" and "*" are patterns.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Origins, beside this machine's own, whose pages may use the service; "*": all.</summary>
    public IReadOnlyList<string> AllowedOrigins { get; init; } = [];

    /// <summary>Who starts from whose cached prefixes; null: each client from its own where keys are needed, else everybody.</summary>
    public PrefixSharing? PrefixSharing { get; init; }

    /// <summary>Folders whose models are loaded on demand; Hugging Face's and Ollama's are read in place.</summary>
    public IReadOnlyList<string> ModelFolders { get; init; } = [];

    /// <summary>Whether models are pulled from this machine and private networks too (/api/pull); no: what asks the service could ask them through it.</summary>
    public bool AllowPrivatePulls { get; init; }

    /// <summary>Whether a model's name that no model has stands for the default one; null: where there is one model only.</summary>
    public bool? AnswerUnknownModels { get; init; }

    /// <summary>Bytes that all loaded models may take together; null: no limit.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Seconds that a model which is loaded on demand stays without requests; -1: for good.</summary>
    public double KeepAliveSeconds { get; init; } = 300;

    /// <summary>Keys without a name, which open everything (<c>Authorization: Bearer</c>, <c>x-api-key</c> or <c>api-key</c>).</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>The file of the keys that have names; null where there is no place for it.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Whether requests must bring a key; null: where there is any, and where other machines reach the service.</summary>
    public bool? RequireKeys { get; init; }

    /// <summary>Where the service keeps what it must not forget, such as what keys have used; null: nowhere.</summary>
    public string? StateFolder { get; init; }

    /// <summary>An address of the service that other machines reach; null where there is none.</summary>
    public string? OpenAddress { get; init; }

    /// <summary>Reads the service's own keys; model paths in the file are relative to the file.</summary>
    /// <param name="configuration">File and environment, merged.</param>
    /// <param name="arguments">Win over both.</param>
    /// <exception cref="HearthException">A key is unknown, a value unusable, or no model is found.</exception>
    public static ServiceConfiguration Read(IConfiguration configuration, ServeArguments arguments)
    {
        var folder = arguments.File is { } file ? Path.GetDirectoryName(Path.GetFullPath(file))! : Environment.CurrentDirectory;
        var folders = ConfigurationReader.Texts(configuration, "ModelFolders").Select(path => Path.GetFullPath(path, folder)).ToList();
        var read = new ServiceConfiguration
        {
            ModelFolders = folders,
            Urls = arguments.Urls ?? ConfigurationReader.Text(configuration, "Urls") ?? DefaultUrls,
            Models = arguments.Models.Count > 0 ? arguments.Models : ReadModels(configuration, folder, folders),
            Limits = ConfigurationReader.Record<ServiceLimits>(configuration, configuration.GetSection("Limits")),
            AllowedHosts = ConfigurationReader.Texts(configuration, "AllowedHosts"),
            AllowedOrigins = ConfigurationReader.Texts(configuration, "AllowedOrigins"),
            Presets = [.. ConfigurationReader.Elements(configuration, configuration.GetSection("Presets")).Select(section => ReadPreset(configuration, section, folder))],
            ToolServers = [.. ConfigurationReader.Elements(configuration, configuration.GetSection("ToolServers")).Select(section => ReadToolServer(configuration, section, folder))],
            AnswerUnknownModels = ConfigurationReader.Value<bool>(configuration, "AnswerUnknownModels"),
            AllowPrivatePulls = ConfigurationReader.Value<bool>(configuration, "AllowPrivatePulls") ?? false,
            MemoryBytes = ConfigurationReader.Value<long>(configuration, "MemoryBytes"),
            KeepAliveSeconds = ConfigurationReader.Value<double>(configuration, "KeepAliveSeconds") ?? 300,
            ApiKeys = ConfigurationReader.Texts(configuration, "ApiKeys"),
            KeyFile = KeyFileOf(configuration, arguments.File),
            RequireKeys = arguments.NoKeys ? false : ConfigurationReader.Value<bool>(configuration, "RequireKeys"),
            StateFolder = ConfigurationReader.Text(configuration, "StateFolder") is { Length: > 0 } state ? Path.GetFullPath(state, folder) : UsualStateFolder(),
            PrefixSharing = ConfigurationReader.Name<PrefixSharing>(configuration, "PrefixSharing"),
        };
        ListenAddress.ParseAll(read.Urls, arguments.Urls is not null ? "--urls" : $"{ConfigurationReader.Source(configuration, "Urls")}: Urls");
        CheckModels(read.Models);
        CheckPresets(read);
        CheckLimits(configuration, read.Limits);
        return read;
    }

    /// <summary>Where the keys of a configuration file are, or of the environment alone; null where there is no place for them.</summary>
    /// <exception cref="HearthException">The file is no configuration.</exception>
    public static string? FindKeyFile(string? file)
    {
        var builder = new ConfigurationBuilder();
        ConfigurationSources.Add(builder, file);
        return KeyFileOf(builder.Build(), file);
    }

    private static string? KeyFileOf(IConfiguration configuration, string? file)
        => ConfigurationReader.Text(configuration, "KeyFile") is { Length: > 0 } named
            ? Path.GetFullPath(named, file is null ? Environment.CurrentDirectory : Path.GetDirectoryName(Path.GetFullPath(file))!)
            : Service.KeyFile.UsualPath(file);

    // systemd names one that it made; several are separated by colons.
    private static string? UsualStateFolder()
        => Environment.GetEnvironmentVariable("STATE_DIRECTORY") is { Length: > 0 } made ? made.Split(':')[0]
            : Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData) is { Length: > 0 } own ? Path.Combine(own, "hearth")
            : null;

    /// <summary>"Model" names one; "Models" describes any number; without both it is the demo model.</summary>
    private static List<ModelConfiguration> ReadModels(IConfiguration configuration, string folder, IReadOnlyList<string> modelFolders)
    {
        if (ConfigurationReader.Text(configuration, "Model") is { Length: > 0 } single)
        {
            return [new ModelConfiguration { Path = ModelLocator.Find(single) }];
        }

        // Only the children count: HEARTH_MODELS, without an index, names the model folders.
        var models = ConfigurationReader.Elements(configuration, configuration.GetSection("Models")).Select(section => ReadModel(configuration, section, folder)).ToList();
        return models.Count > 0 || modelFolders.Any(path => ModelSources.Find(path).Count > 0) ? models : [new ModelConfiguration { Path = ModelLocator.FindDefault() }];
    }

    private static ModelConfiguration ReadModel(IConfiguration configuration, IConfigurationSection section, string folder)
    {
        if (!section.GetChildren().Any())
        {
            throw ConfigurationReader.Fault(configuration, section, $"a model is expected, {{\"Path\": ...}}, found {(section.Value is { Length: > 0 } value ? $"'{value}'" : "nothing")}");
        }

        var model = ConfigurationReader.Record<ModelConfiguration>(configuration, section);
        return model.Path.Length > 0
            ? model with
            {
                Path = Path.GetFullPath(model.Path, folder),
                ChatTemplate = model.ChatTemplate is null or "chatml" ? model.ChatTemplate : Path.GetFullPath(model.ChatTemplate, folder),
                CacheFolder = model.CacheFolder is { } cache ? Path.GetFullPath(cache, folder) : null,
            }
            : throw ConfigurationReader.Fault(configuration, section, $"the model{(model.Id is null ? "" : $" '{model.Id}'")} has no Path");
    }

    private static PresetConfiguration ReadPreset(IConfiguration configuration, IConfigurationSection section, string folder)
    {
        var preset = ConfigurationReader.Record<PresetConfiguration>(configuration, section);
        if (preset.Id.Length == 0 || preset.Model.Length == 0)
        {
            throw ConfigurationReader.Fault(configuration, section, "a preset has an Id and a Model");
        }

        if (preset.MostToolRounds < 1)
        {
            throw ConfigurationReader.Fault(configuration, section.GetSection("MostToolRounds"), $"a number from 1 is expected, found {preset.MostToolRounds}");
        }

        return preset.ToolsFile is { } file ? preset with { Tools = ReadTools(configuration, section.GetSection("ToolsFile"), Path.GetFullPath(file, folder)) } : preset;
    }

    private static List<JsonObject> ReadTools(IConfiguration configuration, IConfigurationSection section, string path)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllBytes(path)) is JsonArray tools && tools.All(tool => tool is JsonObject) ? [.. tools.Select(tool => tool!.AsObject())]
                : throw ConfigurationReader.Fault(configuration, section, $"{path} must hold an array of tools, {{\"type\": \"function\", \"function\": ...}}");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or JsonException)
        {
            throw ConfigurationReader.Fault(configuration, section, $"{path} cannot be read: {exception.Message}");
        }
    }

    private static ToolServerConfiguration ReadToolServer(IConfiguration configuration, IConfigurationSection section, string folder)
    {
        var server = ConfigurationReader.Record<ToolServerConfiguration>(configuration, section);
        return server.FindFault() is { } fault ? throw ConfigurationReader.Fault(configuration, section, fault)
            : server with { WorkingFolder = server.WorkingFolder is { } working ? Path.GetFullPath(working, folder) : null };
    }

    private static void CheckPresets(ServiceConfiguration read)
    {
        var names = read.Models.SelectMany(model => model.Aliases.Prepend(model.EffectiveId)).ToList();
        foreach (var preset in read.Presets)
        {
            if (names.Contains(preset.Id))
            {
                throw new HearthException($"configuration: the preset '{preset.Id}' has a model's or another preset's name");
            }

            names.Add(preset.Id);
            if (preset.ToolServers.FirstOrDefault(id => read.ToolServers.All(server => server.Id != id)) is { } unknown)
            {
                throw new HearthException($"configuration: the preset '{preset.Id}' names the tool server '{unknown}', which ToolServers does not have");
            }
        }

        if (read.ToolServers.GroupBy(server => server.Id, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new HearthException($"configuration: {twice.Count()} tool servers have the Id '{twice.Key}'");
        }
    }

    private static void CheckModels(IReadOnlyList<ModelConfiguration> models)
    {
        var twice = models.SelectMany(model => model.Aliases.Prepend(model.EffectiveId)).GroupBy(id => id, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1);
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
        Between(nameof(limits.StoredResponses), limits.StoredResponses, 0, 1 << 20);
        Between(nameof(limits.StoredResponseBytes), limits.StoredResponseBytes, 0, 1L << 40);
        Between(nameof(limits.PingSeconds), limits.PingSeconds, 0.05, 3600);
        Between(nameof(limits.HeaderBytes), limits.HeaderBytes, 1024, 1 << 20);
        Between(nameof(limits.HeaderSeconds), limits.HeaderSeconds, 0.1, 3600);
        Between(nameof(limits.IdleSeconds), limits.IdleSeconds, 0.1, 86400);
        Between(nameof(limits.LeastBytesPerSecond), limits.LeastBytesPerSecond, 0, 1 << 30);

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

    /// <summary>Each client from its own: those with the same key, or without one of the same address.</summary>
    Client,
}

/// <summary>What the command line says about the service.</summary>
internal sealed record ServeArguments
{
    /// <summary>The configuration file, or null.</summary>
    public string? File { get; init; }

    public string? Urls { get; init; }

    /// <summary>Whether everybody may ask, wherever the service listens.</summary>
    public bool NoKeys { get; init; }

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

    /// <summary>Responses (/v1/responses) that are kept for later requests to go on from; 0: none.</summary>
    public int StoredResponses { get; init; } = 1000;

    /// <summary>Bytes of all responses that are kept, their conversations included.</summary>
    public long StoredResponseBytes { get; init; } = 64 * 1024 * 1024;

    /// <summary>Bytes of a request's line and headers together.</summary>
    public int HeaderBytes { get; init; } = 32 * 1024;

    /// <summary>Seconds that a request's headers may take to come.</summary>
    public double HeaderSeconds { get; init; } = 30;

    /// <summary>Seconds that a connection stays open without a request.</summary>
    public double IdleSeconds { get; init; } = 130;

    /// <summary>Bytes a second, over five seconds and more, that who sends a body or takes an answer must keep up; 0: none.</summary>
    public double LeastBytesPerSecond { get; init; } = 240;

    /// <summary>Seconds after which a generation is ended with finish reason "length".</summary>
    public double RequestSeconds { get; init; } = 1800;
}
