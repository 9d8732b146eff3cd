using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Lexemes;

/// <summary>How many characters a text may have, and which states of its language can still be completed within that.</summary>
/// <remarks>Safe for several threads.</remarks>
/// <param name="least">The fewest characters.</param>
/// <param name="most">The most characters; <see cref="Unlimited"/> for no limit.</param>
internal sealed class StringLengths(int least, int most)
{
    /// <summary>A <see cref="Most"/> without limit.</summary>
    public const int Unlimited = int.MaxValue;

    /// <summary>Characters that are looked ahead, times the states that they may lead to.</summary>
    private const int MostWork = 2_000_000;

    private readonly Dictionary<(CharState, int), bool> _known = [];

    /// <summary>Any number.</summary>
    public static StringLengths Any { get; } = new(0, Unlimited);

    /// <summary>The fewest characters.</summary>
    public int Least => least;

    /// <summary>The most characters.</summary>
    public int Most => most;

    /// <summary>A count that behaves alike: beyond the least, only a most is worth counting to.</summary>
    public int Normalize(int count) => most == Unlimited ? Math.Min(count, least) : count;

    /// <summary>Whether a text may have so many characters.</summary>
    public bool Allows(int count) => count >= least && count <= most;

    /// <summary>Whether any further characters are allowed, none among them.</summary>
    public bool AllowsAllFrom(int count) => most == Unlimited && count >= least;

    /// <summary>Whether a text can be completed after so many characters.</summary>
    /// <exception cref="ConstraintException">Pattern and lengths together are too complex to tell.</exception>
    public bool CanComplete(CharState language, int count)
    {
        if (count > most)
        {
            return false;
        }

        if (language.IsEverything || AllowsAllFrom(count))
        {
            return true;
        }

        lock (_known)
        {
            if (_known.TryGetValue((language, count), out var known))
            {
                return known;
            }
        }

        var can = Find(language, Math.Max(0, least - count), most == Unlimited ? Unlimited : most - count);
        lock (_known)
        {
            _known[(language, count)] = can;
        }

        return can;
    }

    // The states that a number of characters may lead to, character by character: first as many as must come, then as many as may.
    private static bool Find(CharState start, int fewest, int most)
    {
        var work = 0;
        HashSet<CharState> layer = [start];
        for (var length = 0; length < fewest; length++)
        {
            var next = Step(layer, ref work);
            if (next.Any(static state => state.IsEverything))
            {
                return true;
            }

            if (next.SetEquals(layer))
            {
                // It goes on like this.
                break;
            }

            layer = next;
        }

        if (layer.Count == 0)
        {
            return false;
        }

        var seen = new HashSet<CharState>(layer);
        for (var length = fewest; ; length++)
        {
            if (most == Unlimited || layer.Any(static state => state.IsAccepting))
            {
                return true;
            }

            layer = Step(layer, ref work);
            layer.ExceptWith(seen);
            seen.UnionWith(layer);
            if (length == most || layer.Count == 0)
            {
                return false;
            }
        }
    }

    private static HashSet<CharState> Step(HashSet<CharState> layer, ref int work)
    {
        var next = new HashSet<CharState>();
        foreach (var state in layer)
        {
            var classes = state.Automaton.ClassCount;
            for (var c = 0; c < classes; c++)
            {
                if (state.NextOfClass(c) is { IsDead: false } reached)
                {
                    next.Add(reached);
                }
            }

            work += classes;
        }

        return work <= MostWork ? next : throw new ConstraintException("a pattern with limits of length is too complex", keyword: "pattern");
    }
}
