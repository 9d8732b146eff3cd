using Hearth.Runtime.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Scheduling;

public sealed class StepLoopTests
{
    private const int End = 0;
    private static readonly GenerationOptions s_endless = new() { Temperature = 0, IgnoreEndOfText = true };

    private static (StepLoop Loop, FakeRunner Runner) Start(
        StepLoopOptions? options = null, int pages = 256, TimeProvider? time = null, int maxRows = 64)
    {
        var store = new FakePageStore(4, pages);
        var runner = new FakeRunner(store) { MaxRows = maxRows };
        options ??= new StepLoopOptions { ContextLength = 1000, TokenBudget = 16 };
        return (new StepLoop(runner, store, options, token => token == End, time ?? TimeProvider.System, NullLogger.Instance), runner);
    }

    private static async Task<GenerationResult> Collect(IAsyncEnumerable<GenerationUpdate> generation)
    {
        var text = "";
        var tokens = new List<int>();
        GenerationUpdate? last = null;
        await foreach (var update in generation)
        {
            Assert.Null(last?.FinishReason);
            text += update.Text;
            tokens.AddRange(update.TokenIds);
            last = update;
        }

        return new GenerationResult(text, tokens, last!.FinishReason!.Value, last.Usage!.Value);
    }

    private static Task<GenerationResult> Generate(StepLoop loop, GenerationRequest request)
        => Task.Run(() => Collect(loop.Submit(request, new LetterDecoder())));

    private static async Task Eventually(Func<bool> condition)
    {
        for (var i = 0; i < 2000 && !condition(); i++)
        {
            await Task.Delay(5);
        }

        Assert.True(condition());
    }

    private static void AssertEqual((List<int> Tokens, FinishReason Reason) expected, GenerationResult result)
    {
        Assert.Equal(expected.Tokens, result.TokenIds);
        Assert.Equal(expected.Reason, result.FinishReason);
        Assert.Equal(LetterDecoder.Text(expected.Tokens), result.Text);
        Assert.Equal(expected.Tokens.Count, result.Usage.CompletionTokens);
    }

