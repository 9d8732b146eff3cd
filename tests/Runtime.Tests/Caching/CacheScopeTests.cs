using Hearth.Runtime.Caching;
using Hearth.Runtime.Tests.Scheduling;

namespace Hearth.Runtime.Tests.Caching;

/// <summary>Prefixes of one scope are neither found nor told of from another.</summary>
public sealed class CacheScopeTests
{
    private readonly FakePageStore _store = new(4, 8);
    private readonly KvCache _cache;

    public CacheScopeTests() => _cache = new KvCache(_store);

    [Fact]
    public void A_prefix_is_found_in_its_own_scope_alone()
    {
        Publish("a", 1, 2, 3, 4, 5, 6);
        Assert.Equal(new PrefixMatch(6, CacheMissReason.None), Look("a", 1, 2, 3, 4, 5, 6, 7));
        Assert.Equal(new PrefixMatch(0, CacheMissReason.NothingCached), Look("b", 1, 2, 3, 4, 5, 6, 7));
        Assert.Equal(new PrefixMatch(0, CacheMissReason.NothingCached), Look(null, 1, 2, 3, 4, 5, 6, 7));
        Publish(null, 1, 2, 3, 4, 9);
        Assert.Equal(5, Look(null, 1, 2, 3, 4, 9, 9).Length);
        Assert.Equal(6, Look("a", 1, 2, 3, 4, 5, 6, 7).Length);
        AssertSound();
    }

    [Fact]
    public void What_was_evicted_of_one_scope_is_not_told_to_another()
    {
        Publish("a", 1, 2, 3, 4, 5);
        _cache.Evict();
        Assert.Equal(CacheMissReason.Evicted, Look("a", 1, 2, 3, 4, 5, 6).Reason);
        Assert.Equal(CacheMissReason.NothingCached, Look("b", 1, 2, 3, 4, 5, 6).Reason);
        Assert.Equal(CacheMissReason.NothingCached, Look(null, 1, 2, 3, 4, 5, 6).Reason);
        AssertSound();
    }

    [Fact]
    public void A_longer_text_takes_the_place_of_a_shorter_one_in_its_scope()
    {
        // The shorter one's node is the scope's only one, and goes before the longer one comes.
        Publish("a", 1, 2);
        Publish("a", 1, 2, 3);
        Assert.Equal(3, Look("a", 1, 2, 3, 4).Length);
        Assert.Equal(1, _cache.GetStatistics().CachedPages);
        AssertSound();
    }

    [Fact]
    public void Forks_stay_in_their_scope()
    {
        using (var first = Sequence("a", 1, 2, 3))
        {
            using var fork = first.Fork();
            fork.Publish();
        }

        Assert.Equal((3, 0), (Look("a", 1, 2, 3, 4).Length, Look(null, 1, 2, 3, 4).Length));
        using var pinned = _cache.Pin([1, 2, 3], "a");
        using var nothing = _cache.Pin([1, 2, 3]);
        Assert.Equal((3, 0), (pinned.Length, nothing.Length));
    }

    [Fact]
    public void Many_scopes_share_the_pages_that_there_are()
    {
        for (var i = 0; i < 1000; i++)
        {
            Publish($"client {i}", 1, 2, 3, 4, 5);
            AssertSound();
        }

        Assert.Equal(5, Look("client 999", 1, 2, 3, 4, 5, 6).Length);
        Assert.Equal(CacheMissReason.NothingCached, Look("client 1000", 1, 2, 3, 4, 5, 6).Reason);
        Assert.Equal(8, _cache.Evict());
        AssertSound();
    }

    private void Publish(string? scope, params int[] tokens)
    {
        using var sequence = Sequence(scope, tokens);
        sequence.Publish();
    }

    private KvSequence Sequence(string? scope, params int[] tokens)
    {
        var sequence = _cache.CreateSequence([], out _, scope);
        while (!KvCacheTests.TryAppend(sequence, _store, tokens))
        {
            Assert.NotEqual(0, _cache.Evict(1));
        }

        return sequence;
    }

    private PrefixMatch Look(string? scope, params int[] prompt)
    {
        using var sequence = _cache.CreateSequence(prompt, out var match, scope);
        return match;
    }

    private void AssertSound() => Assert.Empty(KvCacheInvariants.FindViolations(_cache.CaptureState()));
}
