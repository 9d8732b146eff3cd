using System.Globalization;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>What Python's <c>str</c> does, over .NET strings: positions and lengths count code points, and white space is Python's.</summary>
internal static class PythonText
{
    /// <summary>White space as <c>str.isspace</c> has it: .NET's, and the four separators U+001C to U+001F.</summary>
    public static bool IsSpace(char c) => c is (>= '\x1c' and <= '\x1f') || char.IsWhiteSpace(c);

    public static bool IsAllSpace(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (!IsSpace(c))
                return false;
        }

        return text.Length > 0;
    }

    /// <summary>No surrogates, so that UTF-16 positions are code point positions.</summary>
    public static bool IsPlain(ReadOnlySpan<char> text) => !text.ContainsAnyInRange('\ud800', '\udfff');

    /// <summary>Code points of a text; half a surrogate pair counts as one.</summary>
    public static int Length(string text)
    {
        if (IsPlain(text))
            return text.Length;
        var count = 0;
        for (var i = 0; i < text.Length; i += WidthAt(text, i))
            count++;
        return count;
    }

    public static int WidthAt(ReadOnlySpan<char> text, int i)
        => char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]) ? 2 : 1;

    public static int CodePointAt(ReadOnlySpan<char> text, int i, out int width)
    {
        width = WidthAt(text, i);
        return width == 2 ? char.ConvertToUtf32(text[i], text[i + 1]) : text[i];
    }

    public static void AppendCodePoint(StringBuilder builder, int codePoint)
    {
        if (codePoint < 0x10000)
            builder.Append((char)codePoint);
        else
            builder.Append(char.ConvertFromUtf32(codePoint));
    }

    /// <summary>The UTF-16 position of a code point position that is in range.</summary>
    public static int Offset(string text, int position)
    {
        if (IsPlain(text))
            return position;
        var i = 0;
        for (; position > 0; position--)
            i += WidthAt(text, i);
        return i;
    }

    /// <summary>The code point position of a UTF-16 position.</summary>
    public static int Position(string text, int offset) => Length(text[..offset]);

    /// <summary>The code points, each as a string of its own.</summary>
    public static IEnumerable<string> Characters(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            var width = WidthAt(text, i);
            yield return width == 1 ? text[i].ToString() : text.Substring(i, width);
            i += width;
        }
    }

    /// <summary>Order by code points; UTF-16 order differs where surrogates meet U+E000 and above.</summary>
    public static int Compare(string left, string right)
    {
        var length = Math.Min(left.Length, right.Length);
        for (var i = 0; i < length; i++)
        {
            if (left[i] == right[i])
                continue;
            var (a, b) = (Rank(left[i]), Rank(right[i]));
            return a < b ? -1 : 1;
        }

        return left.Length.CompareTo(right.Length);

        static int Rank(char c) => char.IsSurrogate(c) ? c + 0x10000 : c;
    }

    /// <summary>Where a text ends once white space is stripped from its end.</summary>
    public static int EndOfStrip(ReadOnlySpan<char> text)
    {
        var end = text.Length;
        while (end > 0 && IsSpace(text[end - 1]))
            end--;
        return end;
    }

    /// <summary><c>str.strip</c> and its one-sided kin; <paramref name="characters"/> null strips white space.</summary>
    public static string Strip(string text, string? characters, bool left = true, bool right = true)
    {
        int start = 0, end = text.Length;
        if (characters is null)
        {
            while (left && start < end && IsSpace(text[start]))
                start++;
            while (right && end > start && IsSpace(text[end - 1]))
                end--;
        }
        else
        {
            var set = new HashSet<string>(Characters(characters));
            while (left && start < end && set.Contains(text.Substring(start, WidthAt(text, start))))
                start += WidthAt(text, start);
            while (right && end > start && set.Contains(LastCharacter(text, end)))
                end -= LastCharacter(text, end).Length;
        }

        return start == 0 && end == text.Length ? text : text[start..end];
    }

    private static string LastCharacter(string text, int end)
        => end > 1 && char.IsLowSurrogate(text[end - 1]) && char.IsHighSurrogate(text[end - 2]) ? text[(end - 2)..end] : text[(end - 1)..end];

    /// <summary><c>str.split</c>: at <paramref name="separator"/>, or at runs of white space where it is null.</summary>
    public static List<string> Split(string text, string? separator, long maximum)
    {
        var parts = new List<string>();
        var left = maximum < 0 ? long.MaxValue : maximum;
        if (separator is null)
        {
            SplitAtSpace(text, left, parts);
            return parts;
        }

        var start = 0;
        for (; left > 0; left--)
        {
            var at = text.IndexOf(separator, start, StringComparison.Ordinal);
            if (at < 0)
                break;
            parts.Add(text[start..at]);
            start = at + separator.Length;
        }

        parts.Add(text[start..]);
        return parts;
    }

    private static void SplitAtSpace(string text, long left, List<string> parts)
    {
        var at = 0;
        while (true)
        {
            while (at < text.Length && IsSpace(text[at]))
                at++;
            if (at == text.Length)
                return;
            if (left-- == 0)
            {
                parts.Add(text[at..]);
                return;
            }

            var start = at;
            while (at < text.Length && !IsSpace(text[at]))
                at++;
            parts.Add(text[start..at]);
        }
    }

    /// <summary><c>str.rsplit</c>: as <see cref="Split"/>, counted from the end.</summary>
    public static List<string> SplitFromEnd(string text, string? separator, long maximum)
    {
        var parts = new List<string>();
        var left = maximum < 0 ? long.MaxValue : maximum;
        var end = text.Length;
        if (separator is null)
        {
            while (true)
            {
                while (end > 0 && IsSpace(text[end - 1]))
                    end--;
                if (end == 0)
                    break;
                var start = end;
                if (left-- == 0)
                {
                    parts.Add(text[..end]);
                    break;
                }

                while (start > 0 && !IsSpace(text[start - 1]))
                    start--;
                parts.Add(text[start..end]);
                end = start;
            }
        }
        else
        {
            for (; left > 0; left--)
            {
                var at = text.AsSpan(0, end).LastIndexOf(separator, StringComparison.Ordinal);
                if (at < 0)
                    break;
                parts.Add(text[(at + separator.Length)..end]);
                end = at;
            }

            parts.Add(text[..end]);
        }

        parts.Reverse();
        return parts;
    }

    /// <summary><c>str.splitlines</c>: at every line boundary that Unicode and ASCII know, CR LF as one.</summary>
    public static List<string> SplitLines(string text, bool keepEnds = false)
    {
        var lines = new List<string>();
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is not ('\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029'))
                continue;
            var end = text[i] == '\r' && i + 1 < text.Length && text[i + 1] == '\n' ? i + 2 : i + 1;
            lines.Add(keepEnds ? text[start..end] : text[start..i]);
            start = end;
            i = end - 1;
        }

        if (start < text.Length)
            lines.Add(text[start..]);
        return lines;
    }

    /// <summary><c>str.isidentifier</c>, by the categories that make up XID_Start and XID_Continue.</summary>
    public static bool IsIdentifier(string text)
    {
        for (var i = 0; i < text.Length; i += WidthAt(text, i))
        {
            var category = CharUnicodeInfo.GetUnicodeCategory(text, i);
            var isStart = text[i] == '_' || category is <= UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber;
            var isContinue = category is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
                or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation;
            if (!isStart && (i == 0 || !isContinue))
                return false;
        }

        return text.Length > 0;
    }

    /// <summary><c>str.isprintable</c> for one code point.</summary>
    public static bool IsPrintable(int codePoint)
    {
        if (codePoint is >= 0x20 and < 0x7f)
            return true;
        return CharUnicodeInfo.GetUnicodeCategory(codePoint) is not (UnicodeCategory.Control or UnicodeCategory.Format
            or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
    }

    /// <summary>The character class that regular expressions call <c>\w</c>.</summary>
    public static bool IsWord(string text, int i)
        => text[i] == '_' || CharUnicodeInfo.GetUnicodeCategory(text, i) is <= UnicodeCategory.OtherLetter
            or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    /// <summary>True where every code point satisfies <paramref name="predicate"/> and there is one.</summary>
    public static bool All(string text, Func<UnicodeCategory, int, bool> predicate)
    {
        for (var i = 0; i < text.Length;)
        {
            var codePoint = CodePointAt(text, i, out var width);
            if (!predicate(CharUnicodeInfo.GetUnicodeCategory(text, i), codePoint))
                return false;
            i += width;
        }

        return text.Length > 0;
    }

    /// <summary>The digit that a character stands for, or -1.</summary>
    public static int DigitValue(int codePoint)
        => codePoint is >= 0xD800 and <= 0xDFFF ? -1 : CharUnicodeInfo.GetDigitValue(char.ConvertFromUtf32(codePoint), 0);

    /// <summary>The number that a character stands for, or -1.</summary>
    public static double NumericValue(int codePoint)
        => codePoint is >= 0xD800 and <= 0xDFFF ? -1 : CharUnicodeInfo.GetNumericValue(char.ConvertFromUtf32(codePoint), 0);
}
