using System.Globalization;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>Upper, lower and title case with the mappings of one character to several, as Python has them and .NET does not.</summary>
/// <remarks>Source: Unicode Character Database, SpecialCasing.txt (unconditional mappings and the final sigma).</remarks>
internal static class CaseMapping
{
    private static readonly Dictionary<int, string> SpecialUpper = Parse(
        "DF:53+53 149:2BC+4E 1F0:4A+30C 390:399+308+301 3B0:3A5+308+301 587:535+552 1E96:48+331 1E97:54+308 1E98:57+30A "
        + "1E99:59+30A 1E9A:41+2BE 1F50:3A5+313 1F52:3A5+313+300 1F54:3A5+313+301 1F56:3A5+313+342 1F80:1F08+399 1F81:1F09+399 "
        + "1F82:1F0A+399 1F83:1F0B+399 1F84:1F0C+399 1F85:1F0D+399 1F86:1F0E+399 1F87:1F0F+399 1F88:1F08+399 1F89:1F09+399 "
        + "1F8A:1F0A+399 1F8B:1F0B+399 1F8C:1F0C+399 1F8D:1F0D+399 1F8E:1F0E+399 1F8F:1F0F+399 1F90:1F28+399 1F91:1F29+399 "
        + "1F92:1F2A+399 1F93:1F2B+399 1F94:1F2C+399 1F95:1F2D+399 1F96:1F2E+399 1F97:1F2F+399 1F98:1F28+399 1F99:1F29+399 "
        + "1F9A:1F2A+399 1F9B:1F2B+399 1F9C:1F2C+399 1F9D:1F2D+399 1F9E:1F2E+399 1F9F:1F2F+399 1FA0:1F68+399 1FA1:1F69+399 "
        + "1FA2:1F6A+399 1FA3:1F6B+399 1FA4:1F6C+399 1FA5:1F6D+399 1FA6:1F6E+399 1FA7:1F6F+399 1FA8:1F68+399 1FA9:1F69+399 "
        + "1FAA:1F6A+399 1FAB:1F6B+399 1FAC:1F6C+399 1FAD:1F6D+399 1FAE:1F6E+399 1FAF:1F6F+399 1FB2:1FBA+399 1FB3:391+399 "
        + "1FB4:386+399 1FB6:391+342 1FB7:391+342+399 1FBC:391+399 1FC2:1FCA+399 1FC3:397+399 1FC4:389+399 1FC6:397+342 "
        + "1FC7:397+342+399 1FCC:397+399 1FD2:399+308+300 1FD3:399+308+301 1FD6:399+342 1FD7:399+308+342 1FE2:3A5+308+300 "
        + "1FE3:3A5+308+301 1FE4:3A1+313 1FE6:3A5+342 1FE7:3A5+308+342 1FF2:1FFA+399 1FF3:3A9+399 1FF4:38F+399 1FF6:3A9+342 "
        + "1FF7:3A9+342+399 1FFC:3A9+399 FB00:46+46 FB01:46+49 FB02:46+4C FB03:46+46+49 FB04:46+46+4C FB05:53+54 FB06:53+54 "
        + "FB13:544+546 FB14:544+535 FB15:544+53B FB16:54E+546 FB17:544+53D"
        + " 131:49 17F:53");

    private static readonly Dictionary<int, string> SpecialTitle = Parse(
        "DF:53+73 149:2BC+4E 1F0:4A+30C 390:399+308+301 3B0:3A5+308+301 587:535+582 1E96:48+331 1E97:54+308 1E98:57+30A "
        + "1E99:59+30A 1E9A:41+2BE 1F50:3A5+313 1F52:3A5+313+300 1F54:3A5+313+301 1F56:3A5+313+342 1FB2:1FBA+345 1FB4:386+345 "
        + "1FB6:391+342 1FB7:391+342+345 1FC2:1FCA+345 1FC4:389+345 1FC6:397+342 1FC7:397+342+345 1FD2:399+308+300 "
        + "1FD3:399+308+301 1FD6:399+342 1FD7:399+308+342 1FE2:3A5+308+300 1FE3:3A5+308+301 1FE4:3A1+313 1FE6:3A5+342 "
        + "1FE7:3A5+308+342 1FF2:1FFA+345 1FF4:38F+345 1FF6:3A9+342 1FF7:3A9+342+345 FB00:46+66 FB01:46+69 FB02:46+6C "
        + "FB03:46+66+69 FB04:46+66+6C FB05:53+74 FB06:53+74 FB13:544+576 FB14:544+565 FB15:544+56B FB16:54E+576 FB17:544+56D"
        + " 1C4:1C5 1C5:1C5 1C6:1C5 1C7:1C8 1C8:1C8 1C9:1C8 1CA:1CB 1CB:1CB 1CC:1CB 1F1:1F2 1F2:1F2 1F3:1F2 131:49 17F:53");

    private static readonly Dictionary<int, string> SpecialLower = Parse("130:69+307 1E9E:DF 2126:3C9 212A:6B 212B:E5");

    public static string Upper(string text)
    {
        if (Ascii.IsValid(text))
            return text.ToUpperInvariant();
        return Map(text, (_, _, c) => UpperOf(c));
    }

    public static string Lower(string text)
    {
        if (Ascii.IsValid(text))
            return text.ToLowerInvariant();
        return Map(text, LowerOf);
    }

