namespace Hearth.Runtime.Caching;

/// <summary>Pages kept because a later prompt may start alike, in a tree over their token ids.</summary>
/// <remarks>
/// <para>
/// A node is a page; only leaves may hold less than a page of tokens. The tree holds one reference on each of its pages.
/// Worked example with pages of 4: after "1 2 3 4 5 6" and "1 2 3 4 7 8 9 9" the root has the child [1 2 3 4], which
/// has the children [5 6] and [7 8 9 9]. The prompt "1 2 3 4 7 8 5" finds 6 tokens: the first page whole and two
/// positions of the page [7 8 9 9], which its sequence copies before it writes the third.
/// </para>
/// <para>
/// Pages that nobody but the tree holds are listed by the time at which they were let go, oldest first to be evicted.
/// Sequences hold a path from the root and let it go from its end, so a parent is always younger in the list than its
/// children, the oldest is always a leaf, and every listed page can be evicted. Not thread-safe.
/// </para>
/// </remarks>
internal sealed class PrefixTree
{
    private readonly PagePool _pool;
    private readonly PagePool? _states;
    private readonly LinkedList<PrefixNode> _withState = []; // the one that was of use longest ago first
    private readonly int _pageTokens;
    private readonly PrefixNode?[] _nodeOfPage;
    private readonly EvictedPrefixes _evicted;
    private readonly Dictionary<string, PrefixNode> _scopes = new(StringComparer.Ordinal);
    private readonly PrefixNode _root = new(null, [], -1);
    private int _lastScope = -1;
    private PrefixNode? _oldest;
    private PrefixNode? _newest;

    public PrefixTree(PagePool pool, int pageTokens, PagePool? states = null)
    {
        _pool = pool;
        _states = states;
        _pageTokens = pageTokens;
        _nodeOfPage = new PrefixNode?[pool.PageCount];
        _evicted = new EvictedPrefixes(Math.Clamp(4L * pool.PageCount, 256, 1 << 16));
    }

    /// <summary>Where the prefixes of a scope begin; none of them is found from another.</summary>
    /// <param name="scope">Whose; null: everybody's.</param>
    public PrefixNode Root(string? scope)
    {
        if (scope is null)
        {
            return _root;
        }

        if (!_scopes.TryGetValue(scope, out var root))
        {
            // Told apart in the cache's state only; after two billion scopes from the beginning again.
            _lastScope = _lastScope == int.MinValue ? -2 : _lastScope - 1;
            root = new PrefixNode(scope, _lastScope);
            _scopes.Add(scope, root);
        }

        return root;
    }

    /// <summary>Forgets a scope that holds nothing.</summary>
    public void Tidy(PrefixNode root)
    {
        if (root is { Scope: { } scope, IsLeaf: true })
        {
            _scopes.Remove(scope);
        }
    }

    /// <summary>Pages that only the tree holds; all of them can be evicted.</summary>
    public int EvictableCount { get; private set; }

    /// <summary>The node that a page belongs to, if any.</summary>
    public PrefixNode? NodeOf(int page) => _nodeOfPage[page];

    /// <summary>Finds the longest cached prefix.</summary>
    /// <param name="tokens">The prompt.</param>
    /// <param name="limit">The most tokens wanted; at most tokens.Length.</param>
    /// <param name="pages">Receives the pages that hold the prefix, the last one perhaps in part.</param>
    /// <param name="scope">Whose prefixes count; null: everybody's.</param>
    public PrefixMatch Find(ReadOnlySpan<int> tokens, int limit, List<int> pages, string? scope = null)
    {
        var root = Root(scope);
        var node = root;
        var length = 0;
        while (limit - length >= _pageTokens && node.TryGetChild(tokens.Slice(length, _pageTokens), out var child))
        {
            pages.Add(child!.Page);
            node = child;
            length += _pageTokens;
        }

        var (last, common) = LongestStart(node, tokens[length..limit]);
        if (last is not null)
        {
            pages.Add(last.Page);
        }

        var differs = last is null ? !node.IsLeaf : common < last.Tokens.Length;
        Tidy(root);
        return new PrefixMatch(length + common, Reason(tokens, limit, length, common, node, differs));
    }

