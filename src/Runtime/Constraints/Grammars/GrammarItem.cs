using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Grammars;

/// <summary>A part of a rule.</summary>
internal abstract class GrammarItem
{
    private GrammarItem(int at, params GrammarItem[] parts)
    {
        At = at;
        Parts = parts;
        Count = parts.Length == 0 ? 1 : parts.Max(part => part.Count);
    }

    /// <summary>Where it begins in the source.</summary>
    public int At { get; }

    /// <summary>What it is made of; none for what reads characters or calls a rule.</summary>
    public GrammarItem[] Parts { get; }

    /// <summary>The product of the counts within one another, at least 1.</summary>
    public long Count { get; private protected init; }

    /// <summary>Whether the empty text is one of its texts; known once all rules are.</summary>
    public bool IsNullable { get; set; }

    /// <summary>Whether any finite text is one of its texts; known once all rules are.</summary>
    public bool HasText { get; set; }

    /// <summary>Characters and choices in it, rules that it calls among them, where it can be one expression; otherwise -1.</summary>
    public int Weight { get; set; } = -1;

    /// <summary>How deep its expression is, where <see cref="Weight"/> is known.</summary>
    public int Depth { get; set; }

    /// <summary>A text as it stands, perhaps an empty one.</summary>
    public sealed class Literal(int at, string text) : GrammarItem(at)
    {
        public string Text { get; } = text;
    }

    /// <summary>One character of a set that is not empty.</summary>
    public sealed class Set(int at, CharSet characters) : GrammarItem(at)
    {
        public CharSet Characters { get; } = characters;
    }

    /// <summary>A text of another rule.</summary>
    public sealed class Call(int at, GrammarRule rule) : GrammarItem(at)
    {
        public GrammarRule Rule { get; } = rule;
    }

    /// <summary>One after another; none for the empty text.</summary>
    public sealed class Sequence(int at, params GrammarItem[] parts) : GrammarItem(at, parts);

    /// <summary>Any of at least two.</summary>
    public sealed class Either(int at, params GrammarItem[] parts) : GrammarItem(at, parts);

    /// <summary>One part, some number of times.</summary>
    public sealed class Repeat : GrammarItem
    {
        public Repeat(int at, GrammarItem part, int least, int most)
            : base(at, part)
        {
            Least = least;
            Most = most;
            Count = part.Count * Math.Max(1, most == Expression.Unlimited ? least : most);
        }

        public GrammarItem Part => Parts[0];

        public int Least { get; }

        /// <summary>At least 1; <see cref="Expression.Unlimited"/> for no limit.</summary>
        public int Most { get; }

        /// <summary>Whether it is a set with counts so large that lengths are better counted than spelled out.</summary>
        public bool IsCountedSet => Part is Set && (Least > FewTimes || (Most > FewTimes && Most != Expression.Unlimited));

        private const int FewTimes = 32;
    }
}

/// <summary>A rule: a name and what it stands for.</summary>
internal sealed class GrammarRule(string name, int at)
{
    public string Name { get; } = name;

    /// <summary>Where it is defined in the source; until it is, where it was first called.</summary>
    public int At { get; set; } = at;

    /// <summary>What it stands for; null until it is defined.</summary>
    public GrammarItem? Body { get; set; }
}
