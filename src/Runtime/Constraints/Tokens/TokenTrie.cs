namespace Hearth.Runtime.Constraints.Tokens;

/// <summary>Byte strings with the tokens that they spell, as a tree in depth-first order.</summary>
/// <remarks>Arrays by node: a subtree is a stretch of them, so a walk is one pass that skips what is impossible. Immutable.</remarks>
internal sealed class TokenTrie
{
    private TokenTrie(byte[] labels, ushort[] depths, int[] ends, int[] firstEntries, int[] entries, int longest)
    {
        Labels = labels;
        Depths = depths;
        Ends = ends;
        FirstEntries = firstEntries;
        Entries = entries;
        Longest = longest;
    }

    public int NodeCount => Labels.Length;

    /// <summary>The byte that leads to each node. Node 0 is the root and has none.</summary>
    public byte[] Labels { get; }

    /// <summary>Bytes from the root to each node.</summary>
    public ushort[] Depths { get; }

    /// <summary>The node behind each node's subtree.</summary>
    public int[] Ends { get; }

    /// <summary>Where each node's entries begin in <see cref="Entries"/>; one more than there are nodes.</summary>
    public int[] FirstEntries { get; }

    /// <summary>What the strings were given with, by node.</summary>
    public int[] Entries { get; }

    /// <summary>Bytes of the longest string.</summary>
    public int Longest { get; }

    /// <summary>The entries at a node.</summary>
    public ReadOnlySpan<int> EntriesAt(int node) => Entries.AsSpan(FirstEntries[node], FirstEntries[node + 1] - FirstEntries[node]);

    /// <summary>Builds a tree.</summary>
    /// <param name="strings">Strings and what they stand for; a string may come several times. Sorted in place.</param>
    public static TokenTrie Build(List<(ReadOnlyMemory<byte> Text, int Entry)> strings)
    {
        strings.Sort(static (a, b) => a.Text.Span.SequenceCompareTo(b.Text.Span) is var order && order != 0 ? order : a.Entry.CompareTo(b.Entry));
        var labels = new List<byte> { 0 };
        var depths = new List<ushort> { 0 };
        var ends = new List<int> { 0 };
        var firsts = new List<int> { 0 };
        var path = new Stack<int>([0]);
        var entries = new int[strings.Count];
        ReadOnlySpan<byte> previous = [];
        for (var i = 0; i < strings.Count; i++)
        {
            var text = strings[i].Text.Span;
            var shared = previous.CommonPrefixLength(text);
            while (path.Count > shared + 1)
            {
                ends[path.Pop()] = labels.Count;
            }

            for (var depth = shared; depth < text.Length; depth++)
            {
                path.Push(labels.Count);
                labels.Add(text[depth]);
                depths.Add(checked((ushort)(depth + 1)));
                ends.Add(0);
                firsts.Add(i);
            }

            entries[i] = strings[i].Entry;
            previous = text;
        }

        while (path.TryPop(out var node))
        {
            ends[node] = labels.Count;
        }

        firsts.Add(strings.Count);
        return new TokenTrie([.. labels], [.. depths], [.. ends], [.. firsts], entries, depths.Max());
    }

    /// <summary>Finds the node of a string below a node, or -1.</summary>
    public int Find(int node, ReadOnlySpan<byte> text)
    {
        foreach (var value in text)
        {
            var child = node + 1;
            while (child < Ends[node] && Labels[child] != value)
            {
                child = Ends[child];
            }

            if (child >= Ends[node])
            {
                return -1;
            }

            node = child;
        }

        return node;
    }
}
