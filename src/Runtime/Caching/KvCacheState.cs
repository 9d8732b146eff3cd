using System.Collections.Immutable;

namespace Hearth.Runtime.Caching;

/// <summary>The bookkeeping of a cache at one moment.</summary>
/// <param name="PageTokens">Positions that a page holds.</param>
/// <param name="References">References on each page.</param>
/// <param name="FreePages">Pages that nobody holds.</param>
/// <param name="Sequences">Sequences and their page tables.</param>
/// <param name="Nodes">The prefix tree, parents before their children.</param>
/// <param name="EvictablePages">Pages that only the prefix tree holds, the next to be evicted first.</param>
internal sealed record KvCacheState(
    int PageTokens, ImmutableArray<int> References, ImmutableArray<int> FreePages,
    ImmutableArray<KvSequenceState> Sequences, ImmutableArray<PrefixNodeState> Nodes, ImmutableArray<int> EvictablePages)
{
    /// <summary>References on each state; empty for a model that keeps none.</summary>
    public ImmutableArray<int> StateReferences { get; init; } = [];

    internal static KvCacheState Capture(int pageTokens, PagePool pool, PrefixTree tree, IEnumerable<KvSequence> sequences, PagePool? states)
    {
        var references = ImmutableArray.CreateBuilder<int>(pool.PageCount);
        for (var page = 0; page < pool.PageCount; page++)
        {
            references.Add(pool.References(page));
        }

        return new KvCacheState(
            pageTokens, references.MoveToImmutable(), [.. pool.FreePages],
            [.. sequences.Select(s => new KvSequenceState([.. s.TokenList], [.. s.PageList]) { States = States(s.State) })],
            [.. tree.Nodes().Select(n => new PrefixNodeState(n.Page, n.Parent!.Page, [.. n.Tokens]) { State = n.State })],
            [.. tree.Evictable().Select(n => n.Page)])
        {
            StateReferences = states is null ? [] : [.. Enumerable.Range(0, states.PageCount).Select(states.References)],
        };
    }

    private static ImmutableArray<int> States(SequenceState state)
    {
        IEnumerable<int> own = state.Next == state.Current ? [state.Current] : [state.Current, state.Next];
        return [.. own.Where(s => s >= 0), .. state.Checkpoints.Select(c => c.State), .. state.NextCheckpoints.Select(c => c.State)];
    }
}

/// <summary>One sequence of a <see cref="KvCacheState"/>.</summary>
/// <param name="Tokens">The token of each position.</param>
/// <param name="Pages">Its page table.</param>
internal sealed record KvSequenceState(ImmutableArray<int> Tokens, ImmutableArray<int> Pages)
{
    /// <summary>Each reference that it has on a state.</summary>
    public ImmutableArray<int> States { get; init; } = [];
}

/// <summary>One page of the prefix tree in a <see cref="KvCacheState"/>.</summary>
/// <param name="Page">The page.</param>
/// <param name="ParentPage">The page before it; negative for the first of a prefix, another number for each scope.</param>
/// <param name="Tokens">The tokens at its positions.</param>
internal sealed record PrefixNodeState(int Page, int ParentPage, ImmutableArray<int> Tokens)
{
    /// <summary>The state after its last token; -1: none is kept.</summary>
    public int State { get; init; } = -1;
}
