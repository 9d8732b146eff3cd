using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Patterns;

/// <summary>A parsed pattern. Groups are gone: what they capture does not matter here.</summary>
internal abstract record PatternNode
{
    /// <summary>One character of a set.</summary>
    public sealed record Character(CharSet Set) : PatternNode;

    /// <summary>One after another; none for the empty text.</summary>
    public sealed record Sequence(IReadOnlyList<PatternNode> Items) : PatternNode;

    /// <summary>Any of several.</summary>
    public sealed record Either(IReadOnlyList<PatternNode> Choices) : PatternNode;

    /// <summary>Some number of times, greedy or not.</summary>
    public sealed record Repeat(PatternNode Item, int Least, int Most) : PatternNode;

    /// <summary>The beginning of the text.</summary>
    public sealed record Start : PatternNode;

    /// <summary>The end of the text.</summary>
    public sealed record End : PatternNode;

    /// <summary>A place where a word begins or ends, or one where not.</summary>
    public sealed record Boundary(bool IsNegated) : PatternNode;

    /// <summary>What follows.</summary>
    public sealed record Ahead(PatternNode Item, bool IsNegated) : PatternNode;

    /// <summary>What precedes.</summary>
    /// <param name="Item">The pattern.</param>
    /// <param name="IsNegated">Whether it must not precede.</param>
    /// <param name="Column">Where it stands.</param>
    public sealed record Behind(PatternNode Item, bool IsNegated, int Column) : PatternNode;
}
