using Hearth.Runtime.Caching;
using Hearth.Runtime.Tests.Scheduling;

namespace Hearth.Runtime.Tests.Caching;

public sealed class KvCacheTests
{
    private readonly FakePageStore _store = new(4, 8);
    private readonly KvCache _cache;

    public KvCacheTests() => _cache = new KvCache(_store, "model A");

    /// <summary>Reserves, writes and commits, as a step does.</summary>
    internal static bool TryAppend(KvSequence sequence, FakePageStore store, params int[] tokens)
    {
        if (!sequence.TryReserve(tokens.Length))
        {
            return false;
        }

        for (var i = 0; i < tokens.Length; i++)
        {
            var position = sequence.Length + i;
            var before = position == 0 ? 0 : store.Cells[Cell(sequence, store, position - 1)];
            store.Cells[Cell(sequence, store, position)] = FakeModel.Cell(before, tokens[i], position);
        }

        sequence.Commit(tokens);
        return true;
    }

    /// <summary>Fails unless every position's cell holds what its tokens give.</summary>
    internal static void AssertContents(KvSequence sequence, FakePageStore store)
    {
        ulong cell = 0;
        for (var position = 0; position < sequence.Length; position++)
        {
            cell = FakeModel.Cell(cell, sequence.Tokens[position], position);
            Assert.Equal(cell, store.Cells[Cell(sequence, store, position)]);
        }
    }

    private static int Cell(KvSequence sequence, FakePageStore store, int position)
        => (sequence.Pages[position / store.PageTokens] * store.PageTokens) + (position % store.PageTokens);

    private void AssertSound() => Assert.Empty(KvCacheInvariants.FindViolations(_cache.CaptureState()));

    private KvSequence Sequence(params int[] tokens)
    {
        var sequence = _cache.CreateSequence();
        Assert.True(TryAppend(sequence, _store, tokens));
        return sequence;
    }

    private void Cache(params int[] tokens)
    {
        using var sequence = Sequence(tokens);
        sequence.Publish();
    }

    private PrefixMatch Look(params int[] prompt)
    {
        using var sequence = _cache.CreateSequence(prompt, out var match);
        AssertContents(sequence, _store);
        return match;
    }

    [Fact]
    public void A_fork_shares_every_page_until_one_of_the_two_writes()
    {
        using var first = Sequence(1, 2, 3, 4, 5, 6);
        using var second = first.Fork();
        Assert.Equal(first.Pages, second.Pages);
        Assert.Equal(2, _cache.GetStatistics().UsedPages);

        Assert.True(TryAppend(second, _store, 7));
        Assert.Equal((3, 1L), (_cache.GetStatistics().UsedPages, _cache.GetStatistics().CopiedPages));
        Assert.Equal(first.Pages[0], second.Pages[0]);
        Assert.True(TryAppend(first, _store, 8));
        Assert.Equal(1, _cache.GetStatistics().CopiedPages);
        AssertContents(first, _store);
        AssertContents(second, _store);
        AssertSound();
    }

    [Fact]
    public void A_fork_of_whole_pages_copies_nothing()
    {
        using var first = Sequence(1, 2, 3, 4);
        using var second = first.Fork();
        Assert.True(TryAppend(second, _store, 5));
        Assert.Equal(0, _cache.GetStatistics().CopiedPages);
        AssertSound();
    }

    [Fact]
    public void Truncation_frees_pages_and_the_sequence_goes_on_elsewhere()
    {
        using var sequence = Sequence(1, 2, 3, 4, 5, 6, 7, 8, 9);
        using var fork = sequence.Fork();
        sequence.Truncate(2);
        Assert.Equal(1, sequence.Pages.Length);
        Assert.True(TryAppend(sequence, _store, 9, 9, 9));
        AssertContents(sequence, _store);
        AssertContents(fork, _store);
        AssertSound();
    }

    [Fact]
    public void A_reservation_is_all_or_nothing_and_can_be_let_go()
    {
        using var first = Sequence(1, 2, 3, 4, 5);
        using var second = _cache.CreateSequence();
        Assert.False(second.TryReserve(25));
        Assert.Equal(6, _cache.GetStatistics().FreePages);
        Assert.True(second.TryReserve(24));
        second.CancelReservation();
        Assert.Equal(6, _cache.GetStatistics().FreePages);
        AssertSound();
    }

    [Fact]
    public void Positions_that_were_not_reserved_cannot_be_committed()
    {
        using var sequence = Sequence(1, 2, 3, 4);
        Assert.Throws<InvalidOperationException>(() => sequence.Commit([5]));
        using var partial = Sequence(1, 2);
        using var fork = partial.Fork();
        Assert.Throws<InvalidOperationException>(() => fork.Commit([3]));
    }

