using Hearth.Runtime.Constraints;
using Hearth.Runtime.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Scheduling;

public sealed class ConstrainedGenerationTests
{
    private const int End = 0;

    // They part after their first token, and go on alike for long.
    private static readonly int[][] s_texts =
    [
        [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
        [5, 7, 7, 7, 7, 7],
        [4, 4, 3, 3, 2, 2, 9, 9, 9],
        [20, 21],
        [20, 21, 22, 23, 1, 2, 3],
    ];

    private static readonly GenerationOptions s_drawn = new() { Temperature = 2, TopK = 0, TopP = 1, MinP = 0 };

    private static (StepLoop Loop, FakeRunner Runner) Start(StepLoopOptions? options = null, int pages = 256, int maxRows = 64)
    {
        var store = new FakePageStore(4, pages);
        var runner = new FakeRunner(store) { MaxRows = maxRows };
        options ??= new StepLoopOptions { ContextLength = 1000, TokenBudget = 16 };
        return (new StepLoop(runner, store, options, token => token == End, TimeProvider.System, NullLogger.Instance), runner);
    }

    private static Generation Begin(StepLoop loop, GenerationRequest request, Func<ITokenConstraint> walk)
        => loop.Prepare(request, new LetterDecoder(), _ => walk(), TestContext.Current.CancellationToken);

    private static Task<GenerationResult> Generate(StepLoop loop, GenerationRequest request, bool forces = true)
        => Task.Run(() => Collect(Begin(loop, request, () => new FixedTexts(End, forces, s_texts))));

    private static async Task<GenerationResult> Collect(IAsyncEnumerable<GenerationUpdate> generation)
    {
        var (text, tokens, last) = ("", new List<int>(), default(GenerationUpdate));
        await foreach (var update in generation)
        {
            Assert.Null(last?.FinishReason);
            text += update.Text;
            tokens.AddRange(update.TokenIds);
            last = update;
        }

        Assert.Equal(LetterDecoder.Text(tokens), text);
        return new GenerationResult(text, tokens, last!.FinishReason!.Value, last.Usage!.Value);
    }

    private static GenerationRequest Request(int seed, GenerationOptions? options = null)
        => new() { Prompt = [1, 2, 1 + (seed % 5)], Options = (options ?? s_drawn) with { Seed = (ulong)seed } };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Every_text_fits_and_all_of_them_come(bool forces)
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var results = await Task.WhenAll(Enumerable.Range(0, 60).Select(seed => Generate(loop, Request(seed), forces)));

        Assert.All(results, result => Assert.Contains(s_texts, text => text.SequenceEqual(result.TokenIds)));
        Assert.All(results, result => Assert.Equal(FinishReason.Stop, result.FinishReason));
        Assert.Equal(s_texts.Length, results.Select(result => result.Text).Distinct().Count());
        Assert.Equal(forces, results.Any(result => result.Usage.ForcedTokens > 0));
    }

    [Fact]
    public async Task What_is_forced_enters_the_next_step_as_rows_and_a_complete_text_takes_no_step_more()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        int[] text = [5, 6, 7, 8, 9];
        var steps = new List<int>();
        runner.BeforeRun = batch => steps.Add(batch.RowCount);
        var result = await Collect(Begin(loop, Request(1), () => new FixedTexts(End, forces: true, [.. text, 10, 1, 2, 3, 4], [.. text, 12, 1, 2, 3, 5], [.. text, 10, 1, 2, 3, 6], [.. text, 12, 1, 2, 3, 7])));

