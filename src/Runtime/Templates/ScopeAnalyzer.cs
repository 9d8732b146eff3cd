using System.Runtime.CompilerServices;

namespace Hearth.Runtime.Templates;

/// <summary>Decides, before anything runs, which variable each name means, as Jinja2's compiler does.</summary>
/// <remarks>Jinja2 turns a template into functions with local variables. Whether a name is one of them or is looked up in the
/// context depends on the order in which the scope reads and assigns it, so the rules are followed step by step:
/// a read before any assignment takes the context's value, an assignment first makes it unset, an assignment in some branches
/// of an <c>if</c> falls back to the context or the scope around, and an inner scope starts from a copy of the outer variable.
/// Names of filters and tests are checked here too, except under a condition, where only reaching them is an error.</remarks>
internal sealed class ScopeAnalyzer
{
    private const long MaxWork = 4_000_000;
    private readonly TemplateNode _template;
    private long _work;

    private ScopeAnalyzer(TemplateNode template) => _template = template;

    /// <summary>Fills in everything that the tree's nodes name as resolved.</summary>
    public static void Analyze(TemplateNode template) => new ScopeAnalyzer(template).Template();

    /// <summary>The names of one scope (Jinja2's Symbols). Branches work on copies.</summary>
    private sealed class Symbols(Symbols? parent, FunctionInfo function)
    {
        public Symbols? Parent { get; } = parent;

        public FunctionInfo Function { get; } = function;

        public int Level { get; } = parent is null ? 0 : parent.Level + 1;

        /// <summary>How each name starts; a null entry is one that an assignment or a parameter sets itself.</summary>
        public Dictionary<string, (LoadAction Action, Symbols? Owner)?> Names { get; private init; } = [];

        public HashSet<string> Stores { get; private init; } = [];

        public Symbols Copy() => new(Parent, Function) { Names = new(Names), Stores = [.. Stores] };

        public Symbols? Find(string name)
        {
            for (var scope = this; scope is not null; scope = scope.Parent)
            {
                if (scope.Names.ContainsKey(name))
                    return scope;
            }

            return null;
        }

        public void Declare(string name)
        {
            Stores.Add(name);
            Names[name] = null;
        }

        public void Load(string name)
        {
            if (Find(name) is null)
                Names[name] = (LoadAction.FromContext, null);
        }

        public void Store(string name)
        {
            Stores.Add(name);
            if (Names.ContainsKey(name))
                return;
            Names[name] = Parent?.Find(name) is { } outer ? (LoadAction.Alias, outer) : (LoadAction.Undefined, null);
        }

        public void Merge(Symbols[] branches)
        {
            var counts = new Dictionary<string, int>();
            foreach (var name in branches.SelectMany(b => b.Stores).Where(n => !Stores.Contains(n)))
                counts[name] = counts.GetValueOrDefault(name) + 1;
            foreach (var branch in branches)
            {
                foreach (var (name, load) in branch.Names)
                    Names[name] = load;
                Stores.UnionWith(branch.Stores);
            }

            foreach (var (name, count) in counts)
            {
                if (count != branches.Length)
                    Names[name] = Parent?.Find(name) is { } outer ? (LoadAction.Alias, outer) : (LoadAction.FromContext, null);
            }
        }
    }

    /// <summary>Where the walk stands.</summary>
    private sealed record Frame(Symbols Symbols, FunctionInfo[] Functions)
    {
        /// <summary>Assignments here are seen by the context.</summary>
        public bool IsTopLevel { get; init; }

        /// <summary>Under a condition: unknown filters and tests are an error only when reached.</summary>
        public bool IsSoft { get; init; }

        /// <summary>A loop of the same function stands around, so break and continue have somewhere to go.</summary>
        public bool IsInLoop { get; init; }

        public Frame Inner() => this with { Symbols = new Symbols(Symbols, Symbols.Function), IsTopLevel = false, IsSoft = false };

        public Frame Inner(FunctionInfo function)
            => new(new Symbols(Symbols, function), [.. Functions, function]);
    }

    private void Charge(int work)
    {
        _work += work;
        if (_work > MaxWork)
            throw Raise.Limit("the template is too entangled to analyze");
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion("the template is nested too deeply");
    }

    private void Template()
    {
        foreach (var block in Find<BlockNode>(_template))
        {
            if (!_template.Blocks.TryAdd(block.Name, block))
                throw Raise.Assertion($"block '{block.Name}' defined twice", block.Line);
        }

        var symbols = new Symbols(null, _template.Function);
        var frame = new Frame(symbols, [_template.Function]) { IsTopLevel = true };
        if (Undeclared(_template.Body, "self").Contains("self"))
            _template.SelfSlot = Declare(symbols, "self");
        CollectAll(_template.Body, symbols);
        _template.Loads = LoadsOf(frame);
        VisitAll(_template.Body, frame);
        foreach (var block in _template.Blocks.Values)
            Block(block);
    }

