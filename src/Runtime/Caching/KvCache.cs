namespace Hearth.Runtime.Caching;

/// <summary>Who owns which page of a model's key/value memory: sequences, and the prefix tree that remembers them.</summary>
/// <remarks>
/// <para>
/// Pages are counted references. Sequences that begin alike share pages; a page that more than one holds is copied
/// before it is written. A page that only the prefix tree holds is evicted when its room is needed, the one let go
/// first goes first.
/// </para>
/// <para>The cache is safe to use from several threads; each sequence by one thread at a time.</para>
/// </remarks>
public sealed class KvCache
{
    private readonly Lock _lock = new();
    private readonly PagePool _pool;
    private readonly PrefixTree _tree;
    private readonly HashSet<KvSequence> _sequences = [];
    private long _version;
    private readonly StateBooks? _states;
    private long _evictedPages;
    private long _copiedPages;

    /// <summary>Takes over a store whose pages nobody uses.</summary>
    /// <param name="store">Holds the contents.</param>
    /// <param name="modelFingerprint">Names the model and the types of its cache; a saved sequence is only restored where it is the same.</param>
    /// <param name="vocabularySize">Tokens that the model knows: a saved sequence of others is not restored. Null: any id of at least 0.</param>
    /// <param name="forgottenUnit">In what units sequences forget their beginning, in positions; 0: never, so that a saved one that did is not restored. Null: whole pages.</param>
    internal KvCache(IPageStore store, string modelFingerprint = "", int? vocabularySize = null, int? forgottenUnit = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(modelFingerprint);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(store.PageTokens, nameof(store));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(store.PageCount, nameof(store));
        Store = store;
        ModelFingerprint = modelFingerprint;
        VocabularySize = vocabularySize ?? int.MaxValue;
        ForgottenUnit = forgottenUnit ?? store.PageTokens;
        _pool = new PagePool(store.PageCount);
        var states = store.StateCount > 0 ? new PagePool(store.StateCount) : null;
        _tree = new PrefixTree(_pool, store.PageTokens, states);
        _states = states is null ? null : new StateBooks(states, _tree, _sequences, store.PageTokens);
    }

    /// <summary>Positions that a page holds.</summary>
    public int PageTokens => Store.PageTokens;

    /// <summary>Pages that there are.</summary>
    public int PageCount => Store.PageCount;

    /// <summary>Positions that all pages hold together.</summary>
    public long Capacity => (long)PageTokens * PageCount;

    /// <summary>Names the model and the types of its cache.</summary>
    public string ModelFingerprint { get; }

    internal IPageStore Store { get; }

    /// <summary>Whether the model remembers by states, too.</summary>
    internal bool KeepsStates => _states is not null;

    /// <summary>Ids are below it.</summary>
    internal int VocabularySize { get; }

    /// <summary>Positions are forgotten in multiples of it; 0: none are.</summary>
    internal int ForgottenUnit { get; }

    /// <summary>Pages that could be handed out now: the free ones and those that can be evicted.</summary>
    internal int AvailablePages
    {
        get
        {
            lock (_lock)
            {
                return _pool.FreeCount + _tree.EvictableCount;
            }
        }
    }

    /// <summary>Rises whenever a page is let go or a prefix is offered: while it stays, nothing fits that did not.</summary>
    internal long Version => Volatile.Read(ref _version);

    /// <summary>What the pages are used for now.</summary>
    public KvCacheStatistics GetStatistics()
    {
        lock (_lock)
        {
            return new KvCacheStatistics(
                PageCount, _pool.FreeCount, _tree.EvictableCount, _sequences.Count, _evictedPages, _copiedPages);
        }
    }

    /// <summary>A sequence without positions and pages.</summary>
    public KvSequence CreateSequence()
    {
        lock (_lock)
        {
            return Register(new KvSequence(this));
        }
    }

    /// <summary>A sequence that starts with the longest cached prefix of a prompt, except for the prompt's last token.</summary>
    /// <param name="prompt">Token ids. The last one is left to compute because its logits are wanted.</param>
    /// <param name="match">How many tokens were found and why not more.</param>
    /// <param name="scope">Whose prefixes count, and to whose the sequence adds when it is published; null: everybody's.</param>
    public KvSequence CreateSequence(ReadOnlySpan<int> prompt, out PrefixMatch match, string? scope = null)
        => Adopt(prompt, Math.Max(0, prompt.Length - 1), out match, scope);

