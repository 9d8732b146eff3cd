namespace Hearth.Runtime.Models;

/// <summary>Positions as sines and cosines of rising wavelengths (arXiv 1706.03762, section 3.5).</summary>
internal static class Sinusoids
{
    /// <summary>Sines of all frequencies, then their cosines.</summary>
    /// <param name="position">Or distance.</param>
    /// <param name="width">Values; even.</param>
    public static float[] Of(int position, int width)
    {
        var values = new float[width];
        for (var i = 0; i < width / 2; i++)
        {
            var angle = position * Math.Pow(10000, -2.0 * i / width);
            values[i] = (float)Math.Sin(angle);
            values[(width / 2) + i] = (float)Math.Cos(angle);
        }

        return values;
    }

    /// <summary>The same, each sine followed by its cosine: as the paper writes them.</summary>
    /// <param name="position">Or distance.</param>
    /// <param name="width">Values; even.</param>
    public static float[] Interleaved(int position, int width)
    {
        var halves = Of(position, width);
        return [.. Enumerable.Range(0, width).Select(i => halves[(i / 2) + (i % 2 * width / 2)])];
    }
}