        // The prompt and all that must come first; then one of two is chosen, and three more are forced behind either, beside the next step.
        Assert.Equal([3 + 5, 1 + 3], steps);
        Assert.Equal(10, result.Usage.CompletionTokens);
        Assert.Equal(5 + 3, result.Usage.ForcedTokens);
        Assert.Equal(FinishReason.Stop, result.FinishReason);
    }

    [Fact]
    public async Task Jumping_ahead_changes_no_greedy_text()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        for (var i = 0; i < 10; i++)
        {
            var request = new GenerationRequest { Prompt = [1 + i, 2], Options = new GenerationOptions { Temperature = 0, FrequencyPenalty = 1, PenaltyWindow = -1 } };
            Assert.Equal((await Generate(loop, request, forces: false)).TokenIds, (await Generate(loop, request, forces: true)).TokenIds);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(11)]
    public async Task A_text_that_the_limit_cuts_is_a_beginning_and_says_length(int most)
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var result = await Collect(Begin(loop, Request(1, s_drawn with { MaxTokens = most }), () => new FixedTexts(End, forces: true, s_texts[0])));

        Assert.Equal(s_texts[0][..most], result.TokenIds);
        Assert.Equal((FinishReason.Length, most), (result.FinishReason, result.Usage.CompletionTokens));
    }

    [Fact]
    public async Task A_text_that_is_complete_at_the_limit_says_stop()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var result = await Collect(Begin(loop, Request(1, s_drawn with { MaxTokens = 12 }), () => new FixedTexts(End, forces: true, s_texts[0])));
        Assert.Equal((FinishReason.Stop, 12), (result.FinishReason, result.TokenIds.Count));
    }

    [Fact]
    public async Task The_context_limits_what_is_forced()
    {
        var (loop, _) = Start(new StepLoopOptions { ContextLength = 8, TokenBudget = 16 });
        await using var _ = loop;
        var result = await Collect(Begin(loop, Request(1), () => new FixedTexts(End, forces: true, s_texts[0])));
        Assert.Equal(s_texts[0][..5], result.TokenIds);
        Assert.Equal(FinishReason.Length, result.FinishReason);
    }

    [Fact]
    public async Task Preemption_changes_no_text()
    {
        // 14 pages of 4 positions hold two or three of these requests at their end, not eight.
        var crowded = Start(new StepLoopOptions { ContextLength = 1000, TokenBudget = 16, MaxConcurrentSequences = 8, CachePrefixes = false }, pages: 14);
        var roomy = Start(new StepLoopOptions { ContextLength = 1000, TokenBudget = 16, CachePrefixes = false });
        await using var _ = crowded.Loop;
        await using var __ = roomy.Loop;
        int[][] texts = [[.. Enumerable.Range(0, 30).Select(i => 1 + (i % 3))], [.. Enumerable.Range(0, 30).Select(i => 1 + (i % 4))]];
        Task<GenerationResult> One(StepLoop loop, int seed)
            => Task.Run(() => Collect(Begin(loop, Request(seed, s_drawn with { FrequencyPenalty = 0.3f }), () => new FixedTexts(End, forces: seed % 2 == 0, texts))));

        using var gate = new ManualResetEventSlim();
        crowded.Runner.BeforeRun = _ => gate.Wait();
        var running = Enumerable.Range(0, 8).Select(seed => One(crowded.Loop, seed)).ToArray();
        while (crowded.Loop.Load is { WaitingRequests: var waiting, RunningRequests: var admitted } && waiting + admitted < 8)
            await Task.Delay(1, TestContext.Current.CancellationToken);
        gate.Set();
        var together = await Task.WhenAll(running);
        for (var seed = 0; seed < together.Length; seed++)
        {
            var alone = await One(roomy.Loop, seed);
            Assert.Equal(alone.TokenIds, together[seed].TokenIds);
            Assert.Equal(FinishReason.Stop, together[seed].FinishReason);
        }

        // What preemption threw away was computed again.
        Assert.True(crowded.Runner.Rows > roomy.Runner.Rows, "nothing was preempted");
    }

    [Fact]
    public async Task The_mask_is_filled_by_another_thread_while_the_step_runs()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        using var filled = new SemaphoreSlim(0);
        var fillers = new System.Collections.Concurrent.ConcurrentBag<int>();
        var steppers = new HashSet<int>();
        var steps = 0;
        var waits = true;
        runner.BeforeRun = _ =>
        {
            // The step goes on only once its mask is there: nobody else would fill it before the step's end.
            steppers.Add(Environment.CurrentManagedThreadId);
            steps++;
            waits &= filled.Wait(TimeSpan.FromSeconds(20));
        };
        var result = await Collect(Begin(loop, Request(1), () => new FixedTexts(End, forces: false, s_texts)
        {
            Filling = () =>
            {
                fillers.Add(Environment.CurrentManagedThreadId);
                filled.Release();
            },
        }));

        Assert.True(waits, "a step ran without its mask being filled beside it");
        Assert.InRange(steps, 2, result.TokenIds.Count + 1);
        Assert.DoesNotContain(Assert.Single(steppers), fillers);
    }

    [Fact]
    public async Task A_constraint_that_takes_long_to_compile_delays_nobody_else()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        using var compiled = new ManualResetEventSlim();
        var slow = Task.Run(() => Collect(Begin(loop, Request(1), () =>
        {
            compiled.Wait(TestContext.Current.CancellationToken);
            return new FixedTexts(End, forces: true, s_texts);
        })));
        var others = await Task.WhenAll(Enumerable.Range(2, 4).Select(seed => Generate(loop, Request(seed))));

        Assert.False(slow.IsCompleted);
        Assert.All(others, other => Assert.Equal(FinishReason.Stop, other.FinishReason));
        compiled.Set();
        Assert.Contains(s_texts, text => text.SequenceEqual(slow.GetAwaiter().GetResult().TokenIds));
    }

    [Fact]
    public async Task What_does_not_compile_is_the_readers_to_hear()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        await Assert.ThrowsAsync<ConstraintException>(() => Collect(Begin(loop, Request(1), () => throw new ConstraintException("no"))));
        Assert.Equal((0, 0), (loop.Load.RunningRequests, loop.Load.WaitingRequests));
    }

    [Fact]
    public async Task A_bias_has_no_say_against_a_constraint()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var options = s_drawn with { LogitBias = new Dictionary<int, float> { [19] = 1e30f, [18] = 100 } };
        var results = await Task.WhenAll(Enumerable.Range(0, 20).Select(seed => Generate(loop, Request(seed, options))));
        Assert.All(results, result => Assert.Contains(s_texts, text => text.SequenceEqual(result.TokenIds)));
    }

    [Fact]
    public async Task Where_a_bias_forbids_all_that_a_constraint_allows_the_request_is_at_fault()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var options = s_drawn with { LogitBias = new Dictionary<int, float> { [4] = float.NegativeInfinity, [5] = float.NegativeInfinity, [20] = float.NegativeInfinity } };
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => Generate(loop, Request(1, options)));
        Assert.Equal("Constraint", error.Option);
        Assert.Equal(0, loop.Load.UsedPages);
    }

    [Fact]
    public async Task Stop_tokens_and_stop_sequences_cut_a_text_and_say_so()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var updates = await Begin(loop, Request(1, s_drawn with { StopTokenIds = [9] }), () => new FixedTexts(End, forces: true, s_texts[0])).ToListAsync(TestContext.Current.CancellationToken);
        Assert.Equal(s_texts[0][..4], updates.SelectMany(update => update.TokenIds));
        Assert.Equal((FinishReason.Stop, 9, null), (updates[^1].FinishReason, updates[^1].StopTokenId, updates[^1].StopSequence));

        updates = await Begin(loop, Request(1, s_drawn with { StopSequences = ["ij"] }), () => new FixedTexts(End, forces: true, s_texts[0])).ToListAsync(TestContext.Current.CancellationToken);
        Assert.Equal("fgh", string.Concat(updates.Select(update => update.Text)));
        Assert.Equal((FinishReason.Stop, null, "ij"), (updates[^1].FinishReason, updates[^1].StopTokenId, updates[^1].StopSequence));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_beam_search_finds_the_likeliest_texts_that_fit(int beams)
    {
        var (loop, _) = Start();
        await using var _ = loop;
        int[] prompt = [1, 2, 3];
        var task = loop.PrepareSearch(new GenerationRequest { Prompt = prompt, Options = new GenerationOptions { Beams = beams, LengthPenalty = beams == 1 ? null : 0 } });
        var found = (await loop.SearchAsync(task with { Walk = new FixedTexts(End, forces: true, s_texts) }, TestContext.Current.CancellationToken)).Texts;

        Assert.Equal(beams, found.Count);
        Assert.All(found, text => Assert.Contains(s_texts, one => one.SequenceEqual(text.Tokens)));
        Assert.All(found, text => Assert.True(text.IsFinished));
        foreach (var text in found)
            Assert.Equal(LogProbability(prompt, text.Tokens), text.LogProbability, 1e-3);
        if (beams == 3)
            Assert.Equal(3, found.Select(text => string.Join(' ', text.Tokens)).Distinct().Count());
        Assert.Equal(0, loop.Load.UsedPages);
    }

    // A text that can go on is ended by the end's token, whose probability counts; one that cannot is complete by itself.
    private static double LogProbability(int[] prompt, IReadOnlyList<int> text)
    {
        var canGoOn = s_texts.Any(other => other.Length > text.Count && other.Take(text.Count).SequenceEqual(text));
        int[] all = [.. prompt, .. text, .. canGoOn ? [End] : Array.Empty<int>()];
        var sum = 0.0;
        for (var i = prompt.Length; i < all.Length; i++)
        {
            var logits = FakeModel.Logits(all.AsSpan(0, i));
            sum += logits[all[i]] - Math.Log(logits.Sum(logit => Math.Exp(logit)));
        }

        return sum;
    }

    [Fact]
    public async Task Whose_mask_takes_long_waits_alone_and_writes_what_it_would_have()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var expected = await Generate(loop, Request(3), forces: false);
        using var released = new ManualResetEventSlim();
        using var asked = new SemaphoreSlim(0);
        var slow = Task.Run(() => Collect(Begin(loop, Request(3), () => new FixedTexts(End, forces: false, s_texts)
        {
            Filling = () =>
            {
                asked.Release();
                released.Wait(TestContext.Current.CancellationToken);
            },
        })), TestContext.Current.CancellationToken);
        await asked.WaitAsync(TestContext.Current.CancellationToken);

        // Others end, with and without constraints, while the mask is being made.
        var others = await Task.WhenAll(Enumerable.Range(0, 20).Select(seed => Generate(loop, Request(seed))));
        Assert.All(others, result => Assert.Equal(FinishReason.Stop, result.FinishReason));
        var free = await Collect(loop.Prepare(Request(1, s_drawn with { MaxTokens = 30 }), new LetterDecoder(), startWalk: null, TestContext.Current.CancellationToken));
        Assert.InRange(free.TokenIds.Count, 1, 30);
        Assert.False(slow.IsCompleted);
        released.Set();
        var result = await slow;
        Assert.Equal(expected.TokenIds, result.TokenIds);
        Assert.Equal(FinishReason.Stop, result.FinishReason);
    }

    [Fact]
    public async Task Late_masks_change_nothing_of_what_is_written_also_where_requests_give_way()
    {
        // Room for few at a time.
        var (loop, _) = Start(new StepLoopOptions { ContextLength = 40, TokenBudget = 16, CachePrefixes = false }, pages: 12);
        await using var _ = loop;
        var expected = new List<GenerationResult>();
        for (var seed = 0; seed < 24; seed++)
            expected.Add(await Generate(loop, Request(seed), forces: false));
        var random = new Random(4);
        var delays = Enumerable.Range(0, 24).Select(_ => random.Next(0, 12)).ToArray();
        var results = await Task.WhenAll(Enumerable.Range(0, 24).Select(seed => Task.Run(() => Collect(Begin(loop, Request(seed), () => new FixedTexts(End, forces: false, s_texts) { Filling = () => Thread.Sleep(delays[seed]) })))));
        Assert.Equal(expected.Select(result => result.Text), results.Select(result => result.Text));
    }

    [Fact]
    public async Task A_mask_that_fails_after_long_fails_its_own_request_once()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var count = 0;
        var failing = Task.Run(() => Collect(Begin(loop, Request(3), () => new FixedTexts(End, forces: false, s_texts)
        {
            Filling = () =>
            {
                Interlocked.Increment(ref count);
                Thread.Sleep(50);
                throw new HearthException("too complex");
            },
        })), TestContext.Current.CancellationToken);
        var others = await Task.WhenAll(Enumerable.Range(0, 20).Select(seed => Generate(loop, Request(seed))));
        Assert.All(others, result => Assert.Equal(FinishReason.Stop, result.FinishReason));
        Assert.Equal("too complex", (await Assert.ThrowsAsync<HearthException>(() => failing)).Message);
        Assert.Equal(1, count);
    }
}
