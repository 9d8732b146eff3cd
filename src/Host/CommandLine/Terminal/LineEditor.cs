using System.Globalization;
using System.Text;

namespace Hearth.Host.CommandLine.Terminal;

/// <summary>Reads an input, of one or more lines, that can be edited while it is typed.</summary>
/// <remarks>
/// The keys are those of shells: arrows, Home and End, words by Ctrl or Alt, Ctrl-A, E, K, U, W, L, D. Up and Down go through the history from
/// the first and the last line. Alt-Enter, or a backslash at the end of a line, begins another; what is pasted is taken as it is.
/// </remarks>
internal sealed class LineEditor(ITerminal terminal, TextWriter output, InputHistory history, Func<string, IReadOnlyList<string>> complete)
{
    private const string PasteBegins = "[200~";
    private const string PasteEnds = "\u001b[201~";

    private readonly StringBuilder _text = new();
    private int _cursor;
    private int _drawnRow;
    private int _entry;
    private string _unsaved = "";

    /// <summary>The input; null where it was ended (Ctrl-D on an empty line).</summary>
    /// <param name="prompt">Shown before the first line, without escapes; its width indents the others.</param>
    /// <param name="style">Begins the prompt's colour; empty for none.</param>
    public string? Read(string prompt, string style = "")
    {
        _text.Clear();
        (_cursor, _drawnRow, _entry, _unsaved) = (0, 0, history.Entries.Count, "");

        // Terminals that know it put marks around what is pasted.
        output.Write("\u001b[?2004h");
        try
        {
            Draw(prompt, style);
            for (; ; )
            {
                switch (Take(terminal.ReadKey()))
                {
                    case Outcome.Accepted:
                        _cursor = _text.Length;
                        Draw(prompt, style);
                        output.Write("\r\n");
                        var input = _text.ToString();
                        history.Add(input);
                        return input;
                    case Outcome.Ended:
                        output.Write("\r\n");
                        return null;
                    case Outcome.Cleared:
                        output.Write("\u001b[2J\u001b[H");
                        _drawnRow = 0;
                        break;
                }

                if (!terminal.KeyAvailable)
                {
                    Draw(prompt, style);
                }
            }
        }
        finally
        {
            output.Write("\u001b[?2004l");
        }
    }

    private Outcome Take(ConsoleKeyInfo key)
    {
        var control = key.Modifiers.HasFlag(ConsoleModifiers.Control);
        var word = control || key.Modifiers.HasFlag(ConsoleModifiers.Alt);
        switch (key.Key)
        {
            case ConsoleKey.Enter:
                return Enter(word || key.Modifiers.HasFlag(ConsoleModifiers.Shift));
            case ConsoleKey.LeftArrow:
                _cursor = word ? WordBefore() : Before(_cursor);
                return Outcome.Goes;
            case ConsoleKey.RightArrow:
                _cursor = word ? WordAfter() : After(_cursor);
                return Outcome.Goes;
            case ConsoleKey.UpArrow:
                Up();
                return Outcome.Goes;
            case ConsoleKey.DownArrow:
                Down();
                return Outcome.Goes;
            case ConsoleKey.Home:
                _cursor = LineStart(_cursor);
                return Outcome.Goes;
            case ConsoleKey.End:
                _cursor = LineEnd(_cursor);
                return Outcome.Goes;
            case ConsoleKey.Backspace:
                Remove(word ? WordBefore() : Before(_cursor), _cursor);
                return Outcome.Goes;
            case ConsoleKey.Delete:
                Remove(_cursor, After(_cursor));
                return Outcome.Goes;
            case ConsoleKey.Tab:
                Complete();
                return Outcome.Goes;
            case ConsoleKey.Escape:
                Paste();
                return Outcome.Goes;
        }

        return control ? TakeControl(key.Key) : word ? TakeWord(key.Key) : Insert(key.KeyChar);
    }

    private Outcome TakeControl(ConsoleKey key)
    {
        switch (key)
        {
            case ConsoleKey.A:
                _cursor = LineStart(_cursor);
                break;
            case ConsoleKey.E:
                _cursor = LineEnd(_cursor);
                break;
            case ConsoleKey.B:
                _cursor = Before(_cursor);
                break;
            case ConsoleKey.F:
                _cursor = After(_cursor);
                break;
            case ConsoleKey.P:
                Up();
                break;
            case ConsoleKey.N:
                Down();
                break;
            case ConsoleKey.H:
                Remove(Before(_cursor), _cursor);
                break;
            case ConsoleKey.K:
                Remove(_cursor, LineEnd(_cursor));
                break;
            case ConsoleKey.U:
                Remove(LineStart(_cursor), _cursor);
                break;
            case ConsoleKey.W:
                Remove(WordBefore(), _cursor);
                break;
            case ConsoleKey.J:
                return Enter(anotherLine: true);
            case ConsoleKey.L:
                return Outcome.Cleared;
            case ConsoleKey.D when _text.Length == 0:
                return Outcome.Ended;
            case ConsoleKey.D:
                Remove(_cursor, After(_cursor));
                break;
        }

        return Outcome.Goes;
    }

    private Outcome TakeWord(ConsoleKey key)
    {
        _cursor = key switch
        {
            ConsoleKey.B => WordBefore(),
            ConsoleKey.F => WordAfter(),
            _ => _cursor,
        };
        return Outcome.Goes;
    }

    private Outcome Enter(bool anotherLine)
    {
        if (!anotherLine && _cursor == _text.Length && _text.Length > 0 && _text[^1] == '\\')
        {
            Remove(_text.Length - 1, _text.Length);
            anotherLine = true;
        }

        return anotherLine ? Insert('\n') : Outcome.Accepted;
    }