    /// <summary>How much of a prompt is cached now, and why not more; takes nothing and keeps nothing from being evicted.</summary>
    /// <param name="prompt">Token ids.</param>
    /// <param name="scope">Whose prefixes count; null: everybody's.</param>
    public PrefixMatch FindPrefix(ReadOnlySpan<int> prompt, string? scope = null)
    {
        lock (_lock)
        {
            var limit = Math.Max(0, prompt.Length - 1);
            return _states is null ? _tree.Find(prompt, limit, [], scope) : _tree.Find(prompt, limit, [], scope, out _, out _);
        }
    }

    /// <inheritdoc cref="PrefixTree.TakeUnwritten"/>
    internal List<(int[] Tokens, string? Scope)> TakeUnwritten(int leastTokens, int most)
    {
        lock (_lock)
        {
            return _tree.TakeUnwritten(leastTokens, most);
        }
    }

    /// <summary>Keeps the longest cached prefix of the tokens from being evicted until the result is disposed.</summary>
    /// <returns>A sequence that holds the prefix; its length tells how much was found.</returns>
    /// <param name="tokens">Token ids.</param>
    /// <param name="scope">Whose prefixes count; null: everybody's.</param>
    public KvSequence Pin(ReadOnlySpan<int> tokens, string? scope = null) => Adopt(tokens, tokens.Length, out _, scope);

    /// <summary>Evicts pages that no sequence holds, those let go first before others.</summary>
    /// <returns>How many pages were evicted.</returns>
    public int Evict(int pages = int.MaxValue)
    {
        lock (_lock)
        {
            var evicted = 0;
            while (evicted < pages && EvictOldest())
            {
                evicted++;
            }

            return evicted;
        }
    }

    /// <summary>Reads a sequence that <see cref="KvSequence.Save"/> wrote.</summary>
    /// <remarks>Nothing in the stream is trusted: its sizes are checked against this cache before they are used, and its checksum at the end.</remarks>
    /// <exception cref="CacheSnapshotException">The stream is no snapshot, is damaged, or belongs to another model.</exception>
    /// <exception cref="OutOfModelMemoryException">Too few pages are left.</exception>
    public KvSequence Restore(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return KvSequenceSnapshot.Read(this, stream);
    }

    /// <summary>The bookkeeping as it is now, for <see cref="KvCacheInvariants"/>.</summary>
    internal KvCacheState CaptureState()
    {
        lock (_lock)
        {
            return KvCacheState.Capture(PageTokens, _pool, _tree, _sequences, _states?.Pool);
        }
    }

    /// <summary>What each page is used for now.</summary>
    internal PageUse[] CapturePageUses()
    {
        var uses = new PageUse[PageCount];
        lock (_lock)
        {
            for (var page = 0; page < uses.Length; page++)
            {
                uses[page] = _pool.References(page) switch
                {
                    0 => PageUse.Free,
                    1 => PageUse.Used,
                    _ => PageUse.Shared,
                };
            }

            foreach (var node in _tree.Evictable())
            {
                uses[node.Page] = PageUse.Cached;
            }
        }

        return uses;
    }

    internal KvSequence Fork(KvSequence parent)
    {
        lock (_lock)
        {
            var fork = Register(new KvSequence(this) { Forgotten = parent.Forgotten, Scope = parent.Scope });
            fork.TokenList.AddRange(parent.TokenList);
            for (var i = 0; i < PagesFor(parent.Length); i++)
            {
                Retain(parent.PageList[i]);
                fork.PageList.Add(parent.PageList[i]);
            }

            _states?.Fork(parent.State, fork.State);
            return fork;
        }
    }

    /// <summary>Makes the next positions of a sequence writable; changes nothing but what is evicted where it returns false.</summary>
    internal bool TryReserve(KvSequence sequence, int count, bool keepsCheckpoints = true)
    {
        KvSequence? copy = null;
        lock (_lock)
        {
            if (_states?.TryReserve(sequence, count, keepsCheckpoints) == false)
            {
                return false;
            }

            var tail = sequence.Length / PageTokens;
            var copies = TailIsShared(sequence);
            var fresh = PagesToReserve(sequence, count);
            if (!MakeRoom(fresh))
            {
                // Where only the tree shares the tail, writing in place costs a cached page instead of a free one.
                if (!copies || _tree.NodeOf(sequence.PageList[tail]) is not { } node
                    || _pool.References(node.Page) != 2 || !MakeRoom(fresh - 1))
                {
                    _states?.Cancel(sequence);
                    return false;
                }

                // All that could be evicted is; what the node led to was among it.
                _tree.Remove(node);
                _tree.Tidy(node.Parent!);
                copies = false;
            }

            if (copies)
            {
                // Another sequence holds the page until it has its contents and changes place with the shared one.
                copy = Register(new KvSequence(this));
                copy.PageList.Add(_pool.Take());
            }

            while (sequence.PageList.Count < PagesFor(sequence.Length + count))
            {
                sequence.PageList.Add(_pool.Take());
            }
        }

        if (copy is not null)
        {
            CopyTail(sequence, copy);
        }

        return true;
    }

