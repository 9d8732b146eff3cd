using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Forms;
using Hearth.Runtime.Constraints.Grammars;
using Hearth.Runtime.Constraints.Lexemes;
using Hearth.Runtime.Constraints.Machine;
using Hearth.Runtime.Constraints.Patterns;
using Hearth.Runtime.Constraints.Schemas;
using Hearth.Runtime.Constraints.Tokens;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Constraints;

/// <summary>Makes constraints ready for one model's tokens; equal ones once, as long as they are used.</summary>
/// <remarks>Safe for several threads. Takes time and memory, so never on a model's step loop.</remarks>
/// <param name="tokenizer">Spells the model's tokens.</param>
/// <param name="vocabularySize">Logits of the model.</param>
/// <param name="mostKept">Constraints that are kept for those who ask again.</param>
internal sealed class ConstraintCompiler(Tokenizer tokenizer, int vocabularySize, int mostKept = 64)
{
    private readonly Lazy<ConstraintVocabulary> _vocabulary = new(() => new ConstraintVocabulary(tokenizer, vocabularySize));
    private readonly Dictionary<Constraint, LinkedListNode<(Constraint Key, CompiledConstraint Value)>> _known = [];
    private readonly LinkedList<(Constraint Key, CompiledConstraint Value)> _order = new();

    /// <summary>Checks a constraint and makes it ready.</summary>
    /// <param name="constraint">What a text must fit.</param>
    /// <param name="cancellationToken">Stops in between.</param>
    /// <exception cref="ConstraintException">It cannot be enforced.</exception>
    public CompiledConstraint Compile(Constraint constraint, CancellationToken cancellationToken = default)
    {
        lock (_known)
        {
            if (_known.TryGetValue(constraint, out var node))
            {
                _order.Remove(node);
                _order.AddFirst(node);
                return node.Value.Value;
            }
        }

        CompiledConstraint compiled;
        try
        {
            compiled = new CompiledConstraint(StartOf(constraint, cancellationToken), _vocabulary.Value);
        }
        catch (InsufficientExecutionStackException)
        {
            throw new ConstraintException("the constraint is nested too deeply");
        }

        lock (_known)
        {
            if (_known.TryGetValue(constraint, out var other))
            {
                return other.Value.Value;
            }

            _known.Add(constraint, _order.AddFirst((constraint, compiled)));
            if (_known.Count > mostKept)
            {
                _known.Remove(_order.Last!.Value.Key);
                _order.RemoveLast();
            }

            return compiled;
        }
    }

    private Node StartOf(Constraint constraint, CancellationToken cancellationToken) => constraint.Kind switch
    {
        ConstraintKind.JsonSchema => SchemaCompiler.Compile(constraint.Source, constraint.Layout, _vocabulary.Value, cancellationToken),
        ConstraintKind.Regex => OfPattern(constraint.Source),
        ConstraintKind.Composed => new FormCompiler(_vocabulary.Value, StartOf).Compile(constraint.Form!, cancellationToken),
        ConstraintKind.Choices => new LexemeNode(LiteralLexer.Start([.. constraint.ToChoices()])),
        _ => GbnfGrammar.Compile(constraint.Source),
    };

    private static LexemeNode OfPattern(string pattern)
    {
        var factory = new ExpressionFactory();
        var start = new CharAutomaton(factory, EcmaPattern.Parse(pattern, factory, anchored: true)).Start;
        var lexeme = new StringLexer(start, StringLengths.Any, isJson: false).Start;
        return lexeme == LexState.Dead ? throw new ConstraintException("no text matches the expression") : new LexemeNode(lexeme);
    }

    /// <summary>One lexeme, and the end.</summary>
    private sealed class LexemeNode(LexState lexeme) : Node
    {
        private protected override IEnumerable<Edge> Expand() => [Edge.Read(lexeme, End)];
    }
}
