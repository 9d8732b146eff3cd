using System.Collections;
using Hearth.Runtime.Constraints.Lexemes;

namespace Hearth.Runtime.Constraints.Tokens;

/// <summary>The tokens that may follow a state of a lexeme, apart from what comes behind the lexeme.</summary>
/// <param name="SharedBits">Masks of tokens that stay inside of the lexeme; shared, not to be written.</param>
/// <param name="Tokens">Further tokens that stay inside.</param>
/// <param name="Crossings">Tokens that end the lexeme, by the bytes that they have behind it.</param>
internal sealed record LexPlan(ulong[][] SharedBits, int[] Tokens, Crossing[] Crossings);

/// <summary>Tokens that end a lexeme, by the bytes that they have behind it.</summary>
internal abstract record Crossing
{
    /// <summary>The state in which the lexeme ends.</summary>
    public required LexState End { get; init; }

    /// <summary>A tree of the bytes behind the lexeme.</summary>
    public required TokenTrie Behind { get; init; }
}

/// <summary>Tokens that end a lexeme, gathered: the tree's entries are indices of <see cref="Tokens"/>.</summary>
internal sealed record GatheredCrossing : Crossing
{
    /// <summary>The tokens of all entries.</summary>
    public required int[] Tokens { get; init; }

    /// <summary>Characters that each token has inside of the lexeme; null where it does not matter.</summary>
    public int[]? Characters { get; init; }

    /// <summary>Tokens with fewer characters inside may not come.</summary>
    public int Fewest { get; init; }

    /// <summary>Nor those with more.</summary>
    public int Most { get; init; }

    /// <summary>Entries that may come; null: all.</summary>
    public BitArray? Allowed { get; init; }

    /// <summary>Whether the token of an entry may come at all.</summary>
    public bool Allows(int entry)
        => (Characters is null || (Characters[entry] >= Fewest && Characters[entry] <= Most)) && (Allowed is null || Allowed[entry]);
}

/// <summary>Tokens that end a lexeme, left where they are: in the subtrees of some nodes of the vocabulary's own tree.</summary>
internal sealed record SubtreeCrossing : Crossing
{
    /// <summary>The nodes at which the lexeme ends.</summary>
    public required int[] Nodes { get; init; }
}