    [Fact]
    public void The_longest_cached_prefix_is_found_to_the_token_but_never_the_whole_prompt()
    {
        Cache(1, 2, 3, 4, 5, 6);
        Cache(1, 2, 3, 4, 7, 8, 9, 9);
        Assert.Equal(new PrefixMatch(6, CacheMissReason.Differs), Look(1, 2, 3, 4, 7, 8, 5, 5));
        Assert.Equal(new PrefixMatch(5, CacheMissReason.None), Look(1, 2, 3, 4, 5, 6));
        Assert.Equal(new PrefixMatch(6, CacheMissReason.None), Look(1, 2, 3, 4, 5, 6, 7, 8));
        Assert.Equal(new PrefixMatch(3, CacheMissReason.None), Look(1, 2, 3, 4));
        Assert.Equal(new PrefixMatch(2, CacheMissReason.Differs), Look(1, 2, 9, 9, 9));
        Assert.Equal(new PrefixMatch(0, CacheMissReason.NothingCached), Look(9, 1, 2, 3, 4));
        AssertSound();
    }

    [Fact]
    public void A_cached_page_in_use_in_part_is_copied_before_it_is_continued()
    {
        Cache(1, 2, 3, 4, 5, 6, 7, 8);
        using (var sequence = _cache.CreateSequence([1, 2, 3, 4, 5, 6, 9, 9], out var match))
        {
            Assert.Equal(6, match.Length);
            Assert.True(TryAppend(sequence, _store, 9, 9));
            AssertContents(sequence, _store);
        }

        Assert.Equal(7, Look(1, 2, 3, 4, 5, 6, 7, 8).Length);
    }

    [Fact]
    public void Sequences_of_the_same_tokens_end_up_on_the_same_pages()
    {
        using var first = Sequence(1, 2, 3, 4, 5, 6, 7, 8, 9);
        using var second = Sequence(1, 2, 3, 4, 5, 6, 7, 8, 10);
        Assert.Equal(6, _cache.GetStatistics().UsedPages);
        first.Publish(wholePagesOnly: true);
        second.Publish(wholePagesOnly: true);
        Assert.Equal(4, _cache.GetStatistics().UsedPages);
        Assert.Equal(first.Pages[..2], second.Pages[..2]);
        AssertSound();
    }

    [Fact]
    public void A_longer_prefix_replaces_the_partial_page_that_it_starts_with()
    {
        Cache(1, 2, 3, 4, 5);
        Cache(1, 2, 3, 4, 5, 6);
        Assert.Equal(2, _cache.GetStatistics().CachedPages);
        Cache(1, 2, 3, 4, 5, 6, 7, 8);
        Assert.Equal(2, _cache.GetStatistics().CachedPages);
        Cache(1, 2, 3, 4, 5, 6);
        Assert.Equal(2, _cache.GetStatistics().CachedPages);
        AssertSound();
    }

