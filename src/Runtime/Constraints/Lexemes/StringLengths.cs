using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>How many characters a text may have, and which states of its language can still be completed within that.</summary>
/// <remarks>Safe for several threads.</remarks>
internal sealed class StringLengths
{
    /// <summary>A <see cref="Most"/> without limit.</summary>
    public const int Unlimited = int.MaxValue;

    /// <summary>Work that is spent on the lengths of a pattern's texts: states by classes by lengths.</summary>
    private const long MostWork = 60_000_000;

    private readonly Dictionary<CharState, ulong[]>? _lengths;
    private readonly int _horizon;

    /// <summary>Creates the limits for one language.</summary>
    /// <param name="least">The fewest characters.</param>
    /// <param name="most">The most characters; <see cref="Unlimited"/> for no limit.</param>
    /// <param name="language">Where the text begins.</param>
    /// <exception cref="ConstraintException">Pattern and lengths together are too complex.</exception>
    public StringLengths(int least, int most, CharState language)
    {
        Least = least;
        Most = most;
        if ((least > 0 || most < Unlimited) && !language.IsEverything && !language.IsDead)
        {
            (_lengths, _horizon) = FindLengths(language);
        }
    }

    /// <summary>Any number.</summary>
    public static StringLengths Any(CharState language) => new(0, Unlimited, language);

    /// <summary>The fewest characters.</summary>
    public int Least { get; }

    /// <summary>The most characters.</summary>
    public int Most { get; }

    /// <summary>A count that behaves alike: beyond the least, only a most is worth counting to.</summary>
    public int Normalize(int count) => Most == Unlimited ? Math.Min(count, Least) : count;

    /// <summary>Whether a text may have so many characters.</summary>
    public bool Allows(int count) => count >= Least && count <= Most;

    /// <summary>Whether any further characters are allowed, none among them.</summary>
    public bool AllowsAllFrom(int count) => Most == Unlimited && count >= Least;

    /// <summary>Whether a text can be completed after so many characters.</summary>
    public bool CanComplete(CharState language, int count)
    {
        if (count > Most)
        {
            return false;
        }

        if (language.IsEverything || _lengths is null)
        {
            return true;
        }

        // Everything is its own successor, so it never needed a row.
        return !_lengths.TryGetValue(language, out var possible) || AnyBit(possible, Math.Max(0, Least - count), Most == Unlimited ? _horizon : Most - count);
    }

    // By how many further characters each state can be completed: one bit a length, up to the horizon.
    private (Dictionary<CharState, ulong[]> Lengths, int Horizon) FindLengths(CharState start)
    {
        var states = new List<CharState> { start };
        var numbers = new Dictionary<CharState, int> { [start] = 0 };
        var edges = new List<int[]>();
        for (var i = 0; i < states.Count; i++)
        {
            var next = new HashSet<int>();
            for (var c = 0; c < start.Automaton.ClassCount; c++)
            {
                var state = states[i].NextOfClass(c);
                if (state.IsDead)
                {
                    continue;
                }

                if (!numbers.TryGetValue(state, out var number))
                {
                    numbers.Add(state, number = states.Count);
                    states.Add(state);
                    if (states.Count > CharAutomaton.MostStates)
                    {
                        throw TooComplex();
                    }
                }

                next.Add(number);
            }

            edges.Add([.. next]);
        }

        // Beyond the least length, a longer path repeats a state: whether one exists shows within as many steps as there are states.
        var horizon = Most == Unlimited ? Least + states.Count : Most;
        if ((long)horizon * edges.Sum(edge => edge.Length + 1) > MostWork)
        {
            throw TooComplex();
        }

        var rows = new ulong[states.Count][];
        for (var i = 0; i < rows.Length; i++)
        {
            rows[i] = new ulong[(horizon / 64) + 1];
            rows[i][0] = states[i].IsAccepting ? 1UL : 0;
        }

        for (var length = 1; length <= horizon; length++)
        {
            for (var i = 0; i < rows.Length; i++)
            {
                foreach (var next in edges[i])
                {
                    if ((rows[next][(length - 1) / 64] >> ((length - 1) % 64) & 1) != 0)
                    {
                        rows[i][length / 64] |= 1UL << (length % 64);
                        break;
                    }
                }
            }
        }

        return (numbers.ToDictionary(pair => pair.Key, pair => rows[pair.Value]), horizon);
    }

    private static bool AnyBit(ulong[] bits, int first, int last)
    {
        last = Math.Min(last, (bits.Length * 64) - 1);
        for (var i = first; i <= last; i++)
        {
            if ((bits[i / 64] >> (i % 64) & 1) != 0)
            {
                return true;
            }
        }

        return false;
    }

    private static ConstraintException TooComplex() => new("a pattern with limits of length is too complex", keyword: "pattern");
}