    private void Block(BlockNode block)
    {
        var symbols = new Symbols(null, block.Function);
        var frame = new Frame(symbols, [block.Function]);
        var undeclared = Undeclared(block.Body, "self", "super");
        if (undeclared.Contains("self"))
            block.SelfSlot = Declare(symbols, "self");
        if (undeclared.Contains("super"))
            block.SuperSlot = Declare(symbols, "super");
        CollectAll(block.Body, symbols);
        block.Loads = LoadsOf(frame);
        VisitAll(block.Body, frame);
    }

    private static int Declare(Symbols symbols, string name)
    {
        symbols.Declare(name);
        return symbols.Function.SlotOf(symbols.Level, name);
    }

    // Collecting: which names a scope reads and assigns, in order. Inner scopes are not entered.

    private void CollectAll(IEnumerable<Node> nodes, Symbols symbols)
    {
        foreach (var node in nodes)
            Collect(node, symbols);
    }

    private void Collect(Node node, Symbols symbols)
    {
        Charge(1);
        switch (node)
        {
            case Name { Use: NameUse.Load } name: symbols.Load(name.Id); break;
            case Name { Use: NameUse.Store } name: symbols.Store(name.Id); break;
            case Name name: symbols.Declare(name.Id); break;
            case NamespaceRef reference: symbols.Load(reference.Id); break;
            case IfNode node2: CollectIf(node2, symbols); break;
            case MacroNode macro: symbols.Store(macro.Name); break;
            case AssignNode assign:
                Collect(assign.Value, symbols);
                Collect(assign.Target, symbols);
                break;
            case ForNode loop: Collect(loop.Iterable, symbols); break;
            case CallBlockNode call: Collect(call.Call, symbols); break;
            case FilterBlockNode filter: Collect(filter.Filter, symbols); break;
            case WithNode with: CollectAll(with.Values, symbols); break;
            case AssignBlockNode assign: Collect(assign.Target, symbols); break;
            case ScopeNode or BlockNode: break;
            default: CollectAll(node.Children, symbols); break;
        }
    }

    private void CollectIf(IfNode node, Symbols symbols)
    {
        Collect(node.Branches[0].Test, symbols);
        var body = Branch(node.Branches[0].Body, symbols);
        // Jinja2 sees the chain of elif as one branch in which each is an `if` of its own.
        var alternatives = Copy(symbols);
        foreach (var (test, statements) in node.Branches.Skip(1))
        {
            Collect(test, alternatives);
            alternatives.Merge([Branch(statements, alternatives), Copy(alternatives), Copy(alternatives)]);
        }

        symbols.Merge([body, alternatives, Branch(node.Otherwise, symbols)]);
    }

    private Symbols Branch(List<Statement> statements, Symbols symbols)
    {
        var copy = Copy(symbols);
        CollectAll(statements, copy);
        return copy;
    }

    private Symbols Copy(Symbols symbols)
    {
        Charge(symbols.Names.Count + symbols.Stores.Count);
        return symbols.Copy();
    }

    // Resolving.

    private static ScopeLoad[] LoadsOf(Frame frame)
    {
        var symbols = frame.Symbols;
        var loads = new List<ScopeLoad>();
        foreach (var (name, load) in symbols.Names)
        {
            if (load is not { } l)
                continue;
            var outer = l.Owner is null ? default : Reference(frame, l.Owner, name);
            loads.Add(new ScopeLoad(symbols.Function.SlotOf(symbols.Level, name), l.Action, name, outer));
        }

        return [.. loads];
    }

    private static VariableRef Reference(Frame frame, Symbols owner, string name)
        => new(frame.Functions.Length - 1 - Array.LastIndexOf(frame.Functions, owner.Function), owner.Function.SlotOf(owner.Level, name));

    private static VariableRef Reference(Frame frame, string name)
    {
        var owner = frame.Symbols.Find(name);
        if (owner is null)
        {
            frame.Symbols.Load(name);
            owner = frame.Symbols;
        }

        return Reference(frame, owner, name);
    }

    private static Target ResolveTarget(Expression target, Frame frame) => target switch
    {
        Name name => new VariableTarget(Reference(frame, name.Id), name.Id, frame.IsTopLevel),
        NamespaceRef reference => new NamespaceTarget(Reference(frame, reference.Id), reference.Attribute),
        TupleExpression tuple => new TupleTarget([.. tuple.Items.Select(i => ResolveTarget(i, frame))]),
        _ => throw Raise.Syntax("can't assign to this expression", target.Line),
    };

