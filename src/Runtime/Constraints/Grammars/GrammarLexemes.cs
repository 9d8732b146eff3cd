using System.Runtime.CompilerServices;
using System.Text;
using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Lexemes;

namespace Hearth.Runtime.Constraints.Grammars;

/// <summary>Makes lexemes of a grammar's parts, equal ones once.</summary>
/// <remarks>
/// What is one lexeme is read by an automaton alone, which makes masks cheap. Its states are all made here, within
/// limits, so that none explodes while a text is generated; what is beyond them is left to the machine's stacks.
/// </remarks>
internal sealed class GrammarLexemes
{
    /// <summary>States of one lexeme's automaton.</summary>
    private const int MostStates = 2000;

    /// <summary>Transitions of one lexeme's automaton: states by classes of characters.</summary>
    private const int MostTransitions = 30_000;

    /// <summary>Transitions and weights of all lexemes together; beyond it only small ones are made.</summary>
    private const int MostWork = 400_000;

    /// <summary>A weight that is small.</summary>
    private const int SmallWeight = 16;

    private readonly Dictionary<Expression, LexState?> _known = [];
    private readonly Dictionary<GrammarRule, Expression> _rules = [];
    private readonly Dictionary<string, LexState> _literals = new(StringComparer.Ordinal);
    private readonly Dictionary<(CharSet, int, int), LexState> _runs = [];
    private ExpressionFactory _factory = new();
    private int _work;

    /// <summary>The lexeme of an item; null where it is none, or too complex for one.</summary>
    public LexState? Find(GrammarItem item) => item switch
    {
        GrammarItem.Literal { Text.Length: > 0 } literal when item.Weight is < 0 or > SmallWeight => FindLiteral(literal.Text),
        GrammarItem.Repeat { IsCountedSet: true, Part: GrammarItem.Set set } repeat => FindRun(set.Characters, repeat.Least, repeat.Most),
        _ when item.Weight < 0 => null,
        _ => Find(item.Weight, () => ExpressionOf(item)),
    };

    /// <summary>The lexeme of items one after another, which together are light enough.</summary>
    public LexState? FindSequence(IReadOnlyList<GrammarItem> items)
        => items.Count == 1 ? Find(items[0]) : Find(items.Sum(item => item.Weight), () => SequenceOf(items));

    /// <summary>The lexeme of any of some items, which together are light enough.</summary>
    public LexState? FindEither(IReadOnlyList<GrammarItem> items)
        => items.Count == 1 ? Find(items[0]) : Find(items.Sum(item => item.Weight), () => _factory.Either(items.Select(ExpressionOf)));

    /// <summary>The lexeme of any of some texts, none of them empty.</summary>
    public static LexState OfTexts(IEnumerable<string> texts) => LiteralLexer.Start(texts.Select(Encoding.UTF8.GetBytes));

    private LexState FindLiteral(string text)
    {
        if (!_literals.TryGetValue(text, out var lexeme))
        {
            _literals.Add(text, lexeme = LiteralLexer.Start(text));
        }

        return lexeme;
    }

    private LexState FindRun(CharSet characters, int least, int most)
    {
        if (!_runs.TryGetValue((characters, least, most), out var lexeme))
        {
            var factory = new ExpressionFactory();
            var language = new CharAutomaton(factory, factory.Repeat(factory.Set(characters), 0)).Start;
            lexeme = new StringLexer(language, new StringLengths(least, most), isJson: false).Start;
            _runs.Add((characters, least, most), lexeme);
        }

        return lexeme;
    }

    private LexState? Find(int weight, Func<Expression> make)
    {
        if (_work > MostWork && weight > SmallWeight)
        {
            return null;
        }

        _work += weight;
        try
        {
            return Known();
        }
        catch (ConstraintException)
        {
            // The factory is full, with this expression's derivatives if it is not small.
            _factory = new ExpressionFactory();
            _known.Clear();
            _rules.Clear();
            return weight <= SmallWeight ? Known() : null;
        }

        LexState? Known()
        {
            var expression = make();
            if (!_known.TryGetValue(expression, out var lexeme))
            {
                _known.Add(expression, lexeme = Make(expression));
            }

            return lexeme;
        }
    }

    private LexState? Make(Expression expression)
    {
        var automaton = new CharAutomaton(_factory, expression);
        var states = new List<CharState> { automaton.Start };
        var seen = new HashSet<CharState>(states);
        for (var i = 0; i < states.Count; i++)
        {
            _work += automaton.ClassCount;
            for (var c = 0; c < automaton.ClassCount; c++)
            {
                var next = states[i].NextOfClass(c);
                if (!next.IsDead && seen.Add(next))
                {
                    states.Add(next);
                }
            }

            if (states.Count > MostStates || (long)states.Count * automaton.ClassCount > MostTransitions)
            {
                return null;
            }
        }

        return new StringLexer(automaton.Start, StringLengths.Any, isJson: false).Start;
    }

    private Expression ExpressionOf(GrammarItem item)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (item)
        {
            case GrammarItem.Literal literal:
                return _factory.Literal(literal.Text);
            case GrammarItem.Set set:
                return _factory.Set(set.Characters);
            case GrammarItem.Sequence:
                return SequenceOf(item.Parts);
            case GrammarItem.Either:
                return _factory.Either(item.Parts.Select(ExpressionOf));
            case GrammarItem.Repeat repeat:
                return _factory.Repeat(ExpressionOf(repeat.Part), repeat.Least, repeat.Most);
            default:
                return ExpressionOf(((GrammarItem.Call)item).Rule);
        }
    }

    // Rules that are nothing but a call may lie in chains of any length, so these are followed in place.
    private Expression ExpressionOf(GrammarRule rule)
    {
        var chain = new List<GrammarRule>();
        Expression? expression;
        while (!_rules.TryGetValue(rule, out expression))
        {
            chain.Add(rule);
            if (rule.Body is not GrammarItem.Call { Rule: var next })
            {
                expression = ExpressionOf(rule.Body!);
                break;
            }

            rule = next;
        }

        foreach (var same in chain)
        {
            _rules[same] = expression;
        }

        return expression;
    }

    private Expression SequenceOf(IReadOnlyList<GrammarItem> items)
    {
        var result = _factory.Empty;
        for (var i = items.Count - 1; i >= 0; i--)
        {
            result = _factory.Sequence(ExpressionOf(items[i]), result);
        }

        return result;
    }
}
