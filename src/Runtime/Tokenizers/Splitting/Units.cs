using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tokenizers.Splitting;

/// <summary>The alphabet into which texts are folded for splitting: ASCII as it is, the rest by category.</summary>
/// <remarks>
/// The constant strings are contents of regular-expression character classes over units. ASCII symbols lack the tilde,
/// as they do in the reference, whose splits these must equal.
/// </remarks>
internal static class Units
{
    public const char WhiteSpace = '\v';
    public const char Other = '\u00D0';
    public const char Number = '\u00D1';
    public const char Letter = '\u00D2';
    public const char Punctuation = '\u00D3';
    public const char Mark = '\u00D4';
    public const char Symbol = '\u00D5';

    /// <summary>\p{N} in a class.</summary>
    public const string N = "0-9\u00D1";

    /// <summary>\p{L} in a class.</summary>
    public const string L = "A-Za-z\u00D2";

    /// <summary>\p{P} in a class.</summary>
    public const string P = "!-#%-*,-/:;?@\\[-\\]_{}\u00D3";

    /// <summary>\p{M} in a class.</summary>
    public const string M = "\u00D4";

    /// <summary>\p{S} in a class.</summary>
    public const string S = "$+<->^`|\u00D5";

    /// <summary>Letters but a to z: the reference's stand-in for upper case, which it cannot tell beyond ASCII.</summary>
    public const string NotLower = "A-Z\u00D2";

    /// <summary>Letters but A to Z: the reference's stand-in for lower case.</summary>
    public const string NotUpper = "a-z\u00D2";

    private static readonly UnitKinds[] s_kinds = BuildKinds();

    /// <summary>The unit of a code point.</summary>
    public static char Of(int codePoint)
    {
        if (codePoint < 0x80)
        {
            return (char)codePoint;
        }

        var kind = CodePoints.ClassOf(codePoint);
        return (kind & CodePointClass.WhiteSpace) != 0 ? WhiteSpace : (kind & CodePoints.CategoryMask) switch
        {
            CodePointClass.Number => Number,
            CodePointClass.Letter => Letter,
            CodePointClass.Punctuation => Punctuation,
            CodePointClass.Mark => Mark,
            CodePointClass.Symbol => Symbol,
            _ => Other,
        };
    }

    /// <summary>What the scanners ask of the unit at an index; <see cref="UnitKinds.None"/> beyond the end.</summary>
    public static UnitKinds KindAt(ReadOnlySpan<char> units, int index)
        => (uint)index < (uint)units.Length ? s_kinds[units[index] & 0xFF] : UnitKinds.None;

    private static UnitKinds[] BuildKinds()
    {
        var kinds = new UnitKinds[256];
        for (var unit = 0; unit < kinds.Length; unit++)
        {
            kinds[unit] = (char)unit switch
            {
                (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or Letter => UnitKinds.Letter,
                (>= '0' and <= '9') or Number => UnitKinds.Number,
                (>= '\t' and <= '\r') or ' ' => UnitKinds.WhiteSpace,
                Mark => UnitKinds.Mark,
                _ => UnitKinds.Other,
            };
        }

        return kinds;
    }
}

/// <summary>The distinctions that the hand-written scanners make.</summary>
[Flags]
internal enum UnitKinds : byte
{
    None = 0,
    Letter = 1,
    Number = 2,
    WhiteSpace = 4,
    Mark = 8,
    Other = 16,
}
