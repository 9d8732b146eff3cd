using System.Runtime.CompilerServices;
using System.Text;

namespace Hearth.Runtime.Templates;

/// <summary>The variables of one call of a function of the template.</summary>
internal sealed class Activation
{
    /// <summary>Stands in a slot that has no value.</summary>
    public static readonly object Missing = new();

    private readonly object?[] _slots;
    private readonly Activation? _parent;

    public Activation(FunctionInfo function, Activation? parent)
    {
        _slots = new object?[function.Slots.Count];
        Array.Fill(_slots, Missing);
        _parent = parent;
    }

    public object? this[int slot]
    {
        get => _slots[slot];
        set => _slots[slot] = value;
    }

    public object? this[VariableRef variable]
    {
        get => Outward(variable.Hops)._slots[variable.Slot];
        set => Outward(variable.Hops)._slots[variable.Slot] = value;
    }

    private Activation Outward(int hops)
    {
        var activation = this;
        for (; hops > 0; hops--)
            activation = activation._parent!;
        return activation;
    }
}

/// <summary>How a statement ended.</summary>
internal enum Flow { Next, Break, Continue }

/// <summary>Walks the tree: statements here, expressions in the other half of the class. One instance renders once, on one thread.</summary>
internal sealed partial class Interpreter
{
    private readonly TemplateNode _template;
    private readonly CancellationToken _cancellation;
    private Dictionary<string, object?> _context;
    private StringBuilder _output = new();
    private long _stepsLeft;
    private int _callDepth;
    private int _line;

    public Interpreter(
        TemplateNode template, Dictionary<string, object?> variables, TimeProvider clock, TemplateLimits limits, CancellationToken cancellation)
    {
        _template = template;
        _context = variables;
        Clock = clock;
        Limits = limits;
        _stepsLeft = limits.MaxSteps;
        _cancellation = cancellation;
    }

    public TimeProvider Clock { get; }

    public TemplateLimits Limits { get; }

    /// <summary>Inside <c>{% autoescape true %}</c>.</summary>
    public bool Autoescape { get; private set; }

    public string Render()
    {
        try
        {
            var activation = new Activation(_template.Function, null);
            if (_template.SelfSlot is { } self)
                activation[self] = new TemplateValue(this, _template);
            EnterScope(_template.Loads, activation);
            Execute(_template.Body, activation);
            return _output.ToString();
        }
        catch (TemplateException e) when (e.Line == 0)
        {
            e.Line = _line;
            throw;
        }
    }

    /// <summary>Takes steps off the budget, and looks whether the caller still waits.</summary>
    public void Charge(long steps)
    {
        var before = _stepsLeft;
        _stepsLeft -= steps + 1;
        if (_stepsLeft < 0)
            throw Raise.Limit($"the template takes more than {Limits.MaxSteps} steps");
        if ((before ^ _stepsLeft) >> 12 != 0)
            _cancellation.ThrowIfCancellationRequested();
    }

    /// <summary>Checks the length of a text that is about to be made, and charges for it.</summary>
    public void ChargeText(long length, long added)
    {
        if (length > Limits.MaxTextLength)
            throw Raise.Limit($"a text has more than {Limits.MaxTextLength} characters");
        Charge(added / 8);
    }

    public void ChargeText(long length) => ChargeText(length, length);

    /// <summary>Checks the length of a list or tuple that is about to be made, and charges for it.</summary>
    public void ChargeCollection(long count)
    {
        if (count > Limits.MaxCollectionLength)
            throw Raise.Limit($"a list or dictionary has more than {Limits.MaxCollectionLength} elements");
        Charge(count / 2);
    }

    public string Concat(string left, string right)
    {
        ChargeText((long)left.Length + right.Length);
        return left + right;
    }

    public string Repeat(string text, long times)
    {
        if (text.Length == 0 || times <= 0)
            return "";
        ChargeText(times > int.MaxValue ? long.MaxValue : text.Length * times);
        return text.Length == 1 ? new string(text[0], (int)times) : string.Create((int)(text.Length * times), text, static (all, part) =>
        {
            // What is there already is copied behind itself.
            part.CopyTo(all);
            for (var filled = part.Length; filled < all.Length; filled *= 2)
                all[..Math.Min(filled, all.Length - filled)].CopyTo(all[filled..]);
        });
    }

