using Hearth.Runtime.Constraints.Lexemes;

namespace Hearth.Runtime.Constraints.Machine;

/// <summary>A place in a rule: what may be read from there. Made once a place by whoever describes the rules, compared by identity.</summary>
internal abstract class Node
{
    private static int s_count;

    private Edge[]? _edges;

    /// <summary>The end of a rule: the machine goes on behind the call.</summary>
    public static Node End { get; } = new EndNode();

    /// <summary>Orders nodes by age.</summary>
    public int Id { get; } = Interlocked.Increment(ref s_count);

    /// <summary>The ways on from here.</summary>
    public Edge[] Edges => _edges ??= [.. Expand()];

    /// <summary>The node that stands for this one once the text of the lexeme before it is known.</summary>
    /// <param name="text">The lexeme, where it is captured (<see cref="LexState.IsCapturing"/>).</param>
    public virtual Node Capture(byte[] text) => this;

    /// <summary>The node that stands for this one once it is known which lexeme was read before it.</summary>
    /// <param name="choice">The lexeme's <see cref="LexState.Choice"/>, at least 0.</param>
    public virtual Node Choose(int choice) => this;

    /// <summary>Finds the ways on; asked for once, or by several threads at once.</summary>
    private protected abstract IEnumerable<Edge> Expand();

    private sealed class EndNode : Node
    {
        private protected override IEnumerable<Edge> Expand() => [];
    }
}

/// <summary>A way on from a node: read a lexeme, call a rule, or neither.</summary>
/// <param name="Lexeme">The lexeme that is read first; null for none.</param>
/// <param name="Target">Where to go then.</param>
/// <param name="Return">For a call, where its end leads; null for none.</param>
internal readonly record struct Edge(LexState? Lexeme, Node Target, Node? Return)
{
    /// <summary>Reads a lexeme.</summary>
    public static Edge Read(LexState lexeme, Node target) => new(lexeme, target, null);

    /// <summary>Calls a rule.</summary>
    public static Edge Call(Node rule, Node then) => then == Node.End ? new(null, rule, null) : new(null, rule, then);

    /// <summary>Goes on without reading.</summary>
    public static Edge Go(Node target) => new(null, target, null);
}
