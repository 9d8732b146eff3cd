using System.Text.RegularExpressions;

namespace Hearth.Runtime.Tokenizers.Splitting;

/// <summary>Words are the matches of an expression over units, and the gaps between them.</summary>
internal sealed class RegexSplitter(Regex expression) : StretchSplitter
{
    public override void Split(CodePointText text, int start, int end, List<int> ends)
    {
        var done = start;
        foreach (var match in expression.EnumerateMatches(text.AllUnits[start..end]))
        {
            Add(ends, ref done, start + match.Index, start + match.Index + match.Length);
        }

        Finish(ends, done, end);
    }
}
