using System.Text.Json;
using System.Text.Json.Nodes;

namespace Hearth.Runtime.Caching.Durable;

/// <summary>What a cache folder holds of one model.</summary>
/// <param name="Name">The folder's own name: what its pages fit, hashed.</param>
/// <param name="Model">The model's name when it was opened last; null where that is not told.</param>
/// <param name="PageTokens">Positions of a page; 0 where that is not told.</param>
/// <param name="PageBytes">Bytes of a page.</param>
/// <param name="Pages">Pages on disk.</param>
/// <param name="Bytes">Their bytes, and what is around them.</param>
/// <param name="PinnedPages">Those of them that stay.</param>
/// <param name="LastWritten">When one was written last.</param>
internal sealed record CachedModel(string Name, string? Model, int PageTokens, long PageBytes, int Pages, long Bytes, int PinnedPages, DateTime? LastWritten);

/// <summary>A cache folder from outside: without the models whose pages it holds. Services may use it at the same time.</summary>
/// <param name="path">The folder of <see cref="ModelOptions.CacheFolder"/>.</param>
internal sealed class CacheFolder(string path)
{
    private const string About = "about.json";
    private const int MostAboutBytes = 64 << 10;

    /// <summary>What it holds, by name.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    public IReadOnlyList<CachedModel> List()
        => [.. new DirectoryInfo(path).GetDirectories().OrderBy(folder => folder.Name, StringComparer.Ordinal).Select(folder => Use(folder.FullName, Look)).OfType<CachedModel>()];

    /// <summary>The models of a name: a folder's, its beginning, or the model's.</summary>
    public IReadOnlyList<CachedModel> Find(string name)
        => [.. List().Where(model => string.Equals(model.Model, name, StringComparison.OrdinalIgnoreCase) || (name.Length >= 4 && model.Name.StartsWith(name, StringComparison.Ordinal)))];

    /// <summary>Reads every page of a model.</summary>
    /// <returns>How many are sound, and how many are damaged and will be computed.</returns>
    public (int Sound, int Damaged) Verify(CachedModel model) => Use(Path.Combine(path, model.Name), (_, pages, _) => pages.Verify());

    /// <summary>Deletes the pages of a model, pinned ones too; foreign files stay.</summary>
    /// <exception cref="IOException">A file cannot be deleted.</exception>
    public void Drop(CachedModel model)
    {
        var folder = Path.Combine(path, model.Name);
        Use(folder, (_, pages, _) =>
        {
            pages.Failed = error => throw new IOException(error.Message, error);
            pages.Drop();
            return true;
        });
        File.Delete(Path.Combine(folder, About));
        if (!Directory.EnumerateFileSystemEntries(folder).Any())
            Directory.Delete(folder);
    }

    /// <summary>Lets a model's pinned pages go when their room is needed.</summary>
    public void Unpin(CachedModel model) => new PinnedPages(Path.Combine(path, model.Name)).Clear();

    /// <summary>Tells those who look from outside what a folder's pages are of.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Describe(string folder, string model, int pageTokens, long pageBytes)
    {
        var about = new JsonObject { ["model"] = model, ["page_tokens"] = pageTokens, ["page_bytes"] = pageBytes }.ToJsonString();
        var target = Path.Combine(folder, About);
        if (File.Exists(target) && new FileInfo(target).Length <= MostAboutBytes && File.ReadAllText(target) == about)
            return;
        var next = $"{target}.{Guid.NewGuid():N}";
        File.WriteAllText(next, about);
        File.Move(next, target, overwrite: true);
    }

    private static CachedModel Look(string folder, PageFolder pages, long pageBytes)
    {
        var (model, pageTokens) = ReadAbout(folder);
        return new CachedModel(Path.GetFileName(folder), model, pageTokens, pageBytes, pages.Count, pages.Bytes, pages.Pins.Read().Count(pages.Contains), pages.LastWritten);
    }

    // The pages say how large they are; a folder without any is none of ours.
    private static T? Use<T>(string folder, Func<string, PageFolder, long, T> use)
    {
        if (PageBytesOf(folder) is not { } pageBytes)
            return default;
        using var pages = new PageFolder(folder, pageBytes, long.MaxValue);
        return use(folder, pages, pageBytes);
    }

    private static long? PageBytesOf(string folder)
    {
        Span<byte> header = stackalloc byte[PageFolder.HeaderBytes];
        foreach (var file in Directory.EnumerateFiles(folder, "*" + PageFolder.Extension))
        {
            try
            {
                using var segment = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                if (segment.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) == header.Length && PageFolder.PageBytesOf(header) is { } bytes)
                    return bytes;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Gone meanwhile, or not ours to read.
            }
        }

        return null;
    }

    private static (string? Model, int PageTokens) ReadAbout(string folder)
    {
        try
        {
            var file = new FileInfo(Path.Combine(folder, About));
            if (file.Exists && file.Length <= MostAboutBytes && JsonNode.Parse(File.ReadAllText(file.FullName)) is JsonObject about
                && about["model"] is JsonValue model && model.TryGetValue<string>(out var name) && about["page_tokens"] is JsonValue tokens && tokens.TryGetValue<int>(out var count) && count > 0)
                return (name, count);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            // Told of by nobody, then.
        }

        return (null, 0);
    }
}