    /// <summary>Pages that a prompt would take out of those available, started from its longest cached prefix; touches nothing.</summary>
    internal int PagesToStart(ReadOnlySpan<int> prompt, string? scope)
    {
        lock (_lock)
        {
            var found = new List<int>();
            var limit = Math.Max(0, prompt.Length - 1);
            var match = _states is null ? _tree.Find(prompt, limit, found, scope) : _tree.Find(prompt, limit, found, scope, out _, out _);

            // Those that only the tree holds could not be evicted any more, and a page that is shared in part is copied.
            var taken = found.Count(page => _pool.References(page) == 1);
            return PagesFor(prompt.Length) - found.Count + taken + (match.Length % PageTokens != 0 ? 1 : 0);
        }
    }

    /// <summary>Pages that reserving takes out of those available.</summary>
    internal int PagesToReserve(KvSequence sequence, int count)
    {
        lock (_lock)
        {
            return Math.Max(0, PagesFor(sequence.Length + count) - sequence.PageList.Count) + (TailIsShared(sequence) ? 1 : 0);
        }
    }

    /// <summary>Appends tokens that were written to reserved positions.</summary>
    internal void Commit(KvSequence sequence, ReadOnlySpan<int> tokens)
    {
        lock (_lock)
        {
            if (PagesFor(sequence.Length + (long)tokens.Length) > sequence.PageList.Count || TailIsShared(sequence))
            {
                throw new InvalidOperationException($"{tokens.Length} positions were written after position {sequence.Length} without being reserved");
            }

            sequence.TokenList.AddRange(tokens);
            if (_states is not null)
            {
                _states.Thin(sequence.State);
                _states.Commit(sequence, tokens.Length);
            }
        }
    }

    /// <summary>Lets go what a sequence holds beyond a number of positions.</summary>
    internal void Shrink(KvSequence sequence, int length)
    {
        lock (_lock)
        {
            length = _states?.Shrink(sequence, length) ?? length;

            // From the end, so that the tree's list of evictable pages has children before parents.
            for (var i = sequence.PageList.Count - 1; i >= PagesFor(length); i--)
            {
                Release(sequence.PageList[i]);
            }

            sequence.PageList.RemoveRange(PagesFor(length), sequence.PageList.Count - PagesFor(length));
            if (length < sequence.Length)
            {
                sequence.TokenList.RemoveRange(length, sequence.Length - length);
            }
        }
    }

    /// <summary>Lets go what a sequence holds before a position, which begins a page.</summary>
    internal void Forget(KvSequence sequence, int positions)
    {
        lock (_lock)
        {
            var pages = positions / PageTokens;
            for (var i = pages - 1; i >= 0; i--)
            {
                Release(sequence.PageList[i]);
            }

            sequence.PageList.RemoveRange(0, pages);
            sequence.TokenList.RemoveRange(0, positions);
            sequence.Forgotten = checked(sequence.Forgotten + positions);
        }
    }

    internal void Unregister(KvSequence sequence)
    {
        lock (_lock)
        {
            Shrink(sequence, 0);
            _sequences.Remove(sequence);
        }
    }

    /// <summary>Offers a sequence's pages to later prompts.</summary>
    /// <remarks>Where the tree has a page of the same tokens already, the sequence takes that one and frees its own.</remarks>
    internal void Publish(KvSequence sequence, bool wholePagesOnly)
    {
        lock (_lock)
        {
            Volatile.Write(ref _version, _version + 1);
            var tokens = sequence.Tokens;
            var root = _tree.Root(sequence.Scope);
            var node = root;
            var whole = tokens.Length / PageTokens;
            for (var i = 0; i < whole; i++)
            {
                node = PublishPage(sequence, node, i, tokens.Slice(i * PageTokens, PageTokens));
                PublishState(sequence, node, (i + 1) * PageTokens);
            }

            var rest = tokens[(whole * PageTokens)..];
            if (!wholePagesOnly && rest.Length > 0 && !PrefixTree.HasStart(node, rest))
            {
                PublishState(sequence, _tree.Add(node, rest, sequence.PageList[whole]), tokens.Length);
            }

            _states?.Thin(sequence.State);

            _tree.Tidy(root);
        }
    }

