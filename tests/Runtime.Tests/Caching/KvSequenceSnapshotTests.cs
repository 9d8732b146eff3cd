using FsCheck.Xunit;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Tests.Scheduling;

namespace Hearth.Runtime.Tests.Caching;

public sealed class KvSequenceSnapshotTests
{
    private static readonly int[] s_tokens = [1, 2, 3, 4, 5, 6, 7, 8, 9];

    private static (KvCache Cache, FakePageStore Store) Create(string model = "model", int pageTokens = 4, int pages = 8)
    {
        var store = new FakePageStore(pageTokens, pages);
        return (new KvCache(store, model), store);
    }

    private static byte[] Saved(params int[] tokens)
    {
        var (cache, store) = Create();
        using var sequence = cache.CreateSequence();
        Assert.True(tokens.Length == 0 || KvCacheTests.TryAppend(sequence, store, tokens));
        var stream = new MemoryStream();
        sequence.Save(stream);
        Assert.Equal(1, cache.GetStatistics().Sequences);
        return stream.ToArray();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(9)]
    public void A_saved_sequence_goes_on_where_it_was_in_another_cache(int length)
    {
        var (cache, store) = Create();
        using var occupied = cache.CreateSequence();
        Assert.True(KvCacheTests.TryAppend(occupied, store, 9, 9));
        using var restored = cache.Restore(new MemoryStream(Saved(s_tokens[..length])));
        Assert.Equal(s_tokens[..length], restored.Tokens.ToArray());
        Assert.True(KvCacheTests.TryAppend(restored, store, 10, 11));
        KvCacheTests.AssertContents(restored, store);
        KvCacheTests.AssertContents(occupied, store);
        Assert.Empty(KvCacheInvariants.FindViolations(cache.CaptureState()));
    }

    [Property(MaxTest = 300)]
    public void Any_changed_byte_is_noticed_and_leaves_no_page_behind(ushort place, byte change)
    {
        var bytes = Saved(s_tokens);
        bytes[place % bytes.Length] ^= (byte)(change | 1);
        AssertRefused(bytes);
    }

    [Fact]
    public void Any_cut_is_noticed_and_leaves_no_page_behind()
    {
        var bytes = Saved(s_tokens);
        for (var length = 0; length < bytes.Length; length++)
        {
            AssertRefused(bytes[..length]);
        }
    }

    [Fact]
    public void Another_model_or_page_size_is_refused()
    {
        var bytes = Saved(s_tokens);
        Assert.Throws<CacheSnapshotException>(() => Create("other").Cache.Restore(new MemoryStream(bytes)));
        Assert.Throws<CacheSnapshotException>(() => Create("model 2").Cache.Restore(new MemoryStream(bytes)));
        Assert.Throws<CacheSnapshotException>(() => Create(pageTokens: 8).Cache.Restore(new MemoryStream(bytes)));
        Assert.Throws<CacheSnapshotException>(() => Create(pages: 2).Cache.Restore(new MemoryStream(bytes)));
    }

    [Theory]
    [InlineData(10, true)]
    [InlineData(9, false)]
    public void Tokens_beyond_the_models_vocabulary_are_refused(int vocabulary, bool isTaken)
    {
        var cache = new KvCache(new FakePageStore(4, 8), "model", vocabulary);
        var error = Record.Exception(() => cache.Restore(new MemoryStream(Saved(s_tokens))).Dispose());

        Assert.Equal(isTaken, error is null);
        Assert.True(isTaken || (error is CacheSnapshotException && error.Message.Contains("found 9", StringComparison.Ordinal)));
        Assert.Equal((8, 0), (cache.GetStatistics().FreePages, cache.GetStatistics().Sequences));
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData(8, true)]
    [InlineData(12, false)]
    [InlineData(0, false)]
    public void A_beginning_that_this_model_never_forgets_is_not_missing(int? unit, bool isTaken)
    {
        var (cache, store) = Create();
        using var sequence = cache.CreateSequence();
        Assert.True(KvCacheTests.TryAppend(sequence, store, [.. s_tokens, .. s_tokens]));
        sequence.Forget(8);
        var stream = new MemoryStream();
        sequence.Save(stream);
        stream.Position = 0;
        var other = new KvCache(new FakePageStore(4, 8), "model", forgottenUnit: unit);

        Assert.Equal(isTaken, Record.Exception(() => other.Restore(stream).Dispose()) is not CacheSnapshotException);
    }

    [Fact]
    public void Too_few_free_pages_are_an_error_of_their_own()
    {
        var (cache, _) = Create();
        using var occupied = cache.CreateSequence();
        Assert.True(occupied.TryReserve(6 * 4));
        Assert.Throws<OutOfModelMemoryException>(() => cache.Restore(new MemoryStream(Saved(s_tokens))));
        Assert.Equal(2, cache.GetStatistics().FreePages);
    }

    private static void AssertRefused(byte[] bytes)
    {
        var (cache, _) = Create();
        Assert.Throws<CacheSnapshotException>(() => cache.Restore(new MemoryStream(bytes)));
        Assert.Equal((8, 0), (cache.GetStatistics().FreePages, cache.GetStatistics().Sequences));
    }
}
