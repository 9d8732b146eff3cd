namespace Hearth.Runtime.Templates;

/// <summary>A node of the tree. The parser builds it; <see cref="ScopeAnalyzer"/> then fills in the fields named as resolved.</summary>
internal abstract class Node(int line)
{
    public int Line { get; } = line;

    /// <summary>The children, in the order in which Jinja2 visits them: this order decides which names count as assigned before use.</summary>
    public abstract IEnumerable<Node> Children { get; }
}

internal abstract class Expression(int line) : Node(line)
{
    /// <summary>Levels below and including this node; the parser bounds it so that walking a tree never exhausts the stack.</summary>
    public int Depth { get; set; } = 1;
}

internal abstract class Statement(int line) : Node(line);

/// <summary>Where a variable lives: how many functions outwards, and in which slot there.</summary>
internal readonly record struct VariableRef(int Hops, int Slot);

internal enum NameUse { Load, Store, Parameter }

internal sealed class Constant(object? value, int line) : Expression(line)
{
    public object? Value { get; } = value;

    public override IEnumerable<Node> Children => [];
}

internal sealed class Name(string id, int line) : Expression(line)
{
    public string Id { get; } = id;

    public NameUse Use { get; set; }

    /// <summary>Resolved.</summary>
    public VariableRef Variable { get; set; }

    public override IEnumerable<Node> Children => [];
}

/// <summary><c>ns.attribute</c> as the target of an assignment.</summary>
internal sealed class NamespaceRef(string id, string attribute, int line) : Expression(line)
{
    public string Id { get; } = id;

    public string Attribute { get; } = attribute;

    public override IEnumerable<Node> Children => [];
}

internal sealed class TupleExpression(List<Expression> items, int line) : Expression(line)
{
    public List<Expression> Items { get; } = items;

    public override IEnumerable<Node> Children => Items;
}

internal sealed class ListExpression(List<Expression> items, int line) : Expression(line)
{
    public List<Expression> Items { get; } = items;

    public override IEnumerable<Node> Children => Items;
}

internal sealed class MapExpression(List<(Expression Key, Expression Value)> items, int line) : Expression(line)
{
    public List<(Expression Key, Expression Value)> Items { get; } = items;

    public override IEnumerable<Node> Children => Items.SelectMany(i => new Node[] { i.Key, i.Value });
}

internal sealed class AttributeExpression(Expression target, string attribute, int line) : Expression(line)
{
    public Expression Target { get; } = target;

    public string Attribute { get; } = attribute;

    public override IEnumerable<Node> Children => [Target];
}

internal sealed class IndexExpression(Expression target, Expression index, int line) : Expression(line)
{
    public Expression Target { get; } = target;

    public Expression Index { get; } = index;

    public override IEnumerable<Node> Children => [Target, Index];
}

internal sealed class SliceExpression(Expression? start, Expression? stop, Expression? step, int line) : Expression(line)
{
    public Expression? Start { get; } = start;

    public Expression? Stop { get; } = stop;

    public Expression? Step { get; } = step;

    public override IEnumerable<Node> Children => new Node?[] { Start, Stop, Step }.OfType<Node>();
}

/// <summary>What stands between the parentheses of a call, a filter or a test.</summary>
internal sealed class ArgumentList
{
    public static readonly ArgumentList Empty = new();

    public List<Expression> Positional { get; } = [];

    public List<(string Name, Expression Value)> Keywords { get; } = [];

    /// <summary><c>*expression</c>, where there is one.</summary>
    public Expression? Spread { get; set; }

    /// <summary><c>**expression</c>, where there is one.</summary>
    public Expression? KeywordSpread { get; set; }

    public IEnumerable<Expression> All
    {
        get
        {
            foreach (var e in Positional)
                yield return e;
            foreach (var (_, e) in Keywords)
                yield return e;
            if (Spread is not null)
                yield return Spread;
            if (KeywordSpread is not null)
                yield return KeywordSpread;
        }
    }
}

