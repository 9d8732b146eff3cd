namespace Hearth.Runtime.Templates;

internal sealed partial class Parser
{
    /// <summary>Notes how deep a new node is, and refuses it where walking it could exhaust the stack.</summary>
    private static T Deepen<T>(T node)
        where T : Expression
    {
        var depth = 0;
        foreach (var child in node.Children)
            depth = Math.Max(depth, ((Expression)child).Depth);
        node.Depth = depth + 1;
        if (node.Depth > MaxExpressionDepth)
            throw Raise.Recursion($"an expression is more than {MaxExpressionDepth} levels deep", node.Line);
        return node;
    }

    private Expression ParseExpression(bool withConditional = true)
    {
        Enter();
        var result = withConditional ? ParseConditional() : ParseOr();
        _nesting--;
        return result;
    }

    private Expression ParseConditional()
    {
        var line = Current.Line;
        var then = ParseOr();
        while (SkipIf("if"))
        {
            var test = ParseOr();
            Expression? otherwise = null;
            if (SkipIf("else"))
                otherwise = ParseExpression();
            then = Deepen(new ConditionalExpression(test, then, otherwise, line));
            line = Current.Line;
        }

        return then;
    }

    private Expression ParseOr()
    {
        var line = Current.Line;
        var left = ParseAnd();
        while (SkipIf("or"))
            left = Deepen(new LogicalExpression(isAnd: false, left, ParseAnd(), line));
        return left;
    }

    private Expression ParseAnd()
    {
        var line = Current.Line;
        var left = ParseNot();
        while (SkipIf("and"))
            left = Deepen(new LogicalExpression(isAnd: true, left, ParseNot(), line));
        return left;
    }

    private Expression ParseNot()
    {
        if (!Current.IsName("not"))
            return ParseCompare();
        Enter();
        var line = Next().Line;
        var result = Deepen(new NotExpression(ParseNot(), line));
        _nesting--;
        return result;
    }

    private Expression ParseCompare()
    {
        var line = Current.Line;
        var first = ParseSum();
        var rest = new List<(Comparison, Expression)>();
        while (ComparisonAhead() is { } comparison)
        {
            _index += comparison == Comparison.NotIn ? 2 : 1;
            rest.Add((comparison, ParseSum()));
        }

        return rest.Count == 0 ? first : Deepen(new CompareExpression(first, rest, line));
    }

    private Comparison? ComparisonAhead() => Current.Kind switch
    {
        SyntaxKind.Equal => Comparison.Equal,
        SyntaxKind.NotEqual => Comparison.NotEqual,
        SyntaxKind.Less => Comparison.Less,
        SyntaxKind.LessEqual => Comparison.LessEqual,
        SyntaxKind.Greater => Comparison.Greater,
        SyntaxKind.GreaterEqual => Comparison.GreaterEqual,
        SyntaxKind.Name when Current.Text == "in" => Comparison.In,
        SyntaxKind.Name when Current.Text == "not" && Ahead.IsName("in") => Comparison.NotIn,
        _ => null,
    };

    private Expression ParseSum()
    {
        var line = Current.Line;
        var left = ParseConcat();
        while (Current.Kind is SyntaxKind.Add or SyntaxKind.Sub)
            left = Deepen(new BinaryExpression(Next().Kind, left, ParseConcat(), line));
        return left;
    }

    private Expression ParseConcat()
    {
        var line = Current.Line;
        var first = ParseProduct();
        if (Current.Kind != SyntaxKind.Tilde)
            return first;
        var parts = new List<Expression> { first };
        while (SkipIf(SyntaxKind.Tilde))
            parts.Add(ParseProduct());
        return Deepen(new ConcatExpression(parts, line));
    }

    private Expression ParseProduct()
    {
        var line = Current.Line;
        var left = ParsePower();
        while (Current.Kind is SyntaxKind.Mul or SyntaxKind.Div or SyntaxKind.FloorDiv or SyntaxKind.Mod)
            left = Deepen(new BinaryExpression(Next().Kind, left, ParsePower(), line));
        return left;
    }

    /// <summary>Jinja2 groups powers from the left, unlike Python.</summary>
    private Expression ParsePower()
    {
        var line = Current.Line;
        var left = ParseUnary();
        while (Current.Kind == SyntaxKind.Pow)
            left = Deepen(new BinaryExpression(Next().Kind, left, ParseUnary(), line));
        return left;
    }

    private Expression ParseUnary(bool withFilter = true)
    {
        var line = Current.Line;
        Expression node;
        if (Current.Kind is SyntaxKind.Sub or SyntaxKind.Add)
        {
            Enter();
            var isNegative = Next().Kind == SyntaxKind.Sub;
            node = Deepen(new SignExpression(isNegative, ParseUnary(withFilter: false), line));
            _nesting--;
        }
        else
        {
            node = ParsePrimary();
        }

        node = ParsePostfix(node);
        return withFilter ? ParseFiltersAndTests(node) : node;
    }

