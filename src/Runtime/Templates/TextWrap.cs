namespace Hearth.Runtime.Templates;

/// <summary>Python's <c>textwrap.wrap</c> as the filter <c>wordwrap</c> uses it: one line in, tabs and inner white space kept.</summary>
internal sealed class TextWrap(long width, bool breakLongWords, bool breakOnHyphens)
{
    public List<string> Wrap(string line)
    {
        if (width <= 0)
            throw Raise.Value($"invalid width {width} (must be > 0)");
        var chunks = Split(line);
        chunks.Reverse();
        var lines = new List<string>();
        while (chunks.Count > 0)
        {
            var current = new List<string>();
            var length = 0L;
            if (lines.Count > 0 && IsBlank(chunks[^1]))
                chunks.RemoveAt(chunks.Count - 1);
            while (chunks.Count > 0 && length + PythonText.Length(chunks[^1]) <= width)
            {
                length += PythonText.Length(chunks[^1]);
                current.Add(chunks[^1]);
                chunks.RemoveAt(chunks.Count - 1);
            }

            if (chunks.Count > 0 && PythonText.Length(chunks[^1]) > width)
                LongWord(chunks, current, length);
            if (current.Count > 0 && IsBlank(current[^1]))
                current.RemoveAt(current.Count - 1);
            if (current.Count > 0)
                lines.Add(string.Concat(current));
        }

        return lines;
    }

    private static bool IsBlank(string chunk) => PythonText.Strip(chunk, null).Length == 0;

    private void LongWord(List<string> chunks, List<string> current, long length)
    {
        var room = width < 1 ? 1 : width - length;
        if (breakLongWords)
        {
            var chunk = chunks[^1];
            var end = (int)room;
            if (breakOnHyphens && PythonText.Length(chunk) > room && chunk.LastIndexOf('-', Math.Max(0, PythonText.Offset(chunk, end) - 1)) is var hyphen and > 0
                && chunk.AsSpan(0, hyphen).IndexOfAnyExcept('-') >= 0)
            {
                current.Add(chunk[..(hyphen + 1)]);
                chunks[^1] = chunk[(hyphen + 1)..];
                return;
            }

            var offset = PythonText.Offset(chunk, end);
            current.Add(chunk[..offset]);
            chunks[^1] = chunk[offset..];
        }
        else if (current.Count == 0)
        {
            current.Add(chunks[^1]);
            chunks.RemoveAt(chunks.Count - 1);
        }
    }

    /// <summary>Cuts a line into words, runs of white space and, where asked, the parts of hyphenated words.</summary>
    private List<string> Split(string line)
    {
        var chunks = new List<string>();
        for (var at = 0; at < line.Length;)
        {
            var start = at;
            var space = IsBreak(line[at]);
            while (at < line.Length && IsBreak(line[at]) == space)
                at++;
            if (space || !breakOnHyphens)
                chunks.Add(line[start..at]);
            else
                SplitWord(line[start..at], chunks);
        }

        return chunks;
    }

    private static bool IsBreak(char c) => c is ' ' or '\t' or '\n' or '\v' or '\f' or '\r';

    /// <summary>A word may break after a hyphen between letters, and around a run of hyphens that joins two words.</summary>
    private static void SplitWord(string word, List<string> chunks)
    {
        var start = 0;
        for (var i = 1; i < word.Length; i++)
        {
            if (word[i] != '-')
                continue;
            var run = i;
            while (run < word.Length && word[run] == '-')
                run++;
            if (run - i >= 2 && run < word.Length && IsWordCharacter(word, run) && IsDashable(word[i - 1]))
            {
                chunks.Add(word[start..i]);
                chunks.Add(word[i..run]);
                start = run;
            }
            else if (run - i == 1 && i - start >= 2 && IsLetter(word, i - 1) && IsLetter(word, i - 2)
                && i + 2 < word.Length && IsLetter(word, i + 1) && (IsLetter(word, i + 2) || word[i + 2] == '-'))
            {
                chunks.Add(word[start..run]);
                start = run;
            }

            i = Math.Max(i, run - 1);
        }

        if (start < word.Length)
            chunks.Add(word[start..]);
    }

    private static bool IsDashable(char c) => char.IsLetterOrDigit(c) || c is '_' or '!' or '"' or '\'' or '&' or '.' or ',' or '?';

    private static bool IsWordCharacter(string word, int at) => PythonText.IsWord(word, at);

    private static bool IsLetter(string word, int at) => PythonText.IsWord(word, at) && !char.IsDigit(word[at]);
}
