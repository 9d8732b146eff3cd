using System.Text;

namespace Hearth.Runtime.Scheduling;

/// <summary>Spells the texts of a beam search and cuts them at stop sequences, as generation does.</summary>
internal static class FoundTextSpelling
{
    /// <summary>The text, how many of its tokens it takes, and why it ends.</summary>
    /// <param name="found">What the search found.</param>
    /// <param name="decoder">A new one, for this text alone.</param>
    /// <param name="stopSequences">Where the text is cut.</param>
    public static (string Text, int Tokens, FinishReason Reason) Spell(FoundText found, ITextDecoder decoder, IReadOnlyList<string> stopSequences)
    {
        var stops = new StopSequenceMatcher(stopSequences);
        var text = new StringBuilder();
        var tokens = 0;
        for (; tokens < found.Tokens.Count && !stops.Matched; tokens++)
            text.Append(stops.Append(decoder.Append(found.Tokens[tokens])));
        if (!stops.Matched)
            text.Append(stops.Append(decoder.Flush()));
        if (stops.Matched)
            return (text.ToString(), tokens, FinishReason.Stop);
        text.Append(stops.Flush());
        return (text.ToString(), tokens, found.IsFinished ? FinishReason.Stop : FinishReason.Length);
    }
}
