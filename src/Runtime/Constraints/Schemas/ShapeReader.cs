using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Lexemes;
using Hearth.Runtime.Constraints.Numbers;
using Hearth.Runtime.Constraints.Patterns;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>Reads what the keywords of subschemas allow.</summary>
/// <remarks>Source: JSON Schema Core and Validation, 2020-12 (draft-bhutton-json-schema-01); earlier drafts where <c>$schema</c> names one.</remarks>
internal sealed class ShapeReader
{
    /// <summary>Languages into which patterns may split the names of members.</summary>
    private const int MostKeyRules = 64;

    private static readonly Dictionary<string, string> s_refused = new(StringComparer.Ordinal)
    {
        ["unevaluatedProperties"] = "depends on which subschemas applied",
        ["unevaluatedItems"] = "depends on which subschemas applied",
        ["extends"] = "is of draft 3",
        ["disallow"] = "is of draft 3",
        ["divisibleBy"] = "is of draft 3",
    };

    private readonly SchemaSource _source;
    private readonly StringAlgebra _strings;
    private readonly Terms _terms;
    private readonly ShapeAlgebra _algebra;
    private readonly Dictionary<string, Expression> _patterns = new(StringComparer.Ordinal);
    private int _peeks;

    public ShapeReader(SchemaSource source, StringAlgebra strings, Terms terms)
    {
        _source = source;
        _strings = strings;
        _terms = terms;
        _algebra = new ShapeAlgebra(strings, terms, Peek);
    }

    public ShapeAlgebra Algebra => _algebra;

    /// <summary>What a term allows.</summary>
    public Shape ShapeOf(Term term)
    {
        if (term.Shape is null)
        {
            var shape = Shape.Any;
            foreach (var node in term.Nodes)
            {
                shape = At(node, null, () => _algebra.Intersect(shape, ShapeOf(node)));
            }

            term.Shape = shape;
        }

        return term.Shape;
    }

    // What a term allows, unless a subschema that it stands for in place is being read: a member's schema may lead back to that of the whole.
    private Shape? Peek(Term term)
    {
        if (term.Shape is not null || term.Blocking is { IsOpen: true } || Array.Exists(term.Nodes, static node => node.IsOpen))
        {
            return term.Shape;
        }

        _peeks++;
        try
        {
            return ShapeOf(term);
        }
        catch (OpenSubschemaException error)
        {
            term.Blocking = error.Node;
            return null;
        }
        finally
        {
            _peeks--;
        }
    }

    private Shape ShapeOf(SchemaNode node)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (node.Shape is null)
        {
            if (node.IsOpen)
            {
                throw _peeks > 0 ? new OpenSubschemaException(node) : new ConstraintException("the subschema refers to itself without a value in between", node.Pointer, "$ref");
            }

            node.IsOpen = true;
            try
            {
                node.Shape = node.Negated is { } negated ? _algebra.Complement(ShapeOf(negated)) : node.IsValue ? ReadValue(node) : Read(node);
            }
            finally
            {
                node.IsOpen = false;
            }
        }

