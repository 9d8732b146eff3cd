namespace Hearth.Host.Lens;

/// <summary>A kind of file that attention is written as.</summary>
/// <param name="Extension">By which it is chosen.</param>
/// <param name="MostWeights">Weights that one file holds: more could be written, but hardly opened.</param>
/// <param name="Write">Writes it.</param>
internal sealed record LensFormat(string Extension, int MostWeights, Action<AttentionMaps, Stream> Write)
{
    private static readonly LensFormat[] All =
    [
        new(".html", 1 << 22, LensPage.Write), // 11 MiB of page
        new(".svg", 1 << 19, LensPicture.Write), // a few MiB of paths
        new(".json", AttentionProbe.MostWeights, LensData.Write),
    ];

    /// <summary>The format of a file by its name.</summary>
    /// <exception cref="UsageException">There is none for it.</exception>
    public static LensFormat Of(string path)
        => All.FirstOrDefault(format => path.EndsWith(format.Extension, StringComparison.OrdinalIgnoreCase))
            ?? throw new UsageException($"--output must end in {string.Join(", ", All.Select(format => format.Extension))}, got '{path}'");
}
