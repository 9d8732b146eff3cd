using System.Text.Json;

namespace Hearth.Host.Service;

/// <summary>The folder into which models are pulled, and what a name stands for elsewhere.</summary>
/// <remarks>The first folder of HEARTH_MODELS; without one <c>.hearth/models</c> in the user's folder.</remarks>
internal static class ModelStore
{
    /// <summary>Where names are looked up, unless HF_ENDPOINT names another place.</summary>
    private const string Hub = "https://huggingface.co";

    public static string Folder
        => (Environment.GetEnvironmentVariable("HEARTH_MODELS") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries) is [var first, ..]
            ? Path.GetFullPath(first)
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".hearth", "models");

    /// <summary>The file that a model of the store has, whether it is there or not.</summary>
    /// <exception cref="HearthException">The name leads out of the folder.</exception>
    public static string PathOf(string folder, string name)
    {
        var path = Path.GetFullPath(Path.Combine(folder, name.Replace(':', '-') + (name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? "" : ".gguf")));
        return name.Length is > 0 and <= 200 && path.StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal) && !name.Any(char.IsControl)
            ? path
            : throw new HearthException($"'{(name.Length > 200 ? name[..200] + "..." : name)}' is no name for a model");
    }

    /// <summary>What fetching a name means.</summary>
    /// <param name="name">OWNER/REPOSITORY:FILE on the hub, the file's name whole or a part such as "Q4_K_M"; or with an address any name.</param>
    /// <param name="from">The file's address; null: the hub's.</param>
    /// <param name="folder">Where it goes.</param>
    /// <param name="allowsPrivate">Whether private addresses and plain http are asked.</param>
    /// <param name="cancellationToken">Stops looking it up.</param>
    /// <exception cref="HearthException">The name is none of the hub's, or the hub does not know it.</exception>
    public static async Task<(string Name, DownloadRequest Request)> FindAsync(string name, Uri? from, string folder, bool allowsPrivate, CancellationToken cancellationToken)
    {
        var token = Environment.GetEnvironmentVariable("HF_TOKEN");
        if (from is not null)
        {
            return (name, new DownloadRequest(from, PathOf(folder, name)) { AllowsPrivate = allowsPrivate });
        }

        var endpoint = (Environment.GetEnvironmentVariable("HF_ENDPOINT") is { Length: > 0 } other ? other : Hub).TrimEnd('/');
        var plain = name.StartsWith("hf.co/", StringComparison.Ordinal) ? name["hf.co/".Length..] : name;
        var (repository, file) = plain.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon ? (plain[..colon], plain[(colon + 1)..]) : (plain, "");
        if (repository.Split('/') is not [{ Length: > 0 } owner, { Length: > 0 } title] || !IsPlain(owner) || !IsPlain(title))
        {
            throw new HearthException($"'{name}' is not known; OWNER/REPOSITORY:FILE names a file of Hugging Face, and --from an address of any");
        }

        var (path, sha256, size) = await FindFileAsync(endpoint, repository, file, allowsPrivate, token, cancellationToken);
        var found = $"{repository}:{Path.GetFileNameWithoutExtension(path)}";
        return (found, new DownloadRequest(new Uri($"{endpoint}/{repository}/resolve/main/{Uri.EscapeDataString(path)}"), PathOf(folder, found))
        {
            Sha256 = sha256,
            AllowsPrivate = allowsPrivate,
            MostBytes = size ?? 1L << 40,
            Token = token,
        });
    }

    private static bool IsPlain(string part) => part.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') && part is not ("." or "..");

    private static async Task<(string Path, string? Sha256, long? Size)> FindFileAsync(
        string endpoint, string repository, string file, bool allowsPrivate, string? token, CancellationToken cancellationToken)
    {
        using var document = await ModelDownload.ReadJsonAsync(new Uri($"{endpoint}/api/models/{repository}/tree/main"), allowsPrivate, token, cancellationToken);
        var files = new List<(string Path, string? Sha256, long? Size)>();
        foreach (var item in document.RootElement.ValueKind == JsonValueKind.Array ? document.RootElement.EnumerateArray().ToList() : [])
        {
            if (item.ValueKind == JsonValueKind.Object && item.TryGetProperty("path", out var path) && path.GetString() is { } text && text.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase))
            {
                var lfs = item.TryGetProperty("lfs", out var stored) && stored.ValueKind == JsonValueKind.Object ? stored : default;
                files.Add((text,
                    lfs.ValueKind == JsonValueKind.Object && lfs.TryGetProperty("oid", out var oid) ? oid.GetString() : null,
                    item.TryGetProperty("size", out var size) && size.TryGetInt64(out var bytes) ? bytes : null));
            }
        }

        var named = files.Where(candidate => file.Length == 0 || candidate.Path.Equals(file, StringComparison.OrdinalIgnoreCase)).ToList();
        named = named.Count > 0 ? named : files.Where(candidate => candidate.Path.Contains(file, StringComparison.OrdinalIgnoreCase)).ToList();
        return named switch
        {
            [var only] => only,
            [] => throw new HearthException($"{repository} has no GGUF file{(file.Length > 0 ? $" '{file}'" : "")}; it has: {List(files)}"),
            _ => throw new HearthException($"{repository} has {named.Count} such GGUF files: {List(named)}; name one behind a colon"),
        };
    }

    private static string List(List<(string Path, string?, long?)> files) => files.Count == 0 ? "none" : string.Join(", ", files.Take(20).Select(file => file.Path));
}