    /// <summary>Runs <paramref name="body"/> one call deeper.</summary>
    public T Deeper<T>(Func<T> body)
    {
        if (_callDepth >= Limits.MaxCallDepth)
            throw Raise.Recursion($"calls are nested more than {Limits.MaxCallDepth} levels deep");
        _callDepth++;
        var result = body();
        _callDepth--;
        return result;
    }

    /// <summary>Runs <paramref name="body"/> and returns what it wrote instead of writing it.</summary>
    public string Capture(Action body)
    {
        var outer = _output;
        _output = new StringBuilder();
        body();
        var text = _output.ToString();
        _output = outer;
        return text;
    }

    private void Write(string text)
    {
        ChargeText((long)_output.Length + text.Length, text.Length);
        _output.Append(text);
    }

    private object? Resolve(string name)
    {
        if (_context.TryGetValue(name, out var value) || Globals.All.TryGetValue(name, out value))
            return value;
        return Activation.Missing;
    }

    private void EnterScope(ScopeLoad[] loads, Activation activation)
    {
        foreach (var load in loads)
        {
            activation[load.Slot] = load.Action switch
            {
                LoadAction.FromContext => Resolve(load.Name),
                LoadAction.Alias => activation[load.Outer],
                _ => Activation.Missing,
            };
        }
    }

    private Flow Execute(List<Statement> body, Activation activation)
    {
        foreach (var statement in body)
        {
            var flow = Execute(statement, activation);
            if (flow != Flow.Next)
                return flow;
        }

        return Flow.Next;
    }

    private Flow Execute(Statement statement, Activation activation)
    {
        _line = statement.Line;
        Charge(1);
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("maximum recursion depth exceeded");
        switch (statement)
        {
            case OutputNode output: Print(output, activation); return Flow.Next;
            case IfNode branch: return If(branch, activation);
            case ForNode loop: return For(loop, activation);
            case AssignNode assign: Assign(assign, activation); return Flow.Next;
            case AssignBlockNode assign: return AssignBlock(assign, activation);
            case MacroNode macro:
                Store(macro.ResolvedTarget, new MacroValue(macro.Name, macro.Body, activation, _context, isCaller: false), activation);
                return Flow.Next;
            case CallBlockNode call: CallBlock(call, activation); return Flow.Next;
            case FilterBlockNode filter: return FilterBlock(filter, activation);
            case WithNode with: return With(with, activation);
            case ScopeNode scope: return Scope(scope, activation);
            case BlockNode block: Block(block, activation); return Flow.Next;
            case BreakNode: return Flow.Break;
            case ContinueNode: return Flow.Continue;
            case LoadTemplateNode load:
                Evaluate(load.Template, activation);
                throw Raise.Type($"no loader for this environment specified: a chat template stands alone, so '{load.Tag}' finds nothing");
            default: throw new InvalidOperationException($"no statement {statement.GetType().Name}");
        }
    }

    private void Print(OutputNode node, Activation activation)
    {
        foreach (var part in node.Parts)
        {
            if (part is Constant { Value: string text })
            {
                Write(text);
                continue;
            }

            var value = Evaluate(part, activation);
            Write(Autoescape ? Html.Escape(this, value).Text : Representation.Str(this, value));
        }
    }

    private Flow If(IfNode node, Activation activation)
    {
        foreach (var (test, body) in node.Branches)
        {
            if (Comparing.IsTrue(Evaluate(test, activation)))
                return Execute(body, activation);
        }

        return Execute(node.Otherwise, activation);
    }

    private void Assign(AssignNode node, Activation activation)
    {
        RequireNamespaces(node.ResolvedTarget, activation);
        Store(node.ResolvedTarget, Evaluate(node.Value, activation), activation);
    }

    private static void RequireNamespaces(Target target, Activation activation)
    {
        if (target is NamespaceTarget ns && activation[ns.Variable] is not NamespaceValue)
            throw Raise.Runtime("cannot assign attribute on non-namespace object");
        if (target is TupleTarget tuple)
            Array.ForEach(tuple.Items, t => RequireNamespaces(t, activation));
    }