    private Expression ParsePrimary()
    {
        var token = Current;
        switch (token.Kind)
        {
            case SyntaxKind.Name:
                Next();
                return token.Text switch
                {
                    "true" or "True" => new Constant(true, token.Line),
                    "false" or "False" => new Constant(false, token.Line),
                    "none" or "None" => new Constant(null, token.Line),
                    _ => new Name(token.Text, token.Line),
                };
            case SyntaxKind.String:
                return ParseStrings();
            case SyntaxKind.Integer or SyntaxKind.Float:
                return new Constant(Next().Value, token.Line);
            case SyntaxKind.LeftParen:
                Next();
                var inner = ParseTuple(explicitParentheses: true);
                Expect(SyntaxKind.RightParen);
                return inner;
            case SyntaxKind.LeftBracket:
                return ParseList();
            case SyntaxKind.LeftBrace:
                return ParseMap();
            default:
                throw Raise.Syntax($"unexpected '{token.Describe()}'", token.Line);
        }
    }

    private Constant ParseStrings()
    {
        var first = Next();
        if (Current.Kind != SyntaxKind.String)
            return new Constant(Pooled(first.Text), first.Line);
        var text = new System.Text.StringBuilder(first.Text);
        while (Current.Kind == SyntaxKind.String)
            text.Append(Next().Text);
        return new Constant(Pooled(text.ToString()), first.Line);
    }

    private string Pooled(string text)
    {
        if (!_literals.TryGetValue(text, out var pooled))
            _literals[text] = pooled = text;
        return pooled;
    }

    private bool IsTupleEnd(string? endName) => Current.Kind is SyntaxKind.VariableEnd or SyntaxKind.BlockEnd or SyntaxKind.RightParen
        || (endName is not null && Current.IsName(endName));

    // What stands between commas, up to the end of a tuple; one comma, be it the last, makes it one.
    private (List<Expression> Items, bool IsTuple) ParseItems(string? endName, Func<Expression> parseItem)
    {
        var items = new List<Expression>();
        var isTuple = false;
        while (true)
        {
            if (items.Count > 0)
                Expect(SyntaxKind.Comma);
            if (IsTupleEnd(endName))
                break;
            items.Add(parseItem());
            if (Current.Kind != SyntaxKind.Comma)
                break;
            isTuple = true;
        }

        return (items, isTuple);
    }

    private Expression ParseTuple(bool withConditional = true, string? endName = null, bool explicitParentheses = false)
    {
        var line = Current.Line;
        var (items, isTuple) = ParseItems(endName, () => ParseExpression(withConditional));
        if (!isTuple)
        {
            if (items.Count > 0)
                return items[0];
            if (!explicitParentheses)
                throw Raise.Syntax($"Expected an expression, got '{Current.Describe()}'", Current.Line);
        }

        return Deepen(new TupleExpression(items, line));
    }

    private ListExpression ParseList()
    {
        var line = Next().Line;
        var items = new List<Expression>();
        while (Current.Kind != SyntaxKind.RightBracket)
        {
            if (items.Count > 0)
                Expect(SyntaxKind.Comma);
            if (Current.Kind == SyntaxKind.RightBracket)
                break;
            items.Add(ParseExpression());
        }

        Next();
        return Deepen(new ListExpression(items, line));
    }

    private MapExpression ParseMap()
    {
        var line = Next().Line;
        var items = new List<(Expression, Expression)>();
        while (Current.Kind != SyntaxKind.RightBrace)
        {
            if (items.Count > 0)
                Expect(SyntaxKind.Comma);
            if (Current.Kind == SyntaxKind.RightBrace)
                break;
            var key = ParseExpression();
            Expect(SyntaxKind.Colon);
            items.Add((key, ParseExpression()));
        }

        Next();
        return Deepen(new MapExpression(items, line));
    }

    private Expression ParsePostfix(Expression node)
    {
        while (true)
        {
            switch (Current.Kind)
            {
                case SyntaxKind.Dot: node = ParseAttribute(node); break;
                case SyntaxKind.LeftBracket: node = ParseIndex(node); break;
                case SyntaxKind.LeftParen: node = ParseCall(node); break;
                default: return node;
            }
        }
    }

    private Expression ParseFiltersAndTests(Expression node)
    {
        while (true)
        {
            if (Current.Kind == SyntaxKind.Pipe)
                node = ParseFilters(node)!;
            else if (Current.IsName("is"))
                node = ParseTest(node);
            else if (Current.Kind == SyntaxKind.LeftParen)
                node = ParseCall(node);
            else
                return node;
        }
    }

    private Expression ParseAttribute(Expression node)
    {
        var line = Next().Line;
        var token = Next();
        return token.Kind switch
        {
            SyntaxKind.Name => Deepen(new AttributeExpression(node, token.Text, line)),
            SyntaxKind.Integer => Deepen(new IndexExpression(node, new Constant(token.Value, token.Line), line)),
            _ => throw Raise.Syntax("expected name or number", token.Line),
        };
    }