    /// <summary><c>str.casefold</c>: lower case, after the characters that only upper case resolves.</summary>
    public static string Fold(string text) => Map(text, (_, _, c) => c switch
    {
        0x3C2 => "\u03c3",
        0x1E9E or 0xDF => "ss",
        0xB5 => "\u03bc",
        0x130 => "i\u0307",
        0x131 => null,
        0x17F => "s",
        // Cherokee folds to its capitals, which came first.
        >= 0x13A0 and <= 0x13F5 => null,
        (>= 0x13F8 and <= 0x13FD) or (>= 0xAB70 and <= 0xABBF) => UpperOf(c),
        _ => UpperOf(c) is { } upper ? Map(upper, (_, _, u) => LowerOf("", 0, u)) : null,
    });

    /// <summary><c>str.capitalize</c>: the first character in title case, the others in lower case.</summary>
    public static string Capitalize(string text) => Map(text, (t, i, c) => i == 0 ? TitleOf(c) : LowerOf(t, i, c));

    /// <summary><c>str.title</c>: a cased character after one without case in title case, the others in lower case.</summary>
    public static string Title(string text)
    {
        var afterCased = false;
        return Map(text, (t, i, c) =>
        {
            var mapped = afterCased ? LowerOf(t, i, c) : TitleOf(c);
            afterCased = IsCased(c);
            return mapped;
        });
    }

    public static string SwapCase(string text) => Map(text, (t, i, c) => IsUpper(c) ? LowerOf(t, i, c) : IsLower(c) ? UpperOf(c) : null);

    public static bool IsUpper(int codePoint)
        => CharUnicodeInfo.GetUnicodeCategory(codePoint) == UnicodeCategory.UppercaseLetter
            || codePoint is (>= 0x2160 and <= 0x216F) or (>= 0x24B6 and <= 0x24CF) or (>= 0x1F130 and <= 0x1F149)
                or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);

    /// <summary>Lower case letters, and the others that Unicode lists as Other_Lowercase in Latin, Greek and the enclosed ranges.</summary>
    public static bool IsLower(int codePoint)
        => CharUnicodeInfo.GetUnicodeCategory(codePoint) == UnicodeCategory.LowercaseLetter
            || codePoint is 0xAA or 0xBA or (>= 0x2B0 and <= 0x2B8) or 0x2C0 or 0x2C1 or (>= 0x2E0 and <= 0x2E4) or 0x345 or 0x37A
                or (>= 0x1D2C and <= 0x1D6A) or 0x1D78 or (>= 0x1D9B and <= 0x1DBF) or 0x2071 or 0x207F or (>= 0x2090 and <= 0x209C)
                or (>= 0x2170 and <= 0x217F) or (>= 0x24D0 and <= 0x24E9) or 0x2C7C or 0x2C7D or 0xA69C or 0xA69D or 0xA770
                or 0xA7F8 or 0xA7F9 or (>= 0xAB5C and <= 0xAB5F);

    public static bool IsCased(int codePoint)
        => IsUpper(codePoint) || IsLower(codePoint) || CharUnicodeInfo.GetUnicodeCategory(codePoint) == UnicodeCategory.TitlecaseLetter;

    private static string Map(string text, Func<string, int, int, string?> map)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length;)
        {
            var c = PythonText.CodePointAt(text, i, out var width);
            if (map(text, i, c) is { } mapped)
                result.Append(mapped);
            else
                result.Append(text, i, width);
            i += width;
        }

        return result.ToString();
    }

    private static string? UpperOf(int c)
        => SpecialUpper.TryGetValue(c, out var mapped) ? mapped : Rune.IsValid(c) ? Rune.ToUpperInvariant(new Rune(c)).ToString() : null;

    private static string? TitleOf(int c)
    {
        if (SpecialTitle.TryGetValue(c, out var mapped))
            return mapped;
        // Georgian has capitals, but no title case.
        return c is >= 0x10D0 and <= 0x10FF || !Rune.IsValid(c) ? null : Rune.ToUpperInvariant(new Rune(c)).ToString();
    }

    private static string? LowerOf(string text, int i, int c)
    {
        if (c == 0x3A3 && text.Length > 0)
            return IsFinalSigma(text, i) ? "\u03c2" : "\u03c3";
        return SpecialLower.TryGetValue(c, out var mapped) ? mapped : Rune.IsValid(c) ? Rune.ToLowerInvariant(new Rune(c)).ToString() : null;
    }

    private static bool IsFinalSigma(string text, int at)
    {
        var before = at - 1;
        while (before >= 0 && IsIgnorable(text, before))
            before--;
        if (before < 0 || !IsCased(text[before]))
            return false;
        var after = at + 1;
        while (after < text.Length && IsIgnorable(text, after))
            after++;
        return after >= text.Length || !IsCased(PythonText.CodePointAt(text, after, out _));
    }

    private static bool IsIgnorable(string text, int at)
        => text[at] is '\'' or '.' or ':' or '^' or '`' or '\u00b7' or '\u2019' or '\u2018' or '\u2024' or '\u2027'
            || CharUnicodeInfo.GetUnicodeCategory(text[at]) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark
                or UnicodeCategory.Format or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol;

    private static Dictionary<int, string> Parse(string table)
    {
        var map = new Dictionary<int, string>();
        foreach (var entry in table.Split(' '))
        {
            var colon = entry.IndexOf(':', StringComparison.Ordinal);
            var target = entry[(colon + 1)..].Split('+').Select(h => char.ConvertFromUtf32(int.Parse(h, NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
            map[int.Parse(entry[..colon], NumberStyles.HexNumber, CultureInfo.InvariantCulture)] = string.Concat(target);
        }

        return map;
    }
}
