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
}

/// <summary>A regular expression over characters with intersection and complement. Made by <see cref="ExpressionFactory"/>, equal ones once.</summary>
/// <remarks>Source: J. A. Brzozowski, "Derivatives of Regular Expressions", 1964; S. Owens et al., "Regular-expression derivatives reexamined", 2009.</remarks>
internal sealed class Expression
{
    /// <summary>A <see cref="Most"/> without limit.</summary>
    public const int Unlimited = int.MaxValue;

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
            _ => false,
        };
        IsBoolean = kind is ExpressionKind.All or ExpressionKind.Not || Array.Exists(parts, part => part.IsBoolean);
    }

    /// <summary>Orders expressions of one factory by age.</summary>
    public int Id { get; }

    public ExpressionKind Kind { get; }

    /// <summary>Of a Set.</summary>
    public CharSet? Set { get; }

    /// <summary>Two of a Sequence, one of Not and Repeat, at least two of Either and All.</summary>
    public Expression[] Parts { get; }

    /// <summary>The fewest times of a Repeat.</summary>
    public int Least { get; }

    /// <summary>The most times of a Repeat.</summary>
    public int Most { get; }

    /// <summary>Whether the empty text matches.</summary>
    public bool IsNullable { get; }

    /// <summary>Whether an intersection or complement is in it, so that it may match nothing without looking so.</summary>
    public bool IsBoolean { get; }

    /// <summary>Whether every text matches.</summary>
    public bool IsEverything => this is { Kind: ExpressionKind.Repeat, Least: 0, Most: Unlimited } && Parts[0] is { Kind: ExpressionKind.Set } one && one.Set!.Equals(CharSet.Any);
}
