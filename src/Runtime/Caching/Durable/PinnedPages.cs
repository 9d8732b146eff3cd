using System.Globalization;

namespace Hearth.Runtime.Caching.Durable;

/// <summary>The addresses of pages that are never deleted for others, in a file beside them that every service on the folder reads.</summary>
/// <param name="folder">Of one model.</param>
internal sealed class PinnedPages(string folder)
{
    // 32 hex digits a line. More than these are no pins of ours.
    private const int MostBytes = 64 << 20;

    private readonly string _path = Path.Combine(folder, "pins");

    /// <summary>Those that are pinned now; lines that are no addresses are none.</summary>
    public HashSet<PageAddress> Read()
    {
        var pinned = new HashSet<PageAddress>();
        try
        {
            if (File.Exists(_path) && new FileInfo(_path).Length <= MostBytes)
            {
                foreach (var line in File.ReadLines(_path))
                {
                    if (line.Length == 32 && ulong.TryParse(line.AsSpan(0, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var high)
                        && ulong.TryParse(line.AsSpan(16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var low))
                        pinned.Add(new PageAddress(high, low));
                }
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Cleared meanwhile.
        }

        return pinned;
    }

    /// <summary>Pins pages beside those that are.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Add(IEnumerable<PageAddress> addresses)
    {
        var pinned = Read();
        pinned.UnionWith(addresses);
        var next = $"{_path}.{Guid.NewGuid():N}";
        File.WriteAllLines(next, pinned.Select(address => address.ToString()));
        File.Move(next, _path, overwrite: true);
    }

    /// <summary>Pins none.</summary>
    public void Clear() => File.Delete(_path);
}
