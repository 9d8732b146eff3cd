using System.Runtime.CompilerServices;

namespace Hearth.Runtime.Constraints.Automata;

/// <summary>Makes expressions in a normal form, equal ones once, and their derivatives.</summary>
/// <remarks>Bounded: beyond a number of expressions it throws. Not thread-safe.</remarks>
internal sealed partial class ExpressionFactory
{
    /// <summary>Expressions that one factory makes at most, some hundred bytes each.</summary>
    public const int MostExpressions = 400_000;

    // Of a large alphabet there are far more derivatives than expressions; they can be made again.
    private const int MostDerivatives = 1_000_000;

    private readonly Dictionary<Key, Expression> _known = [];
    private readonly Dictionary<(Expression, int), Expression> _derivatives = [];

    public ExpressionFactory()
    {
        Nothing = Intern(ExpressionKind.Nothing, null, [], 0, 0);
        Empty = Intern(ExpressionKind.Empty, null, [], 0, 0);
        Any = Intern(ExpressionKind.Set, CharSet.Any, [], 0, 0);
        Everything = Intern(ExpressionKind.Repeat, null, [Any], 0, Expression.Unlimited);
    }

    /// <summary>Expressions made so far.</summary>
    public int Count => _known.Count;

    /// <summary>Matches no text.</summary>
    public Expression Nothing { get; }

    /// <summary>Matches the empty text.</summary>
    public Expression Empty { get; }

    /// <summary>Matches any one character.</summary>
    public Expression Any { get; }

    /// <summary>Matches every text.</summary>
    public Expression Everything { get; }

    /// <summary>One character of a set.</summary>
    public Expression Set(CharSet set) => set.IsEmpty ? Nothing : Intern(ExpressionKind.Set, set, [], 0, 0);

    /// <summary>One text, character by character.</summary>
    public Expression Literal(string text)
    {
        var result = Empty;
        for (var end = text.Length; end > 0;)
        {
            var length = end >= 2 && char.IsSurrogatePair(text[end - 2], text[end - 1]) ? 2 : 1;
            end -= length;
            result = Sequence(Set(CharSet.Of(length == 2 ? char.ConvertToUtf32(text[end], text[end + 1]) : text[end])), result);
        }

        return result;
    }

    /// <summary>Texts, as a tree of their common beginnings.</summary>
    public Expression Literals(IEnumerable<string> texts)
    {
        int[][] all = [.. texts.Select(text => text.EnumerateRunes().Select(rune => rune.Value).ToArray())];
        Array.Sort(all, static (a, b) => a.AsSpan().SequenceCompareTo(b));
        return Tree(all, 0);
    }

    private Expression Tree(ReadOnlySpan<int[]> sorted, int depth)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        var branches = new List<Expression>();
        while (sorted.Length > 0)
        {
            if (sorted[0].Length == depth)
            {
                branches.Add(Empty);
                sorted = sorted[1..];
                continue;
            }

            // A run without forks is followed in place: texts may be long.
            var count = 1;
            while (count < sorted.Length && sorted[count][depth] == sorted[0][depth])
            {
                count++;
            }

            var shared = depth + 1;
            while (sorted[0].Length > shared && sorted[count - 1].Length > shared && sorted[0][shared] == sorted[count - 1][shared])
            {
                shared++;
            }

            var rest = Tree(sorted[..count], shared);
            for (var i = shared - 1; i >= depth; i--)
            {
                rest = Sequence(Set(CharSet.Of(sorted[0][i])), rest);
            }

            branches.Add(rest);
            sorted = sorted[count..];
        }

