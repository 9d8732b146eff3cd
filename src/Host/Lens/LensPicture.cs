using System.Globalization;
using System.Net;
using System.Text;

namespace Hearth.Host.Lens;

/// <summary>Attention as a still picture: a small matrix for each head, a row of them for each layer; SVG.</summary>
internal static class LensPicture
{
    private const int HeadsPerLine = 8;
    private const int Gap = 18;
    private const int Caption = 18;
    private const int Margin = 12;
    private const int TitleHeight = 44;

    // Of the title, and of one head: narrower ones would run into each other.
    private const double LeastWidth = 440;
    private const double LeastHeadWidth = 48;

    // Longer texts' tokens could not be read.
    private const int MostLabels = 32;
    private const int LabelLetters = 12;
    private const double LetterWidth = 6.2;

    // Shades of a cell; those of one shade are one path.
    private const int Shades = 32;

    private const string Style = ".b{fill:#fff}.m{fill:#f3efe9}.w{fill:#a83410}.t{fill:#222}@media (prefers-color-scheme:dark){.b{fill:#17130f}.m{fill:#29231c}.w{fill:#ffa45c}.t{fill:#ddd}}";

    public static void Write(AttentionMaps maps, Stream stream)
    {
        using var svg = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true);
        var layers = maps.Layers.Select(layer => new Layout(maps, layer)).ToArray();
        var (width, height) = (Math.Max(LeastWidth, layers.Max(l => l.Width)) + (2 * Margin), layers.Sum(l => l.Height) + TitleHeight + (2 * Margin));
        svg.Write(Invariant($"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="system-ui, sans-serif" font-size="11">
            <title>Attention of {Escape(maps.Model)}</title>
            <style>{Style}</style>
            <rect class="b" width="{width}" height="{height}"/>
            <text class="t" x="{Margin}" y="{Margin + 12}" font-size="14" font-weight="600">Attention of {Escape(maps.Model)}</text>
            <text class="t" x="{Margin}" y="{Margin + 29}">Rows look at columns; the darker, the more (shade: the weight's square root).</text>

            """));
        double top = Margin + TitleHeight;
        foreach (var layer in layers)
        {
            layer.Write(svg, top);
            top += layer.Height;
        }

        svg.Write("</svg>\n");
    }

    private static string Escape(string text) => WebUtility.HtmlEncode(LensText.Visible(text));

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Short(string text)
    {
        var letters = LensText.Visible(text);
        var elements = new StringInfo(letters);
        return elements.LengthInTextElements <= LabelLetters ? letters : elements.SubstringByTextElements(0, LabelLetters - 1) + "\u2026";
    }

    /// <summary>Where the matrices of one layer lie.</summary>
    private sealed class Layout
    {
        private readonly AttentionLayer _layer;
        private readonly string[] _rows;
        private readonly string[] _keys;
        private readonly double _cell;
        private readonly double _left;
        private readonly double _labels;
        private readonly int _columns;

        public Layout(AttentionMaps maps, AttentionLayer layer)
        {
            _layer = layer;
            var longest = Math.Max(layer.Rows, layer.Keys);
            var isLabelled = longest <= MostLabels;
            _rows = isLabelled ? [.. maps.RowTokens(layer).Select(token => Short(token.Text))] : [];
            _keys = isLabelled ? [.. maps.KeyTokens(layer).Select(token => Short(token.Text))] : [];
            _cell = isLabelled ? 14 : Math.Max(1, 240.0 / longest);
            _left = isLabelled ? 8 + (LetterWidth * _rows.Max(label => label.Length)) : 0;
            _labels = isLabelled ? 8 + (LetterWidth * _keys.Max(label => label.Length)) : 0;
            _columns = Math.Min(HeadsPerLine, layer.HeadCount);
        }

        public double Width => Math.Ceiling(_left + (_columns * HeadWidth));

        public double Height => Math.Ceiling(Caption + ((_layer.HeadCount + _columns - 1) / _columns * LineHeight));

        private double HeadWidth => Math.Max(LeastHeadWidth, _layer.Keys * _cell) + Gap;

        private double LineHeight => Caption + _labels + (_layer.Rows * _cell) + Gap;

        public void Write(TextWriter svg, double top)
        {
            svg.Write(Invariant($"<text class=\"t\" x=\"{Margin + _left:0.#}\" y=\"{top + 11:0.#}\" font-weight=\"600\">{LensText.NameOf(_layer.Kind)} layer {_layer.Layer}</text>\n"));
            for (var head = 0; head < _layer.HeadCount; head++)
            {
                var (line, column) = Math.DivRem(head, _columns);
                var x = Margin + _left + (column * HeadWidth);
                WriteHead(svg, head, x, top + Caption + (line * LineHeight), isFirst: column == 0);
            }
        }

        private void WriteHead(TextWriter svg, int head, double x, double top, bool isFirst)
        {
            svg.Write(Invariant($"<text class=\"t\" x=\"{x:0.#}\" y=\"{top + 11:0.#}\">head {_layer.FirstHead + head}</text>\n"));
            var y = top + Caption + _labels;
            for (var key = 0; key < _keys.Length; key++)
                svg.Write(Invariant($"<text class=\"t\" transform=\"translate({x + ((key + 0.5) * _cell) + 4:0.#} {y - 4:0.#}) rotate(-90)\">{WebUtility.HtmlEncode(_keys[key])}</text>\n"));
            for (var row = 0; isFirst && row < _rows.Length; row++)
                svg.Write(Invariant($"<text class=\"t\" x=\"{x - 5:0.#}\" y=\"{y + ((row + 0.5) * _cell) + 4:0.#}\" text-anchor=\"end\">{WebUtility.HtmlEncode(_rows[row])}</text>\n"));
            svg.Write(Invariant($"<g transform=\"translate({x:0.#} {y:0.#}) scale({_cell:0.####})\"><rect class=\"m\" width=\"{_layer.Keys}\" height=\"{_layer.Rows}\"/>\n"));
            foreach (var (shade, path) in Cells(head))
                svg.Write(Invariant($"<path class=\"w\" fill-opacity=\"{shade / (double)Shades:0.###}\" d=\"{path}\"/>\n"));
            svg.Write("</g>\n");
        }

        private SortedDictionary<int, StringBuilder> Cells(int head)
        {
            var paths = new SortedDictionary<int, StringBuilder>();
            for (var row = 0; row < _layer.Rows; row++)
            {
                var weights = _layer.Row(head, row);
                for (var key = 0; key < weights.Length; key++)
                {
                    var shade = float.IsFinite(weights[key]) ? (int)MathF.Round(MathF.Sqrt(Math.Clamp(weights[key], 0, 1)) * Shades) : 0;
                    if (shade == 0)
                        continue;
                    if (!paths.TryGetValue(shade, out var path))
                        paths[shade] = path = new StringBuilder();
                    path.Append(CultureInfo.InvariantCulture, $"M{key} {row}h1v1h-1z");
                }
            }

            return paths;
        }
    }
}
