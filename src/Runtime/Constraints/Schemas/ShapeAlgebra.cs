using System.Runtime.CompilerServices;
using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Numbers;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>Intersections, unions and complements of shapes.</summary>
/// <remarks>
/// Alternatives that can be seen to be empty are dropped; the rest of emptiness is found out once all shapes are known.
/// Bounded: a shape of too many alternatives is refused, never approximated.
/// </remarks>
/// <param name="strings">Of texts and names.</param>
/// <param name="terms">Of members and items.</param>
/// <param name="peek">What a term allows; null where that is being found out just now.</param>
internal sealed class ShapeAlgebra(StringAlgebra strings, Terms terms, Func<Term, Shape?> peek)
{
    /// <summary>Alternatives that arrays or objects of one shape may come to.</summary>
    public const int MostAlternatives = 400;

    /// <summary>Numbers, or ranges of them, that one shape may come to.</summary>
    public const int MostNumbers = 2000;

    /// <summary>Members and items that are combined in one schema, each time that they are: far more than schemas that people write come to, in a second or so.</summary>
    private const int MostWork = 1_000_000;

    /// <summary>Levels of members that are looked at to see that two shapes have no value in common.</summary>
    private const int LookDepth = 2;

    private static readonly ArrayShape[] s_anyArray = [ArrayShape.Any];
    private static readonly ObjectShape[] s_anyObject = [ObjectShape.Any];

    private int _work;

