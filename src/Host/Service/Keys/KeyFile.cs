using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Hearth.Host.Service;

/// <summary>The file in which keys are kept: JSON, for its owner's eyes only, replaced as a whole.</summary>
internal sealed class KeyFile(string path)
{
    public const string FileName = "keys.json";

    /// <summary>Some hundred thousand keys.</summary>
    private const long MostBytes = 64 << 20;

    private static readonly TimeSpan LockTime = TimeSpan.FromSeconds(10);

    public string Path => path;

    /// <summary>Where keys are where nothing is said: beside the configuration, or else in the user's own folder for it.</summary>
    /// <returns>Null where there is neither a configuration file nor such a folder.</returns>
    public static string? UsualPath(string? configurationFile)
        => configurationFile is not null ? System.IO.Path.Combine(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(configurationFile))!, FileName)
            : Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData) is { Length: > 0 } folder ? System.IO.Path.Combine(folder, "hearth", FileName)
            : null;

    /// <summary>The keys, revoked ones too; none where there is no file.</summary>
    /// <exception cref="HearthException">It cannot be read, or holds what nobody would have written.</exception>
    public IReadOnlyList<ApiKey> Read()
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            if (stream.Length > MostBytes)
            {
                throw new HearthException($"{path}: at most {MostBytes} bytes are expected, found {stream.Length}");
            }

            return stream.Length == 0 ? [] : Check(JsonSerializer.Deserialize(stream, KeyJson.Default.StoredKeys)?.Keys ?? throw new HearthException($"{path}: an object with keys is expected, found null"));
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return [];
        }
        catch (JsonException exception)
        {
            throw new HearthException($"{path}: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new HearthException($"{path}: the keys cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Changes the keys; nobody else does meanwhile.</summary>
    /// <exception cref="HearthException">They cannot be read or written.</exception>
    public void Change(Func<IReadOnlyList<ApiKey>, IReadOnlyList<ApiKey>> change)
    {
        try
        {
            if (System.IO.Path.GetDirectoryName(path) is { Length: > 0 } folder)
            {
                Directory.CreateDirectory(folder);
            }

            using var turn = Lock();
            var changed = change(Read());
            OwnedFile.Replace(path, JsonSerializer.SerializeToUtf8Bytes(new StoredKeys { Keys = [.. changed.Select(Store)] }, KeyJson.Default.StoredKeys));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new HearthException($"{path}: the keys cannot be written: {exception.Message}", exception);
        }
    }

    private FileStream Lock()
    {
        var began = TimeProvider.System.GetTimestamp();
        for (; ; )
        {
            try
            {
                return new FileStream(path + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (TimeProvider.System.GetElapsedTime(began) < LockTime && File.Exists(path + ".lock"))
            {
                Thread.Sleep(20);
            }
        }
    }

    private List<ApiKey> Check(IReadOnlyList<StoredKey> stored)
    {
        var keys = new List<ApiKey>(stored.Count);
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < stored.Count; i++)
        {
            var key = stored[i] ?? throw Fault(i, "a key is expected, found null");
            if (ApiKey.FaultOfName(key.Name) is { } fault)
            {
                throw Fault(i, $"the name {fault}");
            }

            if (!names.Add(key.Name))
            {
                throw Fault(i, $"there are two keys '{key.Name}'");
            }

            var digest = key.Sha256.Length == 64 && key.Sha256.All(char.IsAsciiHexDigit) ? Convert.FromHexString(key.Sha256) : throw Fault(i, "sha256 must have 64 hexadecimal digits");
            if (new long?[] { key.RequestsPerMinute, key.OpenRequests, key.TokensPerMinute, key.TokensPerDay }.FirstOrDefault(limit => limit < 1) is { } low)
            {
                throw Fault(i, string.Create(CultureInfo.InvariantCulture, $"a limit must be at least 1, found {low}"));
            }

            keys.Add(new ApiKey
            {
                Id = key.Id is { Length: > 0 and <= 64 } id ? id : throw Fault(i, "an id of 1 to 64 letters is expected"),
                Name = key.Name,
                Digest = digest,
                Created = key.Created,
                Expires = key.Expires,
                Revoked = key.Revoked,
                Models = key.Models ?? [],
                Verbs = (key.Verbs ?? throw Fault(i, "verbs are expected")).Aggregate(KeyVerbs.None, (verbs, name) => verbs | VerbOf(name, i)),
                Limits = new KeyLimits { RequestsPerMinute = key.RequestsPerMinute, OpenRequests = key.OpenRequests, TokensPerMinute = key.TokensPerMinute, TokensPerDay = key.TokensPerDay },
            });
        }

        return keys;

        KeyVerbs VerbOf(string name, int index) => KeyNames.ToVerb(name) ?? throw Fault(index, $"one of {KeyNames.AllVerbs} is expected, found '{name}'");
    }

    private HearthException Fault(int index, string what) => new(string.Create(CultureInfo.InvariantCulture, $"{path}: keys:{index}: {what}"));

    private static StoredKey Store(ApiKey key) => new()
    {
        Id = key.Id,
        Name = key.Name,
        Sha256 = Convert.ToHexStringLower(key.Digest),
        Created = key.Created,
        Expires = key.Expires,
        Revoked = key.Revoked,
        Models = key.Models.Count > 0 ? key.Models : null,
        Verbs = KeyNames.Of(key.Verbs),
        RequestsPerMinute = key.Limits.RequestsPerMinute,
        OpenRequests = key.Limits.OpenRequests,
        TokensPerMinute = key.Limits.TokensPerMinute,
        TokensPerDay = key.Limits.TokensPerDay,
    };
}

/// <summary>How verbs are written.</summary>
internal static class KeyNames
{
    private static readonly KeyVerbs[] Single = [KeyVerbs.Generate, KeyVerbs.Embed, KeyVerbs.Inspect, KeyVerbs.Manage];

    public static string AllVerbs { get; } = string.Join(", ", Single.Select(Name));

    /// <summary>The verb of a name; null where there is none.</summary>
    public static KeyVerbs? ToVerb(string name) => Single.Cast<KeyVerbs?>().FirstOrDefault(verb => Name(verb!.Value) == name);

    public static IReadOnlyList<string> Of(KeyVerbs verbs) => [.. Single.Where(verb => verbs.HasFlag(verb)).Select(Name)];

    private static string Name(KeyVerbs verb) => verb.ToString().ToLowerInvariant();
}

/// <summary>The file's text.</summary>
internal sealed record StoredKeys
{
    public required IReadOnlyList<StoredKey> Keys { get; init; }
}

/// <inheritdoc cref="ApiKey"/>
internal sealed record StoredKey
{
    public required string Id { get; init; }

    public required string Name { get; init; }

    public required string Sha256 { get; init; }

    public DateTimeOffset Created { get; init; }

    public DateTimeOffset? Expires { get; init; }

    public DateTimeOffset? Revoked { get; init; }

    public IReadOnlyList<string>? Models { get; init; }

    public IReadOnlyList<string>? Verbs { get; init; }

    public int? RequestsPerMinute { get; init; }

    public int? OpenRequests { get; init; }

    public long? TokensPerMinute { get; init; }

    public long? TokensPerDay { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, WriteIndented = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(StoredKeys))]
[JsonSerializable(typeof(StoredUsage))]
internal sealed partial class KeyJson : JsonSerializerContext;
