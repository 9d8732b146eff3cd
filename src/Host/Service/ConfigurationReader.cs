using System.Collections;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration.EnvironmentVariables;
using Microsoft.Extensions.Configuration.Json;

namespace Hearth.Host.Service;

/// <summary>Reads settings into records and says, of what it cannot read, where it stands, what was expected and what was found.</summary>
internal static class ConfigurationReader
{
    /// <summary>A setting's text; null where there is none.</summary>
    /// <exception cref="HearthException">It is no single value.</exception>
    public static string? Text(IConfiguration configuration, string key)
    {
        var section = configuration.GetSection(key);
        return section.GetChildren().Any() ? throw Fault(configuration, section, "one value is expected, found an object or an array") : section.Value;
    }

    /// <summary>A list of texts: an array, or one text with semicolons.</summary>
    public static IReadOnlyList<string> Texts(IConfiguration configuration, string key)
    {
        var section = configuration.GetSection(key);
        var children = Elements(configuration, section);
        return children.Count > 0
            ? [.. children.Select(child => child.Value is { Length: > 0 } text && !child.GetChildren().Any() ? text : throw Fault(configuration, child, $"a text is expected, found {Found(child)}"))]
            : (section.Value ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }

    /// <summary>A setting with a name out of a few; null where there is none.</summary>
    public static T? Name<T>(IConfiguration configuration, string key)
        where T : struct, Enum
        => Text(configuration, key) is null ? null : (T)Convert(configuration, configuration.GetSection(key), typeof(T));

    /// <summary>A setting that is a number or true or false; null where there is none.</summary>
    public static T? Value<T>(IConfiguration configuration, string key)
        where T : struct
        => Text(configuration, key) is null ? null : (T)Convert(configuration, configuration.GetSection(key), typeof(T));

    /// <summary>A record of settings; members that are not named keep their defaults.</summary>
    /// <exception cref="HearthException">A key is none of the record's members, or a value is not what its member takes.</exception>
    public static T Record<T>(IConfiguration configuration, IConfigurationSection section)
        where T : new()
        => (T)Record(configuration, section, typeof(T));

    private static object Record(IConfiguration configuration, IConfigurationSection section, Type type)
    {
        var members = type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(member => member.SetMethod is not null).ToList();
        var children = section.GetChildren().ToList();
        if (children.Count == 0 && section.Value is not "" && Exists(configuration, section))
        {
            throw Fault(configuration, section, $"an object is expected, found {Found(section)}");
        }

        var record = Activator.CreateInstance(type)!;
        foreach (var child in children)
        {
            var member = members.FirstOrDefault(member => member.Name.Equals(child.Key, StringComparison.OrdinalIgnoreCase))
                ?? throw Fault(configuration, child, $"there is no such key; known: {string.Join(", ", members.Select(member => member.Name))}");
            if (child.Value is null && !child.GetChildren().Any())
            {
                continue;
            }

            member.SetValue(record, Convert(configuration, child, member.PropertyType));
        }

        return record;
    }

    /// <summary>The elements of an array; empty where there is none.</summary>
    /// <exception cref="HearthException">It is an object.</exception>
    public static IReadOnlyList<IConfigurationSection> Elements(IConfiguration configuration, IConfigurationSection section)
    {
        var children = section.GetChildren().ToList();
        return children.FirstOrDefault(child => !int.TryParse(child.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _)) is { } named
            ? throw Fault(configuration, section, $"an array is expected, found an object with the key '{named.Key}'")
            : children;
    }

    /// <summary>An error about a setting, which names the file or variable that it comes from.</summary>
    public static HearthException Fault(IConfiguration configuration, IConfigurationSection section, string what)
        => new($"{Source(configuration, section.Path)}: {section.Path}: {what}");

    /// <summary>Where a setting comes from: a file or a variable.</summary>
    public static string Source(IConfiguration configuration, string path)
    {
        var provider = (configuration as IConfigurationRoot)?.Providers.Reverse().FirstOrDefault(provider => Holds(provider, path));
        return provider switch
        {
            JsonConfigurationProvider { Source: { Path: { } name, FileProvider: var folder } } => folder?.GetFileInfo(name).PhysicalPath ?? name,
            EnvironmentVariablesConfigurationProvider => $"the variable HEARTH_{path.ToUpperInvariant().Replace(":", "__", StringComparison.Ordinal)}",
            _ => "configuration",
        };
    }

    private static bool Exists(IConfiguration configuration, IConfigurationSection section)
        => (configuration as IConfigurationRoot)?.Providers.Any(provider => provider.TryGet(section.Path, out _)) ?? section.Value is not null;

    private static bool Holds(IConfigurationProvider provider, string path)
        => provider.TryGet(path, out _) || provider.GetChildKeys([], path).Any();

    private static object Convert(IConfiguration configuration, IConfigurationSection section, Type type)
    {
        var target = Nullable.GetUnderlyingType(type) ?? type;
        if (target.Namespace == typeof(ConfigurationReader).Namespace && target.IsClass)
        {
            return Record(configuration, section, target);
        }

        if (target.IsAssignableTo(typeof(IEnumerable)) && target != typeof(string))
        {
            return Texts(configuration, section.Path);
        }

        if (section.GetChildren().Any())
        {
            throw Fault(configuration, section, $"{Expected(target)} is expected, found an object or an array");
        }

        var text = section.Value!;
        var value = target switch
        {
            _ when target == typeof(string) => text,
            _ when target == typeof(bool) => bool.TryParse(text, out var flag) ? flag : null,
            _ when target == typeof(int) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null,
            _ when target == typeof(long) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null,
            _ when target == typeof(float) => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null,
            _ when target == typeof(double) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null,
            { IsEnum: true } => Enum.GetNames(target).FirstOrDefault(name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) is { } name ? Enum.Parse(target, name) : (object?)null,
            _ => throw new NotSupportedException($"settings of type {target}"),
        };
        return value ?? throw Fault(configuration, section, $"{Expected(target)} is expected, found '{text}'");
    }

    private static string Expected(Type type)
        => type.IsEnum ? $"one of {string.Join(", ", Enum.GetNames(type))}"
            : type == typeof(bool) ? "true or false"
            : type == typeof(int) ? "a whole number of 32 bits"
            : type == typeof(long) ? "a whole number"
            : type == typeof(double) || type == typeof(float) ? "a number"
            : "a text";

    private static string Found(IConfigurationSection section)
        => section.GetChildren().Any() ? "an object or an array" : section.Value is { } value ? $"'{value}'" : "null";
}