    [Fact]
    public async Task One_request_gives_what_the_model_says()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var request = Expected.Request(7, maxTokens: 40) with { Options = new GenerationOptions { Seed = 3, MaxTokens = 40 } };
        AssertEqual(Expected.Generate(request, 1000, t => t == End), await Generate(loop, request));
    }

    [Fact]
    public async Task Only_the_last_row_of_a_prompts_last_piece_is_asked_for()
    {
        var (loop, runner) = Start(maxRows: 8);
        await using var _ = loop;
        var asked = new List<(int Rows, int[] Outputs)>();
        runner.BeforeRun = batch => asked.Add((batch.RowCount, [.. batch.OutputRows]));
        await Generate(loop, new GenerationRequest { Prompt = [.. Enumerable.Range(1, 20)], Options = s_endless with { MaxTokens = 3 } });
        Assert.Equal([(8, 0), (8, 0), (4, 1), (1, 1), (1, 1)], asked.Select(step => (step.Rows, step.Outputs.Length)));
        Assert.Equal([3], asked[2].Outputs);
    }

    [Fact]
    public async Task Sixteen_concurrent_requests_each_get_their_own_text_and_leave_no_page_in_use()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        using var gate = new ManualResetEventSlim();
        runner.BeforeRun = _ => gate.Wait();
        var requests = Enumerable.Range(0, 16).Select(i => Expected.Request(100 + i, maxTokens: 60)).ToArray();
        var running = requests.Select(r => Generate(loop, r)).ToArray();
        await Eventually(() => loop.Load is { WaitingRequests: var w, RunningRequests: var r } && w + r == 16);
        gate.Set();
        var results = await Task.WhenAll(running);
        for (var i = 0; i < requests.Length; i++)
        {
            AssertEqual(Expected.Generate(requests[i], 1000, t => t == End), results[i]);
        }

        Assert.True(runner.MostSequences > 1, "requests were served one after another");
        Assert.True(runner.LargestStep <= 16);
        Assert.Equal((0, 0, 0), (loop.Load.RunningRequests, loop.Load.WaitingRequests, loop.Load.UsedPages));
    }

    [Fact]
    public async Task Preemption_changes_no_output()
    {
        // 24 pages of 4 positions hold two of these requests at their end, not eight.
        var (loop, runner) = Start(new StepLoopOptions { ContextLength = 1000, TokenBudget = 16, MaxConcurrentSequences = 8 }, pages: 24);
        await using var _ = loop;
        var options = new GenerationOptions { MaxTokens = 40, IgnoreEndOfText = true, FrequencyPenalty = 0.3f, PenaltyWindow = -1 };
        var requests = Enumerable.Range(0, 8).Select(i => new GenerationRequest { Prompt = [i + 1, 5, 6], Options = options with { Seed = (ulong)i } }).ToArray();
        var results = await Task.WhenAll(requests.Select(r => Generate(loop, r)));
        for (var i = 0; i < requests.Length; i++)
        {
            AssertEqual(Expected.Generate(requests[i], 96, t => t == End), results[i]);
        }

        // Each request alone computes 3 + 39 positions; what preemption threw away was computed again.
        Assert.True(runner.Rows > 8 * 42, "nothing was preempted");
    }

    [Fact]
    public async Task The_second_turn_of_a_chat_comes_from_the_cache_and_gives_the_same_text_as_cold()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        var options = new GenerationOptions { MaxTokens = 10, Seed = 1, IgnoreEndOfText = true };
        var first = await Generate(loop, new GenerationRequest { Prompt = [1, 2, 3, 4, 5, 6, 7], Options = options });
        Assert.Equal((0, CacheMissReason.NothingCached), (first.Usage.CachedPromptTokens, first.Usage.CacheMiss));

        var rows = runner.Rows;
        var second = new GenerationRequest { Prompt = [1, 2, 3, 4, 5, 6, 7, .. first.TokenIds, 9, 9], Options = options };
        var warm = await Generate(loop, second);

        // The last chosen token of the first turn was never computed.
        Assert.Equal(16, warm.Usage.CachedPromptTokens);
        Assert.Equal(CacheMissReason.None, warm.Usage.CacheMiss);
        Assert.Equal(3 + 9, runner.Rows - rows);
        AssertEqual(Expected.Generate(second, 1000, t => t == End), warm);
    }

    [Fact]
    public async Task Concurrent_requests_with_one_system_prompt_compute_it_once_where_it_fills_a_step()
    {
        var (loop, runner) = Start(new StepLoopOptions { ContextLength = 1000, TokenBudget = 40 });
        await using var _ = loop;
        using var gate = new ManualResetEventSlim();
        runner.BeforeRun = _ => gate.Wait();
        var system = Enumerable.Range(0, 40).Select(i => i % 20).ToArray();
        var requests = Enumerable.Range(0, 8)
            .Select(i => new GenerationRequest { Prompt = [.. system, 20 + (i % 4), i], Options = s_endless with { MaxTokens = 2 } }).ToArray();
        var running = requests.Select(r => Collect(loop.Submit(r, new LetterDecoder()))).ToArray();
        gate.Set();
        var results = await Task.WhenAll(running);
        for (var i = 0; i < requests.Length; i++)
        {
            AssertEqual(Expected.Generate(requests[i], 1000, t => t == End), results[i]);
            Assert.True(results[i].Usage.CachedPromptTokens == (i == 0 ? 0 : 40) || results[i].Usage.CachedPromptTokens == 41);
        }

        // The system prompt once; of each request two tokens of its own (fewer where another's were the same) and one that it generated.
        Assert.InRange(runner.Rows, 40 + (8 * 2), 40 + (8 * 3));
    }

    [Fact]
    public async Task A_prefix_saved_from_one_loop_warms_another()
    {
        var saved = new MemoryStream();
        var request = new GenerationRequest { Prompt = [1, 2, 3, 4, 5, 6], Options = s_endless with { MaxTokens = 5 } };
        var (first, _) = Start();
        await using (first)
        {
            await Generate(first, request);
            using var pinned = first.Cache.Pin([1, 2, 3, 4, 5, 6]);
            pinned.Save(saved);
        }

        saved.Position = 0;
        var (second, _) = Start();
        await using var _ = second;
        using (var restored = second.Cache.Restore(saved))
        {
            restored.Publish();
        }

        var warm = await Generate(second, request);
        Assert.Equal(5, warm.Usage.CachedPromptTokens);
        AssertEqual(Expected.Generate(request, 1000, t => t == End), warm);
    }

    [Fact]
    public async Task Without_prefix_caching_every_prompt_is_computed()
    {
        var (loop, runner) = Start(new StepLoopOptions { ContextLength = 100, CachePrefixes = false });
        await using var _ = loop;
        var request = new GenerationRequest { Prompt = [1, 2, 3, 4, 5, 6, 7, 8], Options = s_endless with { MaxTokens = 1 } };
        await Generate(loop, request);
        var again = await Generate(loop, request);
        Assert.Equal(0, again.Usage.CachedPromptTokens);
        Assert.Equal(16, runner.Rows);
        Assert.Equal(0, loop.Load.CachedPages);
    }

    [Fact]
    public async Task Usage_names_the_first_token_that_differs()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var options = s_endless with { MaxTokens = 0 };
        await Generate(loop, new GenerationRequest { Prompt = [1, 2, 3, 4, 5, 6, 7, 8], Options = options });
        var other = await Generate(loop, new GenerationRequest { Prompt = [1, 2, 3, 4, 5, 9, 7, 8], Options = options });
        Assert.Equal(new TokenUsage(8, 0, 5, CacheMissReason.Differs, 5), other.Usage);
    }

    [Fact]
    public async Task Zero_tokens_asked_for_fill_the_cache_and_end_with_length()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var result = await Generate(loop, new GenerationRequest { Prompt = [1, 2, 3, 4, 5], Options = s_endless with { MaxTokens = 0 } });
        Assert.Equal((FinishReason.Length, 0), (result.FinishReason, result.TokenIds.Count));
        Assert.Equal(2, loop.Load.CachedPages);
    }

    [Fact]
    public async Task The_end_of_text_token_is_neither_text_nor_counted()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        var chosen = 0;
        runner.AfterRun = logits => logits[chosen++ < 3 ? 5 : End] = 100;
        var result = await Generate(loop, new GenerationRequest { Prompt = [1] });
        Assert.Equal(("fff", FinishReason.Stop, 3), (result.Text, result.FinishReason, result.Usage.CompletionTokens));
        Assert.Equal([5, 5, 5], result.TokenIds);
    }

    [Fact]
    public async Task Generation_ends_with_the_context()
    {
        var (loop, _) = Start(new StepLoopOptions { ContextLength = 20 });
        await using var _ = loop;
        var result = await Generate(loop, new GenerationRequest { Prompt = [1, 2, 3], Options = s_endless });
        Assert.Equal((FinishReason.Length, 17), (result.FinishReason, result.TokenIds.Count));
        var full = await Generate(loop, new GenerationRequest { Prompt = Enumerable.Repeat(1, 20).ToArray(), Options = s_endless });
        Assert.Equal((FinishReason.Length, 0), (full.FinishReason, full.TokenIds.Count));
    }

    [Fact]
    public async Task A_prompt_and_its_completion_may_fill_every_page_although_its_prefix_is_cached()
    {
        var (loop, _) = Start(pages: 5);
        await using var _ = loop;
        Assert.Equal(20, loop.ContextLength);
        var request = new GenerationRequest { Prompt = Enumerable.Range(1, 18).ToArray(), Options = s_endless };
        var cold = await Generate(loop, request);
        var warm = await Generate(loop, request);
        Assert.Equal(2, cold.TokenIds.Count);
        Assert.Equal(17, warm.Usage.CachedPromptTokens);
        AssertEqual(Expected.Generate(request, 20, t => t == End), warm);
    }

    [Theory]
    [InlineData(1000, 5, 20)]
    [InlineData(12, 256, 12)]
    public async Task A_prompt_that_is_too_long_is_refused_with_both_numbers(int contextLength, int pages, int possible)
    {
        var (loop, _) = Start(new StepLoopOptions { ContextLength = contextLength }, pages);
        await using var _ = loop;
        var error = Assert.Throws<ContextLengthExceededException>(
            () => loop.Submit(new GenerationRequest { Prompt = new int[21] }, new LetterDecoder()));
        Assert.Equal((21, possible), (error.TokensAsked, error.TokensPossible));
    }

    [Fact]
    public async Task Bad_requests_are_refused_before_they_are_queued()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        Assert.Throws<InvalidRequestException>(() => loop.Submit(new GenerationRequest { Prompt = [] }, new LetterDecoder()));
        Assert.Throws<InvalidRequestException>(() => loop.Submit(new GenerationRequest { Prompt = [FakeModel.Vocabulary] }, new LetterDecoder()));
        Assert.Throws<InvalidRequestException>(() => loop.Submit(new GenerationRequest { Prompt = [-1] }, new LetterDecoder()));
        Assert.Throws<InvalidRequestException>(
            () => loop.Submit(new GenerationRequest { Prompt = [1], Options = new GenerationOptions { TopP = 1.5f } }, new LetterDecoder()));
        Assert.Equal(0, loop.Load.WaitingRequests);
    }

    [Fact]
    public async Task A_full_queue_says_so_at_once()
    {
        var (loop, runner) = Start(new StepLoopOptions { ContextLength = 100, MaxConcurrentSequences = 1, QueueCapacity = 2 });
        await using var _ = loop;
        using var gate = new ManualResetEventSlim();
        runner.BeforeRun = _ => gate.Wait();
        var request = new GenerationRequest { Prompt = [1], Options = s_endless with { MaxTokens = 1 } };
        var first = Generate(loop, request);
        await Eventually(() => loop.Load.RunningRequests == 1);
        var waiting = new[] { loop.Submit(request, new LetterDecoder()), loop.Submit(request, new LetterDecoder()) };
        var error = Assert.Throws<QueueFullException>(() => loop.Submit(request, new LetterDecoder()));
        Assert.Equal(2, error.Capacity);

        waiting[0].Cancel();
        var replacement = loop.Submit(request, new LetterDecoder());
        gate.Set();
        await first;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Collect(waiting[0]));
        Assert.Single((await Collect(waiting[1])).TokenIds);
        Assert.Single((await Collect(replacement)).TokenIds);
    }

    [Fact]
    public async Task A_client_that_leaves_frees_its_pages_within_one_step()
    {
        var (loop, runner) = Start(pages: 100);
        await using var _ = loop;
        const int Before = 5;
        var steps = 0;
        using var permits = new SemaphoreSlim(Before);
        runner.BeforeRun = _ =>
        {
            Interlocked.Increment(ref steps);
            permits.Wait();
        };
        await foreach (var update in loop.Submit(new GenerationRequest { Prompt = [1, 2, 3], Options = s_endless }, new LetterDecoder()))
        {
            // The step after those that are let through is under way when the client leaves.
            await Eventually(() => Volatile.Read(ref steps) == Before + 1);
            break;
        }

        permits.Release(1000);
        await Eventually(() => loop.Load is { RunningRequests: 0, UsedPages: 0 });
        Assert.Equal(Before + 1, steps);
    }

    [Fact]
    public async Task A_cancelled_token_ends_the_request_with_OperationCanceledException()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        runner.BeforeRun = _ => Thread.Sleep(1);
        using var source = new CancellationTokenSource();
        var generation = loop.Submit(new GenerationRequest { Prompt = [1], Options = s_endless }, new LetterDecoder(), source.Token);
        await Eventually(() => runner.Steps > 2);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Collect(generation));
        await Eventually(() => loop.Load is { RunningRequests: 0, UsedPages: 0 });
    }

    [Fact]
    public async Task A_deadline_ends_running_and_waiting_requests_and_keeps_what_was_generated()
    {
        var time = new ManualTime();
        var (loop, runner) = Start(new StepLoopOptions { ContextLength = 1000, MaxConcurrentSequences = 1 }, time: time);
        await using var _ = loop;
        runner.BeforeRun = _ =>
        {
            if (runner.Steps == 5)
            {
                time.Now += TimeSpan.FromSeconds(10);
            }
        };
        var request = new GenerationRequest { Prompt = [1], Options = s_endless, Deadline = time.Now + TimeSpan.FromSeconds(9) };
        var running = Collect(loop.Submit(request, new LetterDecoder()));
        var waiting = Collect(loop.Submit(request with { Priority = -1 }, new LetterDecoder()));
        var ended = await running;
        Assert.Equal((FinishReason.DeadlineExceeded, 6), (ended.FinishReason, ended.TokenIds.Count));
        var never = await waiting;
        Assert.Equal((FinishReason.DeadlineExceeded, 0), (never.FinishReason, never.TokenIds.Count));
        Assert.Equal(0, loop.Load.UsedPages);
    }

    [Fact]
    public async Task Higher_priorities_are_admitted_first()
    {
        var (loop, runner) = Start(new StepLoopOptions { ContextLength = 1000, MaxConcurrentSequences = 1 });
        await using var _ = loop;
        using var gate = new ManualResetEventSlim();
        var order = new List<int>();
        runner.BeforeRun = batch =>
        {
            gate.Wait();
            order.Add(batch.Tokens[0]);
        };
        GenerationRequest Request(int token, int priority) => new() { Prompt = [token], Priority = priority, Options = s_endless with { MaxTokens = 1 } };
        var first = Generate(loop, Request(1, 0));
        await Eventually(() => loop.Load.RunningRequests == 1);
        var rest = new[] { Request(2, 0), Request(3, 5), Request(4, 0), Request(5, 5) }.Select(r => Collect(loop.Submit(r, new LetterDecoder()))).ToArray();
        gate.Set();
        await first;
        await Task.WhenAll(rest);
        Assert.Equal([1, 3, 5, 2, 4], order);
    }

    [Fact]
    public async Task A_failing_step_fails_its_requests_and_the_loop_goes_on()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        var request = new GenerationRequest { Prompt = [1, 2, 3], Options = s_endless with { MaxTokens = 5 } };
        runner.BeforeRun = _ => throw new InvalidOperationException("the device is gone");
        var error = await Assert.ThrowsAsync<HearthException>(() => Generate(loop, request));
        Assert.Equal("the device is gone", error.InnerException!.Message);
        runner.BeforeRun = null;
        AssertEqual(Expected.Generate(request, 1000, t => t == End), await Generate(loop, request));
        Assert.Equal(0, loop.Load.UsedPages);
    }

    [Fact]
    public async Task Logits_that_are_all_NaN_fail_their_request_only()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        runner.AfterRun = logits => logits.AsSpan().Fill(float.NaN);
        await Assert.ThrowsAsync<HearthException>(() => Generate(loop, new GenerationRequest { Prompt = [1] }));
        runner.AfterRun = null;
        Assert.Equal(2, (await Generate(loop, new GenerationRequest { Prompt = [1], Options = s_endless with { MaxTokens = 2 } })).TokenIds.Count);
    }

    [Fact]
    public async Task A_prompt_for_which_too_few_pages_are_left_by_pinned_sequences_says_so()
    {
        var (loop, _) = Start(pages: 4);
        await using var _ = loop;
        using (var pinned = loop.Cache.CreateSequence())
        {
            Assert.True(pinned.TryReserve(12));
            var request = new GenerationRequest { Prompt = [1, 2, 3, 4, 5], Options = s_endless };
            await Assert.ThrowsAsync<OutOfModelMemoryException>(() => Generate(loop, request));
            var shorter = await Generate(loop, request with { Prompt = [1, 2] });
            Assert.Equal((FinishReason.Length, 3), (shorter.FinishReason, shorter.TokenIds.Count));
        }

        var alone = await Generate(loop, new GenerationRequest { Prompt = [1, 2, 3, 4, 5], Options = s_endless });
        Assert.Equal(11, alone.TokenIds.Count);
    }

    [Fact]
    public async Task A_stop_sequence_ends_text_and_request_exactly()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        var plain = await Generate(loop, new GenerationRequest { Prompt = [1], Options = s_endless with { MaxTokens = 30 } });
        var stop = plain.Text[10..13];
        var at = plain.Text.IndexOf(stop, StringComparison.Ordinal);
        var result = await Generate(loop, new GenerationRequest { Prompt = [1], Options = s_endless with { StopSequences = [stop, "not there"] } });
        Assert.Equal((plain.Text[..at], FinishReason.Stop), (result.Text, result.FinishReason));
        Assert.Equal(at + 3, result.Usage.CompletionTokens);
        Assert.Equal(plain.TokenIds.Take(at + 3), result.TokenIds);
        await Eventually(() => loop.Load is { RunningRequests: 0, UsedPages: 0 });
        Assert.True(runner.Steps < 1000, "the request went on to the end of the context");
    }

    [Fact]
    public async Task What_the_decoder_holds_back_comes_with_the_last_update()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var result = await Collect(loop.Submit(new GenerationRequest { Prompt = [1], Options = s_endless with { MaxTokens = 3 } }, new LetterDecoder(flushes: true)));
        Assert.Equal(LetterDecoder.Text(result.TokenIds) + "z", result.Text);
    }

    [Fact]
    public async Task Disposal_ends_every_request_with_ObjectDisposedException()
    {
        var (loop, runner) = Start(new StepLoopOptions { ContextLength = 1000, MaxConcurrentSequences = 1 });
        runner.BeforeRun = _ => Thread.Sleep(1);
        var request = new GenerationRequest { Prompt = [1], Options = s_endless };
        var running = Generate(loop, request);
        await Eventually(() => loop.Load.RunningRequests == 1);
        var waiting = Generate(loop, request);
        await Eventually(() => loop.Load.WaitingRequests == 1);
        await loop.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => running);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        Assert.Throws<ObjectDisposedException>(() => loop.Submit(request, new LetterDecoder()));
        Assert.Equal(0, loop.Load.UsedPages);
        await loop.DisposeAsync();
    }

    [Fact]
    public async Task Metrics_count_tokens_and_return_to_zero_requests()
    {
        var sums = new System.Collections.Concurrent.ConcurrentDictionary<string, long>();
        void Add(System.Diagnostics.Metrics.Instrument instrument, long change, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            // Other tests' loops report to the same meter.
            if (tags.Contains(new KeyValuePair<string, object?>("hearth.model", "metrics")))
            {
                sums.AddOrUpdate(instrument.Name, change, (_, sum) => sum + change);
            }
        }

        using var listener = new System.Diagnostics.Metrics.MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Meter.Name == "Hearth")
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((i, change, tags, _) => Add(i, change, tags));
        listener.SetMeasurementEventCallback<int>((i, change, tags, _) => Add(i, change, tags));
        listener.Start();
        var (loop, _) = Start(new StepLoopOptions { ContextLength = 100, ModelId = "metrics" });
        await using (loop)
        {
            var request = new GenerationRequest { Prompt = [1, 2, 3], Options = s_endless with { MaxTokens = 4 } };
            await Generate(loop, request);
            await Generate(loop, request);
        }

        Assert.Equal((6, 8, 2), (sums["hearth.tokens.prompt"], sums["hearth.tokens.generated"], sums["hearth.tokens.cached"]));
        Assert.Equal((0, 0), (sums["hearth.requests.waiting"], sums["hearth.requests.running"]));
    }

    [Fact]
    public async Task A_request_that_nobody_reads_is_not_served_and_one_read_later_is()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        using var source = new CancellationTokenSource();
        var request = new GenerationRequest { Prompt = [1], Options = s_endless with { MaxTokens = 2 } };
        loop.Prepare(request, new LetterDecoder(), startWalk: null, source.Token);
        var kept = loop.Prepare(request, new LetterDecoder());
        Assert.Equal((0, 0), (loop.Load.WaitingRequests, loop.Load.RunningRequests));
        Assert.Equal(2, (await Collect(kept)).TokenIds.Count);
        Assert.Equal(2, runner.Rows);
        var late = loop.Prepare(request, new LetterDecoder(), startWalk: null, source.Token);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Collect(late));
        Assert.Equal(2, runner.Rows);
    }

    [Fact]
    public async Task A_generation_can_be_read_once()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var generation = loop.Submit(new GenerationRequest { Prompt = [1], Options = s_endless with { MaxTokens = 1 } }, new LetterDecoder());
        await Collect(generation);
        Assert.Throws<InvalidOperationException>(() => generation.GetAsyncEnumerator());
    }

    private sealed class ManualTime : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