        return node.Shape;
    }

    // Errors of what lies below say where; others are of the keyword that is being read.
    private static T At<T>(SchemaNode node, string? keyword, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (ConstraintException error) when (error.Location.Length == 0 && node.Pointer.Length > 0)
        {
            throw new ConstraintException(error.Message, node.Pointer, keyword ?? error.Keyword);
        }
    }

    private Shape ReadValue(SchemaNode node)
    {
        var value = node.Element;
        switch (value.ValueKind)
        {
            case JsonValueKind.Null:
                return new Shape { Null = true };
            case JsonValueKind.True:
                return new Shape { True = true };
            case JsonValueKind.False:
                return new Shape { False = true };
            case JsonValueKind.Number:
                return new Shape { Numbers = [NumberRange.Of(ExactNumber.Parse(value.GetRawText()))] };
            case JsonValueKind.String:
                return new Shape { Strings = new StringSet([Text(node, value)], []) };
            case JsonValueKind.Array:
                Term[] items = [.. value.EnumerateArray().Select((item, i) => _terms.Of(_source.Value(node, item, Number(i))))];
                return new Shape { Arrays = [new ArrayShape { Prefix = items, Rest = Terms.Anything, Least = items.Length, Most = items.Length }] };
            default:
                PropertyRule[] members = [.. value.EnumerateObject().Select(member => new PropertyRule(member.Name, _terms.Of(_source.Value(node, member.Value, member.Name)), IsRequired: true))];
                return new Shape { Objects = [new ObjectShape { Properties = members, Others = [], Least = members.Length, Most = members.Length }] };
        }
    }

    private static string Text(SchemaNode node, JsonElement value)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new ConstraintException("a text holds half of a surrogate pair", node.Pointer);
        }
    }

    private Shape Read(SchemaNode node)
    {
        var element = node.Element;
        if (element.ValueKind is JsonValueKind.True or JsonValueKind.False)
        {
            return element.ValueKind == JsonValueKind.True ? Shape.Any : Shape.None;
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            throw new ConstraintException($"a schema is an object or a boolean, found {element.ValueKind}", node.Pointer);
        }

        var keywords = new Keywords(element, node);
        if (keywords.TryGet("$ref", out var reference) && reference.ValueKind == JsonValueKind.String && _source.Draft <= 7)
        {
            // Up to draft 7 a reference stands for the whole subschema.
            return ShapeOf(_source.Resolve(node, reference.GetString()!, "$ref"));
        }

        foreach (var (keyword, reason) in s_refused)
        {
            if (keywords.TryGet(keyword, out var value) && value.ValueKind != JsonValueKind.True)
            {
                throw new ConstraintException($"'{keyword}' is not supported: it {reason}", node.Pointer, keyword);
            }
        }

        var shape = ReadLocal(node, keywords);
        shape = Values(node, keywords, shape);
        shape = References(node, keywords, shape);
        shape = Combinations(node, keywords, shape);
        return Dependencies(node, keywords, shape);
    }

    private Shape Values(SchemaNode node, Keywords keywords, Shape shape)
    {
        if (keywords.TryGet("const", out var constant))
        {
            shape = _algebra.Intersect(shape, ShapeOf(_source.Value(node, constant, "const")));
        }

        if (keywords.TryGet("enum", out var values))
        {
            keywords.Expect("enum", values, JsonValueKind.Array);
            var union = new Shape();
            var literals = new List<string>();
            var numbers = new HashSet<ExactNumber>();
            var index = 0;
            foreach (var value in values.EnumerateArray())
            {
                var name = Number(index++);
                if (value.ValueKind == JsonValueKind.String)
                {
                    literals.Add(Text(node, value));
                }
                else if (value.ValueKind == JsonValueKind.Number)
                {
                    numbers.Add(keywords.Number("enum", value));
                    if (numbers.Count > ShapeAlgebra.MostNumbers)
                    {
                        throw new ConstraintException($"'enum' holds more than {ShapeAlgebra.MostNumbers} numbers", node.Pointer, "enum");
                    }
                }
                else
                {
                    union = _algebra.Union(union, ShapeOf(_source.Value(node, value, "enum", name)));
                }
            }

            shape = _algebra.Intersect(shape, union with
            {
                Strings = new StringSet([.. literals.Distinct(StringComparer.Ordinal)], []),
                Numbers = [.. numbers.Select(NumberRange.Of)],
            });
        }

        return shape;
    }

    private Shape References(SchemaNode node, Keywords keywords, Shape shape)
    {
        foreach (var keyword in (ReadOnlySpan<string>)["$ref", "$dynamicRef", "$recursiveRef"])
        {
            if (!keywords.TryGet(keyword, out var reference))
            {
                continue;
            }

            keywords.Expect(keyword, reference, JsonValueKind.String);
            var name = reference.GetString()!;
            if (keyword == "$dynamicRef" && name.IndexOf('#', StringComparison.Ordinal) is >= 0 and var hash && _source.IsDynamic(name[(hash + 1)..]))
            {
                throw new ConstraintException($"'$dynamicRef' names '{name}', which stands for several subschemas", node.Pointer, keyword);
            }

            var target = _source.Resolve(node, name, keyword);
            shape = At(node, keyword, () => _algebra.Intersect(shape, ShapeOf(target)));
        }

        return shape;
    }

    private Shape Combinations(SchemaNode node, Keywords keywords, Shape shape)
    {
        foreach (var part in Subschemas(node, keywords, "allOf"))
        {
            shape = At(node, "allOf", () => _algebra.Intersect(shape, ShapeOf(part)));
        }

        if (keywords.TryGet("anyOf", out _))
        {
            var union = Shape.None;
            foreach (var part in Subschemas(node, keywords, "anyOf"))
            {
                // Combined with what holds anyway first: what that rules out need not be carried along.
                union = At(node, "anyOf", () => _algebra.Union(union, _algebra.Intersect(shape, ShapeOf(part))));
            }

            shape = union;
        }

        if (keywords.TryGet("oneOf", out _))
        {
            shape = At(node, "oneOf", () => OneOf([.. Subschemas(node, keywords, "oneOf").Select(part => _algebra.Intersect(shape, ShapeOf(part)))]));
        }

        if (keywords.TryGet("not", out var negated))
        {
            shape = At(node, "not", () => _algebra.Subtract(shape, ShapeOf(_source.Child(node, negated, "not"))));
        }

        if (keywords.TryGet("if", out var condition))
        {
            var holds = ShapeOf(_source.Child(node, condition, "if"));
            var then = keywords.TryGet("then", out var thenSchema) ? ShapeOf(_source.Child(node, thenSchema, "then")) : Shape.Any;
            var otherwise = keywords.TryGet("else", out var elseSchema) ? ShapeOf(_source.Child(node, elseSchema, "else")) : Shape.Any;
            shape = ReferenceEquals(then, Shape.Any) && ReferenceEquals(otherwise, Shape.Any) ? shape : At(node, "if", () => _algebra.Union(
                _algebra.Intersect(_algebra.Intersect(shape, holds), then),
                _algebra.Intersect(_algebra.Subtract(shape, holds), otherwise)));
        }

        return shape;
    }

    private Shape OneOf(Shape[] parts)
    {
        var union = Shape.None;
        for (var i = 0; i < parts.Length; i++)
        {
            var only = parts[i];
            for (var j = 0; j < parts.Length; j++)
            {
                if (j != i)
                {
                    only = _algebra.Subtract(only, parts[j]);
                }
            }

            union = _algebra.Union(union, only);
        }

        return union;
    }

    private Shape Dependencies(SchemaNode node, Keywords keywords, Shape shape)
    {
        foreach (var keyword in (ReadOnlySpan<string>)["dependencies", "dependentRequired", "dependentSchemas"])
        {
            if (!keywords.TryGet(keyword, out var dependencies))
            {
                continue;
            }

            keywords.Expect(keyword, dependencies, JsonValueKind.Object);
            foreach (var dependency in dependencies.EnumerateObject())
            {
                var present = dependency.Value.ValueKind switch
                {
                    JsonValueKind.Array => Requiring([dependency.Name, .. keywords.Names(keyword, dependency.Value)]),
                    JsonValueKind.String when keyword == "dependencies" => Requiring([dependency.Name, dependency.Value.GetString()!]),
                    _ => _algebra.Intersect(Requiring([dependency.Name]), ShapeOf(_source.Child(node, dependency.Value, keyword, dependency.Name))),
                };
                var absent = Shape.Any with { Objects = [ObjectShape.Any with { Properties = [new PropertyRule(dependency.Name, _terms.Not(Terms.Anything), false)] }] };
                shape = At(node, keyword, () => _algebra.Union(
                    _algebra.Intersect(shape, absent),
                    _algebra.Intersect(shape with { Null = false, True = false, False = false, Numbers = [], Strings = StringSet.None, Arrays = [] }, present)));
            }
        }

        return shape;

        static Shape Requiring(IEnumerable<string> names)
            => Shape.Any with { Objects = [ObjectShape.Any with { Needs = [.. names.Distinct(StringComparer.Ordinal).Select(name => new MemberNeed(name, null, Terms.Anything))] }] };
    }

    private IEnumerable<SchemaNode> Subschemas(SchemaNode node, Keywords keywords, string keyword)
    {
        if (!keywords.TryGet(keyword, out var list))
        {
            yield break;
        }

        keywords.Expect(keyword, list, JsonValueKind.Array);
        var index = 0;
        foreach (var part in list.EnumerateArray())
        {
            yield return _source.Child(node, part, keyword, Number(index++));
        }
    }

    // What the keywords that look at the value itself allow.
    private Shape ReadLocal(SchemaNode node, Keywords keywords)
    {
        var types = keywords.Types();
        if (!keywords.HasLocal && types == JsonTypes.All)
        {
            return Shape.Any;
        }

        var hasNumbers = (types & (JsonTypes.Number | JsonTypes.Integer)) != 0;
        return new Shape
        {
            Null = (types & JsonTypes.Null) != 0,
            True = (types & JsonTypes.Boolean) != 0,
            False = (types & JsonTypes.Boolean) != 0,
            Numbers = hasNumbers ? ReadNumbers(keywords, onlyIntegers: (types & JsonTypes.Number) == 0) : [],
            Strings = (types & JsonTypes.String) != 0 ? ReadStrings(node, keywords) : StringSet.None,
            Arrays = (types & JsonTypes.Array) != 0 ? [ReadArray(node, keywords)] : [],
            Objects = (types & JsonTypes.Object) != 0 ? [ReadObject(node, keywords)] : [],
        };
    }

    private NumberRange[] ReadNumbers(Keywords keywords, bool onlyIntegers)
    {
        // Up to draft 4 an integer has neither fraction nor exponent, whatever its value.
        var range = onlyIntegers ? NumberRange.Integers with { IsPlain = _source.Draft <= 4 } : NumberRange.All;
        range = Bound(range, "minimum", "exclusiveMinimum", (value, excludes) => new NumberRange { Least = value, ExcludesLeast = excludes });
        range = Bound(range, "maximum", "exclusiveMaximum", (value, excludes) => new NumberRange { Most = value, ExcludesMost = excludes });
        if (keywords.TryGet("multipleOf", out var multiple))
        {
            var step = keywords.Number("multipleOf", multiple);
            range = step.Sign > 0
                ? range.Intersect(new NumberRange { Multiple = step })
                : throw keywords.Wrong("multipleOf", "a number above 0", multiple);
        }

        return range.IsInhabited() ? [range] : [];

        NumberRange Bound(NumberRange all, string keyword, string exclusive, Func<ExactNumber, bool, NumberRange> make)
        {
            var excludes = false;
            if (keywords.TryGet(exclusive, out var limit))
            {
                if (limit.ValueKind is JsonValueKind.True or JsonValueKind.False)
                {
                    excludes = limit.ValueKind == JsonValueKind.True;
                }
                else
                {
                    all = all.Intersect(make(keywords.Number(exclusive, limit), true));
                }
            }

            return keywords.TryGet(keyword, out var bound) ? all.Intersect(make(keywords.Number(keyword, bound), excludes)) : all;
        }
    }

    private StringSet ReadStrings(SchemaNode node, Keywords keywords)
    {
        var language = new StringLanguage(null, keywords.Count("minLength", 0), keywords.Count("maxLength", StringLengths.Unlimited));
        if (keywords.TryGet("pattern", out var pattern))
        {
            keywords.Expect("pattern", pattern, JsonValueKind.String);
            language = _strings.Intersect(language, PatternOf(node, "pattern", pattern.GetString()!));
        }

        if (keywords.TryGet("format", out var format) && format.ValueKind == JsonValueKind.String)
        {
            var name = format.GetString()!;
            if (_strings.Format(name) is { } expression)
            {
                language = language with { Expression = _strings.Both(language.Expression, expression) };
            }
            else if (StringFormats.IsKnown(name))
            {
                throw new ConstraintException($"the format '{name}' cannot be enforced", node.Pointer, "format");
            }
        }

        return _strings.IsInhabited(language) ? new StringSet([], [language]) : StringSet.None;
    }

    private StringLanguage PatternOf(SchemaNode node, string keyword, string pattern)
    {
        if (!_patterns.TryGetValue(pattern, out var expression))
        {
            try
            {
                expression = EcmaPattern.Parse(pattern, _strings.Factory, anchored: false);
            }
            catch (ConstraintException error)
            {
                throw new ConstraintException($"the pattern '{pattern}' cannot be used: {error.Message}{(error.Location.Length > 0 ? $" ({error.Location})" : "")}", node.Pointer, keyword);
            }

            _patterns.Add(pattern, expression);
        }

        return CountedPattern.Split(expression, _strings.Factory);
    }

    private ArrayShape ReadArray(SchemaNode node, Keywords keywords)
    {
        Term[] prefix = [];
        var rest = Terms.Anything;
        if (keywords.TryGet("prefixItems", out _))
        {
            prefix = [.. Subschemas(node, keywords, "prefixItems").Select(_terms.Of)];
        }

        if (keywords.TryGet("items", out var items))
        {
            if (items.ValueKind == JsonValueKind.Array)
            {
                prefix = [.. Subschemas(node, keywords, "items").Select(_terms.Of)];
                rest = keywords.TryGet("additionalItems", out var additional) ? _terms.Of(_source.Child(node, additional, "additionalItems")) : rest;
            }
            else
            {
                rest = _terms.Of(_source.Child(node, items, "items"));
            }
        }

        var contains = Array.Empty<ContainsRule>();
        if (keywords.TryGet("contains", out var wanted))
        {
            contains = [new ContainsRule(_terms.Of(_source.Child(node, wanted, "contains")), keywords.Count("minContains", 1), keywords.Count("maxContains", ArrayShape.Unlimited), 0)];
            if (contains is [{ Least: 0, Most: ArrayShape.Unlimited }])
            {
                contains = [];
            }
        }

        return new ArrayShape
        {
            Prefix = prefix,
            Rest = rest,
            Least = keywords.Count("minItems", 0),
            Most = keywords.Count("maxItems", ArrayShape.Unlimited),
            Contains = contains,
            IsUnique = keywords.TryGet("uniqueItems", out var unique) && unique.ValueKind == JsonValueKind.True,
        };
    }

    private ObjectShape ReadObject(SchemaNode node, Keywords keywords)
    {
        var rules = new List<(Expression? Keys, Term? Value)> { (null, null) };
        var patterns = new List<(Expression Keys, Term Value)>();
        if (keywords.TryGet("patternProperties", out var byPattern))
        {
            keywords.Expect("patternProperties", byPattern, JsonValueKind.Object);
            foreach (var member in byPattern.EnumerateObject())
            {
                var language = PatternOf(node, "patternProperties", member.Name);
                var keys = _strings.ToExpression(new StringSet([], [language])) ?? _strings.Factory.Everything;
                var value = _terms.Of(_source.Child(node, member.Value, "patternProperties", member.Name));
                patterns.Add((keys, value));
                rules = [.. rules.SelectMany(rule => new (Expression? Keys, Term? Value)[]
                {
                    (_strings.Both(rule.Keys, keys), rule.Value is null ? value : _terms.And(rule.Value, value)),
                    (_strings.Both(rule.Keys, _strings.Outside(keys)), rule.Value),
                }).Where(rule => _strings.IsInhabited(rule.Keys))];
                if (rules.Count > MostKeyRules)
                {
                    throw new ConstraintException($"the patterns overlap in more than {MostKeyRules} ways", node.Pointer, "patternProperties");
                }
            }
        }

        var additional = keywords.TryGet("additionalProperties", out var schema) ? _terms.Of(_source.Child(node, schema, "additionalProperties")) : Terms.Anything;
        var others = rules.Select(rule => new KeyRule(rule.Keys, rule.Value ?? additional));
        var properties = new List<PropertyRule>();
        if (keywords.TryGet("properties", out var named))
        {
            keywords.Expect("properties", named, JsonValueKind.Object);
            foreach (var member in named.EnumerateObject())
            {
                var value = _terms.Of(_source.Child(node, member.Value, "properties", member.Name));
                foreach (var (keys, also) in patterns)
                {
                    value = _strings.Matches(keys, member.Name) ? _terms.And(value, also) : value;
                }

                properties.Add(new PropertyRule(member.Name, value, IsRequired: false));
            }
        }

        if (keywords.TryGet("propertyNames", out var names))
        {
            var allowed = ShapeOf(_source.Child(node, names, "propertyNames")).Strings;
            var keys = _strings.ToExpression(allowed);
            others = others.Select(rule => rule with { Keys = _strings.Both(rule.Keys, keys) }).Where(rule => _strings.IsInhabited(rule.Keys));
            for (var i = 0; i < properties.Count; i++)
            {
                if (keys is not null && !_strings.Matches(keys, properties[i].Name))
                {
                    properties[i] = properties[i] with { Value = _terms.Not(Terms.Anything) };
                }
            }
        }

        var needs = new List<MemberNeed>();
        if (keywords.TryGet("required", out var required) && required.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
        {
            var places = new Dictionary<string, int>(StringComparer.Ordinal);
            for (var i = 0; i < properties.Count; i++)
            {
                places.Add(properties[i].Name, i);
            }

            foreach (var name in keywords.Names("required", required).Distinct(StringComparer.Ordinal))
            {
                if (places.TryGetValue(name, out var place))
                {
                    properties[place] = properties[place] with { IsRequired = true };
                }
                else
                {
                    needs.Add(new MemberNeed(name, null, Terms.Anything));
                }
            }
        }

        return new ObjectShape
        {
            Properties = [.. properties],
            Others = [.. others],
            Needs = [.. needs],
            Least = keywords.Count("minProperties", 0),
            Most = keywords.Count("maxProperties", ObjectShape.Unlimited),
        };
    }

    private static string Number(int index) => index.ToString(CultureInfo.InvariantCulture);

    /// <summary>Ends a look at a term that cannot be had before the subschema that is being read.</summary>
    private sealed class OpenSubschemaException(SchemaNode node) : Exception
    {
        public SchemaNode Node => node;
    }
}
