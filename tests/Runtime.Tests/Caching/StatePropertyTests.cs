using FsCheck.Xunit;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Tests.Caching;

/// <summary>Random lives of sequences of a model that keeps states, each state being a hash of the tokens that it has seen.</summary>
public sealed class StatePropertyTests
{
    private const int PageTokens = 4;

    [Property(MaxTest = 150)]
    public void Whatever_happens_every_sequence_has_the_state_of_its_tokens_and_the_books_balance(int seed)
    {
        var random = new Random(seed);
        var store = new StateStore(random.Next(4, 40), random.Next(1, 14));
        var cache = new KvCache(store, "states");
        var live = new List<(KvSequence Sequence, List<int> Tokens)>();
        var known = new List<int[]>();
        for (var i = 0; i < 120; i++)
        {
            Act(random, cache, store, live, known);
            Assert.Empty(KvCacheInvariants.FindViolations(cache.CaptureState()));
            foreach (var (sequence, tokens) in live)
            {
                Assert.Equal(tokens, sequence.Tokens.ToArray());
                if (tokens.Count > 0)
                    Assert.Equal(StateStore.Hash(0, [.. tokens]), store.States[sequence.State.Current]);
            }
        }

        live.ForEach(entry => entry.Sequence.Dispose());
        cache.Evict();
        Assert.Equal(store.PageCount, cache.GetStatistics().FreePages);
        Assert.All(cache.CaptureState().StateReferences, references => Assert.Equal(0, references));
    }

    private static void Act(Random random, KvCache cache, StateStore store, List<(KvSequence Sequence, List<int> Tokens)> live, List<int[]> known)
    {
        var action = live.Count == 0 ? 0 : random.Next(12);
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
                Assert.InRange(sequence.Length, 0, length);
                tokens.RemoveRange(sequence.Length, tokens.Count - sequence.Length);
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
                int[] prompt = [.. known[random.Next(known.Count)], .. Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(3))];
                var adopted = cache.CreateSequence(prompt, out var match);
                Assert.Equal(match.Length, adopted.Length);
                Assert.True(match.Length < prompt.Length);
                live.Add((adopted, [.. prompt[..match.Length]]));
                break;
            case 7:
                cache.Evict(random.Next(3));
                break;
            case 8:
                SaveAndRestore(cache, live, sequence, tokens);
                break;
            default:
                Append(random, store, sequence, tokens);
                break;
        }
    }

    private static void SaveAndRestore(KvCache cache, List<(KvSequence Sequence, List<int> Tokens)> live, KvSequence sequence, List<int> tokens)
    {
        using var stream = new MemoryStream();
        sequence.Save(stream);
        stream.Position = 0;
        try
        {
            live.Add((cache.Restore(stream), [.. tokens]));
        }
        catch (OutOfModelMemoryException)
        {
            // No room: the books are looked at all the same.
        }
    }

    private static void Append(Random random, StateStore store, KvSequence sequence, List<int> tokens)
    {
        var next = Enumerable.Range(0, random.Next(1, 12)).Select(_ => random.Next(3)).ToArray();
        if (!sequence.TryReserve(next.Length))
            return;
        if (random.Next(6) == 0)
        {
            // A step that fails on the way has written what it liked.
            if (random.Next(2) == 0)
                store.Run(sequence.States, next, fails: true);
            sequence.CancelReservation();
            tokens.RemoveRange(sequence.Length, tokens.Count - sequence.Length);
            return;
        }

        store.Run(sequence.States, next, fails: false);
        sequence.Commit(next);
        tokens.AddRange(next);
    }

    /// <summary>Pages without contents, and states that are numbers.</summary>
    private sealed class StateStore(int pages, int states) : IPageStore
    {
        public ulong[] States { get; } = new ulong[states];

        public int PageTokens => StatePropertyTests.PageTokens;

        public int PageCount => pages;

        public long PageBytes => 0;

        public int StateCount => states;

        public long StateBytes => sizeof(ulong);

        public static ulong Hash(ulong state, ReadOnlySpan<int> tokens)
        {
            foreach (var token in tokens)
                state = ((state + (ulong)token + 1) * 0x9E3779B97F4A7C15) ^ (state >> 7);
            return state;
        }

        public void Run(StateMove move, int[] tokens, bool fails)
        {
            var state = move.From < 0 ? 0 : States[move.From];
            var row = 0;
            foreach (var (rows, kept) in move.Checkpoints.Span)
            {
                Assert.InRange(rows, row + 1, tokens.Length - 1);
                state = Hash(state, tokens.AsSpan(row..rows));
                States[kept] = fails ? ulong.MaxValue : state;
                row = rows;
            }

            States[move.To] = fails ? ulong.MaxValue : Hash(state, tokens.AsSpan(row));
        }

        public void CopyPage(int source, int destination)
        {
        }

        public void ReadPage(int page, Span<byte> buffer)
        {
        }

        public void WritePage(int page, ReadOnlySpan<byte> buffer)
        {
        }

        public void ReadState(int state, Span<byte> buffer) => BitConverter.TryWriteBytes(buffer, States[state]);

        public void WriteState(int state, ReadOnlySpan<byte> buffer) => States[state] = BitConverter.ToUInt64(buffer);
    }
}