internal sealed class CallExpression(Expression target, ArgumentList arguments, int line) : Expression(line)
{
    public Expression Target { get; } = target;

    public ArgumentList Arguments { get; } = arguments;

    public override IEnumerable<Node> Children => [Target, .. Arguments.All];
}

/// <summary>A filter. <see cref="Target"/> is null in a filter block and a filtered block assignment: it then gets the block's text.</summary>
internal sealed class FilterExpression(Expression? target, string name, ArgumentList arguments, int line) : Expression(line)
{
    public Expression? Target { get; } = target;

    public string Name { get; } = name;

    public ArgumentList Arguments { get; } = arguments;

    public override IEnumerable<Node> Children => Target is null ? Arguments.All : [Target, .. Arguments.All];
}

internal sealed class TestExpression(Expression target, string name, ArgumentList arguments, int line) : Expression(line)
{
    public Expression Target { get; } = target;

    public string Name { get; } = name;

    public ArgumentList Arguments { get; } = arguments;

    public override IEnumerable<Node> Children => [Target, .. Arguments.All];
}

internal sealed class BinaryExpression(SyntaxKind op, Expression left, Expression right, int line) : Expression(line)
{
    public SyntaxKind Operator { get; } = op;

    public Expression Left { get; } = left;

    public Expression Right { get; } = right;

    public override IEnumerable<Node> Children => [Left, Right];
}

internal sealed class LogicalExpression(bool isAnd, Expression left, Expression right, int line) : Expression(line)
{
    public bool IsAnd { get; } = isAnd;

    public Expression Left { get; } = left;

    public Expression Right { get; } = right;

    public override IEnumerable<Node> Children => [Left, Right];
}

internal sealed class NotExpression(Expression operand, int line) : Expression(line)
{
    public Expression Operand { get; } = operand;

    public override IEnumerable<Node> Children => [Operand];
}

internal sealed class SignExpression(bool isNegative, Expression operand, int line) : Expression(line)
{
    public bool IsNegative { get; } = isNegative;

    public Expression Operand { get; } = operand;

    public override IEnumerable<Node> Children => [Operand];
}

internal sealed class ConcatExpression(List<Expression> parts, int line) : Expression(line)
{
    public List<Expression> Parts { get; } = parts;

    public override IEnumerable<Node> Children => Parts;
}

internal enum Comparison { Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, In, NotIn }

internal sealed class CompareExpression(Expression first, List<(Comparison Operator, Expression Operand)> rest, int line) : Expression(line)
{
    public Expression First { get; } = first;

    public List<(Comparison Operator, Expression Operand)> Rest { get; } = rest;

    public override IEnumerable<Node> Children => [First, .. Rest.Select(r => r.Operand)];
}

internal sealed class ConditionalExpression(Expression test, Expression then, Expression? otherwise, int line) : Expression(line)
{
    public Expression Test { get; } = test;

    public Expression Then { get; } = then;

    public Expression? Otherwise { get; } = otherwise;

    public override IEnumerable<Node> Children => Otherwise is null ? [Test, Then] : [Test, Then, Otherwise];
}

/// <summary>What a scope does to a variable when it is entered.</summary>
internal enum LoadAction { Undefined, FromContext, Alias }

/// <summary>One variable that a scope prepares on entry: unset, looked up by name in the context, or copied from an outer scope.</summary>
internal readonly record struct ScopeLoad(int Slot, LoadAction Action, string Name, VariableRef Outer);

/// <summary>A run of variables with their own storage: the template itself, a macro, a caller block, a recursive loop, a loop filter.</summary>
internal sealed class FunctionInfo
{
    public Dictionary<(int Level, string Name), int> Slots { get; } = [];

    public int SlotOf(int level, string name)
    {
        if (!Slots.TryGetValue((level, name), out var slot))
            Slots[(level, name)] = slot = Slots.Count;
        return slot;
    }
}

