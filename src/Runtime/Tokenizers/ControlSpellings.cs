using System.Buffers;
using System.Text;

namespace Hearth.Runtime.Tokenizers;

/// <summary>Keeps text from outside from steering a model: breaks the spelling of every control token in it by a mark.</summary>
/// <remarks>The mark is taken out again while tokenizing, see <see cref="Tokenizer.EncodeMarked"/>. Safe to use from several threads.</remarks>
/// <param name="tokenizer">Knows the control tokens.</param>
internal sealed class ControlSpellings(Tokenizer tokenizer)
{
    private readonly SearchValues<string> _spellings = SearchValues.Create(
        [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(i => tokenizer.KindOf(i) == TokenKind.Control).Select(tokenizer.TokenText).Where(t => t.Length > 1)],
        StringComparison.Ordinal);

    /// <summary>Puts the mark behind the first character of each spelling of a control token.</summary>
    public string Break(string text, char mark)
    {
        var next = text.AsSpan().IndexOfAny(_spellings);
        if (next < 0)
            return text;
        var broken = new StringBuilder(text.Length + 8);
        var rest = text.AsSpan();
        for (; next >= 0; next = rest.IndexOfAny(_spellings))
        {
            broken.Append(rest[..(next + 1)]).Append(mark);
            rest = rest[(next + 1)..];
        }

        return broken.Append(rest).ToString();
    }

    /// <summary>A character of the private use area that none of the texts holds: 6400 of them, so that texts which hold all are a joke.</summary>
    /// <exception cref="HearthException">They do.</exception>
    public static char UnusedCharacter(IEnumerable<string?> texts)
    {
        var all = texts.ToList();
        for (var candidate = '\uE000'; candidate <= '\uF8FF'; candidate++)
        {
            if (!all.Exists(text => text?.Contains(candidate, StringComparison.Ordinal) ?? false))
                return candidate;
        }

        throw new HearthException("the texts hold every character of Unicode's private use area");
    }
}
