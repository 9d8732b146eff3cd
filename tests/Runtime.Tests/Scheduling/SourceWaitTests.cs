using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>Requests of an encoder–decoder beside beam searches, which hold pages of the encoder's cache for themselves.</summary>
public sealed class SourceWaitTests
{
    private static readonly GenerationOptions s_short = new() { Temperature = 0, IgnoreEndOfText = true, MaxTokens = 3 };

    private static (StepLoop Loop, SourceEncoder Encoder) Start(EncoderRunner runner, int encoderPages, TimeProvider? time = null)
    {
        var store = new FakePageStore(4, 64);
        var encoder = new SourceEncoder(runner, new KvCache(new FakePageStore(4, encoderPages)), keepsOutputs: false);
        var loop = new StepLoop(
            new FakeRunner(store), store, new StepLoopOptions { ContextLength = 100, DecoderStart = 1 }, _ => false,
            time ?? TimeProvider.System, NullLogger.Instance, encoder);
        return (loop, encoder);
    }

    private static async Task<int> Count(IAsyncEnumerable<GenerationUpdate> generation)
    {
        var tokens = 0;
        await foreach (var update in generation)
            tokens += update.TokenIds.Count;
        return tokens;
    }

    [Fact]
    public async Task A_request_that_waits_for_pages_that_a_search_holds_does_not_keep_the_loop_stepping()
    {
        var clock = new CountingTime();
        var (loop, encoder) = Start(new EncoderRunner(), encoderPages: 2, clock);
        await using var _ = loop;
        var held = encoder.Encode([1, 2, 3, 4, 5, 6, 7, 8], out var known);
        Assert.False(known);
        var waiting = Count(loop.Submit(new GenerationRequest { Prompt = [1, 2, 3, 4, 5, 6, 7, 9], Options = s_short }, new LetterDecoder()));
        await Task.Delay(300);

        // Every step asks for the time once. A loop that does not sleep makes 100,000 and more meanwhile.
        Assert.InRange(clock.Asked, 1, 1000);
        Assert.False(waiting.IsCompleted);
        held.Dispose();
        Assert.Equal(3, await waiting);
    }

    [Fact]
    public async Task A_waiting_source_can_be_cancelled_or_time_out_and_the_loop_can_be_disposed_over_it()
    {
        var (loop, encoder) = Start(new EncoderRunner(), encoderPages: 2);
        using var held = encoder.Encode([1, 2, 3, 4, 5, 6, 7, 8], out _);
        var request = new GenerationRequest { Prompt = [9, 9, 9, 9, 9], Options = s_short };
        using var cancellation = new CancellationTokenSource();
        var cancelled = Count(loop.Submit(request, new LetterDecoder(), cancellation.Token));
        var late = Count(loop.Submit(request with { Deadline = DateTimeOffset.UtcNow.AddMilliseconds(50) }, new LetterDecoder()));
        var left = Count(loop.Submit(request, new LetterDecoder()));
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Equal(0, await late);
        await loop.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => left);
    }

    [Fact]
    public async Task Requests_with_a_source_go_on_while_a_search_has_another_text_read()
    {
        var runner = new EncoderRunner();
        var (loop, encoder) = Start(runner, encoderPages: 16);
        await using var _ = loop;
        using var reading = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        runner.BeforeRun = batch =>
        {
            if (batch.Tokens[0] != 7)
                return;
            reading.Set();
            goOn.Wait();
        };
        var search = Task.Run(() => encoder.Encode([7, 7], out var _));
        reading.Wait();

        // Its own source is short; only the reading of another text is under way.
        Assert.Equal(3, await Count(loop.Submit(new GenerationRequest { Prompt = [1, 2], Options = s_short }, new LetterDecoder())).WaitAsync(TimeSpan.FromSeconds(30)));
        goOn.Set();
        (await search).Dispose();
    }

    [Fact]
    public async Task Searches_and_requests_over_few_pages_all_end_and_leave_none_in_use()
    {
        var (loop, encoder) = Start(new EncoderRunner(), encoderPages: 6);
        await using var _ = loop;
        var requests = Enumerable.Range(0, 40).Select(i => Task.Run(() => Count(loop.Submit(
            new GenerationRequest { Prompt = [.. Enumerable.Repeat(i % 5, 1 + (i % 8))], Options = s_short }, new LetterDecoder())))).ToArray();
        var searches = Enumerable.Range(0, 4).Select(i => Task.Run(() =>
        {
            for (var round = 0; round < 50; round++)
            {
                try
                {
                    using var memory = encoder.Encode([i, round % 7], out var _);
                    Assert.Equal([i, round % 7], memory.Tokens.ToArray());
                }
                catch (OutOfModelMemoryException)
                {
                    // The requests hold every page just now, which a search says.
                }
            }
        })).ToArray();
        Assert.All(await Task.WhenAll(requests), tokens => Assert.Equal(3, tokens));
        await Task.WhenAll(searches);
        Assert.Empty(KvCacheInvariants.FindViolations(encoder.Cache.CaptureState()));
        Assert.Equal(0, encoder.Cache.GetStatistics().UsedPages);
    }

    /// <summary>An encoder that writes nothing anybody looks at.</summary>
    private sealed class EncoderRunner : IStepRunner
    {
        public int VocabularySize => FakeModel.Vocabulary;

        public int MaxRows => 16;

        public int MaxOutputRows => 1;

        public Action<StepBatch>? BeforeRun { get; set; }

        public void Run(StepBatch batch, Span<float> logits) => BeforeRun?.Invoke(batch);
    }

    private sealed class CountingTime : TimeProvider
    {
        private int _asked;

        public int Asked => Volatile.Read(ref _asked);

        public override DateTimeOffset GetUtcNow()
        {
            Interlocked.Increment(ref _asked);
            return base.GetUtcNow();
        }
    }
}