    private void Store(Target target, object? value, Activation activation)
    {
        switch (target)
        {
            case VariableTarget variable:
                activation[variable.Variable] = value;
                if (variable.Export)
                    _context[variable.Name] = value;
                break;
            case NamespaceTarget ns:
                RequireNamespaces(ns, activation);
                ((NamespaceValue)activation[ns.Variable]!).Attributes.Set(ns.Attribute, value);
                break;
            case TupleTarget tuple:
                Unpack(tuple, value, activation);
                break;
        }
    }

    private void Unpack(TupleTarget target, object? value, Activation activation)
    {
        if (!Sequences.IsIterable(value))
            throw Raise.Type($"cannot unpack non-iterable {TypeNames.Of(value)} object");
        var expected = target.Items.Length;
        var items = Sequences.Iterate(value).Take(expected + 1).ToList();
        if (items.Count > expected)
            throw Raise.Value($"too many values to unpack (expected {expected})");
        if (items.Count < expected)
            throw Raise.Value($"not enough values to unpack (expected {expected}, got {items.Count})");
        for (var i = 0; i < expected; i++)
            Store(target.Items[i], items[i], activation);
    }

    private Flow AssignBlock(AssignBlockNode node, Activation activation)
    {
        var flow = Flow.Next;
        EnterScope(node.Loads, activation);
        var text = Capture(() => flow = Execute(node.Body, activation));
        if (flow != Flow.Next)
            return flow;
        RequireNamespaces(node.ResolvedTarget, activation);
        var value = node.Filter is null ? Marked(text) : ApplyFilters(node.Filter, Marked(text), activation);
        Store(node.ResolvedTarget, Autoescape ? new MarkupValue(Representation.Str(this, value)) : value, activation);
        return Flow.Next;
    }

    private object Marked(string text) => Autoescape ? new MarkupValue(text) : text;

    private Flow FilterBlock(FilterBlockNode node, Activation activation)
    {
        var flow = Flow.Next;
        EnterScope(node.Loads, activation);
        var text = Capture(() => flow = Execute(node.Body, activation));
        if (flow == Flow.Next)
            Write(Representation.Str(this, ApplyFilters(node.Filter, Marked(text), activation)));
        return flow;
    }

    private void CallBlock(CallBlockNode node, Activation activation)
    {
        var caller = new MacroValue("caller", node.Body, activation, _context, isCaller: true);
        Write(Representation.Str(this, EvaluateCall(node.Call, activation, caller)));
    }

    private Flow With(WithNode node, Activation activation)
    {
        EnterScope(node.Loads, activation);
        for (var i = 0; i < node.ResolvedTargets.Length; i++)
            Store(node.ResolvedTargets[i], Evaluate(node.Values[i], activation), activation);
        return Execute(node.Body, activation);
    }

    private Flow Scope(ScopeNode node, Activation activation)
    {
        EnterScope(node.Loads, activation);
        var outer = Autoescape;
        if (node.Autoescape is not null)
            Autoescape = Comparing.IsTrue(Evaluate(node.Autoescape, activation));
        var flow = Execute(node.Body, activation);
        Autoescape = outer;
        return flow;
    }

    private void Block(BlockNode node, Activation activation)
    {
        if (node.Required)
            throw Raise.Runtime($"Required block '{node.Name}' not found");
        var outer = _context;
        if (node.Scoped)
        {
            _context = new Dictionary<string, object?>(outer);
            foreach (var (name, variable) in node.Visible)
            {
                if (!ReferenceEquals(activation[variable], Activation.Missing))
                    _context[name] = activation[variable];
            }
        }

        RunBlock(node);
        _context = outer;
    }

    /// <summary>Renders a block of the template. It sees the context, not the variables around it.</summary>
    public void RunBlock(BlockNode node)
        => Deeper(() =>
        {
            var inner = new Activation(node.Function, null);
            if (node.SelfSlot is { } self)
                inner[self] = new TemplateValue(this, _template);
            if (node.SuperSlot is { } super)
                inner[super] = new UndefinedValue($"there is no parent block called '{node.Name}'.");
            EnterScope(node.Loads, inner);
            return Execute(node.Body, inner);
        });

