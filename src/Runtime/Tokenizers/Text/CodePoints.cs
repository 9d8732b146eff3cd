using System.Text;

namespace Hearth.Runtime.Tokenizers.Text;

/// <summary>The general category of a code point, reduced to its first letter, and whether it is white space.</summary>
[Flags]
internal enum CodePointClass : byte
{
    Undefined = 0,
    Number = 1,
    Letter = 2,
    Separator = 3,
    Mark = 4,
    Punctuation = 5,
    Symbol = 6,
    Control = 7,
    WhiteSpace = 8,
}

/// <summary>Classes, lower case and base letters of single code points.</summary>
internal static class CodePoints
{
    /// <summary>The bits of a class that hold its category.</summary>
    public const CodePointClass CategoryMask = (CodePointClass)7;

    private const int HangulFirst = 0xAC00;
    private const int HangulCount = 11172;
    private const int HangulPerLeadingConsonant = 588;
    private const int HangulLeadingConsonants = 0x1100;

    private static readonly CodePointClass[][] s_pages = BuildPages();

    /// <summary>The class of a code point up to U+10FFFF.</summary>
    public static CodePointClass ClassOf(int codePoint) => s_pages[codePoint >> 8][codePoint & 0xFF];

    /// <summary>Simple lower-case mapping.</summary>
    public static int ToLower(int codePoint) => codePoint switch
    {
        < 0x80 => codePoint is >= 'A' and <= 'Z' ? codePoint | 0x20 : codePoint,
        0x130 => 'i',
        _ when !Rune.IsValid(codePoint) || ClassOf(codePoint) == CodePointClass.Undefined => codePoint,
        _ => Rune.ToLowerInvariant(new Rune(codePoint)).Value,
    };

    /// <summary>The first code point of the canonical decomposition: the letter without its accents.</summary>
    public static int BaseOf(int codePoint)
    {
        if (codePoint < 0x80)
        {
            return codePoint;
        }

        if ((uint)(codePoint - HangulFirst) < HangulCount)
        {
            return HangulLeadingConsonants + ((codePoint - HangulFirst) / HangulPerLeadingConsonant);
        }

        var pairs = UnicodeData.Bases;
        int low = 0, high = pairs.Length / 2;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (pairs[middle * 2] < codePoint)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low * 2 < pairs.Length && pairs[low * 2] == codePoint ? pairs[(low * 2) + 1] : codePoint;
    }

    /// <summary>Chinese characters as WordPiece separates them (with the gap that the common implementation has before U+2B920).</summary>
    public static bool IsWordPieceIdeograph(int codePoint)
        => codePoint is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF)
            or (>= 0x2A700 and <= 0x2B73F) or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF)
            or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);

    /// <summary>Han characters as Kimi's pre-tokenizer separates them.</summary>
    public static bool IsHan(int codePoint)
        => codePoint is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF)
            or (>= 0x2A700 and <= 0x2EBEF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);

    private static CodePointClass[][] BuildPages()
    {
        var pages = new CodePointClass[0x1100][];
        var uniform = new CodePointClass[16][];
        var runs = UnicodeData.ClassRuns;
        var run = 0;
        for (var page = 0; page < pages.Length; page++)
        {
            var first = page << 8;
            while (run + 1 < runs.Length && runs[run + 1] >> 4 <= first)
            {
                run++;
            }

            var startsAs = runs[run] & 15;
            if (run + 1 == runs.Length || runs[run + 1] >> 4 >= first + 256)
            {
                if (uniform[startsAs] is null)
                {
                    uniform[startsAs] = new CodePointClass[256];
                    Array.Fill(uniform[startsAs], (CodePointClass)startsAs);
                }

                pages[page] = uniform[startsAs];
                continue;
            }

            pages[page] = new CodePointClass[256];
            for (int i = 0, at = run; i < 256; i++)
            {
                at += at + 1 < runs.Length && runs[at + 1] >> 4 == first + i ? 1 : 0;
                pages[page][i] = (CodePointClass)(runs[at] & 15);
            }
        }

        return pages;
    }
}
