using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Patterns;

/// <summary>Regular expressions of ECMA 262 as sets of whole texts.</summary>
/// <remarks>
/// Characters are Unicode scalar values, as under the flag <c>u</c>; escapes and braces that only the older grammar
/// (Annex B) takes as themselves are taken as themselves. <c>^</c> and <c>$</c> are the ends of the text. Lazy and greedy
/// quantifiers match the same texts. Refused by name: backreferences, other dialects' constructs, flags but <c>i</c>.
/// Sources: ECMA-262, 16th edition, 22.2 and B.1.2; JSON Schema 2020-12, core, 6.4.
/// </remarks>
internal static class EcmaPattern
{
    /// <summary>All texts that a pattern matches.</summary>
    /// <param name="pattern">The pattern, without delimiters and flags.</param>
    /// <param name="factory">What the expression is made with.</param>
    /// <param name="anchored">Whether the whole text must match; else a match anywhere in the text counts, as in JSON Schema.</param>
    /// <exception cref="ConstraintException">It is malformed or uses what is not regular; its location is a column from 1.</exception>
    public static Expression Parse(string pattern, ExpressionFactory factory, bool anchored)
    {
        try
        {
            return new PatternTranslator(factory).Whole(new PatternParser(pattern).Parse(), anchored);
        }
        catch (InsufficientExecutionStackException)
        {
            throw new ConstraintException("the pattern is nested too deeply", keyword: "(");
        }
    }
}
