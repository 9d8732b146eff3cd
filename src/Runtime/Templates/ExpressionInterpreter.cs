using System.Runtime.CompilerServices;
using System.Text;

namespace Hearth.Runtime.Templates;

internal sealed partial class Interpreter
{
    private object? Evaluate(Expression node, Activation activation)
    {
        switch (node)
        {
            case Constant constant:
                return constant.Value;
            case Name name:
                var value = activation[name.Variable];
                return ReferenceEquals(value, Activation.Missing) ? UndefinedValue.Of(name.Id) : value;
        }

        _line = node.Line;
        Charge(1);
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("maximum recursion depth exceeded");
        switch (node)
        {
            case AttributeExpression attribute:
                return Attributes.Get(Evaluate(attribute.Target, activation), attribute.Attribute);
            case IndexExpression index:
                return Index(index, activation);
            case CallExpression call:
                return EvaluateCall(call, activation, null);
            case FilterExpression filter:
                return Filter(filter, Evaluate(filter.Target!, activation), activation);
            case TestExpression test:
                return Test(test, activation);
            case CompareExpression compare:
                return Compare(compare, activation);
            case NotExpression not:
                return !Comparing.IsTrue(Evaluate(not.Operand, activation));
            case LogicalExpression logical:
                var left = Evaluate(logical.Left, activation);
                return Comparing.IsTrue(left) == logical.IsAnd ? Evaluate(logical.Right, activation) : left;
            case BinaryExpression binary:
                return Arithmetic.Apply(this, binary.Operator, Evaluate(binary.Left, activation), Evaluate(binary.Right, activation));
            case SignExpression sign:
                var operand = Evaluate(sign.Operand, activation);
                Charge(Arithmetic.SizeOf(operand) / 8);
                return sign.IsNegative ? Arithmetic.Negate(operand) : Arithmetic.Plus(operand);
            case ConcatExpression concat:
                return Concat(concat, activation);
            case ConditionalExpression conditional:
                return Conditional(conditional, activation);
            case ListExpression list:
                return new ListValue(list.Items.ConvertAll(i => Evaluate(i, activation)));
            case TupleExpression tuple:
                return new TupleValue([.. tuple.Items.Select(i => Evaluate(i, activation))]);
            case MapExpression map:
                return Map(map, activation);
            default:
                throw new InvalidOperationException($"no expression {node.GetType().Name}");
        }
    }

    private MapValue Map(MapExpression node, Activation activation)
    {
        var map = new MapValue();
        foreach (var (key, value) in node.Items)
        {
            var k = Evaluate(key, activation);
            map.Set(k, Evaluate(value, activation), this);
        }

        return map;
    }

    private object? Index(IndexExpression node, Activation activation)
    {
        var target = Evaluate(node.Target, activation);
        if (node.Index is not SliceExpression slice)
            return Attributes.GetItem(this, target, Evaluate(node.Index, activation));
        var start = Bound(slice.Start);
        var stop = Bound(slice.Stop);
        return Sequences.Slice(this, target, start, stop, Bound(slice.Step));

        object? Bound(Expression? bound) => bound is null ? null : Evaluate(bound, activation);
    }

    private object? Conditional(ConditionalExpression node, Activation activation)
    {
        if (Comparing.IsTrue(Evaluate(node.Test, activation)))
            return Evaluate(node.Then, activation);
        return node.Otherwise is not null
            ? Evaluate(node.Otherwise, activation)
            : new UndefinedValue($"the inline if-expression on line {node.Line} evaluated to false and no else section was defined.");
    }

    private object Concat(ConcatExpression node, Activation activation)
    {
        var values = node.Parts.ConvertAll(p => Evaluate(p, activation));
        var marked = Autoescape && values.Exists(v => v is MarkupValue);
        var text = new StringBuilder();
        foreach (var value in values)
        {
            var part = marked ? Html.Escape(this, value).Text : Representation.Str(this, value);
            ChargeText((long)text.Length + part.Length, part.Length);
            text.Append(part);
        }

        return marked ? new MarkupValue(text.ToString()) : text.ToString();
    }

    private bool Compare(CompareExpression node, Activation activation)
    {
        var left = Evaluate(node.First, activation);
        foreach (var (op, operand) in node.Rest)
        {
            var right = Evaluate(operand, activation);
            if (!Compare(op, left, right))
                return false;
            left = right;
        }

        return true;
    }

