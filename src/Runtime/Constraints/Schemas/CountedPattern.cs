using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Lexemes;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>Takes the count out of patterns such as <c>^[a-z][a-z0-9]{0,62}$</c>: a number of characters and a language without a count.</summary>
/// <remarks>A state for each count would each have its own masks; with the count apart all share those of one run of characters.</remarks>
internal static class CountedPattern
{
    /// <summary>Splits an expression; one of another form stays whole.</summary>
    public static StringLanguage Split(Expression expression, ExpressionFactory factory)
    {
        if (expression.IsEverything)
        {
            return StringLanguage.Any;
        }

        var parts = new List<Expression>();
        var rest = expression;
        for (; rest.Kind == ExpressionKind.Sequence; rest = rest.Parts[1])
        {
            parts.Add(rest.Parts[0]);
        }

        parts.Add(rest);
        var counted = parts.FindIndex(static part => part is { Kind: ExpressionKind.Repeat, Parts: [{ Kind: ExpressionKind.Set }] });
        if (counted < 0 || parts.Where((part, i) => i != counted && part.Kind != ExpressionKind.Set).Any())
        {
            return new StringLanguage(expression, 0, StringLengths.Unlimited);
        }

        var (least, most) = (parts[counted].Least, parts[counted].Most);
        if (least <= 1 && most == Expression.Unlimited)
        {
            return new StringLanguage(expression, 0, StringLengths.Unlimited);
        }

        parts[counted] = factory.Repeat(parts[counted].Parts[0], 0);
        var language = factory.Sequence([.. parts]);
        var others = parts.Count - 1;
        return new StringLanguage(
            language.IsEverything ? null : language, others + least, most == Expression.Unlimited ? StringLengths.Unlimited : (int)Math.Min((long)others + most, StringLengths.Unlimited));
    }
}
