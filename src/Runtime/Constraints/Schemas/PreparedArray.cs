namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>An array's items with everything worked out that does not depend on which of them were written.</summary>
internal sealed class PreparedArray
{
    private readonly StringAlgebra _strings;
    private readonly Func<Term, Shape> _shapeOf;
    private readonly ContainsRule? _rule;
    private int? _most;

    public PreparedArray(ArrayShape shape, StringAlgebra strings, Terms terms, Func<Term, Shape> shapeOf)
    {
        _strings = strings;
        _shapeOf = shapeOf;
        if (shape.Contains.Length > 1)
        {
            throw new ConstraintException("several 'contains' for one array cannot be enforced", keyword: "contains");
        }

        _rule = shape.Contains.FirstOrDefault();
        if (_rule is { Most: < ArrayShape.Unlimited } && shape.Prefix.Length > 0)
        {
            throw new ConstraintException("'maxContains', or the opposite of 'contains', beside items of a place of their own cannot be enforced", keyword: "contains");
        }

        IsUnique = shape.IsUnique && shape.Most > 1;
        if (IsUnique && (shape.Prefix.Length > 0 || !IsOfTexts(shapeOf(shape.Rest))))
        {
            throw new ConstraintException("'uniqueItems' is enforced for arrays of strings; for other items it cannot be", keyword: "uniqueItems");
        }

        if (IsUnique && _rule is not null)
        {
            throw new ConstraintException("'uniqueItems' beside 'contains' cannot be enforced", keyword: "uniqueItems");
        }

        Shape = shape;

        // Places before those that a rule looks at have values of their own.
        var places = Math.Max(shape.Prefix.Length, _rule?.From ?? 0);
        Prefix = [.. Enumerable.Range(0, places).Select(i => Choices(shape.TermAt(i), i))];
        Rest = Choices(shape.Rest, places);

        ValueChoice[] Choices(Term term, int place)
            => _rule is null || place < _rule.From ? [new ValueChoice(term, 0)]
                : [new ValueChoice(terms.And(term, _rule.Term), 1), new ValueChoice(_rule.Most < ArrayShape.Unlimited ? terms.And(term, terms.Not(_rule.Term)) : term, 0)];
    }

    public ArrayShape Shape { get; }

    /// <summary>Whether no two items, all of them strings, may be equal.</summary>
    public bool IsUnique { get; }

    /// <summary>Of each place of the prefix the values that its item may have; one that counts for <c>contains</c> meets bit 0.</summary>
    public ValueChoice[][] Prefix { get; }

    /// <summary>Likewise of the items behind it.</summary>
    public ValueChoice[] Rest { get; }

    /// <summary>Every term that an item may have to fit.</summary>
    public IEnumerable<Term> Values => Prefix.Append(Rest).SelectMany(choices => choices).Select(choice => choice.Value);

    /// <summary>The most items that can be written. Known once all terms are.</summary>
    public int Most => _most ??= FindMost();

    /// <summary>Whether any array can be written, as far as it is known of which terms there are values.</summary>
    public bool HasValue()
    {
        _most = null;
        var has = CanComplete(0, 0);
        _most = null;
        return has;
    }

    public ValueChoice[] At(int index) => index < Prefix.Length ? Prefix[index] : Rest;

    /// <summary>Whether an array of some items can be completed.</summary>
    /// <param name="index">Items written.</param>
    /// <param name="counted">Those of them that count for <c>contains</c>.</param>
    public bool CanComplete(int index, int counted)
    {
        if (index > Most || Shape.Least > Most)
        {
            return false;
        }

        if (_rule is null)
        {
            return true;
        }

        if (counted > _rule.Most || counted + Countable(index) < _rule.Least)
        {
            return false;
        }

        // Where every item must count, they must not become too many before there are enough.
        return _rule.Most == ArrayShape.Unlimited || CanWriteUncounted || counted + Math.Max(0, Shape.Least - index) <= _rule.Most;
    }

    /// <summary>Whether an array may end after some items.</summary>
    public bool CanEnd(int index, int counted) => index >= Shape.Least && (_rule is null || (counted >= _rule.Least && counted <= _rule.Most));

    /// <summary>A count that behaves alike.</summary>
    public (int Index, int Counted) Normalize(int index, int counted) => (
        Most == ArrayShape.Unlimited ? Math.Min(index, Math.Max(Prefix.Length, Math.Max(Shape.Least, _rule?.From ?? 0))) : index,
        _rule is null ? 0 : _rule.Most == ArrayShape.Unlimited ? Math.Min(counted, _rule.Least) : counted);

    private bool CanWriteUncounted => Array.Exists(Rest, choice => choice.Meets == 0 && choice.Value.IsInhabited);

    private long Countable(int index)
    {
        var count = 0L;
        for (var i = index; i < Math.Min(Prefix.Length, Most); i++)
        {
            count += Counts(Prefix[i]) ? 1 : 0;
        }

        return Counts(Rest) ? count + Math.Max(0, (long)Most - Math.Max(index, Math.Max(Prefix.Length, _rule!.From))) : count;

        static bool Counts(ValueChoice[] choices) => Array.Exists(choices, choice => choice.Meets != 0 && choice.Value.IsInhabited);
    }

    private int FindMost()
    {
        for (var i = 0; i < Prefix.Length; i++)
        {
            if (!PreparedObject.CanWrite(Prefix[i]))
            {
                return Math.Min(Shape.Most, i);
            }
        }

        return !PreparedObject.CanWrite(Rest) ? Math.Min(Shape.Most, Prefix.Length) : IsUnique ? Math.Min(Shape.Most, CountTexts()) : Shape.Most;
    }

    // How many different texts there are.
    private int CountTexts()
    {
        const int Many = 1 << 20;
        var set = _shapeOf(Shape.Rest).Strings;
        if (set.Languages.Length == 0)
        {
            return set.Literals.Length;
        }

        var count = _strings.CountUpTo(_strings.ToExpression(set), Many);
        return count == Many ? ArrayShape.Unlimited : count;
    }

    private static bool IsOfTexts(Shape shape) => shape is { Null: false, True: false, False: false, Numbers.Length: 0, Arrays.Length: 0, Objects.Length: 0 };
}
