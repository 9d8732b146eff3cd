using Hearth.Runtime.Caching;
using Hearth.Runtime.Tests.Scheduling;

namespace Hearth.Runtime.Tests.Caching;

/// <summary>One cache, several threads, a sequence by one of them at a time.</summary>
public sealed class KvCacheThreadTests
{
    [Fact]
    public async Task Threads_that_live_their_sequences_at_once_keep_their_tokens_and_contents_and_leave_balanced_books()
    {
        var store = new FakePageStore(4, 64);
        var cache = new KvCache(store);
        using var ended = new CancellationTokenSource();
        var watcher = Task.Run(() =>
        {
            while (!ended.IsCancellationRequested)
            {
                Assert.Empty(KvCacheInvariants.FindViolations(cache.CaptureState()));
                Assert.InRange(cache.GetStatistics().UsedPages, 0, 64);
            }
        });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => Task.Run(() => Live(seed, cache, store))));
        await ended.CancelAsync();
        await watcher;
        Assert.Equal(0, cache.GetStatistics().Sequences);
        cache.Evict();
        Assert.Equal(64, cache.GetStatistics().FreePages);
    }

    [Fact]
    public async Task What_the_pages_are_used_for_can_be_asked_while_a_page_is_copied()
    {
        var store = new FakePageStore(4, 8);
        var cache = new KvCache(store);
        using var parent = cache.CreateSequence();
        Assert.True(KvCacheTests.TryAppend(parent, store, 1, 2));
        using var fork = parent.Fork();
        using var copying = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        store.BeforeCopy = () =>
        {
            copying.Set();
            goOn.Wait();
        };
        var reserving = Task.Run(() => fork.TryReserve(1));
        copying.Wait();
        var asked = Task.Run(() =>
        {
            Assert.Empty(KvCacheInvariants.FindViolations(cache.CaptureState()));
            using var other = cache.CreateSequence();
            return other.TryReserve(4);
        });
        Assert.Same(asked, await Task.WhenAny(asked, Task.Delay(TimeSpan.FromSeconds(20))));
        Assert.True(await asked);
        goOn.Set();
        Assert.True(await reserving);
        Assert.NotEqual(parent.Pages[0], fork.Pages[0]);
        Assert.Equal(1, cache.GetStatistics().CopiedPages);
    }

    private static void Live(int seed, KvCache cache, FakePageStore store)
    {
        var random = new Random(seed);
        for (var round = 0; round < 400; round++)
        {
            // Few tokens, so that threads share prefixes, copy each other's tails and evict them.
            var prompt = Enumerable.Range(0, random.Next(1, 14)).Select(_ => random.Next(2)).ToArray();
            using var sequence = cache.CreateSequence(prompt, out var match);
            Assert.Equal(prompt[..match.Length], sequence.Tokens.ToArray());
            KvCacheTests.AssertContents(sequence, store);
            if (!KvCacheTests.TryAppend(sequence, store, prompt[match.Length..]))
                continue;
            if (random.Next(2) == 0)
                sequence.Publish(wholePagesOnly: random.Next(2) == 0);
            using var fork = sequence.Fork();
            if (KvCacheTests.TryAppend(fork, store, [random.Next(2), 5]) && random.Next(3) == 0)
                fork.Publish();
            sequence.Truncate(random.Next(sequence.Length + 1));
            KvCacheTests.AssertContents(sequence, store);
            KvCacheTests.AssertContents(fork, store);
            if (random.Next(8) == 0)
                cache.Evict(random.Next(4));
        }
    }
}