        return Either(branches);
    }

    /// <summary>One text, then another.</summary>
    public Expression Sequence(Expression first, Expression second)
    {
        if (first == Nothing || second == Nothing)
        {
            return Nothing;
        }

        if (first == Empty)
        {
            return second;
        }

        if (second == Empty)
        {
            return first;
        }

        if (first == Everything && second == Everything)
        {
            return Everything;
        }

        if (first.Kind != ExpressionKind.Sequence)
        {
            return Intern(ExpressionKind.Sequence, null, [first, second], 0, 0);
        }

        // Sequences lean to the right; they may be long.
        var heads = new Stack<Expression>();
        for (; first.Kind == ExpressionKind.Sequence; first = first.Parts[1])
        {
            heads.Push(first.Parts[0]);
        }

        for (second = Sequence(first, second); heads.TryPop(out var head);)
        {
            second = Sequence(head, second);
        }

        return second;
    }

    /// <summary>One after another.</summary>
    public Expression Sequence(params ReadOnlySpan<Expression> parts)
    {
        var result = Empty;
        for (var i = parts.Length - 1; i >= 0; i--)
        {
            result = Sequence(parts[i], result);
        }

        return result;
    }

    /// <summary>Any of some.</summary>
    public Expression Either(params IEnumerable<Expression> parts) => Combine(ExpressionKind.Either, parts, neutral: Nothing, absorbing: Everything);

    /// <summary>All of some at once.</summary>
    public Expression All(params IEnumerable<Expression> parts) => Combine(ExpressionKind.All, parts, neutral: Everything, absorbing: Nothing);

    /// <summary>Every text that another expression does not match.</summary>
    public Expression Not(Expression part)
        => part == Nothing ? Everything : part == Everything ? Nothing : part.Kind == ExpressionKind.Not ? part.Parts[0] : Intern(ExpressionKind.Not, null, [part], 0, 0);

    /// <summary>A text some number of times.</summary>
    /// <param name="part">What is repeated.</param>
    /// <param name="least">The fewest times.</param>
    /// <param name="most">The most times; <see cref="Expression.Unlimited"/> for no limit.</param>
    public Expression Repeat(Expression part, int least, int most = Expression.Unlimited)
    {
        if (most == 0 || part == Empty)
        {
            return Empty;
        }

        if (part == Nothing)
        {
            return least == 0 ? Empty : Nothing;
        }

        if (least == 1 && most == 1)
        {
            return part;
        }

        if (part.IsNullable && part.Looks == 0)
        {
            if (most == 1)
            {
                return part;
            }

            least = 0;
        }

        // (x*)* and its kin.
        return part is { Kind: ExpressionKind.Repeat, Least: <= 1, Most: Expression.Unlimited } && (most == Expression.Unlimited || part.Least == 0)
            ? Repeat(part.Parts[0], least == 0 ? 0 : part.Least == 0 ? 0 : least)
            : Intern(ExpressionKind.Repeat, null, [part], least, most);
    }

    /// <summary>What may follow a character.</summary>
    /// <param name="expression">What matches that character with what follows.</param>
    /// <param name="character">A scalar value; results are remembered, so take one for all characters that behave alike.</param>
    public Expression Derive(Expression expression, int character)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        switch (expression.Kind)
        {
            case ExpressionKind.Nothing or ExpressionKind.Empty:
                return Nothing;
            case ExpressionKind.Set:
                return expression.Set!.Contains(character) ? Empty : Nothing;
        }

        if (_derivatives.TryGetValue((expression, character), out var known))
        {
            return known;
        }

        var parts = expression.Parts;
        var result = expression.Kind switch
        {
            ExpressionKind.Sequence => DeriveSequence(parts[0], parts[1], character),
            ExpressionKind.Either => Either(parts.Select(part => Derive(part, character))),
            ExpressionKind.All => All(parts.Select(part => Derive(part, character))),
            ExpressionKind.Not => Not(Derive(parts[0], character)),
            ExpressionKind.Look => DeriveLook(expression, character),
            _ => Sequence(Derive(parts[0], character), Less(expression)),
        };
        if (_derivatives.Count >= MostDerivatives)
        {
            _derivatives.Clear();
        }

        _derivatives.TryAdd((expression, character), result);
        return result;
    }

    // Sequences may be as long as a text: only what precedes the first part that consumes is looked at.
    private Expression DeriveSequence(Expression first, Expression rest, int character)
    {
        var result = Sequence(Derive(first, character), rest);
        if (!first.IsNullable)
        {
            return result;
        }

        var results = new List<Expression> { result };
        for (; rest.Kind == ExpressionKind.Sequence; rest = rest.Parts[1])
        {
            results.Add(Sequence(Derive(rest.Parts[0], character), rest.Parts[1]));
            if (!rest.Parts[0].IsNullable)
            {
                return Either(results);
            }
        }

        results.Add(Derive(rest, character));
        return Either(results);
    }

    /// <summary>An expression without counts that so many characters cannot use up: texts begin and end alike within them.</summary>
    /// <param name="expression">Without intersections and complements; others are returned as they are.</param>
    /// <param name="characters">At least 1.</param>
    public Expression Within(Expression expression, int characters)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (expression.IsBoolean || expression.Counts < 2)
        {
            return expression;
        }

        switch (expression.Kind)
        {
            case ExpressionKind.Sequence:
                var parts = new List<Expression>();
                for (; expression.Kind == ExpressionKind.Sequence; expression = expression.Parts[1])
                {
                    parts.Add(Within(expression.Parts[0], characters));
                }

                return Sequence([.. parts, Within(expression, characters)]);
            case ExpressionKind.Either:
                return Either(expression.Parts.Select(part => Within(part, characters)));
            case ExpressionKind.Repeat:
                // Each time takes its characters, and the last may only have begun.
                var times = (characters / Math.Max(1, expression.Parts[0].Shortest)) + 1;
                return Repeat(Within(expression.Parts[0], characters), Math.Min(expression.Least, times + 1), expression.Most > times ? Expression.Unlimited : expression.Most);
            default:
                return expression;
        }
    }

    private Expression Less(Expression repeat)
        => Repeat(repeat.Parts[0], Math.Max(repeat.Least - 1, 0), repeat.Most == Expression.Unlimited ? Expression.Unlimited : repeat.Most - 1);

    private Expression Combine(ExpressionKind kind, IEnumerable<Expression> parts, Expression neutral, Expression absorbing)
    {
        var flat = new List<Expression>();
        CharSet? sets = null;
        foreach (var part in parts)
        {
            if (part == absorbing)
            {
                return absorbing;
            }

            if (part.Kind == kind)
            {
                foreach (var inner in part.Parts)
                {
                    Take(inner);
                }
            }
            else
            {
                Take(part);
            }
        }

        if (sets is not null)
        {
            var set = Set(sets);
            if (set == absorbing)
            {
                return absorbing;
            }

            if (set != neutral)
            {
                flat.Add(set);
            }
        }

        flat.Sort(static (a, b) => a.Id.CompareTo(b.Id));
        var distinct = 0;
        for (var i = 0; i < flat.Count; i++)
        {
            if (i == 0 || flat[i] != flat[i - 1])
            {
                flat[distinct++] = flat[i];
            }
        }

        flat.RemoveRange(distinct, flat.Count - distinct);
        if (kind == ExpressionKind.All && flat.Contains(Empty) && flat.TrueForAll(part => part.Looks == 0))
        {
            return flat.TrueForAll(part => part.IsNullable) ? Empty : Nothing;
        }

        return flat.Count == 0 ? neutral : flat.Count == 1 ? flat[0] : Intern(kind, null, [.. flat], 0, 0);

        void Take(Expression part)
        {
            if (part.Kind == ExpressionKind.Set)
            {
                sets = sets is null ? part.Set : kind == ExpressionKind.Either ? sets.Union(part.Set!) : sets.Intersect(part.Set!);
            }
            else if (part != neutral)
            {
                flat.Add(part);
            }
        }
    }

    private Expression Intern(ExpressionKind kind, CharSet? set, Expression[] parts, int least, int most)
    {
        var key = new Key(kind, set, parts, least, most);
        if (_known.TryGetValue(key, out var known))
        {
            return known;
        }

        if (_known.Count >= MostExpressions)
        {
            throw new ConstraintException($"a pattern is too complex: it comes to more than {MostExpressions} expressions", keyword: "pattern");
        }

        var made = new Expression(_known.Count, kind, set, parts, least, most);
        _known.Add(key, made);
        return made;
    }

    private readonly struct Key(ExpressionKind kind, CharSet? set, Expression[] parts, int least, int most) : IEquatable<Key>
    {
        private readonly ExpressionKind _kind = kind;
        private readonly CharSet? _set = set;
        private readonly Expression[] _parts = parts;
        private readonly int _least = least;
        private readonly int _most = most;

        public bool Equals(Key other)
            => _kind == other._kind && _least == other._least && _most == other._most && Equals(_set, other._set) && _parts.AsSpan().SequenceEqual(other._parts);

        public override bool Equals(object? obj) => obj is Key other && Equals(other);

        public override int GetHashCode()
        {
            var hash = new HashCode();
            hash.Add(_kind);
            hash.Add(_set);
            hash.Add(_least);
            hash.Add(_most);
            foreach (var part in _parts)
            {
                hash.Add(part.Id);
            }

            return hash.ToHashCode();
        }
    }
}
