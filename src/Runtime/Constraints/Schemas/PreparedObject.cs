using Hearth.Runtime.Constraints.Automata;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>A value that a member or an item may have, and which needs it meets then.</summary>
/// <param name="Value">What it must be.</param>
/// <param name="Meets">Bits of needs.</param>
internal readonly record struct ValueChoice(Term Value, ulong Meets);

/// <summary>An object's members with everything worked out that does not depend on which of them were written.</summary>
internal sealed class PreparedObject
{
    /// <summary>Needs that one object may have.</summary>
    private const int MostNeeds = 63;

    /// <summary>Needs for values that one member may meet.</summary>
    private const int MostValueNeeds = 3;

    /// <summary>Texts of a language up to which they are counted.</summary>
    private const int MostCounted = 1 << 20;

    private readonly StringAlgebra _strings;
    private readonly Terms _terms;

    public PreparedObject(ObjectShape shape, StringAlgebra strings, Terms terms, ShapeAlgebra algebra)
    {
        _strings = strings;
        _terms = terms;
        Shape = shape;
        if (shape.Needs.Length > MostNeeds)
        {
            throw new ConstraintException($"more than {MostNeeds} members that are not among 'properties' must be there", keyword: "required");
        }

        if (shape.Most < ObjectShape.Unlimited && Array.Exists(shape.Needs, need => need.Name is null))
        {
            throw new ConstraintException("a limit of members beside one that must be there under any name cannot be enforced", keyword: "maxProperties");
        }

        AllNeeds = (1UL << shape.Needs.Length) - 1;
        Properties = [.. shape.Properties.Select(property => Choices(property.Value, NeedsOf(property.Name)))];
        Named = [.. Enumerable.Range(0, shape.Needs.Length)
            .Where(i => shape.Needs[i].Name is not null)
            .Select(i => (shape.Needs[i].Name!, Choices(algebra.ValueOf(shape, shape.Needs[i].Name!), NeedsOf(shape.Needs[i].Name!))))];
        HiddenNames = [.. shape.Properties.Select(property => property.Name), .. Named.Select(named => named.Name)];
        var outside = Outside(HiddenNames);
        Others = [.. shape.Others.SelectMany(Split).Where(rule => rule.Keys is null || outside is null || strings.IsInhabited(strings.Both(rule.Keys, outside)))];
        foreach (var (keys, values) in Others)
        {
            // Few names could all be used up by members that do not meet the need.
            if (values.Length > 1 && keys is not null && strings.CountUpTo(strings.Both(keys, outside), MostCounted) < MostCounted)
            {
                throw new ConstraintException("a member that must be there, with a value of some kind under one of few names, cannot be enforced", keyword: "patternProperties");
            }
        }
    }

    public ObjectShape Shape { get; }

    /// <summary>A bit for each need.</summary>
    public ulong AllNeeds { get; }

    /// <summary>Of each named member its values.</summary>
    public ValueChoice[][] Properties { get; }

    /// <summary>Members that must be there though they are not among the named ones.</summary>
    public (string Name, ValueChoice[] Values)[] Named { get; }

    /// <summary>Members of other names, by languages that do not overlap; null: every name. The names of <see cref="HiddenNames"/> are not left out yet.</summary>
    public (Expression? Keys, ValueChoice[] Values)[] Others { get; }

    /// <summary>Names that have places of their own.</summary>
    public string[] HiddenNames { get; }

    /// <summary>Members of other names that can be written; <see cref="ObjectShape.Unlimited"/> where nothing bounds them. Known once all terms are.</summary>
    public int OtherCapacity => _otherCapacity ??= CountOthers();

    private int? _otherCapacity;
    private int[]? _firstRequired;
    private (long Fewest, long Most)[]? _namedFrom;

    /// <summary>Every term that a value may have to fit.</summary>
    public IEnumerable<Term> Values => Properties.Concat(Named.Select(named => named.Values)).Concat(Others.Select(rule => rule.Values)).SelectMany(choices => choices).Select(choice => choice.Value);

    /// <summary>Whether a value can be written for any of some choices.</summary>
    public static bool CanWrite(ValueChoice[] choices) => Array.Exists(choices, choice => choice.Value.IsInhabited);

    /// <summary>Has members counted again: more may be known of which terms there are values.</summary>
    public void ForgetCounts()
    {
        _otherCapacity = null;
        _namedFrom = null;
    }

