namespace Hearth.Host.Service;

/// <summary>The configuration as it stands: read when the service starts, and again whenever somebody asks for it.</summary>
/// <param name="first">What the service starts with.</param>
/// <param name="read">Reads file, environment and arguments anew.</param>
/// <param name="logger">Tells what is not taken over.</param>
internal sealed class LiveConfiguration(ServiceConfiguration first, Func<ServiceConfiguration> read, ILogger<LiveConfiguration> logger)
{
    // What the web server, or what is opened once, is made with.
    private static readonly (string Key, Func<ServiceConfiguration, object?> Value)[] Fixed =
    [
        ("Urls", settings => settings.Urls), ("KeyFile", settings => settings.KeyFile), ("RequireKeys", settings => settings.RequireKeys),
        ("StateFolder", settings => settings.StateFolder), ("ModelFolders", settings => string.Join(';', settings.ModelFolders)), ("ToolServers", settings => string.Join('\n', settings.ToolServers.Select(Describe))),
        ("Limits:BodyBytes", settings => settings.Limits.BodyBytes), ("Limits:HeaderBytes", settings => settings.Limits.HeaderBytes),
        ("Limits:HeaderSeconds", settings => settings.Limits.HeaderSeconds), ("Limits:IdleSeconds", settings => settings.Limits.IdleSeconds),
        ("Limits:LeastBytesPerSecond", settings => settings.Limits.LeastBytesPerSecond),
    ];

    private readonly Lock _lock = new();
    private volatile ServiceConfiguration _current = first;

    public ServiceConfiguration Current => _current;

    /// <summary>Called after a change, with what was before and what is now; one change at a time.</summary>
    public event Action<ServiceConfiguration, ServiceConfiguration>? Changed;

    /// <summary>Reads the configuration anew; one that cannot be used changes nothing.</summary>
    /// <returns>Why it cannot be used, in one line; null where it is in force now.</returns>
    public string? Reload()
    {
        lock (_lock)
        {
            ServiceConfiguration fresh;
            try
            {
                fresh = read();
            }
            catch (HearthException exception)
            {
                logger.LogError("{Message}; the configuration before it stays in force", exception.Message);
                return exception.Message;
            }

            var before = _current;
            if (fresh.Presets.SelectMany(preset => preset.ToolServers.Select(server => (preset.Id, server))).FirstOrDefault(pair => before.ToolServers.All(server => server.Id != pair.server)) is { Id: { } preset } unknown)
            {
                var refusal = $"configuration: the preset '{preset}' names the tool server '{unknown.server}', which counts from the next start on";
                logger.LogError("{Message}; the configuration before it stays in force", refusal);
                return refusal;
            }

            foreach (var (key, value) in Fixed)
            {
                if (!Equals(value(before), value(fresh)))
                {
                    logger.LogWarning("{Key} counts from the next start on", key);
                }
            }

            // Whether the service can be reached from elsewhere is where it listens, which does not change.
            _current = fresh with { OpenAddress = before.OpenAddress, Urls = before.Urls, ModelFolders = before.ModelFolders, ToolServers = before.ToolServers, KeyFile = before.KeyFile, RequireKeys = before.RequireKeys, StateFolder = before.StateFolder };
            Changed?.Invoke(before, _current);
            logger.LogInformation("the configuration was read anew");
            return null;
        }
    }

    private static string Describe(ToolServerConfiguration server)
        => string.Join('\t', server.Arguments.Concat(server.Environment).Concat(server.Headers).Concat(server.Tools).Prepend($"{server with { Arguments = [], Environment = [], Headers = [], Tools = [] }}"));
}
