using System.Runtime.CompilerServices;

namespace Hearth.Runtime.Constraints.Automata;

/// <summary>Conditions on what precedes and follows a place in a text.</summary>
/// <remarks>
/// An Ahead is a demand on the rest of the text, so its derivative is an intersection with what may follow anyway; a
/// Behind holds or not, which the derivatives of the expressions of what precedes tell. Intersections are kept in
/// disjunctive form with the redundant alternatives taken out, or else repeated conditions would nest without end.
/// Source: M. Moseley et al., "Derivative Based Nonbacktracking Real-World Regex Matching with Backtracking Semantics",
/// 2023; I. E. Varatalu et al., "RE#: High Performance Derivative-Based Regex Matching with Intersection, Complement,
/// and Restricted Lookarounds", 2025.
/// </remarks>
internal sealed partial class ExpressionFactory
{
    /// <summary>Conditions on what precedes, in one expression.</summary>
    public const int MostBehinds = 31;

    /// <summary>Matches the empty text where all that follows, up to the end, matches an expression.</summary>
    public Expression Ahead(Expression rest)
        => rest == Everything ? Empty : rest == Nothing ? Nothing : Intern(ExpressionKind.Ahead, null, [rest], 0, 0);

    /// <summary>Matches the empty text where all that precedes matches an expression.</summary>
    /// <param name="number">The place of that expression among those given to <see cref="Look"/>, below <see cref="MostBehinds"/>.</param>
    public Expression Behind(int number) => Intern(ExpressionKind.Behind, null, [], number, 0);

    /// <summary>The whole texts that an expression matches which has Ahead and Behind in it.</summary>
    /// <param name="core">The expression.</param>
    /// <param name="behinds">What the numbers of Behind stand for; without conditions that are not within a Look of their own.</param>
    public Expression Look(Expression core, IReadOnlyList<Expression> behinds)
    {
        if (core is { Kind: ExpressionKind.Sequence } && core.Parts[0] is { Kind: ExpressionKind.Ahead } first && first.Parts[0].Looks == 0)
        {
            return All(first.Parts[0], Look(core.Parts[1], behinds));
        }

        return MakeLook(core, [.. behinds]);
    }

    private Expression MakeLook(Expression core, Expression[] behinds)
    {
        if (core.Looks == 0)
        {
            return core;
        }

        for (var i = 0; i < behinds.Length; i++)
        {
            if ((core.Looks >> i & 1) == 0)
            {
                behinds[i] = Nothing;
            }
        }

        return Intern(ExpressionKind.Look, null, [core, .. behinds], IsNullable(core, behinds) ? 1 : 0, 0);
    }

    private Expression DeriveLook(Expression look, int character)
    {
        var behinds = look.Parts[1..];
        var core = DeriveCore(look.Parts[0], behinds, character);
        return MakeLook(core, Array.ConvertAll(behinds, behind => Derive(behind, character)));
    }

    private static bool IsNullable(Expression core, Expression[] behinds)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return core.Looks == 0 ? core.IsNullable : core.Kind switch
        {
            ExpressionKind.Sequence or ExpressionKind.All => Array.TrueForAll(core.Parts, part => IsNullable(part, behinds)),
            ExpressionKind.Either => Array.Exists(core.Parts, part => IsNullable(part, behinds)),
            ExpressionKind.Not => !IsNullable(core.Parts[0], behinds),
            ExpressionKind.Repeat => core.Least == 0 || IsNullable(core.Parts[0], behinds),
            ExpressionKind.Ahead => IsNullable(core.Parts[0], behinds),
            _ => behinds[core.Least].IsNullable,
        };
    }

    // Of what matches up to the end of the text.
    private Expression DeriveCore(Expression core, Expression[] behinds, int character)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return core.Looks == 0 ? Derive(core, character) : core.Kind switch
        {
            ExpressionKind.Either => AnyOf([.. core.Parts.Select(part => DeriveCore(part, behinds, character))]),
            ExpressionKind.All => core.Parts.Aggregate(Everything, (all, part) => Both(all, DeriveCore(part, behinds, character))),
            ExpressionKind.Not => Not(DeriveCore(core.Parts[0], behinds, character)),
            _ => Consume(core, Empty, behinds, character),
        };
    }

    // What follows where a part reads the character, and the rest comes after that part.
    private Expression Consume(Expression part, Expression rest, Expression[] behinds, int character)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (part.Looks == 0)
        {
            return Sequence(Derive(part, character), rest);
        }

        var parts = part.Parts;
        switch (part.Kind)
        {
            case ExpressionKind.Sequence:
                var first = Consume(parts[0], Sequence(parts[1], rest), behinds, character);
                var passed = Pass(parts[0], behinds);
                return passed == Nothing
                    ? first
                    : AnyOf([first, Both(Consume(parts[1], rest, behinds, character), DeriveCore(passed, behinds, character))]);
            case ExpressionKind.Either:
                return AnyOf([.. parts.Select(choice => Consume(choice, rest, behinds, character))]);
            case ExpressionKind.Repeat:
                var read = Consume(parts[0], Sequence(Less(part), rest), behinds, character);
                var free = part.Least > 1 ? Pass(parts[0], behinds) : Nothing;
                if (free == Nothing)
                {
                    return read;
                }

                // Times that must be can pass without a character.
                var optional = Repeat(parts[0], 0, part.Most == Expression.Unlimited ? Expression.Unlimited : part.Most - 1);
                return AnyOf([read, Both(Consume(parts[0], Sequence(optional, rest), behinds, character), DeriveCore(free, behinds, character))]);
            default:
                return Nothing;
        }
    }

    // What must hold of all that follows for a part to match the empty text here.
    private Expression Pass(Expression part, Expression[] behinds)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (part.Looks == 0)
        {
            return part.IsNullable ? Everything : Nothing;
        }

        return part.Kind switch
        {
            ExpressionKind.Sequence => All(part.Parts.Select(one => Pass(one, behinds))),
            ExpressionKind.Either => Either(part.Parts.Select(one => Pass(one, behinds))),
            ExpressionKind.Repeat => part.Least == 0 ? Everything : Pass(part.Parts[0], behinds),
            ExpressionKind.Ahead => part.Parts[0],
            _ => behinds[part.Least].IsNullable ? Everything : Nothing,
        };
    }

    private Expression Both(Expression first, Expression second)
    {
        if (first.Kind != ExpressionKind.Either && second.Kind == ExpressionKind.Either && second.Looks != 0)
        {
            (first, second) = (second, first);
        }

        return first.Kind == ExpressionKind.Either ? AnyOf([.. first.Parts.Select(choice => All(choice, second))]) : All(first, second);
    }

    // An alternative that asks all that another asks, and more, adds nothing.
    private Expression AnyOf(Expression[] choices)
    {
        var any = Either(choices);
        if (any.Kind != ExpressionKind.Either || !Array.Exists(any.Parts, part => part.Kind == ExpressionKind.All))
        {
            return any;
        }

        return Either(any.Parts.Where(part => part.Kind != ExpressionKind.All || !Array.Exists(any.Parts, other => other != part && Asks(part, other))));

        static bool Asks(Expression all, Expression other)
            => other.Kind == ExpressionKind.All ? Array.TrueForAll(other.Parts, one => all.Parts.Contains(one)) : all.Parts.Contains(other);
    }
}
