namespace Hearth.Runtime.Caching;

/// <summary>A page of the prefix tree: the tokens at its positions, given all tokens on the way to it.</summary>
internal sealed class PrefixNode
{
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

    public Dictionary<int[], PrefixNode> Children { get; } = new(TokensComparer.Instance);

    /// <summary>Neighbours in the list of pages that only the tree holds; see <see cref="PrefixTree"/>.</summary>
    public PrefixNode? Older { get; set; }

    /// <inheritdoc cref="Older"/>
    public PrefixNode? Newer { get; set; }

    public bool IsLeaf => Children.Count == 0;

    public bool TryGetChild(ReadOnlySpan<int> tokens, out PrefixNode? child)
        => Children.GetAlternateLookup<ReadOnlySpan<int>>().TryGetValue(tokens, out child);
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

/// <summary>Equality of token arrays, which spans can be looked up with.</summary>
internal sealed class TokensComparer : IEqualityComparer<int[]>, IAlternateEqualityComparer<ReadOnlySpan<int>, int[]>
{
    public static TokensComparer Instance { get; } = new();

    public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

    public int GetHashCode(int[] obj) => GetHashCode(obj.AsSpan());

    public bool Equals(ReadOnlySpan<int> alternate, int[] other) => alternate.SequenceEqual(other);

    public int GetHashCode(ReadOnlySpan<int> alternate) => TokenHash.Extend(TokenHash.Seed, alternate).GetHashCode();

    public int[] Create(ReadOnlySpan<int> alternate) => alternate.ToArray();
}