    [Fact]
    public void What_was_let_go_first_is_evicted_first_from_its_end_and_reported_as_evicted()
    {
        Cache(1, 1, 1, 1, 1, 1, 1, 1, 1);
        Cache(2, 2, 2, 2, 2, 2, 2, 2, 2);
        Look(1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
        using var large = _cache.CreateSequence();
        Assert.True(large.TryReserve(12));
        Assert.Equal(new PrefixMatch(8, CacheMissReason.None), Look(1, 1, 1, 1, 1, 1, 1, 1, 1));
        Assert.Equal(new PrefixMatch(8, CacheMissReason.Evicted), Look(2, 2, 2, 2, 2, 2, 2, 2, 2, 2));
        Assert.Equal(1, _cache.GetStatistics().EvictedPages);
        AssertSound();

        Assert.Equal(5, _cache.Evict());
        Assert.Equal(new PrefixMatch(0, CacheMissReason.Evicted), Look(2, 2, 2, 2, 2));
        Assert.Equal(new PrefixMatch(0, CacheMissReason.NothingCached), Look(2, 2, 3));
    }

    [Fact]
    public void A_pinned_prefix_is_not_evicted()
    {
        Cache(1, 2, 3, 4, 5);
        using (var pin = _cache.Pin([1, 2, 3, 4, 5, 6]))
        {
            Assert.Equal(5, pin.Length);
            Assert.Equal(0, _cache.Evict());
            using var large = _cache.CreateSequence();
            Assert.False(large.TryReserve(28));
        }

        Assert.Equal(2, _cache.Evict());
        AssertSound();
    }

    [Fact]
    public void With_no_page_left_for_a_copy_a_page_that_only_the_tree_shares_is_taken_from_it()
    {
        Cache([.. Enumerable.Range(1, 31)]);
        using var sequence = _cache.CreateSequence([.. Enumerable.Range(1, 32)], out var match);
        Assert.Equal(31, match.Length);
        Assert.True(TryAppend(sequence, _store, 32));
        AssertContents(sequence, _store);
        Assert.False(sequence.TryReserve(1));
        AssertSound();
    }

    [Fact]
    public void A_failed_copy_leaves_everything_as_it_was()
    {
        using var first = Sequence(1, 2);
        using var second = first.Fork();
        _store.BeforeCopy = () => throw new InvalidOperationException();
        Assert.Throws<InvalidOperationException>(() => second.TryReserve(1));
        AssertSound();
        Assert.Equal(7, _cache.GetStatistics().FreePages);
    }

    [Fact]
    public void A_disposed_sequence_says_so()
    {
        var sequence = Sequence(1);
        sequence.Dispose();
        sequence.Dispose();
        Assert.Throws<ObjectDisposedException>(() => sequence.TryReserve(1));
        Assert.Throws<ObjectDisposedException>(() => sequence.Fork());
        Assert.Equal(8, _cache.GetStatistics().FreePages);
    }

    [Fact]
    public void Every_kind_of_violation_is_reported()
    {
        var sound = _cache.CaptureState();
        int Count(KvCacheState state) => KvCacheInvariants.FindViolations(state).Count;
        Assert.Equal(0, Count(sound));
        Assert.NotEqual(0, Count(sound with { FreePages = sound.FreePages.Add(0) }));
        Assert.NotEqual(0, Count(sound with { FreePages = sound.FreePages.RemoveAt(0) }));
        Assert.NotEqual(0, Count(sound with { References = sound.References.SetItem(3, 1) }));
        Assert.NotEqual(0, Count(sound with { EvictablePages = [1] }));

        using var sequence = Sequence(1, 2, 3, 4, 5);
        sequence.Publish();
        var used = _cache.CaptureState();
        var table = used.Sequences[0];
        Assert.Equal(0, Count(used));
        Assert.NotEqual(0, Count(used with { Sequences = [table with { Pages = [table.Pages[0], table.Pages[0]] }] }));
        Assert.NotEqual(0, Count(used with { Sequences = [table with { Tokens = [1, 2, 9, 4, 5] }] }));
        Assert.NotEqual(0, Count(used with { Sequences = [table with { Tokens = [.. Enumerable.Range(0, 9)] }] }));
        Assert.NotEqual(0, Count(used with { Nodes = [used.Nodes[0] with { Tokens = [1, 2] }, used.Nodes[1]] }));
        Assert.NotEqual(0, Count(used with { Nodes = used.Nodes.Add(used.Nodes[1]) }));
        Assert.NotEqual(0, Count(used with { Nodes = [used.Nodes[1], used.Nodes[0]] }));
    }

    [Fact]
    public void Of_many_prefixes_the_longest_is_found_and_one_that_another_begins_with_is_not_kept_twice()
    {
        var store = new FakePageStore(4, 200);
        var cache = new KvCache(store);
        var random = new Random(7);
        var known = new List<int[]>();
        for (var i = 0; i < 120; i++)
        {
            var tokens = Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Next(3)).ToArray();
            using var sequence = cache.CreateSequence(tokens, out var match);
            Assert.Equal(known.Select(other => other.AsSpan().CommonPrefixLength(tokens.AsSpan(0, tokens.Length - 1))).DefaultIfEmpty(0).Max(), match.Length);
            Assert.True(TryAppend(sequence, store, tokens[match.Length..]));
            sequence.Publish();
            known.Add(tokens);
            Assert.Empty(KvCacheInvariants.FindViolations(cache.CaptureState()));
        }
    }

    [Fact]
    public void Asking_what_a_prompt_would_take_agrees_with_taking_it_and_moves_no_page()
    {
        Cache(1, 2, 3, 4, 5, 6);
        Cache(7, 7);
        using var held = _cache.Pin([1, 2, 3, 4]);
        foreach (var prompt in (int[][])[[1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 9], [7, 7, 7, 7, 7], [8], [1, 2, 3, 4, 5]])
        {
            var (order, version) = (_cache.CaptureState().EvictablePages, _cache.Version);
            var asked = _cache.PagesToStart(prompt, scope: null);
            Assert.Equal(order, _cache.CaptureState().EvictablePages);
            Assert.Equal(version, _cache.Version);
            var available = _cache.AvailablePages;
            using var sequence = _cache.CreateSequence(prompt, out var match);
            var taken = available - _cache.AvailablePages;
            Assert.Equal(asked, taken + _cache.PagesToReserve(sequence, prompt.Length - match.Length));
        }
    }
}
