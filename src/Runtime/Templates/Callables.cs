namespace Hearth.Runtime.Templates;

/// <summary>A macro, or the body of a call block under the name <c>caller</c>.</summary>
internal sealed class MacroValue(string name, MacroBody body, Activation defining, Dictionary<string, object?> context, bool isCaller)
    : CallableValue(name)
{
    /// <summary>Where the macro looks up names that no scope around it has: what it saw when it was defined.</summary>
    public Dictionary<string, object?> Context { get; } = context;

    public MacroBody Body { get; } = body;

    public Activation Defining { get; } = defining;

    public bool IsCaller { get; } = isCaller;

    public override object? Invoke(Interpreter interpreter, CallArguments arguments) => interpreter.CallMacro(this, arguments);

    public bool TryAttribute(string attribute, out object? value)
    {
        value = attribute switch
        {
            "name" => IsCaller ? null : Name,
            "arguments" => new TupleValue([.. Body.Parameters.Select(p => p.Id)]),
            "catch_kwargs" => Body.KeywordsSlot is not null,
            "catch_varargs" => Body.PositionalSlot is not null,
            "caller" => Body.CallerSlot is not null || Body.Parameters.Exists(p => p.Id == "caller"),
            "explicit_caller" => Body.Parameters.Exists(p => p.Id == "caller"),
            _ => Activation.Missing,
        };
        return !ReferenceEquals(value, Activation.Missing);
    }

    /// <summary>Matches arguments with parameters; a parameter without an argument is left missing.</summary>
    public object?[] Bind(CallArguments arguments, out MapValue keywords, out TupleValue rest, out object? caller)
    {
        var parameters = Body.Parameters;
        var left = new List<KeyValuePair<string, object?>>(arguments.Keywords);
        var bound = new object?[parameters.Count];
        var given = Math.Min(parameters.Count, arguments.Positional.Count);
        var foundCaller = given == parameters.Count && parameters.Exists(p => p.Id == "caller");
        for (var i = 0; i < bound.Length; i++)
        {
            bound[i] = i < given ? arguments.Positional[i] : Take(left, parameters[i].Id, Activation.Missing);
            foundCaller |= i >= given && parameters[i].Id == "caller";
        }

        caller = null;
        if (Body.CallerSlot is not null && !foundCaller)
            caller = Take(left, "caller", null) ?? new UndefinedValue("No caller defined", "caller");
        keywords = new MapValue();
        var map = keywords;
        if (Body.KeywordsSlot is not null)
            left.ForEach(k => map.Set(k.Key, k.Value));
        else if (left.Exists(k => k.Key == "caller"))
            throw Raise.Type($"macro '{Name}' was invoked with two values for the special caller argument. This is most likely a bug.");
        else if (left.Count > 0)
            throw Raise.Type($"macro '{Name}' takes no keyword argument '{left[0].Key}'");
        rest = new TupleValue([.. arguments.Positional.Skip(given)]);
        if (Body.PositionalSlot is null && arguments.Positional.Count > parameters.Count)
            throw Raise.Type($"macro '{Name}' takes not more than {parameters.Count} argument(s)");
        return bound;
    }

    private static object? Take(List<KeyValuePair<string, object?>> keywords, string name, object? otherwise)
    {
        var at = keywords.FindIndex(k => k.Key == name);
        if (at < 0)
            return otherwise;
        var value = keywords[at].Value;
        keywords.RemoveAt(at);
        return value;
    }
}

/// <summary>The variable <c>loop</c>. It reads its source one item ahead only when asked about what comes next.</summary>
internal sealed class LoopValue(Interpreter interpreter, object? iterable, Func<object?, int, string>? recurse, int depth)
    : CallableValue("loop")
{
    private IEnumerator<object?> _source = Sequences.Iterate(iterable).GetEnumerator();
    private long _index0 = -1;
    private long? _length;
    private object? _before = Activation.Missing;
    private object? _current = Activation.Missing;
    private object? _after = Activation.Missing;
    private object? _lastChanged = Activation.Missing;

    public long Index => _index0 + 1;

    public long Length
    {
        get
        {
            if (_length is null && Sequences.Length(iterable) is { } length)
                _length = length;
            if (_length is null)
            {
                var rest = new List<object?>();
                while (_source.MoveNext())
                {
                    interpreter.ChargeCollection(4);
                    rest.Add(_source.Current);
                }

                _source = rest.GetEnumerator();
                _length = rest.Count + Index + (ReferenceEquals(_after, Activation.Missing) ? 0 : 1);
            }

            return _length.Value;
        }
    }

    public bool MoveNext(out object? item)
    {
        item = Peek();
        _after = Activation.Missing;
        if (ReferenceEquals(item, Activation.Missing))
            return false;
        _index0++;
        _before = _current;
        _current = item;
        return true;
    }

    /// <summary>What iterating the loop variable itself gives.</summary>
    public IEnumerable<object?> Pairs()
    {
        while (MoveNext(out var item))
            yield return new TupleValue([item, this]);
    }

    private object? Peek()
    {
        if (ReferenceEquals(_after, Activation.Missing) && _source.MoveNext())
            _after = _source.Current;
        return _after;
    }

    public override object? Invoke(Interpreter caller, CallArguments arguments)
    {
        var bound = new Signature("iterable").Bind("loop", arguments);
        if (recurse is null)
            throw Raise.Type("The loop must have the 'recursive' marker to be called recursively.");
        return recurse(bound[0], depth + 1);
    }

    public bool TryAttribute(string name, out object? value)
    {
        value = name switch
        {
            "index" => Index,
            "index0" => _index0,
            "revindex" => Length - _index0,
            "revindex0" => Length - Index,
            "first" => _index0 == 0,
            "last" => ReferenceEquals(Peek(), Activation.Missing),
            "length" => Length,
            "depth" => depth + 1L,
            "depth0" => (long)depth,
            "previtem" => _index0 == 0 ? new UndefinedValue("there is no previous item") : _before,
            "nextitem" => ReferenceEquals(Peek(), Activation.Missing) ? new UndefinedValue("there is no next item") : Peek(),
            _ => Activation.Missing,
        };
        return !ReferenceEquals(value, Activation.Missing);
    }

    public object? Cycle(List<object?> items)
        => items.Count == 0 ? throw Raise.Type("no items for cycling given") : items[(int)(_index0 % items.Count)];

    public bool Changed(List<object?> values)
    {
        var value = new TupleValue([.. values]);
        if (!ReferenceEquals(_lastChanged, Activation.Missing) && Comparing.AreEqual(_lastChanged, value, interpreter))
            return false;
        _lastChanged = value;
        return true;
    }
}

/// <summary>The variable <c>self</c>: the blocks of the template by name.</summary>
internal sealed class TemplateValue(Interpreter interpreter, TemplateNode template)
{
    public bool TryBlock(string name, out object? block)
    {
        block = template.Blocks.TryGetValue(name, out var node) ? new BlockValue(interpreter, node) : null;
        return block is not null;
    }
}

/// <summary>A block that can be rendered again.</summary>
internal sealed class BlockValue(Interpreter interpreter, BlockNode node) : CallableValue(node.Name)
{
    public override object? Invoke(Interpreter caller, CallArguments arguments)
    {
        Signature.None.Bind(Name, arguments);
        var text = interpreter.Capture(() => interpreter.RunBlock(node));
        return interpreter.Autoescape ? new MarkupValue(text) : text;
    }
}