    private void VisitAll(IEnumerable<Node> nodes, Frame frame)
    {
        foreach (var node in nodes)
            Visit(node, frame);
    }

    private void Visit(Node node, Frame frame)
    {
        Charge(1);
        switch (node)
        {
            case Name name: name.Variable = Reference(frame, name.Id); break;
            case ForNode loop: For(loop, frame); break;
            case IfNode branch: VisitAll(branch.Children, frame with { IsSoft = true }); break;
            case ConditionalExpression conditional: VisitAll(conditional.Children, frame with { IsSoft = true }); break;
            case AssignNode assign:
                Visit(assign.Value, frame);
                assign.ResolvedTarget = ResolveTarget(assign.Target, frame);
                break;
            case AssignBlockNode assign: AssignBlock(assign, frame); break;
            case MacroNode macro:
                Macro(macro.Body, macro.Line, frame);
                macro.ResolvedTarget = new VariableTarget(Reference(frame, macro.Name), macro.Name, frame.IsTopLevel);
                break;
            case CallBlockNode call:
                Macro(call.Body, call.Line, frame);
                Visit(call.Call, frame);
                break;
            case FilterBlockNode filter: FilterBlock(filter, frame); break;
            case WithNode with: With(with, frame); break;
            case ScopeNode scope: Scope(scope, frame); break;
            case BlockNode block when block.Scoped: block.Visible = Visible(frame); break;
            case BlockNode: break;
            case FilterExpression filter:
                CheckKnown(Filters.All.ContainsKey(filter.Name), "filter", filter.Name, filter.Line, frame);
                VisitAll(filter.Children, frame);
                break;
            case TestExpression test:
                CheckKnown(Tests.All.ContainsKey(test.Name), "test", test.Name, test.Line, frame);
                VisitAll(test.Children, frame);
                break;
            case LoadTemplateNode { Tag: "extends", Line: var line } when !frame.IsTopLevel:
                throw Raise.Assertion("cannot use extend from a non top-level scope", line);
            case BreakNode or ContinueNode when !frame.IsInLoop:
                throw Raise.PythonSyntax(node is BreakNode ? "'break' outside loop" : "'continue' not properly in loop", node.Line);
            default: VisitAll(node.Children, frame); break;
        }
    }

    private static void CheckKnown(bool known, string kind, string name, int line, Frame frame)
    {
        if (!known && !frame.IsSoft)
            throw Raise.Assertion($"No {kind} named '{name}'.", line);
    }

    private void For(ForNode node, Frame frame)
    {
        foreach (var name in Find<Name>(node))
        {
            if (name is { Use: NameUse.Store, Id: "loop" })
                throw Raise.Assertion("Can't assign to special loop variable in for-loop target", name.Line);
        }

        if (node.Recursive)
            node.LoopFunction = new FunctionInfo();
        var outer = node.LoopFunction is null ? frame.Inner() : frame.Inner(node.LoopFunction);
        var loopFrame = outer with { IsInLoop = true };
        var usesLoop = node.Recursive || Undeclared(node.Body, "loop").Contains("loop") || Find<BlockNode>(node).Any(b => b.Scoped);
        if (usesLoop)
            node.LoopSlot = Declare(loopFrame.Symbols, "loop");
        CollectParameters(node.Target, loopFrame.Symbols);
        CollectAll(node.Body, loopFrame.Symbols);

        if (node.Test is not null)
            ForFilter(node, node.Test, frame);
        node.ResolvedTarget = ResolveTarget(node.Target, loopFrame);
        Visit(node.Iterable, frame);
        node.Loads = LoadsOf(loopFrame);
        VisitAll(node.Body, loopFrame);

        if (node.Otherwise.Count == 0)
            return;
        var otherwise = node.LoopFunction is null ? frame.Inner() : frame.Inner(node.LoopFunction);
        CollectAll(node.Otherwise, otherwise.Symbols);
        node.OtherwiseLoads = LoadsOf(otherwise);
        VisitAll(node.Otherwise, otherwise);
    }

    /// <summary>A loop's filter is a function of its own beside the loop: it sees what is around the loop, and the loop's targets.</summary>
    private void ForFilter(ForNode node, Expression test, Frame frame)
    {
        node.FilterFunction = new FunctionInfo();
        var filter = new Frame(new Symbols(frame.Symbols, node.FilterFunction), [.. frame.Functions, node.FilterFunction]);
        CollectParameters(node.Target, filter.Symbols);
        Collect(test, filter.Symbols);
        node.FilterLoads = LoadsOf(filter);
        node.FilterTarget = ResolveTarget(node.Target, filter);
        Visit(test, filter);
    }

