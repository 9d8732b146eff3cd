using System.Text;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Chat;

/// <summary>What the first messages of a chat were as tokens when a model read and wrote them, so that a new prompt keeps these tokens.</summary>
/// <remarks>
/// A model writes a text in other tokens than tokenizing it would give, and the cache holds the model's. Where the template
/// writes the same text again, the new prompt takes the tokens over; where it does not, it is told from where on. For one
/// prompt, by one thread.
/// </remarks>
internal sealed class WrittenHistory
{
    /// <summary>Prompts with their answers, of the chat's own first messages; the longest first.</summary>
    public required IReadOnlyList<IReadOnlyList<int>> Texts { get; init; }

    /// <summary>Tokens of the prompt that were taken over from one of <see cref="Texts"/>.</summary>
    public int Kept { get; private set; }

    /// <summary>Where the text that the template writes now departs from the longest of <see cref="Texts"/>, in characters; null where it goes on from it.</summary>
    public int? Departure { get; private set; }

    /// <summary>Whether messages were left out of the prompt since the context would have been full.</summary>
    public bool IsShortened { get; private set; }

    /// <summary>The text that the template wrote; null before.</summary>
    public string? Prompt { get; private set; }

    /// <summary>The prompt's tokens, those that were written before taken over.</summary>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="ids">The prompt as it is tokenized afresh.</param>
    /// <param name="text">The prompt, without marks.</param>
    /// <param name="begin">The token that stands before the text without being written in it; null for none.</param>
    public IReadOnlyList<int> TakeOver(Tokenizer tokenizer, IReadOnlyList<int> ids, string text, int? begin)
    {
        (Prompt, Kept, Departure) = (text, 0, null);
        for (var i = 0; i < Texts.Count; i++)
        {
            var written = Decode(tokenizer, Texts[i], begin);
            if (!text.StartsWith(written, StringComparison.Ordinal))
            {
                if (i == 0)
                    Departure = text.AsSpan().CommonPrefixLength(written);
                continue;
            }

            if (EndOf(tokenizer, ids, text, written.Length, begin) is { } end)
            {
                Kept = Texts[i].Count;
                return [.. Texts[i], .. ids.Skip(end)];
            }
        }

        return ids;
    }

    /// <summary>Tells what another found of the prompt that was chosen of several.</summary>
    /// <param name="chosen">What that prompt was made with.</param>
    /// <param name="isShortened">Whether it lacks messages.</param>
    public void Take(WrittenHistory chosen, bool isShortened)
        => (Kept, Departure, Prompt, IsShortened) = (chosen.Kept, chosen.Departure, chosen.Prompt, isShortened);

    // How many tokens make exactly so many characters of the text; null where none of them ends there.
    private static int? EndOf(Tokenizer tokenizer, IReadOnlyList<int> ids, string text, int length, int? begin)
    {
        var decoder = tokenizer.CreateDecoder(includeControl: true);
        var at = 0;
        for (var i = begin is null ? 0 : 1; i < ids.Count && at <= length; i++)
        {
            if (at == length)
                return i;
            var piece = decoder.Append(ids[i]);
            if (!text.AsSpan(at).StartsWith(piece, StringComparison.Ordinal))
                return null;
            at += piece.Length;
        }

        return at == length ? ids.Count : null;
    }

    private static string Decode(Tokenizer tokenizer, IReadOnlyList<int> ids, int? begin)
    {
        var text = new StringBuilder();
        var decoder = tokenizer.CreateDecoder(includeControl: true);
        foreach (var id in begin is not null && ids.Count > 0 && ids[0] == begin ? ids.Skip(1) : ids)
        {
            // A model whose head is padded beyond its vocabulary may write what has no text: such a history is not recognized.
            if ((uint)id >= (uint)tokenizer.VocabularySize)
                return text.Append('\uFFFF').ToString();
            text.Append(decoder.Append(id));
        }

        return text.Append(decoder.Flush()).ToString();
    }
}
