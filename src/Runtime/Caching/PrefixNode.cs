namespace Hearth.Runtime.Caching;

/// <summary>A page of the prefix tree: the tokens at its positions, given all tokens on the way to it.</summary>
internal sealed class PrefixNode
{
    // By their tokens in lexical order, so that a search looks at few of many: the root has a child for every first page.
    private readonly List<PrefixNode> _children = [];

    /// <summary>Creates a node.</summary>
    /// <param name="parent">Null for the root, which has no page.</param>
    /// <param name="tokens">A whole page of them or, in a leaf, fewer.</param>
    /// <param name="page">The page that holds their keys and values.</param>
    public PrefixNode(PrefixNode? parent, int[] tokens, int page)
    {
        Parent = parent;
        Tokens = tokens;
        Page = page;
        PathHash = parent is null ? TokenHash.Seed : TokenHash.Extend(parent.PathHash, tokens);
    }

    /// <summary>Creates the root of a scope.</summary>
    /// <param name="scope">Its name.</param>
    /// <param name="number">Negative, and no other root's.</param>
    public PrefixNode(string scope, int number)
    {
        Tokens = [];
        Page = number;
        Scope = scope;
        PathHash = TokenHash.Extend(TokenHash.Seed, System.Runtime.InteropServices.MemoryMarshal.Cast<char, short>(scope));
    }

    public PrefixNode? Parent { get; }

    /// <summary>Of a root: whose prefixes are below it; null for everybody's.</summary>
    public string? Scope { get; }

    public int[] Tokens { get; }

    public int Page { get; }

    /// <summary>Hash of every token from the root to the end of this node.</summary>
    public ulong PathHash { get; }

    public IReadOnlyList<PrefixNode> Children => _children;

    /// <summary>Neighbours in the list of pages that only the tree holds; see <see cref="PrefixTree"/>.</summary>
    public PrefixNode? Older { get; set; }

    /// <inheritdoc cref="Older"/>
    public PrefixNode? Newer { get; set; }

    /// <summary>Whether it was offered to the cache folder.</summary>
    public bool IsWritten { get; set; }

    /// <summary>The state after the node's last token; -1 where none is kept.</summary>
    public int State { get; set; } = -1;

    /// <summary>The node's place among those with a state, by when that was last of use; null where it has none.</summary>
    public LinkedListNode<PrefixNode>? StatePlace { get; set; }

    public bool IsLeaf => _children.Count == 0;

    /// <summary>The child of exactly these tokens.</summary>
    public bool TryGetChild(ReadOnlySpan<int> tokens, out PrefixNode? child)
    {
        var place = PlaceOf(tokens);
        child = place < _children.Count && tokens.SequenceEqual(_children[place].Tokens) ? _children[place] : null;
        return child is not null;
    }

    /// <summary>Where tokens stand among the children or would: those before come before them in lexical order.</summary>
    /// <remarks>
    /// Children that begin alike are neighbours. So whichever shares the longest beginning with the tokens stands just before
    /// or at their place, one that starts with all of them stands at it, and one with which they start stands just before.
    /// </remarks>
    public int PlaceOf(ReadOnlySpan<int> tokens)
    {
        var (low, high) = (0, _children.Count);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (_children[middle].Tokens.AsSpan().SequenceCompareTo(tokens) < 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    public void AddChild(PrefixNode child) => _children.Insert(PlaceOf(child.Tokens), child);

    public void RemoveChild(PrefixNode child) => _children.RemoveAt(PlaceOf(child.Tokens));
}

/// <summary>A running hash over token ids. Only hints rest on it: what is found is compared token by token.</summary>
internal static class TokenHash
{
    /// <summary>Another one in each process, so that no prompt can be made to collide with others.</summary>
    public static readonly ulong Seed = unchecked((ulong)Random.Shared.NextInt64());

    public static ulong Extend(ulong hash, int token)
    {
        hash = (hash ^ (uint)token) * 0x9E3779B97F4A7C15;
        return hash ^ (hash >> 32);
    }

    public static ulong Extend(ulong hash, ReadOnlySpan<short> units)
    {
        foreach (var unit in units)
        {
            hash = Extend(hash, ~(int)unit);
        }

        return hash;
    }

    public static ulong Extend(ulong hash, ReadOnlySpan<int> tokens)
    {
        foreach (var token in tokens)
        {
            hash = Extend(hash, token);
        }

        return hash;
    }
}
