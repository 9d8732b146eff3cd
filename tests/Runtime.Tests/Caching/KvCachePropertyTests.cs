using FsCheck.Xunit;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Tests.Scheduling;

namespace Hearth.Runtime.Tests.Caching;

/// <summary>Random lives of sequences against a plain model: a list of tokens each.</summary>
public sealed class KvCachePropertyTests
{
    [Fact]
    public void The_checks_that_the_loop_makes_run_in_tests_of_every_configuration()
    {
        Assert.True(KvCacheInvariants.AreChecked);
        KvCacheInvariants.Check(new KvCache(new FakePageStore(4, 2)));
    }

    [Property(MaxTest = 150)]
    public void Whatever_happens_every_sequence_keeps_its_tokens_and_contents_and_the_books_balance(int seed)
    {
        var random = new Random(seed);
        var store = new FakePageStore(4, random.Next(1, 24));
        var cache = new KvCache(store);
        var live = new List<(KvSequence Sequence, List<int> Tokens)>();
        var known = new List<int[]>();
        for (var i = 0; i < 120; i++)
        {
            Act(random, cache, store, live, known);
            Assert.Empty(KvCacheInvariants.FindViolations(cache.CaptureState()));
            foreach (var (sequence, tokens) in live)
            {
                Assert.Equal(tokens, sequence.Tokens.ToArray());
                KvCacheTests.AssertContents(sequence, store);
            }
        }

        live.ForEach(entry => entry.Sequence.Dispose());
        cache.Evict();
        Assert.Equal(store.PageCount, cache.GetStatistics().FreePages);
    }

    private static void Act(Random random, KvCache cache, FakePageStore store, List<(KvSequence Sequence, List<int> Tokens)> live, List<int[]> known)
    {
        var action = live.Count == 0 ? 0 : random.Next(10);
        var (sequence, tokens) = live.Count == 0 ? default : live[random.Next(live.Count)];
        switch (action)
        {
            case 0:
                live.Add((cache.CreateSequence(), []));
                break;
            case 1:
                live.Add((sequence.Fork(), [.. tokens]));
                break;
            case 2:
                var length = random.Next(sequence.Length + 1);
                sequence.Truncate(length);
                tokens.RemoveRange(length, tokens.Count - length);
                break;
            case 3:
                sequence.Publish(random.Next(2) == 0);
                known.Add([.. tokens]);
                break;
            case 4:
                sequence.Publish();
                known.Add([.. tokens]);
                sequence.Dispose();
                live.Remove((sequence, tokens));
                break;
            case 5:
                sequence.Dispose();
                live.Remove((sequence, tokens));
                break;
            case 6 when known.Count > 0:
                Adopt(random, cache, live, known);
                break;
            case 7:
                cache.Evict(random.Next(3));
                break;
            default:
                Append(random, cache, store, sequence, tokens);
                break;
        }
    }

    private static void Adopt(Random random, KvCache cache, List<(KvSequence Sequence, List<int> Tokens)> live, List<int[]> known)
    {
        var prompt = known[random.Next(known.Count)].Concat(Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(3))).ToArray();
        var adopted = cache.CreateSequence(prompt, out var match);
        Assert.Equal(match.Length, adopted.Length);
        Assert.True(match.Length < prompt.Length);
        live.Add((adopted, [.. prompt[..match.Length]]));
    }

    private static void Append(Random random, KvCache cache, FakePageStore store, KvSequence sequence, List<int> tokens)
    {
        var next = Enumerable.Range(0, random.Next(1, 9)).Select(_ => random.Next(3)).ToArray();
        if (random.Next(5) == 0)
        {
            sequence.TryReserve(next.Length);
            sequence.CancelReservation();
            return;
        }

        var available = cache.AvailablePages;
        var wanted = cache.PagesToReserve(sequence, next.Length);
        var appended = KvCacheTests.TryAppend(sequence, store, next);
        if (appended)
        {
            tokens.AddRange(next);
        }

        Assert.True(appended || wanted > available, "a reservation failed although there was room");
    }
}