internal abstract record Target;

/// <summary>Assigns a variable; at the top level of a template the context learns it too (<paramref name="Export"/>).</summary>
internal sealed record VariableTarget(VariableRef Variable, string Name, bool Export) : Target;

internal sealed record NamespaceTarget(VariableRef Variable, string Attribute) : Target;

internal sealed record TupleTarget(Target[] Items) : Target;

internal sealed class TemplateNode(List<Statement> body) : Statement(1)
{
    public List<Statement> Body { get; } = body;

    public FunctionInfo Function { get; } = new();

    public ScopeLoad[] Loads { get; set; } = [];

    /// <summary>Resolved: the slot of <c>self</c>, where the template uses it.</summary>
    public int? SelfSlot { get; set; }

    public Dictionary<string, BlockNode> Blocks { get; } = [];

    public override IEnumerable<Node> Children => Body;
}

/// <summary>Text and printed expressions; plain text is a <see cref="Constant"/> string.</summary>
internal sealed class OutputNode(List<Expression> parts, int line) : Statement(line)
{
    public List<Expression> Parts { get; } = parts;

    public override IEnumerable<Node> Children => Parts;
}

internal sealed class ForNode(
    Expression target, Expression iterable, Expression? test, bool recursive, List<Statement> body, List<Statement> otherwise, int line) : Statement(line)
{
    public Expression Target { get; } = target;

    public Expression Iterable { get; } = iterable;

    public Expression? Test { get; } = test;

    public bool Recursive { get; } = recursive;

    public List<Statement> Body { get; } = body;

    public List<Statement> Otherwise { get; } = otherwise;

    public Target ResolvedTarget { get; set; } = null!;

    public Target? FilterTarget { get; set; }

    public FunctionInfo? FilterFunction { get; set; }

    public ScopeLoad[] FilterLoads { get; set; } = [];

    public FunctionInfo? LoopFunction { get; set; }

    public int? LoopSlot { get; set; }

    public ScopeLoad[] Loads { get; set; } = [];

    public ScopeLoad[] OtherwiseLoads { get; set; } = [];

    public override IEnumerable<Node> Children => Test is null
        ? [Target, Iterable, .. Body, .. Otherwise]
        : [Target, Iterable, .. Body, .. Otherwise, Test];
}

internal sealed class IfNode(List<(Expression Test, List<Statement> Body)> branches, List<Statement> otherwise, int line) : Statement(line)
{
    public List<(Expression Test, List<Statement> Body)> Branches { get; } = branches;

    public List<Statement> Otherwise { get; } = otherwise;

    public override IEnumerable<Node> Children
        => Branches.SelectMany(b => (IEnumerable<Node>)[b.Test, .. b.Body]).Concat(Otherwise);
}

internal sealed class AssignNode(Expression target, Expression value, int line) : Statement(line)
{
    public Expression Target { get; } = target;

    public Expression Value { get; } = value;

    public Target ResolvedTarget { get; set; } = null!;

    public override IEnumerable<Node> Children => [Target, Value];
}

internal sealed class AssignBlockNode(Expression target, FilterExpression? filter, List<Statement> body, int line) : Statement(line)
{
    public Expression Target { get; } = target;

    public FilterExpression? Filter { get; } = filter;

    public List<Statement> Body { get; } = body;

    public Target ResolvedTarget { get; set; } = null!;

    public ScopeLoad[] Loads { get; set; } = [];

    public override IEnumerable<Node> Children => Filter is null ? [Target, .. Body] : [Target, Filter, .. Body];
}

internal sealed class WithNode(List<Expression> targets, List<Expression> values, List<Statement> body, int line) : Statement(line)
{
    public List<Expression> Targets { get; } = targets;

    public List<Expression> Values { get; } = values;

    public List<Statement> Body { get; } = body;

