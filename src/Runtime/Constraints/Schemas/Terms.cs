using System.Runtime.CompilerServices;

namespace Hearth.Runtime.Constraints.Schemas;

/// <summary>Makes the terms of one schema, equal ones once.</summary>
internal sealed class Terms(SchemaSource source)
{
    /// <summary>Terms that one schema may come to.</summary>
    public const int MostTerms = 200_000;

    private readonly Dictionary<Key, Term> _known = [];
    private readonly Dictionary<Term, Term> _negations = [];

    /// <summary>Anything at all; the same for all schemas.</summary>
    /// <remarks>Its shape is found when it is asked for: shapes are made of this term, so neither can wait for the other.</remarks>
    public static Term Anything { get; } = new(0, []) { IsInhabited = true };

    /// <summary>One subschema.</summary>
    public Term Of(SchemaNode node) => node is { IsValue: false, Element.ValueKind: System.Text.Json.JsonValueKind.True } ? Anything : Intern([node]);

    /// <summary>Both.</summary>
    public Term And(Term a, Term b)
        => a.IsAny || a == b ? b : b.IsAny ? a : Intern([.. a.Nodes.Union(b.Nodes).OrderBy(node => node.Id)]);

    /// <summary>What a term does not allow.</summary>
    public Term Not(Term term)
    {
        if (term.Nodes is [{ Negated: { } inner }])
        {
            return inner;
        }

        if (!_negations.TryGetValue(term, out var negation))
        {
            _negations.Add(term, negation = Intern([source.NegationOf(term)]));
        }

        return negation;
    }

    private Term Intern(SchemaNode[] nodes)
    {
        var key = new Key(nodes);
        if (!_known.TryGetValue(key, out var term))
        {
            if (_known.Count >= MostTerms)
            {
                throw new ConstraintException($"the schema is too complex: it comes to more than {MostTerms} combinations of its parts", nodes[^1].Pointer);
            }

            _known.Add(key, term = new Term(_known.Count + 1, nodes));
        }

        return term;
    }

    private readonly struct Key(SchemaNode[] nodes) : IEquatable<Key>
    {
        private readonly SchemaNode[] _nodes = nodes;

        public bool Equals(Key other) => _nodes.AsSpan().SequenceEqual(other._nodes);

        public override bool Equals(object? obj) => obj is Key other && Equals(other);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            foreach (var node in _nodes)
            {
                hash.Add(RuntimeHelpers.GetHashCode(node));
            }

            return hash.ToHashCode();
        }
    }
}
