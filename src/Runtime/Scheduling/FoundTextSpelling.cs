using System.Text;

namespace Hearth.Runtime.Scheduling;

/// <summary>Spells the texts of a beam search and cuts them at stop sequences, as generation does.</summary>
internal static class FoundTextSpelling
{
    /// <summary>The text, how many of its tokens it takes, why it ends, and the stop sequence that ended it.</summary>
    /// <param name="found">What the search found.</param>
    /// <param name="decoder">A new one, for this text alone.</param>
    /// <param name="options">Where the text is cut.</param>
    public static (string Text, int Tokens, FinishReason Reason, string? Stop) Spell(FoundText found, ITextDecoder decoder, GenerationOptions options)
    {
        var stops = new StopSequenceMatcher(options.StopSequences);
        var text = new StringBuilder();
        var tokens = 0;
        for (; tokens < found.Tokens.Count && !stops.Matched; tokens++)
        {
            var piece = decoder.Append(found.Tokens[tokens]);
            text.Append(tokens < options.MinTokens ? piece : stops.Append(piece));
        }

        if (!stops.Matched)
            text.Append(stops.Append(decoder.Flush()));
        if (stops.Matched)
            return (text.ToString(), tokens, FinishReason.Stop, stops.Found);
        text.Append(stops.Flush());
        return (text.ToString(), tokens, found.IsFinished ? FinishReason.Stop : FinishReason.Length, null);
    }
}
