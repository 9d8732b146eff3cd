using Hearth.Runtime.Constraints.Lexemes;
using Hearth.Runtime.Constraints.Machine;
using Hearth.Runtime.Constraints.Schemas;
using Hearth.Runtime.Constraints.Tokens;

namespace Hearth.Runtime.Constraints.Forms;

/// <summary>Makes the rules of a composed text.</summary>
/// <param name="vocabulary">The model's tokens.</param>
/// <param name="startOf">The rules of other constraints.</param>
internal sealed class FormCompiler(ConstraintVocabulary vocabulary, Func<Constraint, CancellationToken, Node> startOf)
{
    private readonly Dictionary<string, Node> _rules = [];

    /// <summary>The node at which a text of the form begins.</summary>
    /// <exception cref="ConstraintException">A part cannot be enforced.</exception>
    public Node Compile(TextForm form, CancellationToken cancellationToken) => Compile(form, Node.End, cancellationToken);

    private Node Compile(TextForm form, Node then, CancellationToken cancellationToken)
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        cancellationToken.ThrowIfCancellationRequested();
        switch (form)
        {
            case LiteralForm literal:
                return literal.Text.Length == 0 ? then : new WayNode([Edge.Read(LiteralLexer.Start([vocabulary.Spell(literal.Text)]), then)]);
            case ConstraintForm constrained:
                return new WayNode([Edge.Call(Rule(form, () => startOf(constrained.Constraint, cancellationToken)), then)]);
            case MembersForm members:
                return new WayNode([Edge.Call(Rule(form, () => SchemaCompiler.CompileMembers(members.Schema, members.Notation, vocabulary, cancellationToken)), then)]);
            case SequenceForm sequence:
                return sequence.Parts.Reverse().Aggregate(then, (node, part) => Compile(part, node, cancellationToken));
            case AlternativesForm alternatives:
                return new WayNode([.. alternatives.Forms.Select(one => Edge.Go(Compile(one, then, cancellationToken)))]);
            case RepeatedForm repeated:
                var item = Compile(repeated.Item, cancellationToken);
                var separator = Compile(repeated.Separator, cancellationToken);
                var behind = then;
                for (var count = repeated.Most; count > 1; count--)
                {
                    // Behind an item: the end, or another one.
                    var more = new WayNode([Edge.Call(item, behind)]);
                    behind = new WayNode([Edge.Go(then), Edge.Call(separator, more)]);
                }

                return new WayNode([Edge.Call(item, behind)]);
            case FreeForm free:
                return Compile(free, then, cancellationToken);
            default:
                throw new ArgumentOutOfRangeException(nameof(form), form.GetType().Name, "is no form");
        }
    }

    private WayNode Compile(FreeForm free, Node then, CancellationToken cancellationToken)
    {
        var marks = new List<UntilMark>();
        for (var i = 0; i < free.Marks.Count; i++)
        {
            // A model may well write the characters of a control token instead.
            var end = free.Marks[i].Then is AlternativesForm { Forms.Count: 0 } ? UntilMark.Forbidden : new EndState(i);
            foreach (var text in new[] { vocabulary.Spell(free.Marks[i].Text), System.Text.Encoding.UTF8.GetBytes(free.Marks[i].Text) }.DistinctBy(Convert.ToHexString))
                marks.Add(new UntilMark(text, free.Marks[i].IsAnchored, end));
        }

        Node[] targets = [.. free.Marks.Select(mark => Compile(mark.Then, then, cancellationToken))];
        return new WayNode([Edge.Read(UntilLexer.Free(marks, free.MayEnd), new ChoiceNode(targets))]);
    }

    // Equal parts share their rules, and what these remember.
    private Node Rule(TextForm form, Func<Node> compile)
    {
        if (!_rules.TryGetValue(form.Key, out var rule))
            _rules.Add(form.Key, rule = compile());
        return rule;
    }

    private sealed class WayNode(Edge[] edges) : Node
    {
        private protected override IEnumerable<Edge> Expand() => edges;
    }

    /// <summary>Where a lexeme says what follows.</summary>
    private sealed class ChoiceNode(Node[] targets) : Node
    {
        public override Node Choose(int choice) => targets[choice];

        private protected override IEnumerable<Edge> Expand() => [];
    }
}
