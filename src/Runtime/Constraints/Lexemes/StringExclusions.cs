namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>Texts that must not be written, as a sorted list; a place in it is the range of those that begin with what was read.</summary>
internal sealed class StringExclusions
{
    private readonly int[][] _texts;

    /// <summary>Creates the list.</summary>
    /// <param name="texts">Each once.</param>
    public StringExclusions(IEnumerable<string> texts)
    {
        _texts = [.. texts.Select(text => text.EnumerateRunes().Select(rune => rune.Value).ToArray())];
        Array.Sort(_texts, static (a, b) => a.AsSpan().SequenceCompareTo(b));
    }

    /// <summary>None of the texts begins with what was read.</summary>
    public static ExclusionPlace Off => default;

    /// <summary>Nothing was read.</summary>
    public ExclusionPlace Root => new(0, _texts.Length, 0);

    /// <summary>Whether what was read is one of the texts.</summary>
    public bool IsExcluded(ExclusionPlace place) => _texts[place.First].Length == place.Depth;

    /// <summary>What is left of the texts that begin with what was read.</summary>
    public IEnumerable<string> Remaining(ExclusionPlace place)
    {
        for (var i = place.First; i < place.Last; i++)
        {
            yield return string.Concat(_texts[i][place.Depth..].Select(char.ConvertFromUtf32));
        }
    }

    /// <summary>The place after a further character.</summary>
    public ExclusionPlace Next(ExclusionPlace place, int character)
    {
        var first = place.First;
        while (first < place.Last && (_texts[first].Length == place.Depth || _texts[first][place.Depth] < character))
        {
            first++;
        }

        var last = first;
        while (last < place.Last && _texts[last][place.Depth] == character)
        {
            last++;
        }

        return first == last ? Off : new ExclusionPlace(first, last, place.Depth + 1);
    }
}

/// <summary>A range of <see cref="StringExclusions"/>, and how many characters of them were read.</summary>
internal readonly record struct ExclusionPlace(int First, int Last, int Depth)
{
    /// <summary>Whether no text is in the range.</summary>
    public bool IsOff => First == Last;
}
