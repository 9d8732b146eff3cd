using Hearth.Runtime.Constraints.Machine;

namespace Hearth.Runtime.Constraints.Grammars;

/// <summary>Grammars in GBNF, llama.cpp's notation, over characters.</summary>
/// <remarks>
/// All of the notation but references to tokens, which are refused by name. Counts are exact, whatever their size. Beyond
/// it, names of rules may hold underscores. Refused where llama.cpp is silent: a rule that is defined twice, ranges out of
/// order, classes without a character, rules that have no finite text. Source: llama.cpp, grammars/README.md.
/// </remarks>
internal static class GbnfGrammar
{
    /// <summary>The node before a text of the rule <c>root</c>.</summary>
    /// <param name="source">The grammar.</param>
    /// <exception cref="ConstraintException">The grammar is malformed, too large, or cannot be enforced; its location is line and column.</exception>
    public static Node Compile(string source)
    {
        var text = new GrammarSource(source);
        return GrammarCompiler.Compile(text, GrammarRules.Of(text, new GbnfParser(text).Parse()));
    }
}
