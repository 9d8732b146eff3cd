using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Patterns;

/// <summary>Sets of characters that patterns name.</summary>
internal static class PatternSets
{
    // Short and long names of general categories, by their places in UnicodeCategory.
    private static readonly string[][] s_categories =
    [
        ["Lu", "Uppercase_Letter"], ["Ll", "Lowercase_Letter"], ["Lt", "Titlecase_Letter"], ["Lm", "Modifier_Letter"], ["Lo", "Other_Letter"],
        ["Mn", "Nonspacing_Mark"], ["Mc", "Spacing_Mark"], ["Me", "Enclosing_Mark"],
        ["Nd", "Decimal_Number", "digit"], ["Nl", "Letter_Number"], ["No", "Other_Number"],
        ["Zs", "Space_Separator"], ["Zl", "Line_Separator"], ["Zp", "Paragraph_Separator"],
        ["Cc", "Control", "cntrl"], ["Cf", "Format"], ["Cs", "Surrogate"], ["Co", "Private_Use"],
        ["Pc", "Connector_Punctuation"], ["Pd", "Dash_Punctuation"], ["Ps", "Open_Punctuation"], ["Pe", "Close_Punctuation"],
        ["Pi", "Initial_Punctuation"], ["Pf", "Final_Punctuation"], ["Po", "Other_Punctuation"],
        ["Sm", "Math_Symbol"], ["Sc", "Currency_Symbol"], ["Sk", "Modifier_Symbol"], ["So", "Other_Symbol"],
        ["Cn", "Unassigned"],
    ];

    private static readonly Dictionary<string, string> s_groups = new()
    {
        ["Letter"] = "L",
        ["Mark"] = "M",
        ["Combining_Mark"] = "M",
        ["Number"] = "N",
        ["Separator"] = "Z",
        ["Other"] = "C",
        ["Punctuation"] = "P",
        ["punct"] = "P",
        ["Symbol"] = "S",
        ["L"] = "L",
        ["M"] = "M",
        ["N"] = "N",
        ["Z"] = "Z",
        ["C"] = "C",
        ["P"] = "P",
        ["S"] = "S",
    };

    private static readonly ConcurrentDictionary<string, CharSet> s_named = [];
    private static readonly Lazy<CharSet[]> s_byCategory = new(FindCategories);
    private static readonly Lazy<Dictionary<int, CharSet>> s_otherCases = new(FindOtherCases);

    /// <summary>ASCII digits.</summary>
    public static CharSet Digit { get; } = CharSet.Of('0', '9');

    /// <summary>ASCII letters, digits and the low line.</summary>
    public static CharSet Word { get; } = CharSet.FromRanges([('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_')]);

    /// <summary>White space and line terminators of ECMA 262.</summary>
    public static CharSet Space { get; } = CharSet.FromRanges(
        [('\t', '\r'), (' ', ' '), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)]);

    /// <summary>All but ASCII digits.</summary>
    public static CharSet NotDigit { get; } = Digit.Complement();

    /// <summary>All but <see cref="Word"/>.</summary>
    public static CharSet NotWord { get; } = Word.Complement();

    /// <summary>All but <see cref="Space"/>.</summary>
    public static CharSet NotSpace { get; } = Space.Complement();

    /// <summary>All but line terminators.</summary>
    public static CharSet Dot { get; } = CharSet.FromRanges([('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029)]).Complement();

    /// <summary>The characters of a Unicode property, as in <c>\p{...}</c>; null where the name is not known.</summary>
    /// <remarks>
    /// Known are the general categories, by their short and long names and of the version of Unicode that the .NET runtime
    /// has, and Any, ASCII, ASCII_Hex_Digit, Assigned and White_Space. There are no tables of scripts or of derived
    /// properties such as Alphabetic.
    /// </remarks>
    public static CharSet? Property(string name)
    {
        if (s_named.TryGetValue(name, out var known))
        {
            return known;
        }

        var found = Find(name);
        return found is null ? null : s_named.GetOrAdd(name, found);
    }

    /// <summary>A set with the other cases of its members.</summary>
    public static CharSet IgnoreCase(CharSet set)
    {
        var ranges = new List<(int, int)>(set.Ranges());
        if (set.IsEmpty || ranges[^1].Item2 <= 127)
        {
            for (var letter = 'a'; letter <= 'z'; letter++)
            {
                var upper = letter - 'a' + 'A';
                if (set.Contains(letter) || set.Contains(upper))
                {
                    ranges.AddRange([(letter, letter), (upper, upper)]);
                }
            }

            return CharSet.FromRanges(ranges);
        }

        foreach (var (character, others) in s_otherCases.Value)
        {
            if (set.Contains(character))
            {
                ranges.AddRange(others.Ranges());
            }
        }

        return CharSet.FromRanges(ranges);
    }

    private static CharSet? Find(string name)
    {
        if (name.Split('=') is [var key, var value])
        {
            return key is "General_Category" or "gc" ? Category(value) : null;
        }

        return name switch
        {
            "Any" => CharSet.Any,
            "ASCII" => CharSet.Of(0, 127),
            "ASCII_Hex_Digit" or "AHex" => CharSet.FromRanges([('0', '9'), ('A', 'F'), ('a', 'f')]),
            "White_Space" or "space" => CharSet.FromRanges([.. Space.Except(CharSet.Of(0xFEFF)).Ranges(), (0x85, 0x85)]),
            "Assigned" => Category("Cn")!.Complement(),
            _ => Category(name),
        };
    }

    private static CharSet? Category(string name)
    {
        if (name is "LC" or "Cased_Letter")
        {
            return Union([0, 1, 2]);
        }

        return s_groups.TryGetValue(name, out var group)
            ? Union(Enumerable.Range(0, s_categories.Length).Where(i => s_categories[i][0].StartsWith(group, StringComparison.Ordinal)))
            : Array.FindIndex(s_categories, names => names.Contains(name)) is >= 0 and var found ? s_byCategory.Value[found] : null;
    }

    private static CharSet Union(IEnumerable<int> categories) => CharSet.FromRanges(categories.SelectMany(i => s_byCategory.Value[i].Ranges()));

    private static CharSet[] FindCategories()
    {
        var ranges = Array.ConvertAll(s_categories, _ => new List<(int, int)>());
        for (var first = 0; first <= CharSet.Last;)
        {
            var category = CharUnicodeInfo.GetUnicodeCategory(first);
            var next = first + 1;
            while (next <= CharSet.Last && CharUnicodeInfo.GetUnicodeCategory(next) == category)
            {
                next++;
            }

            ranges[(int)category].Add((first, next - 1));
            first = next;
        }

        return Array.ConvertAll(ranges, CharSet.FromRanges);
    }

    // Characters with one upper case; ASCII stays apart from the others, as without the flag u.
    private static Dictionary<int, CharSet> FindOtherCases()
    {
        var byUpper = new Dictionary<int, List<(int, int)>>();
        for (var character = 0; character <= 0x1FFFF; character++)
        {
            if (!Rune.IsValid(character))
            {
                continue;
            }

            var upper = Rune.ToUpperInvariant(new Rune(character)).Value;
            if (upper == character || (character > 127 && upper <= 127))
            {
                continue;
            }

            if (!byUpper.TryGetValue(upper, out var list))
            {
                byUpper.Add(upper, list = [(upper, upper)]);
            }

            list.Add((character, character));
        }

        var result = new Dictionary<int, CharSet>();
        foreach (var list in byUpper.Values)
        {
            var set = CharSet.FromRanges(list);
            foreach (var (character, _) in list)
            {
                result.Add(character, set);
            }
        }

        return result;
    }
}
