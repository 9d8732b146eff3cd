using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers.Splitting;

/// <summary>Steps that several scanners share; positions are indices into the units of one segment.</summary>
internal static class ScannerSteps
{
    /// <summary>Length of an English contraction ('s 't 'm 'd 're 've 'll) at a position, or 0.</summary>
    public static int Contraction(ReadOnlySpan<char> units, int at, bool ignoreCase)
    {
        if (units[at] != '\'' || at + 1 >= units.Length)
        {
            return 0;
        }

        var next = Fold(units[at + 1], ignoreCase);
        if (next is 's' or 't' or 'm' or 'd')
        {
            return 2;
        }

        return at + 2 < units.Length && (next, Fold(units[at + 2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    /// <summary>The end of the run of units of the given kinds.</summary>
    public static int SkipWhile(ReadOnlySpan<char> units, int at, UnitKinds kinds)
    {
        while ((Units.KindAt(units, at) & kinds) != 0)
        {
            at++;
        }

        return at;
    }

    public static int SkipLineEnds(ReadOnlySpan<char> units, int at)
    {
        while (at < units.Length && units[at] is '\r' or '\n')
        {
            at++;
        }

        return at;
    }

    /// <summary>The end of the white space word at a position: <c>\s+(?!\S)|\s+</c>, one unit at least.</summary>
    public static int WhiteSpace(ReadOnlySpan<char> units, int at)
    {
        var end = SkipWhile(units, at, UnitKinds.WhiteSpace);
        return end - at > 1 && end < units.Length ? end - 1 : Math.Max(end, at + 1);
    }

    /// <summary>The end of <c>\s*[\r\n]+</c> at a position, or 0.</summary>
    public static int LineEnd(ReadOnlySpan<char> units, int at)
    {
        var end = SkipWhile(units, at, UnitKinds.WhiteSpace);
        var last = units[at..end].LastIndexOfAny('\r', '\n');
        return last < 0 ? 0 : at + last + 1;
    }

    private static char Fold(char unit, bool ignoreCase) => ignoreCase && unit is >= 'A' and <= 'Z' ? (char)(unit | 0x20) : unit;
}

/// <summary>GPT-2: <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>.</summary>
internal sealed class Gpt2Scanner : WordSplitter
{
    public override void Split(CodePointText text, int start, int end, List<int> ends)
    {
        var units = text.AllUnits[start..end];
        for (var at = 0; at < units.Length; ends.Add(start + at))
        {
            at = NextWord(units, at);
        }
    }

    private static int NextWord(ReadOnlySpan<char> units, int at)
    {
        if (ScannerSteps.Contraction(units, at, ignoreCase: false) is > 0 and var contraction)
        {
            return at + contraction;
        }

        var first = units[at] == ' ' ? at + 1 : at;
        return Units.KindAt(units, first) switch
        {
            UnitKinds.Letter => ScannerSteps.SkipWhile(units, first, UnitKinds.Letter),
            UnitKinds.Number => ScannerSteps.SkipWhile(units, first, UnitKinds.Number),
            UnitKinds.Mark or UnitKinds.Other => ScannerSteps.SkipWhile(units, first, UnitKinds.Mark | UnitKinds.Other),
            _ => ScannerSteps.WhiteSpace(units, at),
        };
    }
}

/// <summary>
/// Llama 3 and its kin:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>.
/// </summary>
/// <param name="longestNumber">Digits in a word: 3 for Llama 3, 1 for Qwen 2.</param>
/// <param name="marksAreLetters">Whether combining marks continue a word (Qwen 3.5).</param>
internal sealed class Llama3Scanner(int longestNumber, bool marksAreLetters = false) : WordSplitter
{
    private readonly UnitKinds _letters = marksAreLetters ? UnitKinds.Letter | UnitKinds.Mark : UnitKinds.Letter;
    private readonly UnitKinds _others = marksAreLetters ? UnitKinds.Other : UnitKinds.Other | UnitKinds.Mark;

    public override void Split(CodePointText text, int start, int end, List<int> ends)
    {
        var units = text.AllUnits[start..end];
        for (var at = 0; at < units.Length; ends.Add(start + at))
        {
            at = NextWord(units, at);
        }
    }

    private int NextWord(ReadOnlySpan<char> units, int at)
    {
        if (ScannerSteps.Contraction(units, at, ignoreCase: true) is > 0 and var contraction)
        {
            return at + contraction;
        }

        var unit = units[at];
        var kind = Units.KindAt(units, at);
        if (kind == UnitKinds.Number)
        {
            var limit = at + longestNumber < units.Length ? units[..(at + longestNumber)] : units;
            return ScannerSteps.SkipWhile(limit, at, UnitKinds.Number);
        }

        if (unit is not ('\r' or '\n') && ((kind & _letters) != 0 || (Units.KindAt(units, at + 1) & _letters) != 0))
        {
            return ScannerSteps.SkipWhile(units, at + 1, _letters);
        }

        var first = unit == ' ' ? at + 1 : at;
        if ((Units.KindAt(units, first) & _others) != 0)
        {
            return ScannerSteps.SkipLineEnds(units, ScannerSteps.SkipWhile(units, first, _others));
        }

        return ScannerSteps.LineEnd(units, at) is > 0 and var lineEnd ? lineEnd : ScannerSteps.WhiteSpace(units, at);
    }
}

/// <summary>Kimi K2: Han runs apart; otherwise as GPT-4o without telling upper from lower case.</summary>
internal sealed class KimiScanner : WordSplitter
{
    public override void Split(CodePointText text, int start, int end, List<int> ends)
    {
        var units = text.AllUnits[start..end];
        for (var at = 0; at < units.Length; ends.Add(start + at))
        {
            at = NextWord(text, start, units, at);
        }
    }

    private static int NextWord(CodePointText text, int start, ReadOnlySpan<char> units, int at)
    {
        var end = at;
        while (IsHan(text, start, units, end))
        {
            end++;
        }

        if (end > at)
        {
            return end;
        }

        var unit = units[at];
        var kind = Units.KindAt(units, at);
        var first = kind is UnitKinds.Letter || unit is '\r' or '\n' ? at : at + 1;
        if (kind != UnitKinds.Number && IsLetter(text, start, units, first))
        {
            end = first;
            while (IsLetter(text, start, units, end))
            {
                end++;
            }

            return end < units.Length ? end + ScannerSteps.Contraction(units, end, ignoreCase: true) : end;
        }

        if (kind == UnitKinds.Number)
        {
            return ScannerSteps.SkipWhile(at + 3 < units.Length ? units[..(at + 3)] : units, at, UnitKinds.Number);
        }

        first = unit == ' ' ? at + 1 : at;
        if ((Units.KindAt(units, first) & (UnitKinds.Mark | UnitKinds.Other)) != 0)
        {
            return ScannerSteps.SkipLineEnds(units, ScannerSteps.SkipWhile(units, first, UnitKinds.Mark | UnitKinds.Other));
        }

        return ScannerSteps.LineEnd(units, at) is > 0 and var lineEnd ? lineEnd : ScannerSteps.WhiteSpace(units, at);
    }

    private static bool IsLetter(CodePointText text, int start, ReadOnlySpan<char> units, int at)
        => Units.KindAt(units, at) == UnitKinds.Letter && !IsHan(text, start, units, at);

    private static bool IsHan(CodePointText text, int start, ReadOnlySpan<char> units, int at)
        => at < units.Length && units[at] >= 0x80 && CodePoints.IsHan(text.CodePointAt(start + at));
}

/// <summary>Numbers in groups of three counted from their end, as thousands are written; what lies between them is one word each.</summary>
internal sealed class DigitGroupScanner : WordSplitter
{
    public override void Split(CodePointText text, int start, int end, List<int> ends)
    {
        var units = text.AllUnits[start..end];
        var done = 0;
        for (var at = 0; at < units.Length;)
        {
            var last = ScannerSteps.SkipWhile(units, at, UnitKinds.Number);
            if (last == at)
            {
                at++;
                continue;
            }

            // Text before a number whose length is no multiple of three joins the leading one or two digits.
            for (var cut = at + ((last - at) % 3); cut <= last; cut += 3)
            {
                if (cut > at && cut > done)
                {
                    ends.Add(start + cut);
                    done = cut;
                }
            }

            at = last;
        }

        if (done < units.Length)
        {
            ends.Add(end);
        }
    }
}

/// <summary>Cuts before every ASCII digit from which the digits left in its run are a multiple of three.</summary>
internal sealed class ThousandsScanner : StretchSplitter
{
    public override void Split(CodePointText text, int start, int end, List<int> ends)
    {
        var units = text.AllUnits[start..end];
        var done = start;
        for (var at = 0; at < units.Length;)
        {
            var last = at;
            while (last < units.Length && char.IsAsciiDigit(units[last]))
            {
                last++;
            }

            for (var cut = at + ((last - at) % 3); cut < last; cut += 3)
            {
                Add(ends, ref done, start + cut, start + cut);
            }

            at = Math.Max(last, at + 1);
        }

        Finish(ends, done, end);
    }
}

/// <summary>The white space at a segment's end is a word: <c>\s+$</c>.</summary>
internal sealed class TrailingSpaceScanner : StretchSplitter
{
    public override void Split(CodePointText text, int start, int end, List<int> ends)
    {
        var units = text.AllUnits;
        var first = end;
        while (first > start && Units.KindAt(units, first - 1) == UnitKinds.WhiteSpace)
        {
            first--;
        }

        var done = start;
        Add(ends, ref done, first, end);
        Finish(ends, done, end);
    }
}

/// <summary>Groups of exactly three ASCII digits are words: <c>[0-9][0-9][0-9]</c>.</summary>
internal sealed class DigitTripleSplitter : StretchSplitter
{
    public override void Split(CodePointText text, int start, int end, List<int> ends)
    {
        var units = text.AllUnits;
        var done = start;
        for (var at = start; at < end;)
        {
            if (at + 3 <= end && char.IsAsciiDigit(units[at]) && char.IsAsciiDigit(units[at + 1]) && char.IsAsciiDigit(units[at + 2]))
            {
                Add(ends, ref done, at, at + 3);
                at += 3;
            }
            else
            {
                at++;
            }
        }

        Finish(ends, done, end);
    }
}
