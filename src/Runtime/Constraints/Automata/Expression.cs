namespace Hearth.Runtime.Constraints.Automata;

/// <summary>The forms of an <see cref="Expression"/>.</summary>
internal enum ExpressionKind
{
    /// <summary>No text at all.</summary>
    Nothing,

    /// <summary>The empty text.</summary>
    Empty,

    /// <summary>One character of a set.</summary>
    Set,

    /// <summary>One text, then another.</summary>
    Sequence,

    /// <summary>Any of several.</summary>
    Either,

    /// <summary>All of several at once.</summary>
    All,

    /// <summary>Every text but those of another expression.</summary>
    Not,

    /// <summary>A text of another expression, some number of times.</summary>
    Repeat,

    /// <summary>The empty text, where all that follows matches another expression; only within a Look.</summary>
    Ahead,

    /// <summary>The empty text, where all that precedes matches an expression that the Look around it holds.</summary>
    Behind,

    /// <summary>An expression with Ahead and Behind in it, and the expressions of what precedes, derived as far as was read.</summary>
    Look,
}

/// <summary>A regular expression over characters with intersection and complement. Made by <see cref="ExpressionFactory"/>, equal ones once.</summary>
/// <remarks>Source: J. A. Brzozowski, "Derivatives of Regular Expressions", 1964; S. Owens et al., "Regular-expression derivatives reexamined", 2009.</remarks>
internal sealed class Expression
{
    /// <summary>A <see cref="Most"/> without limit.</summary>
    public const int Unlimited = int.MaxValue;

    /// <summary>The bit of <see cref="Looks"/> that stands for any Ahead.</summary>
    public const uint AheadLook = 1U << 31;

    internal Expression(int id, ExpressionKind kind, CharSet? set, Expression[] parts, int least, int most)
    {
        Id = id;
        Kind = kind;
        Set = set;
        Parts = parts;
        Least = least;
        Most = most;
        IsNullable = kind switch
        {
            ExpressionKind.Empty => true,
            ExpressionKind.Sequence or ExpressionKind.All => Array.TrueForAll(parts, part => part.IsNullable),
            ExpressionKind.Either => Array.Exists(parts, part => part.IsNullable),
            ExpressionKind.Not => !parts[0].IsNullable,
            ExpressionKind.Repeat => least == 0 || parts[0].IsNullable,
            ExpressionKind.Look => least == 1,
            _ => false,
        };
        Shortest = (int)Math.Min(Unlimited, kind switch
        {
            ExpressionKind.Nothing => Unlimited,
            ExpressionKind.Set => 1,
            ExpressionKind.Sequence => (long)parts[0].Shortest + parts[1].Shortest,
            ExpressionKind.Either => parts.Min(part => part.Shortest),
            ExpressionKind.All => parts.Max(part => part.Shortest),
            ExpressionKind.Repeat => (long)least * parts[0].Shortest,
            ExpressionKind.Look => parts[0].Shortest,
            _ => 0,
        });
        Counts = kind == ExpressionKind.Repeat ? Math.Max(least, most == Unlimited ? 0 : most) : 0;
        foreach (var part in parts)
        {
            Counts = Math.Max(Counts, part.Counts);
        }

        IsBoolean = kind is ExpressionKind.All or ExpressionKind.Not or >= ExpressionKind.Ahead || Array.Exists(parts, part => part.IsBoolean);
        Looks = kind switch
        {
            ExpressionKind.Ahead => AheadLook,
            ExpressionKind.Behind => 1U << least,
            _ => 0,
        };
        if (kind != ExpressionKind.Look)
        {
            foreach (var part in parts)
            {
                Looks |= part.Looks;
            }
        }
    }

    /// <summary>Orders expressions of one factory by age.</summary>
    public int Id { get; }

    public ExpressionKind Kind { get; }

    /// <summary>Of a Set.</summary>
    public CharSet? Set { get; }

    /// <summary>Two of a Sequence, one of Not, Repeat and Ahead, at least two of Either and All; of a Look its expression and those of what precedes.</summary>
    public Expression[] Parts { get; }

    /// <summary>The fewest times of a Repeat; of a Behind the number of its expression in the Look; of a Look 1 where the empty text matches.</summary>
    public int Least { get; }

    /// <summary>The most times of a Repeat.</summary>
    public int Most { get; }

    /// <summary>Whether the empty text matches; without meaning where <see cref="Looks"/> is not 0.</summary>
    public bool IsNullable { get; }

    /// <summary>Characters that a matching text has at least; a lower bound where intersections or complements are in it.</summary>
    public int Shortest { get; }

    /// <summary>The greatest number of times, fewest or most, that a Repeat in it has; 0 where there is none.</summary>
    public int Counts { get; }

    /// <summary>Whether an intersection or complement is in it, so that it may match nothing without looking so.</summary>
    public bool IsBoolean { get; }

    /// <summary>Which Behind, by bits, and whether any Ahead are in it outside of a Look: it means something only as part of one.</summary>
    public uint Looks { get; }

    /// <summary>Whether every text matches.</summary>
    public bool IsEverything => this is { Kind: ExpressionKind.Repeat, Least: 0, Most: Unlimited } && Parts[0] is { Kind: ExpressionKind.Set } one && one.Set!.Equals(CharSet.Any);
}
