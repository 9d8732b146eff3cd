using System.Globalization;

namespace Hearth.Runtime.Constraints.Grammars;

/// <summary>The text of a grammar, for errors that say where.</summary>
internal sealed class GrammarSource(string text)
{
    public string Text { get; } = text;

    /// <summary>An error at a place.</summary>
    /// <param name="message">What is wrong.</param>
    /// <param name="at">Index of the character.</param>
    /// <param name="keyword">The rule or construct at fault.</param>
    public ConstraintException Error(string message, int at, string? keyword)
    {
        var (line, column) = PlaceOf(at);
        return new ConstraintException(message, string.Create(CultureInfo.InvariantCulture, $"line {line}, column {column}"), keyword);
    }

    // Both from 1; a column is a character, and any of \n, \r and \r\n ends a line.
    private (int Line, int Column) PlaceOf(int at)
    {
        var (line, column) = (1, 1);
        for (var i = 0; i < at; i++)
        {
            if (Text[i] == '\n' || (Text[i] == '\r' && (i + 1 == Text.Length || Text[i + 1] != '\n')))
            {
                line++;
                column = 1;
            }
            else if (!char.IsLowSurrogate(Text[i]))
            {
                column++;
            }
        }

        return (line, column);
    }
}
