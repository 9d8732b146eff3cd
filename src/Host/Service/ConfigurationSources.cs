using System.Text.Json;

namespace Hearth.Host.Service;

/// <summary>Where the service's configuration comes from.</summary>
internal static class ConfigurationSources
{
    public const string FileName = "hearth.json";

    private static readonly string[] KnownKeys = ["Urls", "Model", "Models", "Limits", "Logging", "Kestrel", "AllowedHosts"];

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

    /// <summary>Adds the file and HEARTH_* variables, which win.</summary>
    /// <exception cref="HearthException">The file is no JSON object, or holds a key that nobody reads.</exception>
    public static void Add(IConfigurationBuilder builder, string? file)
    {
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
            var unknown = new ConfigurationBuilder().AddJsonFile(file).Build().GetChildren()
                .FirstOrDefault(section => !KnownKeys.Contains(section.Key, StringComparer.OrdinalIgnoreCase));
            if (unknown is not null)
            {
                throw new HearthException($"{file}: unknown key '{unknown.Key}'; known: {string.Join(", ", KnownKeys)}");
            }
        }
        catch (InvalidDataException exception)
        {
            var cause = exception.GetBaseException() is JsonException json ? json.Message : exception.GetBaseException().Message;
            throw new HearthException($"{file}: {cause}", exception);
        }
    }
}
