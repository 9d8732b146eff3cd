using System.Globalization;
using System.Text;

namespace Hearth.Host.Lens;

/// <summary>Names of tokens and layers as people read them.</summary>
internal static class LensText
{
    private const char CombiningBase = '\u25CC';

    /// <summary>
    /// A token's text with everything visible: spaces as dots, line ends and tabs as arrows, and what would change the
    /// text around it (controls, directions, joiners) as its code point.
    /// </summary>
    public static string Visible(string text)
    {
        var visible = new StringBuilder(text.Length);
        foreach (var rune in text.EnumerateRunes())
            Append(visible, rune);
        return visible.Length == 0 ? "\u2205" : visible.ToString();
    }

    private static void Append(StringBuilder visible, Rune rune)
    {
        switch (rune.Value)
        {
            case ' ':
                visible.Append('\u00B7');
                return;
            case '\n':
                visible.Append('\u21B5');
                return;
            case '\t':
                visible.Append('\u21E5');
                return;
        }

        switch (Rune.GetUnicodeCategory(rune))
        {
            case UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned
                or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator:
                visible.Append(CultureInfo.InvariantCulture, $"<U+{rune.Value:X4}>");
                return;
            case UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.SpacingCombiningMark when visible.Length == 0:
                visible.Append(CombiningBase);
                break;
        }

        visible.Append(rune.ToString());
    }

    /// <summary>The wire's name of a kind.</summary>
    public static string NameOf(AttentionKind kind) => kind switch
    {
        AttentionKind.EncoderSelf => "encoder",
        AttentionKind.DecoderSelf => "decoder",
        _ => "cross",
    };
}