    /// <summary>Finds the longest cached prefix from which a model that keeps states can go on.</summary>
    /// <param name="tokens">The prompt.</param>
    /// <param name="limit">The most tokens wanted; at most tokens.Length.</param>
    /// <param name="pages">Receives the pages that hold the prefix.</param>
    /// <param name="scope">Whose prefixes count; null: everybody's.</param>
    /// <param name="end">The node at its end, which has a state unless it is a root.</param>
    /// <param name="cached">How many tokens the pages of a longer prefix hold, from which there is no state to go on.</param>
    public PrefixMatch Find(ReadOnlySpan<int> tokens, int limit, List<int> pages, string? scope, out PrefixNode end, out int cached)
    {
        var found = Find(tokens, limit, pages, scope);
        cached = found.Length;
        var root = Root(scope);
        var (node, best, length) = (root, root, 0);
        for (var at = _pageTokens; at <= limit && node.TryGetChild(tokens[(at - _pageTokens)..at], out var child); at += _pageTokens)
        {
            node = child!;
            if (node.State >= 0)
                (best, length) = (node, at);
        }

        var whole = node == root ? 0 : Depth(node) * _pageTokens;
        var rest = tokens[whole..limit];
        var place = node.PlaceOf(rest);
        for (var i = Math.Max(0, place - 1); i <= place && i < node.Children.Count; i++)
        {
            var leaf = node.Children[i];
            if (leaf.State >= 0 && whole + leaf.Tokens.Length > length && rest.StartsWith(leaf.Tokens))
                (best, length) = (leaf, whole + leaf.Tokens.Length);
        }

        Tidy(root);
        end = best;
        pages.Clear();
        for (var at = best; at.Parent is not null; at = at.Parent)
            pages.Add(at.Page);
        pages.Reverse();
        return length < found.Length ? new PrefixMatch(length, CacheMissReason.StateNotKept) : found;
    }

    /// <summary>A node's state is of use: others go before it.</summary>
    public void UseState(PrefixNode node)
    {
        if (node.StatePlace is { } place)
        {
            _withState.Remove(place);
            _withState.AddLast(place);
        }
    }

    /// <summary>Keeps a state for a node that has none; its owner goes on holding it.</summary>
    public void KeepState(PrefixNode node, int state)
    {
        if (node.State >= 0)
            return;
        _states!.Retain(state);
        node.State = state;
        node.StatePlace = _withState.AddLast(node);
    }

    /// <summary>Lets go the state that only the tree holds and that was of use longest ago; false when there is none.</summary>
    public bool EvictState()
    {
        foreach (var node in _withState)
        {
            if (_states!.References(node.State) > 1)
                continue;
            DropState(node);
            return true;
        }

        return false;
    }

    private void DropState(PrefixNode node)
    {
        if (node.State < 0)
            return;
        _states!.Release(node.State);
        _withState.Remove(node.StatePlace!);
        node.State = -1;
        node.StatePlace = null;
    }

    private static int Depth(PrefixNode node)
    {
        var depth = 0;
        for (var at = node; at.Parent is not null; at = at.Parent)
            depth++;
        return depth;
    }

    /// <summary>Adds a node whose page its owner goes on holding.</summary>
    public PrefixNode Add(PrefixNode parent, ReadOnlySpan<int> tokens, int page)
    {
        RemoveStarts(parent, tokens);
        var node = new PrefixNode(parent, tokens.ToArray(), page);
        parent.AddChild(node);
        _nodeOfPage[page] = node;
        _pool.Retain(page);
        return node;
    }

    /// <summary>Whether a child of the node starts with the tokens, so that nothing is won by adding them.</summary>
    public static bool HasStart(PrefixNode parent, ReadOnlySpan<int> tokens)
    {
        var place = parent.PlaceOf(tokens);
        return place < parent.Children.Count && parent.Children[place].Tokens.AsSpan().StartsWith(tokens);
    }

    /// <summary>Takes a leaf out of the tree; its page stays with whoever else holds it.</summary>
    public void Remove(PrefixNode leaf)
    {
        if (_pool.References(leaf.Page) == 1)
        {
            Unlist(leaf);
        }

        DropState(leaf);
        leaf.Parent!.RemoveChild(leaf);
        _nodeOfPage[leaf.Page] = null;
        _pool.Release(leaf.Page);
    }

    /// <summary>Evicts the page that was let go first; false when there is none.</summary>
    public bool EvictOldest()
    {
        if (_oldest is not { } node)
        {
            return false;
        }

        _evicted.Add(node.PathHash);
        Remove(node);
        Tidy(node.Parent!);
        return true;
    }

