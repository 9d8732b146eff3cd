using System.Globalization;
using System.Text.RegularExpressions;

namespace Hearth.Runtime.Gguf;

/// <summary>Models in several files: <c>NAME-00001-of-00003.gguf</c> with the keys split.no, split.count, split.tensors.count.</summary>
internal static partial class GgufSplit
{
    /// <summary>More parts than anyone uploads; bounds the work that a hostile count can cause.</summary>
    private const int MaxParts = 9999;

    /// <summary>How many parts the model has by its own account; 1 where it says nothing.</summary>
    public static int PartCount(GgufHeader header)
    {
        var count = header.Metadata.Get("split.count", 1);
        return count is >= 0 and <= MaxParts
            ? Math.Max(count, 1)
            : throw new ModelFormatException($"split.count is {count}, expected 1 to {MaxParts}", header.Metadata.Source);
    }

    /// <summary>The path of a part, its number counted from 0.</summary>
    public static string PartPath(string prefix, int part, int count)
        => string.Create(CultureInfo.InvariantCulture, $"{prefix}-{part + 1:00000}-of-{count:00000}.gguf");

    /// <summary>The paths of all parts in order, or null for a model in one file.</summary>
    /// <remarks>They follow from the opened file's own name, so no file can point outside of its directory.</remarks>
    /// <exception cref="ModelFormatException">The name does not fit what the file says, or a part is missing.</exception>
    public static IReadOnlyList<string>? Siblings(string path, GgufHeader header)
    {
        var count = PartCount(header);
        if (count == 1)
            return null;
        var number = header.Metadata.Get<int>("split.no");
        var match = PartName().Match(path);
        if (!match.Success || PartPath(match.Groups[1].Value, number, count) != path)
        {
            throw new ModelFormatException(
                $"this is part {number + 1L} of a model split into {count} files, expected a name that ends in '{PartPath(string.Empty, number, count)}'", path);
        }

        var paths = Enumerable.Range(0, count).Select(i => PartPath(match.Groups[1].Value, i, count)).ToList();
        var missing = paths.Find(p => !File.Exists(p));
        return missing is null
            ? paths
            : throw new ModelFormatException($"the model is split into {count} files, and '{missing}' is missing", path);
    }

    /// <summary>Checks that every part says the same of the whole.</summary>
    /// <exception cref="ModelFormatException">A part has another number, count or total than its name and the first part say.</exception>
    public static void Check(IReadOnlyList<string> paths, IReadOnlyList<GgufHeader> headers)
    {
        var total = headers[0].Metadata.Get<long>("split.tensors.count");
        for (var i = 0; i < headers.Count; i++)
        {
            Expect("split.no", i);
            Expect("split.count", headers.Count);
            Expect("split.tensors.count", total);

            void Expect(string key, long expected)
            {
                var found = headers[i].Metadata.Get<long>(key);
                if (found != expected)
                    throw new ModelFormatException($"{key} is {found}, expected {expected} as in its name and in '{paths[0]}'", paths[i]);
            }
        }

        var sum = headers.Sum(h => (long)h.Tensors.Count);
        if (sum != total)
            throw new ModelFormatException($"the {headers.Count} parts hold {sum} tensors, expected {total} by split.tensors.count", paths[0]);
    }

    [GeneratedRegex(@"^(.*)-[0-9]{5}-of-[0-9]{5}\.gguf$", RegexOptions.CultureInvariant | RegexOptions.Singleline)]
    private static partial Regex PartName();
}
