using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Forms;
using Hearth.Runtime.Constraints.Machine;
using Hearth.Runtime.Constraints.Tokens;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>Makes the rules of a JSON schema.</summary>
/// <remarks>
/// All that a value may have to fit is worked out before the first token, so that what cannot be enforced is refused then
/// and no text is begun that cannot be ended. Lexemes and places are made as they are reached.
/// </remarks>
internal static class SchemaCompiler
{
    /// <summary>The node at which a text of the schema begins.</summary>
    /// <exception cref="ConstraintException">The schema is malformed, not supported, too complex, or no value is valid.</exception>
    public static Node Compile(string schema, JsonLayout layout, ConstraintVocabulary vocabulary, CancellationToken cancellationToken = default)
        => Compile(schema, layout, notation: null, vocabulary, cancellationToken);

    /// <summary>The node at which the members of an object of the schema begin, in a notation of their own; values within are JSON.</summary>
    /// <remarks>Members that the schema does not name are not written.</remarks>
    /// <exception cref="ConstraintException">The schema is malformed, not supported, too complex, or no object is valid.</exception>
    public static Node CompileMembers(string schema, MemberNotation notation, ConstraintVocabulary vocabulary, CancellationToken cancellationToken = default)
        => Compile(schema, JsonLayout.Spaced, notation, vocabulary, cancellationToken);

    /// <summary>Of each named member of a schema's objects the kinds of value that it may have: strings, others.</summary>
    /// <exception cref="ConstraintException">The schema is malformed, not supported or too complex.</exception>
    public static IReadOnlyDictionary<string, (bool Strings, bool Others)> KindsOfMembers(string schema)
    {
        var source = new SchemaSource(schema);
        var strings = new StringAlgebra(new ExpressionFactory());
        var terms = new Terms(source);
        var reader = new ShapeReader(source, strings, terms);
        lock (strings.Factory)
        {
            return new JsonRules(ConstraintVocabulary.None, strings, terms, reader, JsonLayout.Spaced).KindsOfMembers(terms.Of(source.Root));
        }
    }

    private static Node Compile(string schema, JsonLayout layout, MemberNotation? notation, ConstraintVocabulary vocabulary, CancellationToken cancellationToken)
    {
        try
        {
            return CompileText(schema, layout, notation, vocabulary, cancellationToken);
        }
        catch (InvalidOperationException error) when (error.Source?.StartsWith("System.Text.Json", StringComparison.Ordinal) == true)
        {
            // Its way to say that an escape has no meaning as text.
            throw new ConstraintException("the schema holds half of a surrogate pair, which is no text");
        }
    }

    private static Node CompileText(string schema, JsonLayout layout, MemberNotation? notation, ConstraintVocabulary vocabulary, CancellationToken cancellationToken)
    {
        var source = new SchemaSource(schema);
        var factory = new ExpressionFactory();
        var strings = new StringAlgebra(factory);
        var terms = new Terms(source);
        var reader = new ShapeReader(source, strings, terms);
        var rules = new JsonRules(vocabulary, strings, terms, reader, layout);
        var root = terms.Of(source.Root);
        lock (factory)
        {
            FindInhabited(Reach(root, reader, rules, cancellationToken), reader, rules);
        }

        return (root.IsInhabited ? notation is null ? rules.Start(root) : rules.StartMembers(root, notation) : null) ?? throw Contradiction(root, reader, rules);
    }

    // All terms that a value below the root may have to fit, each behind one that leads to it.
    private static List<Term> Reach(Term root, ShapeReader reader, JsonRules rules, CancellationToken cancellationToken)
    {
        var order = new List<Term> { root };
        var seen = new HashSet<Term>(order);
        for (var i = 0; i < order.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var below in Below(order[i], reader, rules))
            {
                if (seen.Add(below))
                {
                    order.Add(below);
                }
            }
        }

        return order;
    }

    private static IEnumerable<Term> Below(Term term, ShapeReader reader, JsonRules rules)
    {
        try
        {
            var shape = reader.ShapeOf(term);
            return [.. shape.Arrays.SelectMany(array => rules.Prepare(array).Values), .. shape.Objects.SelectMany(one => rules.Prepare(one).Values)];
        }
        catch (ConstraintException error) when (error.Location.Length == 0 && term.Pointer.Length > 0)
        {
            throw new ConstraintException(error.Message, term.Pointer, error.Keyword);
        }
    }

    // The least set of terms of which each has a value made of values of others: what is left out has none, however deep.
    private static void FindInhabited(List<Term> terms, ShapeReader reader, JsonRules rules)
    {
        for (var changed = true; changed;)
        {
            changed = false;
            for (var i = terms.Count - 1; i >= 0; i--)
            {
                if (!terms[i].IsInhabited && rules.HasValue(reader.ShapeOf(terms[i])))
                {
                    terms[i].IsInhabited = true;
                    changed = true;
                }
            }
        }
    }

    // Goes down to a part that itself has no value.
    private static ConstraintException Contradiction(Term root, ShapeReader reader, JsonRules rules)
    {
        var seen = new HashSet<Term>();
        var term = root;
        while (seen.Add(term))
        {
            var shape = reader.ShapeOf(term);
            var below = shape.Objects.SelectMany(one => one.Properties.Where(property => property.IsRequired).Select(property => property.Value))
                .Concat(shape.Arrays.SelectMany(array => Enumerable.Range(0, Math.Min(array.Least, array.Prefix.Length + 1)).Select(array.TermAt)))
                .FirstOrDefault(part => !part.IsInhabited && part.Pointer.Length > 0 && !seen.Contains(part));
            if (below is null)
            {
                break;
            }

            term = below;
        }

        return new ConstraintException("no value is valid: the schema contradicts itself, or asks for a value without end", term.Pointer);
    }
}