    private IndexExpression ParseIndex(Expression node)
    {
        var line = Next().Line;
        var items = new List<Expression>();
        while (Current.Kind != SyntaxKind.RightBracket)
        {
            if (items.Count > 0)
                Expect(SyntaxKind.Comma);
            items.Add(ParseSubscript());
        }

        Next();
        if (items.Count != 1 && items.Exists(i => i is SliceExpression))
            throw Raise.PythonSyntax("a slice cannot be one of several subscripts", line);
        var index = items.Count == 1 ? items[0] : Deepen(new TupleExpression(items, line));
        return Deepen(new IndexExpression(node, index, line));
    }

    private Expression ParseSubscript()
    {
        var line = Current.Line;
        Expression? start = null;
        if (Current.Kind != SyntaxKind.Colon)
        {
            start = ParseExpression();
            if (Current.Kind != SyntaxKind.Colon)
                return start;
        }

        Next();
        var stop = ParseBound();
        var step = SkipIf(SyntaxKind.Colon) ? ParseBound() : null;
        return Deepen(new SliceExpression(start, stop, step, line));
    }

    private Expression? ParseBound()
        => Current.Kind is SyntaxKind.Colon or SyntaxKind.RightBracket or SyntaxKind.Comma ? null : ParseExpression();

    private CallExpression ParseCall(Expression node)
    {
        var line = Current.Line;
        return Deepen(new CallExpression(node, ParseArguments(), line));
    }

    private ArgumentList ParseArguments()
    {
        var line = Expect(SyntaxKind.LeftParen).Line;
        var list = new ArgumentList();
        var requireComma = false;
        while (Current.Kind != SyntaxKind.RightParen)
        {
            if (requireComma)
            {
                Expect(SyntaxKind.Comma);
                if (Current.Kind == SyntaxKind.RightParen)
                    break;
            }

            ParseArgument(list, line);
            requireComma = true;
        }

        Next();
        return list;
    }

    private void ParseArgument(ArgumentList list, int line)
    {
        if (Current.Kind == SyntaxKind.Mul)
        {
            Ensure(list.Spread is null && list.KeywordSpread is null, line);
            Next();
            list.Spread = ParseExpression();
        }
        else if (Current.Kind == SyntaxKind.Pow)
        {
            Ensure(list.KeywordSpread is null, line);
            Next();
            list.KeywordSpread = ParseExpression();
        }
        else if (Current.Kind == SyntaxKind.Name && Ahead.Kind == SyntaxKind.Assign)
        {
            Ensure(list.KeywordSpread is null, line);
            var name = Next().Text;
            Next();
            if (list.Keywords.Exists(k => k.Name == name))
                throw Raise.PythonSyntax($"keyword argument repeated: {name}", line);
            list.Keywords.Add((name, ParseExpression()));
        }
        else
        {
            Ensure(list.Spread is null && list.KeywordSpread is null && list.Keywords.Count == 0, line);
            list.Positional.Add(ParseExpression());
        }
    }

    private static void Ensure(bool condition, int line)
    {
        if (!condition)
            throw Raise.Syntax("invalid syntax for function call expression", line);
    }

    private string ParseDottedName()
    {
        var name = Expect(SyntaxKind.Name).Text;
        while (SkipIf(SyntaxKind.Dot))
            name += "." + Expect(SyntaxKind.Name).Text;
        return name;
    }

    private Expression? ParseFilters(Expression? node, bool startInline = false)
    {
        while (startInline || Current.Kind == SyntaxKind.Pipe)
        {
            if (!startInline)
                Next();
            startInline = false;
            var line = Current.Line;
            var name = ParseDottedName();
            var arguments = Current.Kind == SyntaxKind.LeftParen ? ParseArguments() : ArgumentList.Empty;
            node = Deepen(new FilterExpression(node, name, arguments, line));
        }

        return node;
    }

    private Expression ParseTest(Expression node)
    {
        var line = Next().Line;
        var negated = SkipIf("not");
        var name = ParseDottedName();
        var arguments = ArgumentList.Empty;
        if (Current.Kind == SyntaxKind.LeftParen)
        {
            arguments = ParseArguments();
        }
        else if (StartsTestArgument())
        {
            if (Current.IsName("is"))
                throw Raise.Syntax("You cannot chain multiple tests with is", Current.Line);
            arguments = new ArgumentList();
            arguments.Positional.Add(ParsePostfix(ParsePrimary()));
        }

        Expression test = Deepen(new TestExpression(node, name, arguments, line));
        return negated ? Deepen(new NotExpression(test, line)) : test;
    }

    private bool StartsTestArgument() => Current.Kind switch
    {
        SyntaxKind.Name => Current.Text is not ("else" or "or" or "and"),
        SyntaxKind.String or SyntaxKind.Integer or SyntaxKind.Float or SyntaxKind.LeftBracket or SyntaxKind.LeftBrace => true,
        _ => false,
    };
}
