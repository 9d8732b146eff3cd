using System.Text.Json;

namespace Hearth.Host.Service;

/// <summary>Models that lie on this machine: in folders, and where Hugging Face's and Ollama's tools keep theirs. They are read in place.</summary>
/// <remarks>
/// Sources of the layouts: https://huggingface.co/docs/huggingface_hub/guides/manage-cache (models--OWNER--NAME/snapshots/COMMIT/FILE) and
/// https://github.com/ollama/ollama/blob/main/docs/faq.md (manifests/HOST/NAMESPACE/MODEL/TAG, blobs/sha256-DIGEST).
/// </remarks>
internal static class ModelSources
{
    /// <summary>Files of a folder that are looked at: a folder that is no model folder must not take the service's time.</summary>
    private const int MostFiles = 10_000;

    /// <summary>The bytes of a manifest that are read.</summary>
    private const int MostManifestBytes = 1 << 20;

    private static readonly EnumerationOptions Everywhere = new() { RecurseSubdirectories = true, MaxRecursionDepth = 8, IgnoreInaccessible = true };

    /// <summary>The models of a folder, by name: GGUF files, split ones once, and those of either layout.</summary>
    public static IReadOnlyList<ModelConfiguration> Find(string folder)
    {
        if (!Directory.Exists(folder))
        {
            return [];
        }

        var found = Directory.Exists(Path.Combine(folder, "manifests")) ? OfOllama(folder)
            : Directory.EnumerateDirectories(folder, "models--*").Any() ? OfHuggingFace(folder)
            : OfFiles(folder);
        return [.. found.GroupBy(model => model.EffectiveId, StringComparer.Ordinal).Select(group => group.First()).OrderBy(model => model.EffectiveId, StringComparer.Ordinal)];
    }

    private static IEnumerable<ModelConfiguration> OfFiles(string folder)
        => Files(folder).Select(path => Model(Path.ChangeExtension(Path.GetRelativePath(folder, path), null).Replace('\\', '/'), path));

    private static IEnumerable<ModelConfiguration> OfHuggingFace(string folder)
    {
        foreach (var repository in Directory.EnumerateDirectories(folder, "models--*"))
        {
            var name = Path.GetFileName(repository)["models--".Length..].Replace("--", "/", StringComparison.Ordinal);
            var snapshots = new DirectoryInfo(Path.Combine(repository, "snapshots"));
            foreach (var snapshot in snapshots.Exists ? snapshots.GetDirectories().OrderByDescending(commit => commit.LastWriteTimeUtc).Select(commit => commit.FullName).ToArray() : [])
            {
                foreach (var path in Files(snapshot))
                {
                    yield return Model($"{name}:{Path.GetFileNameWithoutExtension(path)}", path);
                }
            }
        }
    }

    private static IEnumerable<ModelConfiguration> OfOllama(string folder)
    {
        var manifests = Path.Combine(folder, "manifests");
        foreach (var path in Directory.EnumerateFiles(manifests, "*", Everywhere).Take(MostFiles))
        {
            var parts = Path.GetRelativePath(manifests, path).Split(Path.DirectorySeparatorChar);
            if (parts.Length == 4 && BlobOf(path) is { } digest && Path.Combine(folder, "blobs", digest.Replace(':', '-')) is var blob && File.Exists(blob))
            {
                yield return Model($"{(parts[1] == "library" ? "" : parts[1] + "/")}{parts[2]}:{parts[3]}", blob);
            }
        }
    }

    // A manifest is another program's: whatever is odd about it makes it none.
    private static string? BlobOf(string manifest)
    {
        try
        {
            if (new FileInfo(manifest).Length > MostManifestBytes)
            {
                return null;
            }

            using var document = JsonDocument.Parse(File.ReadAllBytes(manifest));
            return document.RootElement.GetProperty("layers").EnumerateArray()
                .Where(layer => layer.GetProperty("mediaType").GetString() == "application/vnd.ollama.image.model")
                .Select(layer => layer.GetProperty("digest").GetString())
                .FirstOrDefault(digest => digest is ['s', 'h', 'a', '2', '5', '6', ':', .. var hex] && hex.Length == 64 && hex.All(char.IsAsciiHexDigit));
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException or InvalidOperationException or KeyNotFoundException)
        {
            return null;
        }
    }

    private static IEnumerable<string> Files(string folder)
        => Directory.EnumerateFiles(folder, "*.gguf", Everywhere).Take(MostFiles).Where(path => !IsLaterPart(path));

    // "NAME-00002-of-00003.gguf" comes with its first part.
    private static bool IsLaterPart(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var at = name.LastIndexOf("-of-", StringComparison.Ordinal);
        return at > 5 && name[(at + 4)..].All(char.IsAsciiDigit) && name[(at - 5)..at] is var number && number.All(char.IsAsciiDigit) && number != "00001";
    }

    private static ModelConfiguration Model(string id, string path) => new() { Id = id, Path = path, OnDemand = true };
}