    private static void CollectParameters(Expression target, Symbols symbols)
    {
        if (target is Name name)
            symbols.Declare(name.Id);
        else if (target is TupleExpression tuple)
            tuple.Items.ForEach(i => CollectParameters(i, symbols));
    }

    private void AssignBlock(AssignBlockNode node, Frame frame)
    {
        var inner = frame.Inner();
        CollectAll(node.Body, inner.Symbols);
        if (node.Filter is not null)
            Collect(node.Filter, inner.Symbols);
        node.Loads = LoadsOf(inner);
        VisitAll(node.Body, inner);
        node.ResolvedTarget = ResolveTarget(node.Target, frame);
        if (node.Filter is not null)
            Visit(node.Filter, inner);
    }

    private void FilterBlock(FilterBlockNode node, Frame frame)
    {
        var inner = frame.Inner();
        CollectAll(node.Children, inner.Symbols);
        node.Loads = LoadsOf(inner);
        VisitAll(node.Children, inner);
    }

    private void With(WithNode node, Frame frame)
    {
        var inner = frame.Inner();
        CollectAll(node.Targets, inner.Symbols);
        CollectAll(node.Body, inner.Symbols);
        node.Loads = LoadsOf(inner);
        node.ResolvedTargets = [.. node.Targets.Select(t => ResolveTarget(t, inner))];
        VisitAll(node.Values, frame);
        VisitAll(node.Body, inner);
    }

    private void Scope(ScopeNode node, Frame frame)
    {
        var inner = frame.Inner();
        CollectAll(node.Children, inner.Symbols);
        node.Loads = LoadsOf(inner);
        VisitAll(node.Children, inner);
    }

    private void Macro(MacroBody body, int line, Frame frame)
    {
        var inner = frame.Inner(body.Function);
        CollectAll(body.Children, inner.Symbols);
        var names = body.Parameters.ConvertAll(p => p.Id);
        var undeclared = Undeclared(body.Body, "caller", "kwargs", "varargs");
        if (undeclared.Contains("caller"))
        {
            var explicitCaller = names.IndexOf("caller");
            if (explicitCaller >= 0 && explicitCaller < names.Count - body.Defaults.Count)
                throw Raise.Assertion("When defining macros or call blocks the special \"caller\" argument must be omitted or be given a default.", line);
            body.CallerSlot = explicitCaller >= 0 ? null : Declare(inner.Symbols, "caller");
        }

        if (undeclared.Contains("kwargs") && !names.Contains("kwargs"))
            body.KeywordsSlot = Declare(inner.Symbols, "kwargs");
        if (undeclared.Contains("varargs") && !names.Contains("varargs"))
            body.PositionalSlot = Declare(inner.Symbols, "varargs");
        body.ParameterSlots = [.. names.Select(n => Reference(inner, n).Slot)];
        body.Loads = LoadsOf(inner);
        VisitAll(body.Defaults, inner);
        VisitAll(body.Body, inner);
    }

    private static (string, VariableRef)[] Visible(Frame frame)
    {
        var names = new Dictionary<string, VariableRef>();
        for (var scope = frame.Symbols; scope is not null; scope = scope.Parent)
        {
            foreach (var name in scope.Stores)
                names.TryAdd(name, Reference(frame, name));
        }

        return [.. names.Select(n => (n.Key, n.Value))];
    }

    private IEnumerable<T> Find<T>(Node root)
        where T : Node
    {
        var pending = new Stack<Node>(root.Children.Reverse());
        while (pending.TryPop(out var node))
        {
            Charge(1);
            if (node is T found)
                yield return found;
            foreach (var child in node.Children.Reverse())
                pending.Push(child);
        }
    }

    /// <summary>Which of <paramref name="names"/> are read before anything assigns them.</summary>
    private HashSet<string> Undeclared(IEnumerable<Node> nodes, params string[] names)
    {
        var open = new HashSet<string>(names);
        var found = new HashSet<string>();
        var pending = new Stack<Node>(nodes.Reverse());
        while (open.Count > 0 && pending.TryPop(out var node))
        {
            Charge(1);
            if (node is Name name && open.Contains(name.Id))
            {
                if (name.Use == NameUse.Load)
                    found.Add(name.Id);
                else
                    open.Remove(name.Id);
            }

            if (node is BlockNode)
                continue;
            foreach (var child in node.Children.Reverse())
                pending.Push(child);
        }

        return found;
    }
}
