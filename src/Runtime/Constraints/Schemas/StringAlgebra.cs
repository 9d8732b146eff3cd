using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Lexemes;
using Hearth.Runtime.Constraints.Patterns;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>Sets of texts: their intersections, complements, and whether there is a text in them.</summary>
internal sealed class StringAlgebra(ExpressionFactory factory)
{
    private readonly Dictionary<Expression, CharState> _automata = [];
    private readonly Dictionary<(int, int), StringLengths> _lengths = [];
    private readonly Dictionary<Expression, string> _formats = [];

    public ExpressionFactory Factory => factory;

    /// <summary>The texts of a format; null where there is no expression of them.</summary>
    public Expression? Format(string name)
    {
        if (!StringFormats.TryGet(name, factory, out var expression))
        {
            return null;
        }

        _formats[expression] = name;
        return expression;
    }

    /// <summary>The automaton of an expression, at its start.</summary>
    public CharState Automaton(Expression? expression)
    {
        expression ??= factory.Everything;
        if (!_automata.TryGetValue(expression, out var state))
        {
            // What a format's automaton has found out serves all schemas.
            var shared = _formats.TryGetValue(expression, out var name) ? StringFormats.Automaton(name) : null;
            _automata.Add(expression, state = (shared ?? new CharAutomaton(factory, expression)).Start);
        }

        return state;
    }

    /// <summary>The lengths of a language's texts.</summary>
    public StringLengths LengthsOf(StringLanguage language)
    {
        var key = (language.Least, language.Most);
        if (!_lengths.TryGetValue(key, out var lengths))
        {
            _lengths.Add(key, lengths = new StringLengths(language.Least, language.Most));
        }

        return lengths;
    }

    /// <summary>Whether a text is in an expression's language.</summary>
    public bool Matches(Expression? expression, string text)
    {
        var state = Automaton(expression);
        foreach (var rune in text.EnumerateRunes())
        {
            state = state.Next(rune.Value);
            if (state.IsDead)
            {
                return false;
            }
        }

        return state.IsAccepting;
    }

    public bool Matches(StringLanguage language, string text)
    {
        var length = text.EnumerateRunes().Count();
        return length >= language.Least && length <= language.Most && (language.Expression is null || Matches(language.Expression, text));
    }

    public bool IsInhabited(StringLanguage language)
        => language.Least <= language.Most && (language.Expression is null || (Automaton(language.Expression) is { IsDead: false } start && LengthsOf(language).CanComplete(start, 0)));

    public bool IsInhabited(StringSet set) => set.Literals.Length > 0 || Array.Exists(set.Languages, IsInhabited);

    /// <summary>Whether any name is in an expression's language.</summary>
    public bool IsInhabited(Expression? expression) => expression is null || (expression.IsBoolean ? !Automaton(expression).IsDead : expression != factory.Nothing);

    public StringSet Intersect(StringSet a, StringSet b)
    {
        if (a.IsAny || b.IsNone)
        {
            return b;
        }

        if (b.IsAny || a.IsNone)
        {
            return a;
        }

        var literals = new HashSet<string>(StringComparer.Ordinal);
        literals.UnionWith(a.Literals.Where(text => Contains(b, text)));
        literals.UnionWith(b.Literals.Where(text => Contains(a, text)));
        var languages = new List<StringLanguage>();
        foreach (var x in a.Languages)
        {
            foreach (var y in b.Languages)
            {
                var both = Intersect(x, y);
                if (IsInhabited(both) && !languages.Contains(both))
                {
                    languages.Add(both);
                }
            }
        }

        return new StringSet([.. literals], [.. languages]);
    }

    public StringLanguage Intersect(StringLanguage a, StringLanguage b)
        => new(Both(a.Expression, b.Expression), Math.Max(a.Least, b.Least), Math.Min(a.Most, b.Most));

    /// <summary>The names in both; null: every name.</summary>
    public Expression? Both(Expression? a, Expression? b) => a is null ? b : b is null ? a : factory.All(a, b);

    /// <summary>The names that an expression does not match; null: every name.</summary>
    public Expression? Outside(Expression? expression) => factory.Not(expression ?? factory.Everything) is var outside && outside == factory.Everything ? null : outside;

    public StringSet Union(StringSet a, StringSet b)
    {
        if (a.IsAny || b.IsAny)
        {
            return StringSet.Any;
        }

        StringLanguage[] languages = [.. a.Languages.Union(b.Languages)];
        return new StringSet([.. a.Literals.Union(b.Literals, StringComparer.Ordinal).Where(text => !Array.Exists(languages, language => Matches(language, text)))], languages);
    }

    public StringSet Complement(StringSet set)
    {
        var result = set.Literals.Length == 0 ? StringSet.Any : new StringSet([], [new StringLanguage(factory.Not(factory.Literals(set.Literals)), 0, StringLengths.Unlimited)]);
        foreach (var (expression, least, most) in set.Languages)
        {
            var parts = new List<StringLanguage>();
            if (expression is not null)
            {
                parts.Add(new StringLanguage(factory.Not(expression), 0, StringLengths.Unlimited));
            }

            if (least > 0)
            {
                parts.Add(new StringLanguage(null, 0, least - 1));
            }

            if (most < StringLengths.Unlimited)
            {
                parts.Add(new StringLanguage(null, most + 1, StringLengths.Unlimited));
            }

            result = Intersect(result, new StringSet([], [.. parts]));
        }

        return result;
    }

    /// <summary>A set of names as one expression; null: every name.</summary>
    public Expression? ToExpression(StringSet set)
    {
        if (set.IsAny)
        {
            return null;
        }

        var parts = new List<Expression>();
        if (set.Literals.Length > 0)
        {
            parts.Add(factory.Literals(set.Literals));
        }

        foreach (var (expression, least, most) in set.Languages)
        {
            var length = least == 0 && most == StringLengths.Unlimited ? null : factory.Repeat(factory.Any, least, most == StringLengths.Unlimited ? Expression.Unlimited : most);
            parts.Add(Both(expression, length) ?? factory.Everything);
        }

        return factory.Either(parts);
    }

    /// <summary>How many texts an expression matches, up to a limit.</summary>
    public int CountUpTo(Expression? expression, int limit)
    {
        if (expression is null)
        {
            return limit;
        }

        // Paths by length; a state that comes up again on its own path makes them endless.
        var counts = new Dictionary<CharState, int>();
        var open = new HashSet<CharState>();
        return Count(Automaton(expression));

        int Count(CharState state)
        {
            if (state.IsDead)
            {
                return 0;
            }

            if (state.IsEverything || !open.Add(state))
            {
                return limit;
            }

            if (!counts.TryGetValue(state, out var count))
            {
                System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
                count = state.IsAccepting ? 1 : 0;
                for (var c = 0; c < state.Automaton.ClassCount && count < limit; c++)
                {
                    var below = Count(state.NextOfClass(c));
                    if (below > 0)
                    {
                        count = (int)Math.Min(limit, count + ((long)below * Math.Min(limit, state.Automaton.SetOf(c).Count)));
                    }
                }

                counts.Add(state, count);
            }

            open.Remove(state);
            return count;
        }
    }

    private bool Contains(StringSet set, string text) => Array.IndexOf(set.Literals, text) >= 0 || Array.Exists(set.Languages, language => Matches(language, text));
}
