using System.Text;

namespace Hearth.Runtime.Tokenizers.Splitting;

/// <summary>What may stand once before a run and then belongs to it.</summary>
internal enum RunPrefix
{
    None,
    Space,
    WhiteSpace,
}

/// <summary>Words are runs of characters of one set, of bounded length, and the gaps between them.</summary>
internal sealed class RunSplitter(CharacterSet set, RunPrefix prefix = RunPrefix.None, int longest = int.MaxValue) : StretchSplitter
{
    public override void Split(CodePointText text, int start, int end, List<int> ends)
    {
        var units = text.AllUnits[..end];
        var done = start;
        var at = start;
        while (at < end)
        {
            var first = at;
            if (IsPrefix(units[at]) && at + 1 < end && set.Contains(units[at + 1], text, at + 1))
            {
                first++;
            }
            else if (!set.Contains(units[at], text, at))
            {
                at++;
                continue;
            }

            var limit = longest < end - first ? first + longest : end;
            var last = first + 1;
            while (last < limit && set.Contains(units[last], text, last))
            {
                last++;
            }

            Add(ends, ref done, at, last);
            at = last;
        }

        Finish(ends, done, end);
    }

    private bool IsPrefix(char unit) => prefix switch
    {
        RunPrefix.Space => unit == ' ',
        RunPrefix.WhiteSpace => unit is ' ' or (>= '\t' and <= '\r'),
        _ => false,
    };
}

/// <summary>A set of characters: units, and ranges of code points beyond ASCII.</summary>
internal sealed class CharacterSet
{
    private readonly bool[] _units = new bool[256];
    private readonly (int First, int Last)[] _ranges;
    private readonly bool _negated;

    private CharacterSet((int First, int Last)[] ranges, bool negated)
    {
        _ranges = ranges;
        _negated = negated;
    }

    /// <summary>A set of units, written as the content of a character class without escapes but <c>\</c> before itself and brackets.</summary>
    public static CharacterSet OfUnits(string content)
    {
        var set = new CharacterSet([], negated: false);
        foreach (var (first, last) in Parse(content.Replace("\\", "", StringComparison.Ordinal)))
        {
            Array.Fill(set._units, true, first, last - first + 1);
        }

        return set;
    }

    /// <summary>A set of code points, written as the content of a character class. White space beyond ASCII is never in it.</summary>
    public static CharacterSet OfCodePoints(string content) => WithRanges(content, negated: false);

    /// <summary>All code points but the given ones and white space.</summary>
    public static CharacterSet AllBut(string content) => WithRanges(content, negated: true);

    /// <summary>Whether the set holds the character at an index of a text, whose unit is given.</summary>
    public bool Contains(char unit, CodePointText text, int index)
        => unit < 0x80 || _ranges.Length == 0 ? _units[unit & 0xFF] : ContainsCodePoint(text, index);

    private bool ContainsCodePoint(CodePointText text, int index)
    {
        var codePoint = text.CodePointAt(index);
        int low = 0, high = _ranges.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_ranges[middle].Last < codePoint)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return (low < _ranges.Length && _ranges[low].First <= codePoint) != _negated;
    }

    private static CharacterSet WithRanges(string content, bool negated)
    {
        var ranges = MergeOverlaps(Parse(content));
        var set = new CharacterSet(ranges, negated);
        Array.Fill(set._units, negated, 0x80, 0x80);
        for (var unit = 0; unit < 0x80; unit++)
        {
            var listed = ranges.Any(range => range.First <= unit && unit <= range.Last);
            set._units[unit] = negated ? !listed && unit is not ((>= '\t' and <= '\r') or ' ') : listed;
        }

        return set;
    }

    private static (int First, int Last)[] MergeOverlaps(IEnumerable<(int First, int Last)> ranges)
    {
        var merged = new List<(int First, int Last)>();
        foreach (var range in ranges.Order())
        {
            if (merged.Count > 0 && range.First <= merged[^1].Last)
            {
                merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, range.Last));
            }
            else
            {
                merged.Add(range);
            }
        }

        return [.. merged];
    }

    private static IEnumerable<(int First, int Last)> Parse(string content)
    {
        var runes = content.EnumerateRunes().ToArray();
        for (var i = 0; i < runes.Length; i++)
        {
            var isRange = i + 2 < runes.Length && runes[i + 1] == new Rune('-');
            yield return (runes[i].Value, runes[isRange ? i + 2 : i].Value);
            i += isRange ? 2 : 0;
        }
    }
}
