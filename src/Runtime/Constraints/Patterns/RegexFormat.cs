using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Patterns;

/// <summary>Texts that are regular expressions of ECMA 262.</summary>
/// <remarks>
/// Which texts are is not regular: groups nest. This is a part of them that every engine takes, with the flag <c>u</c> and
/// without: groups and lookarounds <see cref="MostDepth"/> deep; ranges of digits and of letters of one case; counts with
/// up to nine digits, and with an upper bound up to 99; no named groups, backreferences, lone braces, modifiers and properties of Unicode.
/// </remarks>
internal static class RegexFormat
{
    /// <summary>Groups within one another, at most; each level doubles the states.</summary>
    public const int MostDepth = 6;

    /// <summary>The expression of all those texts.</summary>
    public static Expression Make(ExpressionFactory factory)
    {
        var quantifier = factory.Repeat(Parse(Quantifier()), 0, 1);
        var atom = Parse($@"[^\^$\\.*+?()[\]{{}}|]|\.|{Escape("")}|{Class()}");
        var anchor = Parse(@"\^|\$|\\[bB]");
        var open = Parse(@"\((?:\?:)?");
        var look = Parse(@"\(\?<?[=!]");
        var close = Parse(@"\)");
        var bar = Parse(@"\|");
        var term = factory.Either(factory.Sequence(atom, quantifier), anchor);
        var pattern = Choices(term);
        for (var depth = 0; depth < MostDepth; depth++)
        {
            pattern = Choices(factory.Either(term, factory.Sequence(open, pattern, close, quantifier), factory.Sequence(look, pattern, close)));
        }

        return pattern;

        Expression Parse(string text) => EcmaPattern.Parse(text, factory, anchored: true);

        Expression Choices(Expression one)
        {
            var sequence = factory.Repeat(one, 0);
            return factory.Sequence(sequence, factory.Repeat(factory.Sequence(bar, sequence), 0));
        }
    }

    // One character or a set of them; a digit must not follow \0.
    private static string Escape(string more)
        => $@"\\(?:[dDwWsStnvfr\^$\\.*+?()[\]{{}}|/{more}]|c[A-Za-z]|x[0-9A-Fa-f]{{2}}|u[0-9A-Fa-f]{{4}})";

    private static string Class()
    {
        var ranges = new List<string>();
        foreach (var (first, last) in new[] { ('0', '9'), ('A', 'Z'), ('a', 'z') })
        {
            for (var from = first; from <= last; from++)
            {
                ranges.Add($"{from}-[{from}-{last}]");
            }
        }

        // A hyphen that is no range stands first or last.
        return $@"\[\^?-?(?:{string.Join('|', ranges)}|[^\]\\\-\^]|{Escape(@"b\-")})*-?\]";
    }

    private static string Quantifier()
    {
        var bounds = new List<string> { "[0-9]{1,9},?", "[0-9],[1-9][0-9]" };
        for (var digit = 0; digit <= 9; digit++)
        {
            bounds.Add($"{digit},[{digit}-9]");
            if (digit > 0)
            {
                bounds.Add(digit < 9 ? $"{digit}[0-9],[{digit + 1}-9][0-9]" : "90,9[0-9]");
                for (var one = 0; one <= 9; one++)
                {
                    bounds.Add($"{digit}{one},{digit}[{one}-9]");
                }
            }
        }

        return $@"(?:[*+?]|\{{(?:{string.Join('|', bounds)})\}})\??";
    }
}
