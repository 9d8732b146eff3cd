namespace Hearth.Runtime.Constraints.Automata;

/// <summary>A set of Unicode scalar values, as sorted ranges that neither touch nor overlap. Immutable, compared by content.</summary>
/// <remarks>Surrogates are in no set: no text that is well-formed holds one.</remarks>
internal sealed class CharSet : IEquatable<CharSet>
{
    /// <summary>The greatest code point.</summary>
    public const int Last = 0x10FFFF;

    private static readonly CharSet?[] s_ascii = new CharSet?[128];

    private readonly int[] _bounds; // first, last, first, last ...
    private readonly int _hash;

    private CharSet(int[] bounds)
    {
        _bounds = bounds;
        var hash = new HashCode();
        foreach (var bound in bounds)
        {
            hash.Add(bound);
        }

        _hash = hash.ToHashCode();
    }

    /// <summary>No character.</summary>
    public static CharSet None { get; } = new([]);

    /// <summary>Every scalar value.</summary>
    public static CharSet Any { get; } = new([0, 0xD7FF, 0xE000, Last]);

    /// <summary>Ranges in the set.</summary>
    public int RangeCount => _bounds.Length / 2;

    /// <summary>Whether no character is in the set.</summary>
    public bool IsEmpty => _bounds.Length == 0;

    /// <summary>The least member; the set is not empty.</summary>
    public int First => _bounds[0];

    /// <summary>A range, from 0, with its first and last member.</summary>
    public (int First, int Last) this[int range] => (_bounds[2 * range], _bounds[(2 * range) + 1]);

    /// <summary>The members of a range.</summary>
    public static CharSet Of(int first, int last)
        => first > last ? None : last < 0xD800 || first > 0xDFFF ? new([first, last]) : FromRanges([(first, last)]);

    /// <summary>One member.</summary>
    public static CharSet Of(int character)
    {
        if (character >= s_ascii.Length)
        {
            return Of(character, character);
        }

        ref var known = ref s_ascii[character];
        return known ??= new CharSet([character, character]);
    }

    /// <summary>The characters of a text.</summary>
    public static CharSet Of(string characters) => FromRanges(characters.EnumerateRunes().Select(rune => (rune.Value, rune.Value)));

    /// <summary>The union of ranges in any order; surrogates are left out.</summary>
    public static CharSet FromRanges(IEnumerable<(int First, int Last)> ranges)
    {
        var split = new List<(int First, int Last)>();
        foreach (var (first, last) in ranges)
        {
            if (first <= Math.Min(last, 0xD7FF))
            {
                split.Add((first, Math.Min(last, 0xD7FF)));
            }

            if (Math.Max(first, 0xE000) <= last)
            {
                split.Add((Math.Max(first, 0xE000), last));
            }
        }

        split.Sort();
        var bounds = new List<int>(split.Count * 2);
        foreach (var (first, last) in split)
        {
            if (bounds.Count > 0 && first <= bounds[^1] + 1)
            {
                bounds[^1] = Math.Max(bounds[^1], last);
            }
            else
            {
                bounds.Add(first);
                bounds.Add(last);
            }
        }

        return bounds.Count == 0 ? None : new CharSet([.. bounds]);
    }

    /// <summary>Whether a code point is in the set.</summary>
    public bool Contains(int character)
    {
        var place = Array.BinarySearch(_bounds, character);
        return place >= 0 || (~place & 1) == 1;
    }

    /// <summary>Members of the set.</summary>
    public int Count => Ranges().Sum(static range => range.Last - range.First + 1);

    /// <summary>Whether the set has a number of members.</summary>
    public bool HasAtLeast(int count)
    {
        for (var i = 0; i < _bounds.Length && count > 0; i += 2)
        {
            count -= _bounds[i + 1] - _bounds[i] + 1;
        }

        return count <= 0;
    }

    /// <summary>Whether any of a range is in the set.</summary>
    public bool Overlaps(int first, int last)
    {
        for (var i = 0; i < _bounds.Length && _bounds[i] <= last; i += 2)
        {
            if (_bounds[i + 1] >= first)
            {
                return true;
            }
        }

        return false;
    }

    public CharSet Union(CharSet other) => IsEmpty ? other : other.IsEmpty ? this : FromRanges(Ranges().Concat(other.Ranges()));

    public CharSet Intersect(CharSet other)
    {
        var result = new List<(int, int)>();
        for (int i = 0, j = 0; i < _bounds.Length && j < other._bounds.Length;)
        {
            var first = Math.Max(_bounds[i], other._bounds[j]);
            var last = Math.Min(_bounds[i + 1], other._bounds[j + 1]);
            if (first <= last)
            {
                result.Add((first, last));
            }

            if (_bounds[i + 1] < other._bounds[j + 1])
            {
                i += 2;
            }
            else
            {
                j += 2;
            }
        }

        return FromRanges(result);
    }

    public CharSet Complement()
    {
        var result = new List<(int, int)>();
        var next = 0;
        foreach (var (first, last) in Ranges())
        {
            result.Add((next, first - 1));
            next = last + 1;
        }

        result.Add((next, Last));
        return FromRanges(result);
    }

    public CharSet Except(CharSet other) => Intersect(other.Complement());

    public IEnumerable<(int First, int Last)> Ranges()
    {
        for (var i = 0; i < _bounds.Length; i += 2)
        {
            yield return (_bounds[i], _bounds[i + 1]);
        }
    }

    public bool Equals(CharSet? other) => other is not null && (ReferenceEquals(this, other) || (_hash == other._hash && _bounds.AsSpan().SequenceEqual(other._bounds)));

    public override bool Equals(object? obj) => Equals(obj as CharSet);

    public override int GetHashCode() => _hash;
}
