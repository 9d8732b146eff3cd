namespace Hearth.Runtime.Tokenizers.Text;

/// <summary>A prefix tree over byte strings, each with a number; built once, then only read.</summary>
/// <remarks>Nodes lie in breadth-first order, so a node's children are neighbours and need no pointers of their own.</remarks>
internal sealed class ByteTrie
{
    public const int Root = 0;
    public const int None = -1;

    private readonly int[] _firstChild; // children of node n: [_firstChild[n], _firstChild[n + 1])
    private readonly byte[] _labels; // the byte that leads to a node
    private readonly int[] _values;
    private readonly int[] _rootChildren = new int[256];

    /// <summary>Builds the tree; of equal strings the last one's value stays. Empty strings are left out.</summary>
    public ByteTrie(IEnumerable<(ReadOnlyMemory<byte> Text, int Value)> entries)
    {
        var sorted = entries.Where(entry => !entry.Text.IsEmpty).ToArray();
        var order = Enumerable.Range(0, sorted.Length).ToArray();
        Array.Sort(order, (a, b) => sorted[a].Text.Span.SequenceCompareTo(sorted[b].Text.Span) is not 0 and var difference ? difference : a - b);
        sorted = Array.ConvertAll(order, index => sorted[index]);

        var firstChild = new List<int>();
        var labels = new List<byte> { 0 };
        var values = new List<int>();
        var pending = new Queue<(int First, int Last, int Depth)>();
        pending.Enqueue((0, sorted.Length, 0));
        while (pending.TryDequeue(out var node))
        {
            firstChild.Add(labels.Count);
            var (at, value) = (node.First, None);
            for (; at < node.Last && sorted[at].Text.Length == node.Depth; at++)
            {
                value = sorted[at].Value;
            }

            values.Add(value);
            while (at < node.Last)
            {
                var label = sorted[at].Text.Span[node.Depth];
                var first = at;
                while (at < node.Last && sorted[at].Text.Span[node.Depth] == label)
                {
                    at++;
                }

                labels.Add(label);
                pending.Enqueue((first, at, node.Depth + 1));
            }
        }

        firstChild.Add(labels.Count);
        _firstChild = [.. firstChild];
        _labels = [.. labels];
        _values = [.. values];
        Array.Fill(_rootChildren, None);
        for (var child = _firstChild[Root]; child < _firstChild[Root + 1]; child++)
        {
            _rootChildren[_labels[child]] = child;
        }
    }

    /// <summary>The node that a byte leads to, or <see cref="None"/>.</summary>
    public int Step(int node, byte label)
    {
        if (node == Root)
        {
            return _rootChildren[label];
        }

        var first = _firstChild[node];
        var index = _labels.AsSpan(first.._firstChild[node + 1]).IndexOf(label);
        return index < 0 ? None : first + index;
    }

    /// <summary>The number of the string that ends at a node, or <see cref="None"/>.</summary>
    public int ValueAt(int node) => _values[node];

    /// <summary>The bytes with which some string begins.</summary>
    public IEnumerable<byte> FirstBytes() => Enumerable.Range(0, 256).Where(b => _rootChildren[b] != None).Select(b => (byte)b);
}
