namespace Hearth.Runtime.Scheduling;

/// <summary>Finds stop sequences in text that comes in pieces.</summary>
/// <remarks>
/// The stop sequence that is complete first ends the text, the longer one of two complete at the same character.
/// Text that may be the beginning of one is held back. Comparison is by UTF-16 code units. Not thread-safe.
/// </remarks>
/// <param name="stops">Each at least one character.</param>
internal sealed class StopSequenceMatcher(IReadOnlyList<string> stops)
{
    private string _held = "";

    /// <summary>Whether a stop sequence has come; nothing after it counts.</summary>
    public bool Matched => Found is not null;

    /// <summary>The stop sequence that has come.</summary>
    public string? Found { get; private set; }

    /// <summary>Takes a piece; returns the text that is certain now, up to a stop sequence if there is one.</summary>
    public string Append(string piece)
    {
        if (Matched || piece.Length == 0)
        {
            return "";
        }

        if (stops.Count == 0)
        {
            return piece;
        }

        var text = _held + piece;
        var begin = FindFirst(text, out var found);
        if (begin >= 0)
        {
            Found = found;
            _held = "";
            return text[..begin];
        }

        var certain = text.Length - LongestBeginning(text);
        _held = text[certain..];
        return text[..certain];
    }

    /// <summary>Returns what is held back: no more text comes, so it is no stop sequence.</summary>
    public string Flush()
    {
        var held = _held;
        _held = "";
        return held;
    }

    private int FindFirst(string text, out string? found)
    {
        var (begin, end) = (-1, int.MaxValue);
        found = null;
        foreach (var stop in stops)
        {
            var at = text.IndexOf(stop, StringComparison.Ordinal);
            if (at >= 0 && (at + stop.Length, at).CompareTo((end, begin)) < 0)
            {
                (begin, end, found) = (at, at + stop.Length, stop);
            }
        }

        return begin;
    }

    /// <summary>Length of the longest end of the text with which a stop sequence may begin.</summary>
    private int LongestBeginning(string text)
    {
        var longest = 0;
        foreach (var stop in stops)
        {
            for (var length = Math.Min(stop.Length - 1, text.Length); length > longest; length--)
            {
                if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
                {
                    longest = length;
                }
            }
        }

        return longest;
    }
}