    /// <summary>The first named member from a place on that must be there, or their number.</summary>
    public int FirstRequired(int next)
    {
        if (_firstRequired is null)
        {
            var first = new int[Properties.Length + 1];
            first[^1] = Properties.Length;
            for (var i = Properties.Length - 1; i >= 0; i--)
            {
                first[i] = Shape.Properties[i].IsRequired ? i : first[i + 1];
            }

            _firstRequired = first;
        }

        return _firstRequired[next];
    }

    /// <summary>How many named members from a place on must and can be written; the most is below 0 where one must that cannot.</summary>
    public (long Fewest, long Most) NamedFrom(int next)
    {
        if (_namedFrom is null)
        {
            var counts = new (long Fewest, long Most)[Properties.Length + 1];
            for (var i = Properties.Length - 1; i >= 0; i--)
            {
                var (fewest, most) = counts[i + 1];
                var (required, possible) = (Shape.Properties[i].IsRequired, CanWrite(Properties[i]));
                counts[i] = (fewest + (required ? 1 : 0), most < 0 || (required && !possible) ? -1 : most + (possible ? 1 : 0));
            }

            _namedFrom = counts;
        }

        return _namedFrom[next];
    }

    private int CountOthers()
    {
        var count = 0L;
        foreach (var (keys, values) in Others)
        {
            if (CanWrite(values))
            {
                count += keys is null ? MostCounted : _strings.CountUpTo(_strings.Both(keys, Outside(HiddenNames)), MostCounted);
            }
        }

        return count >= MostCounted ? ObjectShape.Unlimited : (int)count;
    }

    /// <summary>Every name but some; null: every name.</summary>
    public Expression? Outside(IReadOnlyCollection<string> names) => names.Count == 0 ? null : _strings.Factory.Not(_strings.Factory.Literals(names));

    private ulong NeedsOf(string name)
    {
        var needs = 0UL;
        for (var i = 0; i < Shape.Needs.Length; i++)
        {
            var need = Shape.Needs[i];
            if (need.Name is null ? need.Keys is null || _strings.Matches(need.Keys, name) : need.Name == name)
            {
                needs |= 1UL << i;
            }
        }

        return needs;
    }

    // A language of names is split by the needs that its names may meet.
    private IEnumerable<(Expression? Keys, ValueChoice[] Values)> Split(KeyRule rule)
    {
        var parts = new List<(Expression? Keys, ulong Needs)> { (rule.Keys, 0) };
        for (var i = 0; i < Shape.Needs.Length; i++)
        {
            var need = Shape.Needs[i];
            if (need.Name is not null)
            {
                continue;
            }

            parts = [.. parts.SelectMany(part => new (Expression? Keys, ulong Needs)[]
            {
                (_strings.Both(part.Keys, need.Keys), part.Needs | (1UL << i)),
                (need.Keys is null ? _strings.Factory.Nothing : _strings.Both(part.Keys, _strings.Outside(need.Keys)), part.Needs),
            }).Where(part => _strings.IsInhabited(part.Keys))];
        }

        return parts.Select(part => (part.Keys, Choices(rule.Value, part.Needs)));
    }

    private ValueChoice[] Choices(Term value, ulong needs)
    {
        var always = 0UL;
        var sometimes = new List<int>();
        for (var i = 0; i < Shape.Needs.Length; i++)
        {
            if ((needs >> i & 1) == 0)
            {
                continue;
            }

            if (Shape.Needs[i].Value.IsAny)
            {
                always |= 1UL << i;
            }
            else if (Shape.Needs[i].Name is not null)
            {
                // Named, it is this member or none.
                always |= 1UL << i;
                value = _terms.And(value, Shape.Needs[i].Value);
            }
            else
            {
                sometimes.Add(i);
            }
        }

        if (sometimes.Count > MostValueNeeds)
        {
            throw new ConstraintException($"more than {MostValueNeeds} kinds of members must be there under any name");
        }

        var choices = new ValueChoice[1 << sometimes.Count];
        for (var subset = 0; subset < choices.Length; subset++)
        {
            var choice = new ValueChoice(value, always);
            for (var i = 0; i < sometimes.Count; i++)
            {
                if ((subset >> i & 1) != 0)
                {
                    choice = new ValueChoice(_terms.And(choice.Value, Shape.Needs[sometimes[i]].Value), choice.Meets | (1UL << sometimes[i]));
                }
            }

            choices[subset] = choice;
        }

        return choices;
    }
}