    private Outcome Insert(char unit)
    {
        if (!char.IsControl(unit) || unit is '\n')
        {
            _text.Insert(_cursor++, unit);
        }

        return Outcome.Goes;
    }

    // Behind an escape that begins no paste nothing is done with what follows at once: a sequence of a key that is not known.
    private void Paste()
    {
        var sequence = new StringBuilder();
        while (terminal.KeyAvailable && sequence.Length < PasteBegins.Length)
        {
            // Alt-Enter, as most terminals send it.
            if (terminal.ReadKey() is var key && key.Key == ConsoleKey.Enter && sequence.Length == 0)
            {
                Insert('\n');
                return;
            }

            sequence.Append(key.KeyChar);
        }

        if (sequence.ToString() != PasteBegins)
        {
            return;
        }

        var pasted = new StringBuilder();
        while (pasted.Length < PasteEnds.Length || pasted.ToString(pasted.Length - PasteEnds.Length, PasteEnds.Length) != PasteEnds)
        {
            pasted.Append(terminal.ReadKey().KeyChar);
        }

        pasted.Length -= PasteEnds.Length;
        var text = string.Concat(pasted.ToString().ReplaceLineEndings("\n").Select(unit => unit == '\t' ? "    " : char.IsControl(unit) && unit != '\n' ? "" : unit.ToString()));
        _text.Insert(_cursor, text);
        _cursor += text.Length;
    }

    private void Complete()
    {
        var found = complete(_text.ToString(0, _cursor));
        if (found.Count == 0)
        {
            return;
        }

        var common = found.Aggregate((a, b) => a[..a.AsSpan().CommonPrefixLength(b)]);
        if (common.Length > _cursor)
        {
            _text.Remove(0, _cursor).Insert(0, common);
            _cursor = common.Length;
        }
    }

    private void Up()
    {
        if (LineStart(_cursor) is var start and > 0)
        {
            _cursor = Math.Min(LineStart(start - 1) + (_cursor - start), start - 1);
        }
        else if (_entry > 0)
        {
            Show(_entry - 1);
        }
    }

    private void Down()
    {
        if (LineEnd(_cursor) is var end && end < _text.Length)
        {
            _cursor = Math.Min(end + 1 + (_cursor - LineStart(_cursor)), LineEnd(end + 1));
        }
        else if (_entry < history.Entries.Count)
        {
            Show(_entry + 1);
        }
    }

    private void Show(int entry)
    {
        if (_entry == history.Entries.Count)
        {
            _unsaved = _text.ToString();
        }

        _entry = entry;
        _text.Clear().Append(entry == history.Entries.Count ? _unsaved : history.Entries[entry]);
        _cursor = _text.Length;
    }

    private void Remove(int from, int to)
    {
        _text.Remove(from, to - from);
        _cursor = from;
    }

    // A letter with its marks, or an emoji of several, is one step.
    private int Before(int at)
    {
        var starts = StringInfo.ParseCombiningCharacters(_text.ToString());
        return starts.LastOrDefault(start => start < at);
    }

    private int After(int at) => at >= _text.Length ? _text.Length : at + StringInfo.GetNextTextElementLength(_text.ToString(), at);

    private int WordBefore()
    {
        var at = _cursor;
        while (at > 0 && !char.IsLetterOrDigit(_text[at - 1]))
        {
            at--;
        }

        while (at > 0 && char.IsLetterOrDigit(_text[at - 1]))
        {
            at--;
        }

        return at;
    }

    private int WordAfter()
    {
        var at = _cursor;
        while (at < _text.Length && !char.IsLetterOrDigit(_text[at]))
        {
            at++;
        }

        while (at < _text.Length && char.IsLetterOrDigit(_text[at]))
        {
            at++;
        }

        return at;
    }

    private int LineStart(int at) => at == 0 ? 0 : _text.ToString().LastIndexOf('\n', at - 1) + 1;

    private int LineEnd(int at) => _text.ToString().IndexOf('\n', at) is >= 0 and var end ? end : _text.Length;

    private void Draw(string prompt, string style)
    {
        var (width, indent) = (terminal.Width, TerminalText.Cells(prompt));
        var text = _text.ToString();
        var drawn = new StringBuilder("\r");
        if (_drawnRow > 0)
        {
            drawn.Append(CultureInfo.InvariantCulture, $"\u001b[{_drawnRow}A");
        }

        drawn.Append("\u001b[J").Append(style).Append(prompt).Append(style.Length > 0 ? "\u001b[0m" : "")
            .Append(text.Replace("\n", "\r\n" + new string(' ', indent), StringComparison.Ordinal));
        var (endRow, endColumn) = TerminalText.Behind(text, indent, width, indent);
        var (row, column) = TerminalText.Behind(text[.._cursor], indent, width, indent);

        // In the last column a terminal waits with the next line until it has something for it.
        if (endColumn >= width)
        {
            drawn.Append("\r\n");
            (endRow, endColumn) = (endRow + 1, 0);
        }

        if (column >= width)
        {
            (row, column) = (row + 1, 0);
        }

        if (endRow > row)
        {
            drawn.Append(CultureInfo.InvariantCulture, $"\u001b[{endRow - row}A");
        }

        drawn.Append('\r');
        if (column > 0)
        {
            drawn.Append(CultureInfo.InvariantCulture, $"\u001b[{column}C");
        }

        output.Write(drawn.ToString());
        _drawnRow = row;
    }

    private enum Outcome
    {
        Goes,
        Accepted,
        Ended,
        Cleared,
    }
}