    public Target[] ResolvedTargets { get; set; } = [];

    public ScopeLoad[] Loads { get; set; } = [];

    public override IEnumerable<Node> Children => [.. Targets, .. Values, .. Body];
}

/// <summary>The signature and body of a macro or of a call block's <c>caller</c>.</summary>
internal sealed class MacroBody(List<Name> parameters, List<Expression> defaults, List<Statement> body)
{
    public List<Name> Parameters { get; } = parameters;

    /// <summary>The defaults of the last parameters.</summary>
    public List<Expression> Defaults { get; } = defaults;

    public List<Statement> Body { get; } = body;

    public FunctionInfo Function { get; } = new();

    public int[] ParameterSlots { get; set; } = [];

    public ScopeLoad[] Loads { get; set; } = [];

    /// <summary>Resolved: the slots of the implicit parameters that the body uses.</summary>
    public int? CallerSlot { get; set; }

    public int? KeywordsSlot { get; set; }

    public int? PositionalSlot { get; set; }

    public IEnumerable<Node> Children => [.. Parameters, .. Defaults, .. Body];
}

internal sealed class MacroNode(string name, MacroBody body, int line) : Statement(line)
{
    public string Name { get; } = name;

    public MacroBody Body { get; } = body;

    public VariableTarget ResolvedTarget { get; set; } = null!;

    public override IEnumerable<Node> Children => Body.Children;
}

internal sealed class CallBlockNode(CallExpression call, MacroBody body, int line) : Statement(line)
{
    public CallExpression Call { get; } = call;

    public MacroBody Body { get; } = body;

    public override IEnumerable<Node> Children => [Call, .. Body.Children];
}

internal sealed class FilterBlockNode(FilterExpression filter, List<Statement> body, int line) : Statement(line)
{
    public FilterExpression Filter { get; } = filter;

    public List<Statement> Body { get; } = body;

    public ScopeLoad[] Loads { get; set; } = [];

    public override IEnumerable<Node> Children => [.. Body, Filter];
}

/// <summary>A scope of its own: <c>generation</c>, or <c>autoescape</c> where <see cref="Autoescape"/> is set.</summary>
internal sealed class ScopeNode(Expression? autoescape, List<Statement> body, int line) : Statement(line)
{
    public Expression? Autoescape { get; } = autoescape;

    public List<Statement> Body { get; } = body;

    public ScopeLoad[] Loads { get; set; } = [];

    public override IEnumerable<Node> Children => Autoescape is null ? Body : [Autoescape, .. Body];
}

internal sealed class BlockNode(string name, bool scoped, bool required, List<Statement> body, int line) : Statement(line)
{
    public string Name { get; } = name;

    public bool Scoped { get; } = scoped;

    public bool Required { get; } = required;

    public List<Statement> Body { get; } = body;

    public FunctionInfo Function { get; } = new();

    public ScopeLoad[] Loads { get; set; } = [];

    public int? SelfSlot { get; set; }

    public int? SuperSlot { get; set; }

    /// <summary>Resolved, for a scoped block: the variables around it that it may see.</summary>
    public (string Name, VariableRef Variable)[] Visible { get; set; } = [];

    public override IEnumerable<Node> Children => Body;
}

/// <summary>A statement that needs other templates: include, import, from, extends. It fails when it is reached.</summary>
internal sealed class LoadTemplateNode(string tag, Expression template, List<Name> targets, int line) : Statement(line)
{
    public string Tag { get; } = tag;

    public Expression Template { get; } = template;

    /// <summary>The names that an import would assign.</summary>
    public List<Name> Targets { get; } = targets;

    public override IEnumerable<Node> Children => [Template, .. Targets];
}

internal sealed class BreakNode(int line) : Statement(line)
{
    public override IEnumerable<Node> Children => [];
}

internal sealed class ContinueNode(int line) : Statement(line)
{
    public override IEnumerable<Node> Children => [];
}
