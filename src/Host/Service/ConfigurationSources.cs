using System.Text.Json;
using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;

namespace Hearth.Host.Service;

/// <summary>Where the service's configuration comes from.</summary>
internal static class ConfigurationSources
{
    public const string FileName = "hearth.json";

    private static readonly string[] KnownKeys = ["Urls", "Model", "Models", "ModelFolders", "Limits", "AllowedHosts", "AllowedOrigins", "Presets", "ToolServers", "PrefixSharing", "AnswerUnknownModels", "MemoryBytes", "AllowPrivatePulls", "KeepAliveSeconds", "ApiKeys", "KeyFile", "RequireKeys", "StateFolder", "Logging", "Kestrel"];

    // What Kestrel itself reads of its section.
    private static readonly string[] KestrelKeys = ["Endpoints", "EndpointDefaults", "Certificates"];

    /// <summary>The file asked for, or hearth.json in the current folder or beside the executable; null where there is none.</summary>
    /// <exception cref="HearthException">The file asked for does not exist.</exception>
    public static string? FindFile(string? asked)
    {
        asked ??= Environment.GetEnvironmentVariable("HEARTH_CONFIG");
        if (!string.IsNullOrEmpty(asked))
        {
            return File.Exists(asked) ? Path.GetFullPath(asked) : throw new HearthException($"the configuration file '{asked}' does not exist");
        }

        return new[] { Environment.CurrentDirectory, AppContext.BaseDirectory }
            .Select(folder => Path.Combine(folder, FileName))
            .FirstOrDefault(File.Exists);
    }

    /// <summary>Makes the file and HEARTH_* variables, which win, the only sources: variables of other programs' names, such as MODEL or URLS, count for nothing.</summary>
    /// <exception cref="HearthException">The file is no JSON object, or holds a key that nobody reads.</exception>
    public static void Add(IConfigurationBuilder builder, string? file)
    {
        foreach (var source in builder.Sources.Where(source => source is JsonConfigurationSource or EnvironmentVariablesConfigurationSource).ToList())
        {
            builder.Sources.Remove(source);
        }

        if (file is not null)
        {
            CheckKeys(file);
            builder.AddJsonFile(file, optional: false, reloadOnChange: false);
        }

        builder.AddEnvironmentVariables("HEARTH_");
    }

    private static void CheckKeys(string file)
    {
        try
        {
            var read = new ConfigurationBuilder().AddJsonFile(file).Build();
            CheckKeys(file, read, "", KnownKeys);
            CheckKeys(file, read.GetSection("Kestrel"), "Kestrel:", KestrelKeys);
            if (read.GetSection("Models") is var models && !models.GetChildren().Any() && read.Providers.Any(provider => provider.TryGet("Models", out _)))
            {
                throw new HearthException($"{file}: Models: an array of at least one model is expected, found {(models.Value is { Length: > 0 } value ? $"'{value}'" : "nothing in it")}");
            }

            foreach (var level in read.GetSection("Logging").AsEnumerable().Where(pair => pair.Key.Contains("LogLevel:", StringComparison.OrdinalIgnoreCase)))
            {
                if (level.Value is not null && !Enum.GetNames<LogLevel>().Contains(level.Value, StringComparer.OrdinalIgnoreCase))
                {
                    throw new HearthException($"{file}: {level.Key}: one of {string.Join(", ", Enum.GetNames<LogLevel>())} is expected, found '{level.Value}'");
                }
            }
        }
        catch (InvalidDataException exception)
        {
            var cause = exception.GetBaseException() is JsonException json ? json.Message : exception.GetBaseException().Message;
            throw new HearthException($"{file}: {cause}", exception);
        }
    }

    private static void CheckKeys(string file, IConfiguration section, string prefix, string[] known)
    {
        if (section.GetChildren().FirstOrDefault(child => !known.Contains(child.Key, StringComparer.OrdinalIgnoreCase)) is { } unknown)
        {
            throw new HearthException($"{file}: unknown key '{prefix}{unknown.Key}'; known: {string.Join(", ", known)}");
        }
    }
}
