using System.Runtime.CompilerServices;

namespace Hearth.Runtime.Templates;

/// <summary>Builds the tree from tokens: statements here, expressions in the other half of the class.</summary>
/// <remarks>Follows the grammar of Jinja2 3.1 with the extensions <c>loopcontrols</c> and <c>generation</c>.</remarks>
internal sealed partial class Parser
{
    /// <summary>Levels of nesting, and levels of one expression; Python gives up at about half of it.</summary>
    private const int MaxNesting = 150;

    private const int MaxExpressionDepth = 200;

    private readonly List<Token> _tokens;
    private readonly Stack<string> _openTags = new();

    /// <summary>Equal literals are the same object, as the test <c>sameas</c> can tell.</summary>
    private readonly Dictionary<string, string> _literals = [];
    private int _index;
    private int _nesting;

    private Parser(List<Token> tokens) => _tokens = tokens;

    private Token Current => _tokens[_index];

    private Token Ahead => _tokens[Math.Min(_index + 1, _tokens.Count - 1)];

    /// <summary>Parses a whole template.</summary>
    public static TemplateNode Parse(string source)
    {
        var parser = new Parser(Lexer.Tokenize(source));
        var body = parser.ParseBody([]);
        if (parser.Current.Kind != SyntaxKind.End)
            throw parser.UnknownTag(parser.Current.Text, parser.Current.Line, []);
        return new TemplateNode(body);
    }

    private Token Next()
    {
        var token = Current;
        if (_index < _tokens.Count - 1)
            _index++;
        return token;
    }

    private bool SkipIf(SyntaxKind kind)
    {
        if (Current.Kind != kind)
            return false;
        Next();
        return true;
    }

    private bool SkipIf(string name)
    {
        if (!Current.IsName(name))
            return false;
        Next();
        return true;
    }

    private Token Expect(SyntaxKind kind)
    {
        if (Current.Kind == kind)
            return Next();
        var expected = new Token(kind, null, 0).Describe();
        throw Raise.Syntax(
            Current.Kind == SyntaxKind.End
                ? $"unexpected end of template, expected '{expected}'."
                : $"expected token '{expected}', got '{Current.Describe()}'",
            Current.Line);
    }

    private Token ExpectName(string name)
    {
        if (Current.IsName(name))
            return Next();
        throw Raise.Syntax($"expected token '{name}', got '{Current.Describe()}'", Current.Line);
    }

