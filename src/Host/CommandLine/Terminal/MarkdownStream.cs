using System.Globalization;
using System.Text;
using Markdig.Syntax;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Hearth.Host.CommandLine.Terminal;

/// <summary>Shows markdown while it is being written: each piece as it comes, and a block as it is meant once it is complete.</summary>
/// <remarks>A block that is longer than the terminal is high stays as it came: what has left the screen cannot be drawn again.</remarks>
internal sealed class MarkdownStream(IAnsiConsole console, TextWriter output, ITerminal terminal)
{
    private readonly StringBuilder _pending = new();
    private bool _isFirst = true;
    private bool _leftScreen;

    public void Write(string piece)
    {
        piece = TerminalText.Harmless(piece);
        _pending.Append(piece);
        output.Write(piece.Replace("\n", "\r\n", StringComparison.Ordinal));
        _leftScreen |= Rows() >= terminal.Height - 1;

        // Only the end of a line can complete a block.
        if (piece.Contains('\n', StringComparison.Ordinal))
        {
            Complete();
        }
    }

    /// <summary>Completes what is left; the cursor is then at the beginning of a line.</summary>
    public void End()
    {
        var rest = _pending.ToString();
        if (rest.Trim().Length > 0 && !_leftScreen && MarkdownBlocks.Parse(rest) is { } document)
        {
            Erase();
            Show(document);
        }
        else if (rest.Length > 0 && rest[^1] != '\n')
        {
            output.Write("\r\n");
        }

        _pending.Clear();
    }

    private void Complete()
    {
        var text = _pending.ToString();
        if (MarkdownBlocks.Parse(text) is not { Count: > 1 } document)
        {
            return;
        }

        var last = document[^1].Span.Start;
        if (!_leftScreen)
        {
            Erase();
            Show(document.SkipLast(1));
            _pending.Remove(0, last);
            var rest = _pending.ToString();
            if (!_isFirst)
            {
                output.Write("\r\n");
            }

            output.Write(rest.Replace("\n", "\r\n", StringComparison.Ordinal));
        }
        else
        {
            _pending.Remove(0, last);
            _leftScreen = Rows() >= terminal.Height - 1;
            _isFirst = true;
        }
    }

    private int Rows() => TerminalText.Behind(_pending.ToString(), 0, terminal.Width).Row;

    private void Erase()
    {
        var rows = Rows() + (_isFirst ? 0 : 1);
        output.Write(rows > 0 ? string.Create(CultureInfo.InvariantCulture, $"\r\u001b[{rows}A\u001b[J") : "\r\u001b[J");
    }

    private void Show(IEnumerable<Block> blocks)
    {
        foreach (var block in blocks)
        {
            if (!_isFirst)
            {
                output.Write("\r\n");
            }

            var shown = MarkdownBlocks.Render(block);
            console.Write(shown);

            // Some kinds end their last line, others do not.
            if (shown.GetSegments(console).LastOrDefault() is not { IsLineBreak: true })
            {
                output.Write("\r\n");
            }

            _isFirst = false;
        }
    }
}