    /// <summary>To be told of every reference that a sequence takes on a page.</summary>
    public void Retained(int page, int references)
    {
        if (references == 2 && _nodeOfPage[page] is { } node)
        {
            Unlist(node);
        }
    }

    /// <summary>To be told of every reference that a sequence lets go.</summary>
    public void Released(int page, int references)
    {
        if (references == 1 && _nodeOfPage[page] is { } node)
        {
            List(node);
        }
    }

    /// <summary>Takes paths to nodes of whole pages that were not taken before; those above them count as taken with them.</summary>
    /// <param name="leastTokens">Shorter paths are left.</param>
    /// <param name="most">Paths at a time.</param>
    public List<(int[] Tokens, string? Scope)> TakeUnwritten(int leastTokens, int most)
    {
        var taken = new List<(int[] Tokens, string? Scope)>();
        foreach (var node in Nodes())
        {
            if (taken.Count == most)
                break;
            if (node.IsWritten || node.Tokens.Length < _pageTokens || node.Children.Any(child => child.Tokens.Length == _pageTokens && !child.IsWritten))
                continue;
            var path = new Stack<PrefixNode>();
            var at = node;
            for (; at.Parent is not null; at = at.Parent)
                path.Push(at);
            if (path.Count * _pageTokens < leastTokens)
                continue;
            foreach (var above in path)
                above.IsWritten = true;
            taken.Add(([.. path.SelectMany(above => above.Tokens)], at.Scope));
        }

        return taken;
    }

    /// <summary>Every node but the root, parents first.</summary>
    public IEnumerable<PrefixNode> Nodes()
    {
        var pending = new Stack<PrefixNode>(_scopes.Values.Prepend(_root).SelectMany(root => root.Children));
        while (pending.TryPop(out var node))
        {
            yield return node;
            foreach (var child in node.Children)
            {
                pending.Push(child);
            }
        }
    }

    /// <summary>Evictable nodes, oldest first.</summary>
    public IEnumerable<PrefixNode> Evictable()
    {
        for (var node = _oldest; node is not null; node = node.Newer)
        {
            yield return node;
        }
    }

    private CacheMissReason Reason(ReadOnlySpan<int> tokens, int limit, int length, int common, PrefixNode node, bool differs)
    {
        if (length + common == limit)
        {
            return CacheMissReason.None;
        }

        var next = tokens[length..Math.Min(tokens.Length, length + _pageTokens)];
        return _evicted.Contains(node.PathHash, next, common) ? CacheMissReason.Evicted
            : length + common == 0 ? CacheMissReason.NothingCached
            : differs ? CacheMissReason.Differs
            : CacheMissReason.None;
    }

    private static (PrefixNode? Node, int Common) LongestStart(PrefixNode parent, ReadOnlySpan<int> tokens)
    {
        PrefixNode? best = null;
        var longest = 0;
        var place = parent.PlaceOf(tokens);
        for (var i = Math.Max(0, place - 1); i <= place && i < parent.Children.Count; i++)
        {
            var common = parent.Children[i].Tokens.AsSpan().CommonPrefixLength(tokens);
            if (common > longest)
            {
                (best, longest) = (parent.Children[i], common);
            }
        }

        return (best, longest);
    }

    /// <summary>Removes partly filled children that the tokens start with: the new node serves whatever they served.</summary>
    private void RemoveStarts(PrefixNode parent, ReadOnlySpan<int> tokens)
    {
        for (var place = parent.PlaceOf(tokens) - 1; place >= 0 && tokens.StartsWith(parent.Children[place].Tokens); place--)
        {
            Remove(parent.Children[place]);
        }
    }

    private void List(PrefixNode node)
    {
        node.Older = _newest;
        node.Newer = null;
        if (_newest is null)
        {
            _oldest = node;
        }
        else
        {
            _newest.Newer = node;
        }

        _newest = node;
        EvictableCount++;
    }

    private void Unlist(PrefixNode node)
    {
        if (node.Older is null)
        {
            _oldest = node.Newer;
        }
        else
        {
            node.Older.Newer = node.Newer;
        }

        if (node.Newer is null)
        {
            _newest = node.Older;
        }
        else
        {
            node.Newer.Older = node.Older;
        }

        node.Older = node.Newer = null;
        EvictableCount--;
    }
}

/// <summary>How much of a prompt the cache holds.</summary>
/// <param name="Length">Tokens found.</param>
/// <param name="Reason">Why not more.</param>
public readonly record struct PrefixMatch(int Length, CacheMissReason Reason);