    /// <summary>Counts a level of nesting; whoever calls it takes the level off again, unless the template is refused.</summary>
    private void Enter()
    {
        if (++_nesting > MaxNesting || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
            throw Raise.Recursion($"the template is nested more than {MaxNesting} levels deep", Current.Line);
    }

    private TemplateException UnknownTag(string name, int line, string[] expected)
    {
        var message = $"Encountered unknown tag '{name}'.";
        if (expected.Length > 0)
            message += $" Jinja was looking for the following tags: '{string.Join("' or '", expected)}'.";
        if (_openTags.TryPeek(out var open))
            message += $" The innermost block that needs to be closed is '{open}'.";
        return Raise.Syntax(message, line);
    }

    /// <summary>Parses up to a tag named in <paramref name="ends"/>, and stops at its name; the end of the template is left to the caller.</summary>
    private List<Statement> ParseBody(string[] ends)
    {
        Enter();
        var body = new List<Statement>();
        var parts = new List<Expression>();
        while (Current.Kind != SyntaxKind.End)
        {
            var token = Next();
            switch (token.Kind)
            {
                case SyntaxKind.Data:
                    parts.Add(new Constant(token.Text, token.Line));
                    break;
                case SyntaxKind.VariableBegin:
                    parts.Add(ParseTuple());
                    Expect(SyntaxKind.VariableEnd);
                    break;
                default:
                    Flush(parts, body);
                    if (Current.Kind == SyntaxKind.Name && ends.Contains(Current.Text))
                    {
                        _nesting--;
                        return body;
                    }

                    body.Add(ParseStatement(ends));
                    Expect(SyntaxKind.BlockEnd);
                    break;
            }
        }

        Flush(parts, body);
        _nesting--;
        return body;
    }

    private static void Flush(List<Expression> parts, List<Statement> body)
    {
        if (parts.Count == 0)
            return;
        body.Add(new OutputNode([.. parts], parts[0].Line));
        parts.Clear();
    }

    private Statement ParseStatement(string[] ends)
    {
        var token = Current;
        if (token.Kind != SyntaxKind.Name)
            throw Raise.Syntax("tag name expected", token.Line);
        Func<Statement>? parse = token.Text switch
        {
            "for" => ParseFor,
            "if" => ParseIf,
            "set" => ParseSet,
            "macro" => ParseMacro,
            "call" => ParseCallBlock,
            "filter" => ParseFilterBlock,
            "with" => ParseWith,
            "block" => ParseBlock,
            "print" => ParsePrint,
            "autoescape" => ParseAutoescape,
            "generation" => ParseGeneration,
            "include" or "import" or "from" or "extends" => ParseLoad,
            "break" => () => new BreakNode(Next().Line),
            "continue" => () => new ContinueNode(Next().Line),
            _ => null,
        };
        if (parse is null)
            throw UnknownTag(token.Text, token.Line, ends);
        _openTags.Push(token.Text);
        var statement = parse();
        _openTags.Pop();
        return statement;
    }

    /// <summary>The body of a tag: from the end of its opening to one of <paramref name="ends"/>, whose name is the current token.</summary>
    private List<Statement> ParseStatements(params string[] ends)
    {
        SkipIf(SyntaxKind.Colon);
        Expect(SyntaxKind.BlockEnd);
        var body = ParseBody(ends);
        if (Current.Kind == SyntaxKind.End)
        {
            throw Raise.Syntax(
                $"Unexpected end of template. Jinja was looking for the following tags: '{string.Join("' or '", ends)}'."
                + $" The innermost block that needs to be closed is '{_openTags.Peek()}'.",
                Current.Line);
        }

        return body;
    }

    private List<Statement> ParseClosed(string end)
    {
        var body = ParseStatements(end);
        Next();
        return body;
    }

    private ForNode ParseFor()
    {
        var line = Next().Line;
        var target = ParseTarget(endName: "in");
        ExpectName("in");
        var iterable = ParseTuple(withConditional: false, endName: "recursive");
        var test = SkipIf("if") ? ParseExpression() : null;
        var recursive = SkipIf("recursive");
        var body = ParseStatements("endfor", "else");
        var otherwise = Next().Text == "else" ? ParseClosed("endfor") : [];
        return new ForNode(target, iterable, test, recursive, body, otherwise, line);
    }

    private IfNode ParseIf()
    {
        var line = Current.Line;
        var branches = new List<(Expression, List<Statement>)>();
        while (true)
        {
            Next();
            var test = ParseTuple(withConditional: false);
            branches.Add((test, ParseStatements("elif", "else", "endif")));
            if (Current.IsName("elif"))
                continue;
            var otherwise = Next().Text == "else" ? ParseClosed("endif") : [];
            return new IfNode(branches, otherwise, line);
        }
    }

    private Statement ParseSet()
    {
        var line = Next().Line;
        var target = ParseTarget(withNamespace: true);
        if (SkipIf(SyntaxKind.Assign))
            return new AssignNode(target, ParseTuple(), line);
        var filter = ParseFilters(null) as FilterExpression;
        return new AssignBlockNode(target, filter, ParseClosed("endset"), line);
    }

    private WithNode ParseWith()
    {
        var line = Next().Line;
        List<Expression> targets = [], values = [];
        while (Current.Kind != SyntaxKind.BlockEnd)
        {
            if (targets.Count > 0)
                Expect(SyntaxKind.Comma);
            var target = ParseTarget();
            SetUse(target, NameUse.Parameter);
            targets.Add(target);
            Expect(SyntaxKind.Assign);
            values.Add(ParseExpression());
        }

        return new WithNode(targets, values, ParseClosed("endwith"), line);
    }

    private ScopeNode ParseAutoescape()
    {
        var line = Next().Line;
        var enabled = ParseExpression();
        return new ScopeNode(enabled, ParseClosed("endautoescape"), line);
    }

    private ScopeNode ParseGeneration()
    {
        var line = Next().Line;
        return new ScopeNode(null, ParseClosed("endgeneration"), line);
    }

    private BlockNode ParseBlock()
    {
        var line = Next().Line;
        var name = Expect(SyntaxKind.Name).Text;
        var scoped = SkipIf("scoped");
        var required = SkipIf("required");
        if (Current.Kind == SyntaxKind.Sub)
            throw Raise.Syntax("block names must be identifiers; use an underscore for a hyphen", Current.Line);
        var body = ParseClosed("endblock");
        if (required && body.Any(s => s is not OutputNode o || o.Parts.Any(p => p is not Constant { Value: string t } || !PythonText.IsAllSpace(t))))
            throw Raise.Syntax("Required blocks can only contain comments or whitespace", Current.Line);
        SkipIf(name);
        return new BlockNode(name, scoped, required, body, line);
    }

    private OutputNode ParsePrint()
    {
        var line = Next().Line;
        var parts = new List<Expression>();
        while (Current.Kind != SyntaxKind.BlockEnd)
        {
            if (parts.Count > 0)
                Expect(SyntaxKind.Comma);
            parts.Add(ParseExpression());
        }

        return new OutputNode(parts, line);
    }

    private MacroNode ParseMacro()
    {
        var line = Next().Line;
        var name = ParseNameTarget().Id;
        var (parameters, defaults) = ParseSignature();
        return new MacroNode(name, new MacroBody(parameters, defaults, ParseClosed("endmacro")), line);
    }

    private CallBlockNode ParseCallBlock()
    {
        var line = Next().Line;
        var (parameters, defaults) = Current.Kind == SyntaxKind.LeftParen ? ParseSignature() : ([], []);
        if (ParseExpression() is not CallExpression call)
            throw Raise.Syntax("expected call", line);
        return new CallBlockNode(call, new MacroBody(parameters, defaults, ParseClosed("endcall")), line);
    }

    private FilterBlockNode ParseFilterBlock()
    {
        var line = Next().Line;
        var filter = (FilterExpression)ParseFilters(null, startInline: true)!;
        return new FilterBlockNode(filter, ParseClosed("endfilter"), line);
    }

    private (List<Name> Parameters, List<Expression> Defaults) ParseSignature()
    {
        List<Name> parameters = [];
        List<Expression> defaults = [];
        Expect(SyntaxKind.LeftParen);
        while (Current.Kind != SyntaxKind.RightParen)
        {
            if (parameters.Count > 0)
                Expect(SyntaxKind.Comma);
            var name = ParseNameTarget();
            name.Use = NameUse.Parameter;
            if (parameters.Any(p => p.Id == name.Id))
                throw Raise.PythonSyntax($"duplicate argument '{name.Id}' in the signature", name.Line);
            if (SkipIf(SyntaxKind.Assign))
                defaults.Add(ParseExpression());
            else if (defaults.Count > 0)
                throw Raise.Syntax("non-default argument follows default argument", Current.Line);
            parameters.Add(name);
        }

        Next();
        return (parameters, defaults);
    }

    private LoadTemplateNode ParseLoad()
    {
        var tag = Next();
        var template = ParseExpression();
        var targets = new List<Name>();
        switch (tag.Text)
        {
            case "include":
                if (Current.IsName("ignore") && Ahead.IsName("missing"))
                    _index += 2;
                SkipContext();
                break;
            case "import":
                ExpectName("as");
                targets.Add(ParseNameTarget());
                SkipContext();
                break;
            case "from":
                ParseImportedNames(targets);
                break;
        }

        return new LoadTemplateNode(tag.Text, template, targets, tag.Line);
    }

    private bool SkipContext()
    {
        if (!(Current.IsName("with") || Current.IsName("without")) || !Ahead.IsName("context"))
            return false;
        _index += 2;
        return true;
    }

    private void ParseImportedNames(List<Name> targets)
    {
        ExpectName("import");
        while (true)
        {
            if (targets.Count > 0)
                Expect(SyntaxKind.Comma);
            if (Current.Kind != SyntaxKind.Name)
                Expect(SyntaxKind.Name);
            if (SkipContext())
                return;
            var name = ParseNameTarget();
            if (name.Id.StartsWith('_'))
                throw Raise.Assertion("names starting with an underline can not be imported", name.Line);
            targets.Add(SkipIf("as") ? ParseNameTarget() : name);
            if (SkipContext() || Current.Kind != SyntaxKind.Comma)
                return;
        }
    }

    private Name ParseNameTarget()
    {
        var token = Expect(SyntaxKind.Name);
        var name = new Name(token.Text, token.Line) { Use = NameUse.Store };
        RequireAssignable(name);
        return name;
    }

    /// <summary>The left side of an assignment: a name, a tuple of them, or, for <c>set</c>, attributes of namespaces.</summary>
    private Expression ParseTarget(bool withNamespace = false, string? endName = null)
    {
        var line = Current.Line;
        var (items, isTuple) = ParseItems(
            endName, () => withNamespace && Current.Kind == SyntaxKind.Name && Ahead.Kind == SyntaxKind.Dot ? ParseNamespaceRef() : ParsePrimary());
        if (!isTuple && items.Count == 0)
            throw Raise.Syntax($"Expected an expression, got '{Current.Describe()}'", Current.Line);
        var target = isTuple ? Deepen(new TupleExpression(items, line)) : items[0];
        SetUse(target, NameUse.Store);
        RequireAssignable(target);
        return target;
    }

    private NamespaceRef ParseNamespaceRef()
    {
        var token = Next();
        Next();
        return new NamespaceRef(token.Text, Expect(SyntaxKind.Name).Text, token.Line);
    }

    private static void SetUse(Expression target, NameUse use)
    {
        if (target is Name name)
            name.Use = use;
        else if (target is TupleExpression tuple)
            tuple.Items.ForEach(i => SetUse(i, use));
    }

    private static void RequireAssignable(Expression target)
    {
        switch (target)
        {
            case Name { Id: not ("true" or "false" or "none" or "True" or "False" or "None") } or NamespaceRef:
                return;
            case TupleExpression tuple:
                tuple.Items.ForEach(RequireAssignable);
                return;
            default:
                throw Raise.Syntax($"can't assign to '{target.GetType().Name.Replace("Expression", "", StringComparison.Ordinal).ToLowerInvariant()}'", target.Line);
        }
    }
}