    private Flow For(ForNode node, Activation activation)
    {
        if (node.LoopFunction is null)
            return RunLoop(node, Evaluate(node.Iterable, activation), activation, activation, null, 0);
        Write(Recurse(Evaluate(node.Iterable, activation), 0));
        return Flow.Next;

        string Recurse(object? iterable, int depth) => Deeper(() => Capture(() =>
        {
            var inner = new Activation(node.LoopFunction, activation);
            RunLoop(node, iterable, inner, activation, Recurse, depth);
        }));
    }

    private Flow RunLoop(
        ForNode node, object? iterable, Activation activation, Activation outer, Func<object?, int, string>? recurse, int depth)
    {
        if (node.Test is not null)
            iterable = new IteratorValue(Filtered(node, iterable, outer));
        var loop = new LoopValue(this, iterable, recurse, depth);
        var completed = false;
        while (loop.MoveNext(out var item))
        {
            Charge(1);
            Store(node.ResolvedTarget, item, activation);
            if (node.LoopSlot is { } slot)
                activation[slot] = loop;
            EnterScope(node.Loads, activation);
            var flow = Execute(node.Body, activation);
            if (flow == Flow.Break)
                break;
            // As in Jinja2, only a pass that reaches the end of the body keeps the else branch from running.
            completed |= flow == Flow.Next;
        }

        if (completed || node.Otherwise.Count == 0)
            return Flow.Next;
        EnterScope(node.OtherwiseLoads, activation);
        return Execute(node.Otherwise, activation);
    }

    private IEnumerable<object?> Filtered(ForNode node, object? iterable, Activation outer)
    {
        var activation = new Activation(node.FilterFunction!, outer);
        EnterScope(node.FilterLoads, activation);
        foreach (var item in Sequences.Iterate(iterable))
        {
            Charge(1);
            Store(node.FilterTarget!, item, activation);
            if (Comparing.IsTrue(Evaluate(node.Test!, activation)))
                yield return Repack(node.FilterTarget!, activation);
        }
    }

    /// <summary>The values of a loop's targets as they stand: what the filter hands on.</summary>
    private static object? Repack(Target target, Activation activation) => target switch
    {
        VariableTarget variable => activation[variable.Variable],
        TupleTarget tuple => new TupleValue([.. tuple.Items.Select(t => Repack(t, activation))]),
        _ => null,
    };

    /// <summary>Calls a macro or caller: binds its arguments as Jinja2 does, runs it, and returns what it wrote.</summary>
    public object CallMacro(MacroValue macro, CallArguments arguments)
    {
        var body = macro.Body;
        var bound = macro.Bind(arguments, out var keywords, out var rest, out var caller);
        var outer = _context;
        _context = macro.Context;
        var text = Deeper(() => Capture(() =>
        {
            var activation = new Activation(body.Function, macro.Defining);
            for (var i = 0; i < bound.Length; i++)
                activation[body.ParameterSlots[i]] = bound[i];
            if (body.CallerSlot is { } callerSlot)
                activation[callerSlot] = caller;
            if (body.KeywordsSlot is { } keywordsSlot)
                activation[keywordsSlot] = keywords;
            if (body.PositionalSlot is { } restSlot)
                activation[restSlot] = rest;
            EnterScope(body.Loads, activation);
            Defaults(body, activation);
            Execute(body.Body, activation);
        }));
        _context = outer;
        return Marked(text);
    }

    private void Defaults(MacroBody body, Activation activation)
    {
        var firstDefault = body.Parameters.Count - body.Defaults.Count;
        for (var i = 0; i < body.Parameters.Count; i++)
        {
            var slot = body.ParameterSlots[i];
            if (!ReferenceEquals(activation[slot], Activation.Missing))
                continue;
            var name = body.Parameters[i].Id;
            activation[slot] = i >= firstDefault
                ? Evaluate(body.Defaults[i - firstDefault], activation)
                : new UndefinedValue($"parameter '{name}' was not provided", name);
        }
    }
}
