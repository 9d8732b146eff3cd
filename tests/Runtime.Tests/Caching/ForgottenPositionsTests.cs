using Hearth.Runtime.Caching;
using Hearth.Runtime.Tests.Scheduling;

namespace Hearth.Runtime.Tests.Caching;

/// <summary>Sequences that let their first positions go.</summary>
public sealed class ForgottenPositionsTests
{
    private readonly FakePageStore _store = new(4, 8);
    private readonly KvCache _cache;

    public ForgottenPositionsTests() => _cache = new KvCache(_store, "model");

    private KvSequence Rolled()
    {
        var sequence = _cache.CreateSequence();
        Assert.True(KvCacheTests.TryAppend(sequence, _store, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
        sequence.Forget(8);
        return sequence;
    }

    [Fact]
    public void Forgetting_frees_pages_and_keeps_count()
    {
        using var sequence = Rolled();
        Assert.Equal((2, 8, 10), (sequence.Length, sequence.Forgotten, sequence.End));
        Assert.Equal([9, 10], sequence.Tokens.ToArray());
        Assert.Equal(7, _cache.GetStatistics().FreePages);
        Assert.Empty(KvCacheInvariants.FindViolations(_cache.CaptureState()));
    }

    [Fact]
    public void A_fork_stands_where_its_parent_stands_and_each_forgets_for_itself()
    {
        using var sequence = Rolled();
        using var fork = sequence.Fork();
        Assert.Equal((8, 10), (fork.Forgotten, fork.End));
        Assert.True(KvCacheTests.TryAppend(fork, _store, 11, 12, 13));
        fork.Forget(4);
        Assert.Equal((12, 13, 8, 10), (fork.Forgotten, fork.End, sequence.Forgotten, sequence.End));
        Assert.Equal([9, 10], sequence.Tokens.ToArray());
        Assert.Empty(KvCacheInvariants.FindViolations(_cache.CaptureState()));
    }

    [Fact]
    public void A_saved_sequence_remembers_how_much_it_forgot()
    {
        using var stream = new MemoryStream();
        using (var sequence = Rolled())
            sequence.Save(stream);
        stream.Position = 0;
        using var restored = _cache.Restore(stream);
        Assert.Equal((2, 8, 10), (restored.Length, restored.Forgotten, restored.End));
        Assert.Equal([9, 10], restored.Tokens.ToArray());
    }

    [Fact]
    public void What_is_left_is_offered_to_nobody_as_a_beginning()
    {
        using var sequence = Rolled();
        Assert.Throws<InvalidOperationException>(() => sequence.Publish());
        using var other = _cache.CreateSequence([9, 10, 11], out var match);
        Assert.Equal(0, match.Length);
    }

    [Theory]
    [InlineData(-4)]
    [InlineData(3)]
    [InlineData(12)]
    public void Only_whole_pages_that_are_held_can_be_forgotten(int positions)
    {
        using var sequence = _cache.CreateSequence();
        Assert.True(KvCacheTests.TryAppend(sequence, _store, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
        Assert.Throws<ArgumentOutOfRangeException>(() => sequence.Forget(positions));
        Assert.Equal(10, sequence.Length);
    }
}
