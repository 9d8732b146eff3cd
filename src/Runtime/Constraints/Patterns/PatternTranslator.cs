using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Patterns;

/// <summary>Makes expressions of parsed patterns.</summary>
/// <remarks>
/// Anchors at the ends of a pattern and of its choices only decide what may stand before and after. All other conditions
/// on a place become <see cref="ExpressionFactory.Ahead"/> and <see cref="ExpressionFactory.Behind"/>.
/// </remarks>
internal sealed class PatternTranslator(ExpressionFactory factory)
{
    private readonly List<Expression> _behinds = [];

    /// <summary>The texts in which a pattern matches.</summary>
    /// <param name="node">The pattern.</param>
    /// <param name="anchored">Whether it must match the whole text.</param>
    public Expression Whole(PatternNode node, bool anchored)
    {
        var around = anchored ? factory.Empty : factory.Everything;
        return factory.Look(Between(node, around, around, startsText: true, endsText: true), _behinds);
    }

    // The pattern between what may stand before and after it; where these reach to the text's ends, anchors narrow them.
    private Expression Between(PatternNode node, Expression before, Expression after, bool startsText, bool endsText)
    {
        if (node is PatternNode.Either either)
        {
            return factory.Either(either.Choices.Select(choice => Between(choice, before, after, startsText, endsText)));
        }

        var items = node is PatternNode.Sequence sequence ? sequence.Items : [node];
        var first = 0;
        var end = items.Count;
        for (; startsText && first < end && items[first] is PatternNode.Start; first++)
        {
            before = factory.Empty;
        }

        for (; endsText && end > first && items[end - 1] is PatternNode.End; end--)
        {
            after = factory.Empty;
        }

        if (end - first == 1 && items[first] is PatternNode.Either or PatternNode.Sequence)
        {
            return Between(items[first], before, after, startsText, endsText);
        }

        var result = after;
        for (var i = end - 1; i >= first; i--)
        {
            result = factory.Sequence(Inner(items[i]), result);
        }

        return factory.Sequence(before, result);
    }

    private Expression Inner(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.Character character:
                return factory.Set(character.Set);
            case PatternNode.Sequence sequence:
                var result = factory.Empty;
                for (var i = sequence.Items.Count - 1; i >= 0; i--)
                {
                    result = factory.Sequence(Inner(sequence.Items[i]), result);
                }

                return result;
            case PatternNode.Either either:
                return factory.Either(either.Choices.Select(Inner));
            case PatternNode.Repeat repeat:
                return factory.Repeat(Inner(repeat.Item), repeat.Least, repeat.Most);
            case PatternNode.Start:
                return Behind(factory.Empty, 1);
            case PatternNode.End:
                return factory.Ahead(factory.Empty);
            case PatternNode.Boundary boundary:
                return Boundary(boundary.IsNegated);
            case PatternNode.Ahead ahead:
                var rest = Between(ahead.Item, factory.Empty, factory.Everything, startsText: false, endsText: true);
                return factory.Ahead(ahead.IsNegated ? factory.Not(rest) : rest);
            case PatternNode.Behind behind:
                return Behind(behind);
            default:
                throw new InvalidOperationException($"a pattern has no node {node}");
        }
    }

    private Expression Behind(PatternNode.Behind behind)
    {
        var inner = new PatternTranslator(factory);
        var core = inner.Between(behind.Item, factory.Everything, factory.Empty, startsText: true, endsText: false);
        if ((core.Looks & Expression.AheadLook) != 0)
        {
            throw new ConstraintException("a lookahead, $ or \\b within a lookbehind is not supported", $"column {behind.Column}", "(?<=");
        }

        var text = factory.Look(core, inner._behinds);
        return Behind(behind.IsNegated ? factory.Not(text) : text, behind.Column);
    }

    private Expression Behind(Expression text, int column)
    {
        if (text == factory.Everything)
        {
            return factory.Empty;
        }

        var number = _behinds.IndexOf(text);
        if (number < 0)
        {
            number = _behinds.Count;
            _behinds.Add(text);
            if (number >= ExpressionFactory.MostBehinds)
            {
                throw new ConstraintException($"more than {ExpressionFactory.MostBehinds} different lookbehinds", $"column {column}", "(?<=");
            }
        }

        return factory.Behind(number);
    }

    private Expression Boundary(bool isNegated)
    {
        var word = factory.Set(PatternSets.Word);
        var wordBefore = factory.Sequence(factory.Everything, word);
        var wordAfter = factory.Sequence(word, factory.Everything);
        var before = Behind(wordBefore, 1);
        var notBefore = Behind(factory.Not(wordBefore), 1);
        var after = factory.Ahead(wordAfter);
        var notAfter = factory.Ahead(factory.Not(wordAfter));
        return isNegated
            ? factory.Either(factory.Sequence(before, after), factory.Sequence(notBefore, notAfter))
            : factory.Either(factory.Sequence(before, notAfter), factory.Sequence(notBefore, after));
    }
}
