using System.Globalization;
using System.Text;
using Spectre.Console.Rendering;

namespace Hearth.Host.CommandLine.Terminal;

/// <summary>Texts of others on a terminal: how wide they are, and that they cannot steer it.</summary>
internal static class TerminalText
{
    /// <summary>The text with what would steer a terminal (escapes and other controls, but line ends and tabs) made visible.</summary>
    public static string Harmless(string text)
    {
        if (!text.Any(IsControl))
        {
            return text;
        }

        var harmless = new StringBuilder(text.Length);
        foreach (var unit in text)
        {
            // Unicode has pictures of the first 32; a carriage return alone would overwrite its line.
            harmless.Append(!IsControl(unit) ? unit : unit < ' ' ? (char)(0x2400 + unit) : '\ufffd');
        }

        return harmless.ToString();
    }

    /// <summary>Cells that a piece of a line takes.</summary>
    public static int Cells(string text) => new Segment(text).CellCount();

    /// <summary>Where the cursor stands behind a text that begins at a column: rows further down, and the column.</summary>
    public static (int Row, int Column) Behind(string text, int column, int width, int indent = 0)
    {
        var row = 0;
        var elements = StringInfo.GetTextElementEnumerator(text);
        while (elements.MoveNext())
        {
            var element = elements.GetTextElement();
            if (element is "\n" or "\r\n")
            {
                (row, column) = (row + 1, indent);
                continue;
            }

            var cells = element == "\t" ? 8 - (column % 8) : Cells(element);
            if (column + cells > width)
            {
                (row, column) = (row + 1, 0);
            }

            column += cells;
        }

        return (row, column);
    }

    private static bool IsControl(char unit) => char.IsControl(unit) && unit is not ('\n' or '\t');
}
