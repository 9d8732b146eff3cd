using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Lexemes;
using Hearth.Runtime.Constraints.Numbers;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>The values that a term allows, type by type; of each type a union of alternatives.</summary>
/// <remarks>Everything that combines subschemas in place is resolved here; members and items are terms, whose shapes are found in turn.</remarks>
internal sealed record Shape
{
    /// <summary>No value.</summary>
    public static Shape None { get; } = new();

    /// <summary>Every value.</summary>
    public static Shape Any { get; } = new()
    {
        Null = true,
        True = true,
        False = true,
        Numbers = [NumberRange.All],
        Strings = StringSet.Any,
        Arrays = [ArrayShape.Any],
        Objects = [ObjectShape.Any],
    };

    public bool Null { get; init; }

    public bool True { get; init; }

    public bool False { get; init; }

    public NumberRange[] Numbers { get; init; } = [];

    public StringSet Strings { get; init; } = StringSet.None;

    public ArrayShape[] Arrays { get; init; } = [];

    public ObjectShape[] Objects { get; init; } = [];
}

/// <summary>Texts: some that are listed, and languages.</summary>
/// <param name="Literals">Each once.</param>
/// <param name="Languages">Their union.</param>
internal sealed record StringSet(string[] Literals, StringLanguage[] Languages)
{
    public static StringSet None { get; } = new([], []);

    public static StringSet Any { get; } = new([], [StringLanguage.Any]);

    public bool IsAny => Array.Exists(Languages, language => language.IsAny);

    public bool IsNone => Literals.Length == 0 && Languages.Length == 0;
}

/// <summary>Texts of an expression with a number of characters; a null expression matches every text.</summary>
internal sealed record StringLanguage(Expression? Expression, int Least, int Most)
{
    public static StringLanguage Any { get; } = new(null, 0, StringLengths.Unlimited);

    public bool IsAny => Expression is null && Least == 0 && Most == StringLengths.Unlimited;
}

/// <summary>One of the alternatives that a shape has of a type.</summary>
internal interface IAlternative
{
    /// <summary>Whether every value of the type is allowed.</summary>
    bool IsAny { get; }
}

/// <summary>Arrays of some items.</summary>
internal sealed record ArrayShape : IAlternative
{
    public const int Unlimited = int.MaxValue;

    public required Term[] Prefix { get; init; }

    /// <summary>Of the items behind the prefix.</summary>
    public required Term Rest { get; init; }

    public int Least { get; init; }

    public int Most { get; init; } = Unlimited;

    /// <summary>How many items must, and may, be valid under further terms.</summary>
    public ContainsRule[] Contains { get; init; } = [];

    /// <summary>Whether no two items may be equal.</summary>
    public bool IsUnique { get; init; }

    /// <summary>Any array; its terms are those of <see cref="Schemas.Terms.Anything"/>.</summary>
    public static ArrayShape Any { get; } = new() { Prefix = [], Rest = Terms.Anything };

    public bool IsAny => Prefix.Length == 0 && Rest.IsAny && Least == 0 && Most == Unlimited && Contains.Length == 0 && !IsUnique;

    /// <summary>What the item at a place must be.</summary>
    public Term TermAt(int index) => index < Prefix.Length ? Prefix[index] : Rest;
}

/// <summary>At least and at most so many items, from one on, are valid under a term.</summary>
internal sealed record ContainsRule(Term Term, int Least, int Most, int From);

/// <summary>Objects of some members.</summary>
internal sealed record ObjectShape : IAlternative
{
    public const int Unlimited = int.MaxValue;

    /// <summary>Members that are named, in the order in which they come.</summary>
    public required PropertyRule[] Properties { get; init; }

    /// <summary>Members with other names: languages that do not overlap, with what their values must be. A name in none of them is forbidden.</summary>
    public required KeyRule[] Others { get; init; }

    /// <summary>Members that must be there: for each one whose name and value fit.</summary>
    public MemberNeed[] Needs { get; init; } = [];

    public int Least { get; init; }

    public int Most { get; init; } = Unlimited;

    /// <summary>Any object.</summary>
    public static ObjectShape Any { get; } = new() { Properties = [], Others = [new KeyRule(null, Terms.Anything)] };

    public bool IsAny => Properties.Length == 0 && Needs.Length == 0 && Least == 0 && Most == Unlimited && Others is [{ Keys: null, Value.IsAny: true }];
}

/// <summary>A member that is named.</summary>
internal sealed record PropertyRule(string Name, Term Value, bool IsRequired);

/// <summary>Members whose names are in a language; null: every name.</summary>
internal sealed record KeyRule(Expression? Keys, Term Value);

/// <summary>A member that must be there: of one name, or of a name in a language (null: any), with a value under a term.</summary>
internal sealed record MemberNeed(string? Name, Expression? Keys, Term Value);