    private bool Compare(Comparison op, object? left, object? right) => op switch
    {
        Comparison.Equal => Comparing.AreEqual(left, right, this),
        Comparison.NotEqual => !Comparing.AreEqual(left, right, this),
        Comparison.In => Comparing.Contains(this, right, left),
        Comparison.NotIn => !Comparing.Contains(this, right, left),
        _ => Comparing.Compare(op, left, right, this),
    };

    /// <summary>Evaluates arguments in Python's order: positional, named, spread.</summary>
    private CallArguments Arguments(ArgumentList list, Activation activation, object? first, bool hasFirst)
    {
        var arguments = new CallArguments();
        if (hasFirst)
            arguments.Positional.Add(first);
        foreach (var value in list.Positional)
            arguments.Positional.Add(Evaluate(value, activation));
        if (list.Spread is not null)
        {
            var spread = Evaluate(list.Spread, activation);
            if (!Sequences.IsIterable(spread))
                throw Raise.Type($"argument after * must be an iterable, not {TypeNames.Of(spread)}");
            arguments.Positional.AddRange(Sequences.ToList(this, spread));
        }

        foreach (var (name, value) in list.Keywords)
            arguments.Keywords.Add(new(name, Evaluate(value, activation)));
        if (list.KeywordSpread is not null)
            SpreadKeywords(arguments, Evaluate(list.KeywordSpread, activation));
        return arguments;
    }

    private static void SpreadKeywords(CallArguments arguments, object? spread)
    {
        if (spread is not MapValue map)
            throw Raise.Type($"argument after ** must be a mapping, not {TypeNames.Of(spread)}");
        foreach (var (key, value) in map.Items)
        {
            if (!Strings.Is(key, out var name))
                throw Raise.Type("keywords must be strings");
            if (arguments.Keywords.Exists(k => k.Key == name))
                throw Raise.Type($"got multiple values for keyword argument '{name}'");
            arguments.Keywords.Add(new(name, value));
        }
    }

    private object? EvaluateCall(CallExpression node, Activation activation, MacroValue? caller)
    {
        var callee = Evaluate(node.Target, activation);
        var arguments = Arguments(node.Arguments, activation, null, hasFirst: false);
        if (caller is not null)
            arguments.Keywords.Add(new("caller", caller));
        _line = node.Line;
        return Call(callee, arguments);
    }

    /// <summary>Calls a value.</summary>
    /// <exception cref="TemplateException">The value is undefined, unsafe or cannot be called.</exception>
    public object? Call(object? callee, CallArguments arguments) => callee switch
    {
        CallableValue callable => callable.Invoke(this, arguments),
        UndefinedValue undefined => throw undefined.Error(),
        _ => throw Raise.Type($"'{TypeNames.Of(callee)}' object is not callable"),
    };

    /// <summary>Applies a chain of filters whose innermost one takes the text of a block.</summary>
    private object? ApplyFilters(FilterExpression node, object? text, Activation activation)
    {
        var value = node.Target is FilterExpression inner ? ApplyFilters(inner, text, activation) : text;
        return Filter(node, value, activation);
    }

    private object? Filter(FilterExpression node, object? value, Activation activation)
    {
        if (!Filters.All.TryGetValue(node.Name, out var filter))
            throw Raise.Runtime($"No filter named '{node.Name}' found.");
        var arguments = Arguments(node.Arguments, activation, value, hasFirst: true);
        _line = node.Line;
        return filter.Invoke(this, arguments);
    }

    private object? Test(TestExpression node, Activation activation)
    {
        var value = Evaluate(node.Target, activation);
        if (!Tests.All.TryGetValue(node.Name, out var test))
            throw Raise.Runtime($"No test named '{node.Name}' found.");
        var arguments = Arguments(node.Arguments, activation, value, hasFirst: true);
        _line = node.Line;
        return test.Invoke(this, arguments);
    }

    /// <summary>Applies a filter or test that another filter was given by name.</summary>
    public object? CallNamed(bool isTest, object? name, CallArguments arguments)
    {
        var all = isTest ? Tests.All : Filters.All;
        if (Strings.Is(name, out var text) && all.TryGetValue(text, out var function))
            return function.Invoke(this, arguments);
        var message = $"No {(isTest ? "test" : "filter")} named {Representation.Repr(name)}.";
        if (name is UndefinedValue undefined)
            message += $" ({undefined.Error().Detail}; did you forget to quote the callable name?)";
        throw Raise.Runtime(message);
    }
}