    internal int PagesFor(long positions) => (int)((positions + PageTokens - 1) / PageTokens);

    private KvSequence Adopt(ReadOnlySpan<int> tokens, int limit, out PrefixMatch match, string? scope)
    {
        lock (_lock)
        {
            var sequence = Register(new KvSequence(this) { Scope = scope });
            if (_states is null)
            {
                match = FindHeld(tokens, limit, sequence.PageList, scope);
            }
            else
            {
                match = _tree.Find(tokens, limit, sequence.PageList, scope, out var end, out var cached);
                sequence.State.Branch = cached / PageTokens * PageTokens;
                sequence.State.Current = end.State;
                if (end.State >= 0)
                {
                    _states.Pool.Retain(end.State);
                    _tree.UseState(end);
                }
            }

            foreach (var page in sequence.PageList)
            {
                Retain(page);
            }

            sequence.TokenList.AddRange(tokens[..match.Length]);
            return sequence;
        }
    }

    private PrefixMatch FindHeld(ReadOnlySpan<int> tokens, int limit, List<int> pages, string? scope)
    {
        var match = _tree.Find(tokens, limit, pages, scope);
        var held = Store.Held(tokens[..match.Length]);
        if (held >= match.Length)
        {
            return match;
        }

        pages.Clear();
        return _tree.Find(tokens, held, pages, scope) with { Reason = Store.LossReason };
    }

    private PrefixNode PublishPage(KvSequence sequence, PrefixNode parent, int index, ReadOnlySpan<int> tokens)
    {
        var own = sequence.PageList[index];
        if (!parent.TryGetChild(tokens, out var child))
        {
            return _tree.Add(parent, tokens, own);
        }

        if (child!.Page != own)
        {
            Retain(child.Page);
            sequence.PageList[index] = child.Page;
            Release(own);
        }

        return child;
    }

    private void PublishState(KvSequence sequence, PrefixNode node, int length)
    {
        if (_states is not null && sequence.State.After(length, sequence.Length) is >= 0 and var state)
        {
            _tree.KeepState(node, state);
        }
    }

    /// <summary>Whether the page that the sequence's next position lies in has other holders and positions before it.</summary>
    private bool TailIsShared(KvSequence sequence)
        => sequence.Length % PageTokens != 0 && _pool.References(sequence.PageList[sequence.Length / PageTokens]) > 1;

    // Not under the lock: a page of a large model is some megabytes, and nobody else touches either page meanwhile.
    private void CopyTail(KvSequence sequence, KvSequence copy)
    {
        var tail = sequence.Length / PageTokens;
        try
        {
            Store.CopyPage(sequence.PageList[tail], copy.PageList[0]);
            lock (_lock)
            {
                (sequence.PageList[tail], copy.PageList[0]) = (copy.PageList[0], sequence.PageList[tail]);
                _copiedPages++;
            }
        }
        catch
        {
            lock (_lock)
            {
                _states?.Cancel(sequence);
            }

            Shrink(sequence, sequence.Length);
            throw;
        }
        finally
        {
            copy.Dispose();
        }
    }

    private bool MakeRoom(int pages)
    {
        if (_pool.FreeCount + _tree.EvictableCount < pages)
        {
            return false;
        }

        while (_pool.FreeCount < pages)
        {
            EvictOldest();
        }

        return true;
    }

    private bool EvictOldest()
    {
        if (!_tree.EvictOldest())
        {
            return false;
        }

        _evictedPages++;
        return true;
    }

    private void Retain(int page) => _tree.Retained(page, _pool.Retain(page));

    private void Release(int page)
    {
        _tree.Released(page, _pool.Release(page));
        Volatile.Write(ref _version, _version + 1);
    }

    private KvSequence Register(KvSequence sequence)
    {
        _sequences.Add(sequence);
        return sequence;
    }
}

/// <summary>What the pages of a cache are used for.</summary>
/// <param name="TotalPages">Pages that there are.</param>
/// <param name="FreePages">Pages that nobody holds.</param>
/// <param name="CachedPages">Pages kept only because a later prompt may start alike.</param>
/// <param name="Sequences">Sequences that are not disposed.</param>
/// <param name="EvictedPages">Cached pages that had to make room so far.</param>
/// <param name="CopiedPages">Shared pages that were copied before a write so far.</param>
public readonly record struct KvCacheStatistics(
    int TotalPages, int FreePages, int CachedPages, int Sequences, long EvictedPages, long CopiedPages)
{
    /// <summary>Pages that sequences hold.</summary>
    public int UsedPages => TotalPages - FreePages - CachedPages;
}
