using System.Globalization;

namespace Hearth.Runtime.Loading;

/// <summary>How much memory this process may take before the system ends it.</summary>
/// <param name="Limit">The least limit that holds, in bytes.</param>
/// <param name="Available">What of it is not taken yet; pages of files, which the system takes back, do not count.</param>
/// <param name="Origin">What sets it, in words.</param>
internal sealed record MemoryLimit(long Limit, long Available, string Origin)
{
    /// <summary>Asks the system: the control groups of the process (versions 1 and 2, whose limits hold for all below them), and the machine's memory with its swap.</summary>
    /// <param name="root">Where the system's files are; another folder than "/" for tests.</param>
    public static MemoryLimit Find(string root = "/")
    {
        var least = OfMachine(root);
        foreach (var (folder, isSecond) in Groups(root))
        {
            if (OfGroup(folder, isSecond) is { } found && found.Available < least.Available)
                least = found;
        }

        return least;
    }

    private static MemoryLimit OfMachine(string root)
    {
        var values = Pairs(Path.Combine(root, "proc/meminfo"), ':');
        if (values.TryGetValue("MemTotal", out var total) && total > 0)
        {
            // Memory of others can be swapped out, or is theirs: only what never fits is refused.
            var all = (total + values.GetValueOrDefault("SwapTotal")) << 10;
            return new MemoryLimit(all, all, "the machine's memory");
        }

        var known = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return new MemoryLimit(known, known, "the machine's memory");
    }

    // Lines of "number:controllers:path"; that of version 2 names no controllers. Inside a container the path may be the
    // host's, which is not there; the top of the mount is the container's then, and comes last.
    private static IEnumerable<(string Folder, bool IsSecond)> Groups(string root)
    {
        var mount = Path.Combine(root, "sys/fs/cgroup");
        foreach (var line in Lines(Path.Combine(root, "proc/self/cgroup")))
        {
            var parts = line.Split(':', 3);
            if (parts.Length < 3 || (parts[1].Length > 0 && !parts[1].Split(',').Contains("memory")))
                continue;
            var top = parts[1].Length == 0 ? mount : Path.Combine(mount, "memory");
            for (var group = parts[2].Trim('/'); ; group = group[..Math.Max(0, group.LastIndexOf('/'))])
            {
                yield return (Path.Combine(top, group), parts[1].Length == 0);
                if (group.Length == 0)
                    break;
            }
        }
    }

    private static MemoryLimit? OfGroup(string folder, bool isSecond)
    {
        if (Number(Path.Combine(folder, isSecond ? "memory.max" : "memory.limit_in_bytes")) is not { } limit)
            return null;
        var swap = isSecond ? Number(Path.Combine(folder, "memory.swap.max")) ?? 0 : 0;
        var statistics = Pairs(Path.Combine(folder, "memory.stat"), ' ');
        var taken = statistics.GetValueOrDefault(isSecond ? "anon" : "total_rss");
        return new MemoryLimit(limit, Math.Max(0, limit + swap - taken), "the memory limit of the control group");
    }

    // "max" is no number: there is no limit. Version 1 says 2^63 less a page then.
    private static long? Number(string path)
        => Lines(path).FirstOrDefault() is { } text && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value < 1L << 60 ? value : null;

    private static Dictionary<string, long> Pairs(string path, char separator)
    {
        var pairs = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var line in Lines(path))
        {
            var at = line.IndexOf(separator, StringComparison.Ordinal);
            if (at > 0 && long.TryParse(line.AsSpan(at + 1).Trim().ToString().Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var value))
                pairs[line[..at]] = value;
        }

        return pairs;
    }

    private static string[] Lines(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllLines(path) : [];
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