    public Shape Intersect(Shape a, Shape b)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        return ReferenceEquals(a, Shape.Any) ? b : ReferenceEquals(b, Shape.Any) ? a : new Shape
        {
            Null = a.Null && b.Null,
            True = a.True && b.True,
            False = a.False && b.False,
            Numbers = Intersect(a.Numbers, b.Numbers),
            Strings = strings.Intersect(a.Strings, b.Strings),
            Arrays = Intersect(a.Arrays, b.Arrays, Intersect, IsEmpty),
            Objects = Intersect(a.Objects, b.Objects, Intersect, IsEmpty),
        };
    }

    public Shape Union(Shape a, Shape b) => new()
    {
        Null = a.Null || b.Null,
        True = a.True || b.True,
        False = a.False || b.False,
        Numbers = a.Numbers.Concat(b.Numbers).Any(range => range.IsAll) ? [NumberRange.All] : [.. a.Numbers.Union(b.Numbers)],
        Strings = strings.Union(a.Strings, b.Strings),
        Arrays = Bounded([.. a.Arrays, .. b.Arrays], static array => array.IsAny, s_anyArray),
        Objects = Bounded([.. a.Objects, .. b.Objects], static one => one.IsAny, s_anyObject),
    };

    public Shape Complement(Shape shape) => Subtract(Shape.Any, shape);

    /// <summary>What is in the first and not in the second.</summary>
    public Shape Subtract(Shape a, Shape b) => new()
    {
        Null = a.Null && !b.Null,
        True = a.True && !b.True,
        False = a.False && !b.False,
        Numbers = b.Numbers.Aggregate(a.Numbers, (left, range) => Intersect(left, [.. range.Complement().Where(static rest => rest.IsInhabited())])),
        Strings = b.Strings.IsNone ? a.Strings : strings.Intersect(a.Strings, strings.Complement(b.Strings)),
        Arrays = Subtract(a.Arrays, b.Arrays, Intersect, IsEmpty, Complement),
        Objects = Subtract(a.Objects, b.Objects, Intersect, IsEmpty, Complement),
    };

    /// <summary>Whether a shape can be seen to have no value.</summary>
    public bool IsCertainlyEmpty(Shape shape, int depth)
        => !shape.Null && !shape.True && !shape.False && shape.Numbers.Length == 0 && !strings.IsInhabited(shape.Strings)
            && Array.TrueForAll(shape.Arrays, array => IsCertainlyEmpty(array, depth))
            && Array.TrueForAll(shape.Objects, one => IsCertainlyEmpty(one, depth));

    private static NumberRange[] Intersect(NumberRange[] a, NumberRange[] b)
    {
        if (a is [{ IsAll: true }])
        {
            return b;
        }

        if (b is [{ IsAll: true }])
        {
            return a;
        }

        var result = new List<NumberRange>();
        foreach (var x in a)
        {
            foreach (var y in b)
            {
                var both = x.Intersect(y);
                if (both.IsInhabited())
                {
                    result.Add(both);
                }
            }

            if (result.Count > MostNumbers)
            {
                throw new ConstraintException($"combinations of subschemas come to more than {MostNumbers} ranges of numbers");
            }
        }

        return [.. result];
    }

    // Alternatives of arrays and of objects.
    private static T[] Intersect<T>(T[] a, T[] b, Func<T, T, T> both, Func<T, bool> isEmpty)
        where T : IAlternative
    {
        if (a.Length == 0 || IsAny(b))
        {
            return a;
        }

        if (b.Length == 0 || IsAny(a))
        {
            return b;
        }

        var result = new List<T>();
        foreach (var x in a)
        {
            foreach (var y in b)
            {
                Add(result, both(x, y), isEmpty);
            }
        }

        return [.. result];
    }

    private static bool IsAny<T>(T[] alternatives)
        where T : IAlternative
        => alternatives.Length == 1 && alternatives[0].IsAny;

    private static T[] Subtract<T>(T[] a, T[] b, Func<T, T, T> both, Func<T, bool> isEmpty, Func<T, T[]> complement)
        where T : IAlternative
    {
        foreach (var other in b)
        {
            if (a.Length == 0)
            {
                break;
            }

            if (other.IsAny)
            {
                return [];
            }

            a = [.. a.SelectMany(one => isEmpty(both(one, other)) ? [one] : Intersect([one], complement(other), both, isEmpty))];
            CheckCount(a.Length);
        }

        return a;
    }

    private ArrayShape Intersect(ArrayShape a, ArrayShape b)
    {
        Spend(a.Prefix.Length + b.Prefix.Length + 1);
        return new ArrayShape
        {
            Prefix = [.. Enumerable.Range(0, Math.Max(a.Prefix.Length, b.Prefix.Length)).Select(i => terms.And(a.TermAt(i), b.TermAt(i)))],
            Rest = terms.And(a.Rest, b.Rest),
            Least = Math.Max(a.Least, b.Least),
            Most = Math.Min(a.Most, b.Most),
            Contains = [.. a.Contains.Union(b.Contains)],
            IsUnique = a.IsUnique || b.IsUnique,
        };
    }

    private ArrayShape[] Complement(ArrayShape array)
    {
        if (array.IsUnique)
        {
            throw new ConstraintException("the opposite of 'uniqueItems' cannot be enforced", keyword: "uniqueItems");
        }

        var result = new List<ArrayShape>();
        var anything = Terms.Anything;
        if (array.Least > 0)
        {
            result.Add(ArrayShape.Any with { Most = array.Least - 1 });
        }

        if (array.Most < ArrayShape.Unlimited)
        {
            result.Add(ArrayShape.Any with { Least = array.Most + 1 });
        }

        for (var i = 0; i < array.Prefix.Length; i++)
        {
            if (!array.Prefix[i].IsAny)
            {
                result.Add(ArrayShape.Any with { Prefix = [.. Enumerable.Repeat(anything, i), terms.Not(array.Prefix[i])], Least = i + 1 });
            }
        }

        if (!array.Rest.IsAny)
        {
            result.Add(ArrayShape.Any with { Contains = [new ContainsRule(terms.Not(array.Rest), 1, ArrayShape.Unlimited, array.Prefix.Length)] });
        }

        foreach (var rule in array.Contains)
        {
            if (rule.Least > 0)
            {
                result.Add(ArrayShape.Any with { Contains = [rule with { Least = 0, Most = rule.Least - 1 }] });
            }

            if (rule.Most < ArrayShape.Unlimited)
            {
                result.Add(ArrayShape.Any with { Contains = [rule with { Least = rule.Most + 1, Most = ArrayShape.Unlimited }] });
            }
        }

        return [.. result];
    }

    private bool IsEmpty(ArrayShape array) => IsCertainlyEmpty(array, LookDepth);

    private bool IsEmpty(ObjectShape one) => IsCertainlyEmpty(one, LookDepth);

    private bool IsCertainlyEmpty(ArrayShape array, int depth)
    {
        if (array.Least > array.Most)
        {
            return true;
        }

        for (var i = 0; depth > 0 && i < Math.Min(array.Least, array.Prefix.Length + 1); i++)
        {
            if (IsCertainlyEmpty(array.TermAt(i), depth - 1))
            {
                return true;
            }
        }

        return false;
    }

    // Objects.
    private ObjectShape Intersect(ObjectShape a, ObjectShape b)
    {
        Spend(a.Properties.Length + b.Properties.Length + 1);
        var properties = new List<PropertyRule>(a.Properties.Length + b.Properties.Length);
        var ofB = b.Properties.ToDictionary(property => property.Name, StringComparer.Ordinal);
        foreach (var property in a.Properties)
        {
            var other = ofB.GetValueOrDefault(property.Name);
            properties.Add(new PropertyRule(property.Name, terms.And(property.Value, other?.Value ?? ValueOf(b, property.Name)), property.IsRequired || other is { IsRequired: true }));
        }

        var ofA = a.Properties.Select(property => property.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var property in b.Properties)
        {
            if (!ofA.Contains(property.Name))
            {
                properties.Add(property with { Value = terms.And(ValueOf(a, property.Name), property.Value) });
            }
        }

        // What must be there and has become a named member is required as such.
        var needs = new List<MemberNeed>();
        foreach (var need in a.Needs.Union(b.Needs))
        {
            var place = need.Name is null ? -1 : properties.FindIndex(property => property.Name == need.Name);
            if (place >= 0)
            {
                properties[place] = properties[place] with { Value = terms.And(properties[place].Value, need.Value), IsRequired = true };
            }
            else
            {
                needs.Add(need);
            }
        }

        return new ObjectShape
        {
            Properties = [.. properties],
            Others = Intersect(a.Others, b.Others),
            Needs = [.. needs],
            Least = Math.Max(a.Least, b.Least),
            Most = Math.Min(a.Most, b.Most),
        };
    }

    private KeyRule[] Intersect(KeyRule[] a, KeyRule[] b)
    {
        var result = new List<KeyRule>();
        foreach (var x in a)
        {
            foreach (var y in b)
            {
                var keys = strings.Both(x.Keys, y.Keys);
                if (strings.IsInhabited(keys))
                {
                    result.Add(new KeyRule(keys, terms.And(x.Value, y.Value)));
                }
            }
        }

        CheckCount(result.Count);
        return [.. result];
    }

    /// <summary>What a member with a name that is not among the named ones must be; null: it is forbidden.</summary>
    public Term ValueOf(ObjectShape shape, string name)
        => Array.Find(shape.Others, rule => rule.Keys is null || strings.Matches(rule.Keys, name))?.Value ?? terms.Not(Terms.Anything);

    private ObjectShape[] Complement(ObjectShape shape)
    {
        var result = new List<ObjectShape>();
        if (shape.Least > 0)
        {
            result.Add(ObjectShape.Any with { Most = shape.Least - 1 });
        }

        if (shape.Most < ObjectShape.Unlimited)
        {
            result.Add(ObjectShape.Any with { Least = shape.Most + 1 });
        }

        var nothing = terms.Not(Terms.Anything);
        foreach (var property in shape.Properties)
        {
            if (property.IsRequired)
            {
                result.Add(ObjectShape.Any with { Properties = [new PropertyRule(property.Name, nothing, false)] });
            }

            if (!property.Value.IsAny)
            {
                result.Add(ObjectShape.Any with { Properties = [new PropertyRule(property.Name, terms.Not(property.Value), true)] });
            }
        }

        foreach (var need in shape.Needs)
        {
            result.Add(need.Name is null
                ? ObjectShape.Any with { Others = need.Keys is null ? [new KeyRule(null, terms.Not(need.Value))] : [new KeyRule(need.Keys, terms.Not(need.Value)), new KeyRule(strings.Outside(need.Keys), Terms.Anything)] }
                : ObjectShape.Any with { Properties = [new PropertyRule(need.Name, terms.Not(need.Value), false)] });
        }

        // A member with another name and a value, or a name, that is not allowed.
        Expression? named = shape.Properties.Length == 0 ? null : strings.Factory.Not(strings.Factory.Literals(shape.Properties.Select(property => property.Name)));
        Expression? covered = strings.Factory.Nothing;
        foreach (var rule in shape.Others)
        {
            covered = covered is null || rule.Keys is null ? null : strings.Factory.Either(covered, rule.Keys);
            if (!rule.Value.IsAny)
            {
                AddNeed(strings.Both(rule.Keys, named), terms.Not(rule.Value));
            }
        }

        if (covered is not null)
        {
            AddNeed(strings.Both(strings.Outside(covered), named), Terms.Anything);
        }

        return [.. result];

        void AddNeed(Expression? keys, Term value)
        {
            if (strings.IsInhabited(keys))
            {
                result.Add(ObjectShape.Any with { Needs = [new MemberNeed(null, keys, value)] });
            }
        }
    }

    private bool IsCertainlyEmpty(ObjectShape shape, int depth)
    {
        var required = 0;
        foreach (var property in shape.Properties)
        {
            if (property.IsRequired)
            {
                required++;
                if (IsCertainlyEmpty(property.Value, depth - 1))
                {
                    return true;
                }
            }
        }

        foreach (var need in shape.Needs)
        {
            if (need.Name is not null)
            {
                required++;
                if (IsCertainlyEmpty(terms.And(need.Value, ValueOf(shape, need.Name)), depth - 1))
                {
                    return true;
                }
            }
        }

        return Math.Max(required, shape.Least) > shape.Most;
    }

    private bool IsCertainlyEmpty(Term term, int depth)
    {
        if (term.IsAny)
        {
            return false;
        }

        return term.Nodes is [{ Negated.IsAny: true }]
            || (depth >= 0 && peek(term) is { } shape && IsCertainlyEmpty(shape, depth));
    }

    private void Spend(int work)
    {
        _work += work;
        if (_work > MostWork)
        {
            throw new ConstraintException("combinations of subschemas are too complex: each alternative meets too many others");
        }
    }

    private static void Add<T>(List<T> alternatives, T one, Func<T, bool> isEmpty)
    {
        if (!isEmpty(one))
        {
            alternatives.Add(one);
            CheckCount(alternatives.Count);
        }
    }

    private static T[] Bounded<T>(T[] alternatives, Predicate<T> isAny, T[] any)
    {
        CheckCount(alternatives.Length);
        return Array.Exists(alternatives, isAny) ? any : alternatives;
    }

    private static void CheckCount(int count)
    {
        if (count > MostAlternatives)
        {
            throw new ConstraintException($"combinations of subschemas come to more than {MostAlternatives} alternatives");
        }
    }
}
