namespace Hearth.Runtime.Tokenizers.Splitting;

/// <summary>One stage of a pre-tokenizer: cuts a segment of a text into words.</summary>
internal abstract class WordSplitter
{
    /// <summary>Appends the end of each word of [start, end) to <paramref name="ends"/>, in code points of the whole text; the last is end.</summary>
    public abstract void Split(CodePointText text, int start, int end, List<int> ends);
}

/// <summary>A splitter that recognizes some stretches; what lies between two of them is a word as well.</summary>
internal abstract class StretchSplitter : WordSplitter
{
    /// <summary>Notes a recognized stretch and the gap before it; <paramref name="done"/> is the end of the last word so far.</summary>
    protected static void Add(List<int> ends, ref int done, int start, int end)
    {
        if (start > done)
        {
            ends.Add(start);
        }

        if (end > start)
        {
            ends.Add(end);
        }

        done = end;
    }

    /// <summary>Closes the segment.</summary>
    protected static void Finish(List<int> ends, int done, int end)
    {
        if (end > done)
        {
            ends.Add(end);
        }
    }
}
