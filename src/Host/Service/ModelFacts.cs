using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Hearth.Runtime.Gguf;

namespace Hearth.Host.Service;

/// <summary>What a model's file says of it, whether it is loaded or not.</summary>
internal sealed record ModelFacts
{
    /// <summary>Elements of an array that are told.</summary>
    private const int MostElements = 64;

    private static readonly ConcurrentDictionary<(string Path, long Length, DateTime Modified), ModelFacts> Known = [];

    public required string Architecture { get; init; }

    /// <summary>Null where the file cannot be read.</summary>
    public long? ParameterCount { get; init; }

    public long FileBytes { get; init; }

    public DateTimeOffset Modified { get; init; }

    /// <summary>The type of most weights, as "Q4_K"; null where the file cannot be read.</summary>
    public string? Quantization { get; init; }

    public string? Template { get; init; }

    /// <summary>Names the file as it is now: of its path, length and time, since reading all of a large file takes long.</summary>
    public required string Digest { get; init; }

    /// <summary>In Ollama's words: completion, tools, insert, embedding.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [];

    /// <summary>The file's keys; of long arrays, such as vocabularies, null.</summary>
    public IReadOnlyList<KeyValuePair<string, JsonNode?>> Metadata { get; init; } = [];

    /// <summary>The facts of a model; of a file that cannot be read only its name.</summary>
    public static ModelFacts Of(CatalogEntry entry)
    {
        var file = new FileInfo(entry.Configuration.Path);
        if (!file.Exists)
        {
            return Unread(entry, 0, entry.Model?.Information.Created ?? DateTimeOffset.UnixEpoch);
        }

        var key = (file.FullName, file.Length, file.LastWriteTimeUtc);
        if (Known.TryGetValue(key, out var known))
        {
            return known;
        }

        try
        {
            using var gguf = GgufFile.Open(file.FullName);
            return Known[key] = Read(gguf, key);
        }
        catch (Exception exception) when (exception is HearthException or IOException or UnauthorizedAccessException)
        {
            return Unread(entry, file.Length, file.LastWriteTimeUtc);
        }
    }

    private static ModelFacts Unread(CatalogEntry entry, long length, DateTimeOffset modified) => new()
    {
        Architecture = entry.Model?.Information.Architecture ?? "",
        ParameterCount = entry.Model?.Information.ParameterCount,
        FileBytes = entry.Model?.Information.FileBytes ?? length,
        Modified = modified,
        Digest = DigestOf((entry.Configuration.Path, length, modified.UtcDateTime)),
        Capabilities = entry.Model is IEmbeddingModel ? ["embedding"] : ["completion"],
    };

    private static ModelFacts Read(GgufFile file, (string Path, long Length, DateTime Modified) key)
    {
        var template = file.Metadata.TryGet<string>("tokenizer.chat_template", out var text) ? text : null;
        return new ModelFacts
        {
            Architecture = file.Metadata.Get("general.architecture", ""),
            ParameterCount = file.Tensors.Sum(tensor => tensor.ElementCount),
            FileBytes = file.Length,
            Modified = key.Modified,
            Quantization = file.Tensors.GroupBy(tensor => tensor.Type).MaxBy(group => group.Sum(tensor => tensor.ElementCount)) is { } most ? GgmlTypes.Of(most.Key).Name : null,
            Template = template,
            Digest = DigestOf(key),
            Capabilities = ModelKinds.Of(file) == ModelKind.Encoder ? ["embedding"]
                : template?.Contains("tools", StringComparison.Ordinal) == true ? ["completion", "tools"] : ["completion"],
            Metadata = [.. file.Metadata.Select(pair => KeyValuePair.Create(pair.Key, ToNode(pair.Value)))],
        };
    }

    private static string DigestOf((string Path, long Length, DateTime Modified) key)
        => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{key.Path}\n{key.Length}\n{key.Modified:O}"))));

    private static JsonNode? ToNode(object value) => value switch
    {
        string text => JsonValue.Create(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text))),
        bool flag => JsonValue.Create(flag),
        float number => float.IsFinite(number) ? JsonValue.Create(number) : null,
        double number => double.IsFinite(number) ? JsonValue.Create(number) : null,
        ulong number => JsonValue.Create(number),
        Array { Length: <= MostElements } array => new JsonArray([.. array.Cast<object>().Select(ToNode)]),
        Array => null,
        IConvertible number => JsonValue.Create(Convert.ToInt64(number, System.Globalization.CultureInfo.InvariantCulture)),
        _ => null,
    };
}
