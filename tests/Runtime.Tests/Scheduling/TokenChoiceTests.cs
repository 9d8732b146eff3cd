using Hearth.Runtime.Scheduling;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>Several texts of a prompt, log-probabilities, and where texts may end.</summary>
public sealed class TokenChoiceTests
{
    private const int End = 0;

    private static (StepLoop Loop, FakeRunner Runner) Start(StepLoopOptions? options = null)
    {
        var store = new FakePageStore(4, 256);
        var runner = new FakeRunner(store);
        options ??= new StepLoopOptions { ContextLength = 1000, TokenBudget = 64 };
        return (new StepLoop(runner, store, options, token => token == End, TimeProvider.System, NullLogger.Instance), runner);
    }

    private static async Task<List<GenerationUpdate>> Read(IAsyncEnumerable<GenerationUpdate> generation)
    {
        var updates = new List<GenerationUpdate>();
        await foreach (var update in generation)
            updates.Add(update);
        return updates;
    }

    private static Task<List<GenerationUpdate>> Generate(StepLoop loop, GenerationRequest request)
        => Task.Run(() => Read(loop.Submit(request, new LetterDecoder(), TestContext.Current.CancellationToken)));

    private static int[] Tokens(IEnumerable<GenerationUpdate> updates) => [.. updates.SelectMany(update => update.TokenIds)];

    [Fact]
    public async Task Many_choosing_threads_choose_what_one_chooses()
    {
        var requests = Enumerable.Range(0, 24).Select(i => Expected.Request(i, maxTokens: 40)).ToArray();
        var results = new List<string[]>();
        foreach (var threads in new[] { 1, 2, 7 })
        {
            var (loop, runner) = Start(new StepLoopOptions { ContextLength = 1000, TokenBudget = 64, MaxConcurrentSequences = 24, ChoosingThreads = threads });
            await using var _ = loop;
            using var gate = new ManualResetEventSlim();
            runner.BeforeRun = _ => gate.Wait();
            var running = requests.Select(request => Generate(loop, request)).ToArray();
            while (loop.Load is { WaitingRequests: var waiting, RunningRequests: var admitted } && waiting + admitted < requests.Length)
                await Task.Delay(1, TestContext.Current.CancellationToken);
            gate.Set();
            results.Add([.. (await Task.WhenAll(running)).Select(updates => string.Join(' ', Tokens(updates)))]);
            Assert.True(runner.MostSequences > 2, "nothing was chosen at the same time");
        }

        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
        for (var i = 0; i < requests.Length; i++)
            Assert.Equal(string.Join(' ', Expected.Generate(requests[i], 1000, token => token == End).Tokens), results[0][i]);
    }

    [Fact]
    public void A_crew_does_every_piece_once_and_allocates_nothing()
    {
        var done = new int[64];
        var crew = new WorkCrew(4, (piece, _) => Interlocked.Increment(ref done[piece]));
        for (var run = 0; run < 2000; run++)
            crew.Run(1 + (run % 64));
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var run = 0; run < 2000; run++)
            crew.Run(1 + (run % 64));
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        for (var piece = 0; piece < done.Length; piece++)
            Assert.Equal(2 * Enumerable.Range(0, 2000).Count(run => 1 + (run % 64) > piece), done[piece]);

        // The pool's own queue may grow by a segment now and then.
        Assert.InRange(allocated, 0, 200_000);
    }

    [Fact]
    public async Task Choices_are_those_of_seeds_that_follow_from_one_and_the_prompt_is_computed_once()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        int[] prompt = [.. Enumerable.Range(0, 30).Select(i => 1 + (i % 7))];
        var request = new GenerationRequest { Prompt = prompt, Options = new GenerationOptions { Seed = 9, MaxTokens = 12, IgnoreEndOfText = true, ChoiceCount = 5, Temperature = 2, TopK = 0, TopP = 1, MinP = 0 } };
        var updates = await Read(loop.PrepareChoices(request, () => new LetterDecoder(), startWalk: null, TestContext.Current.CancellationToken));
        var texts = Enumerable.Range(0, 5).Select(choice => Tokens(updates.Where(update => update.Choice == choice))).ToArray();
        var rows = runner.Rows;

        Assert.Equal(5, texts.Select(text => string.Join(' ', text)).Distinct().Count());
        for (var choice = 0; choice < 5; choice++)
        {
            var seed = choice == 0 ? 9 : Runtime.Sampling.Xoshiro256.DeriveSeed(9, choice);
            var alone = request with { Options = request.Options with { ChoiceCount = null, Seed = seed } };
            Assert.Equal(Expected.Generate(alone, 1000, token => token == End).Tokens, texts[choice]);
            var last = updates.Last(update => update.Choice == choice);
            Assert.Equal((FinishReason.Length, 30, 12), (last.FinishReason, last.Usage!.Value.PromptTokens, last.Usage.Value.CompletionTokens));
        }

        // The prompt, its last token again for each of the others, and what was chosen but for the last of each text.
        Assert.Equal(30 + 4 + (5 * 11), rows);
    }

    [Fact]
    public async Task Choices_are_queued_all_or_none()
    {
        var (loop, runner) = Start(new StepLoopOptions { ContextLength = 100, QueueCapacity = 3 });
        await using var _ = loop;
        var request = new GenerationRequest { Prompt = [1, 2], Options = new GenerationOptions { ChoiceCount = 4, MaxTokens = 2 } };
        await Assert.ThrowsAsync<QueueFullException>(() => Read(loop.PrepareChoices(request, () => new LetterDecoder(), startWalk: null)));
        Assert.Equal(0, runner.Steps);
        Assert.Equal(0, loop.Load.WaitingRequests);
    }

    [Fact]
    public async Task Choices_go_on_where_the_first_is_left_before_its_prompt_is_read()
    {
        var (loop, runner) = Start();
        await using var _ = loop;
        var request = new GenerationRequest { Prompt = [1, 2, 3], Options = new GenerationOptions { Seed = 1, ChoiceCount = 3, MaxTokens = 3, IgnoreEndOfText = true, StopSequences = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] } };
        var updates = await Read(loop.PrepareChoices(request, () => new LetterDecoder(), startWalk: null));
        Assert.Equal(3, updates.Count(update => update.FinishReason is not null));
        Assert.True(runner.Steps > 0);
    }

    [Fact]
    public async Task Log_probabilities_are_the_models_own_whatever_is_chosen_by()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var options = new GenerationOptions
        {
            Seed = 3,
            MaxTokens = 8,
            IgnoreEndOfText = true,
            LogProbabilities = 3,
            Temperature = 1.5f,
            FrequencyPenalty = 1,
            LogitBias = new Dictionary<int, float> { [7] = 4, [8] = float.NegativeInfinity },
        };
        var request = new GenerationRequest { Prompt = [1, 2, 3], Options = options };
        var updates = await Generate(loop, request);
        var told = updates.SelectMany(update => update.LogProbabilities).ToList();
        var tokens = Tokens(updates);

        Assert.Equal(Expected.Generate(request, 1000, token => token == End).Tokens, tokens);
        Assert.Equal(tokens, told.Select(token => token.Token.TokenId));
        Assert.All(updates, update => Assert.Equal(update.TokenIds.Count, update.LogProbabilities.Count));
        for (var i = 0; i < tokens.Length; i++)
        {
            var logits = FakeModel.Logits([1, 2, 3, .. tokens[..i]]);
            var total = Math.Log(logits.Sum(logit => Math.Exp(logit)));
            var likeliest = Enumerable.Range(0, logits.Length).OrderByDescending(token => logits[token]).Take(3).ToArray();
            Assert.Equal(logits[tokens[i]] - total, told[i].Token.LogProbability, 1e-4);
            Assert.Equal(likeliest, told[i].Likeliest.Select(likely => likely.TokenId));
            Assert.Equal(logits[likeliest[0]] - total, told[i].Likeliest[0].LogProbability, 1e-4);
            Assert.Equal([(byte)('a' + tokens[i])], told[i].Token.Bytes.ToArray());
        }
    }

    [Fact]
    public async Task Log_probabilities_of_forced_tokens_are_told_and_change_no_text()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        int[][] texts = [[5, 6, 7, 8, 9, 10], [5, 6, 9, 9, 9, 9]];
        var request = new GenerationRequest { Prompt = [1, 2], Options = new GenerationOptions { Seed = 4 } };
        var jumping = await Read(loop.Prepare(request, new LetterDecoder(), _ => new FixedTexts(End, forces: true, texts)));
        var telling = await Read(loop.Prepare(request with { Options = request.Options with { LogProbabilities = 0 } }, new LetterDecoder(), _ => new FixedTexts(End, forces: true, texts)));

        Assert.Equal(Tokens(jumping), Tokens(telling));
        Assert.Equal(jumping[^1].Usage!.Value.ForcedTokens, telling[^1].Usage!.Value.ForcedTokens);
        var told = telling.SelectMany(update => update.LogProbabilities).ToList();
        Assert.Equal(6, told.Count);
        Assert.All(told, token => Assert.InRange(token.Token.LogProbability, -20, -1e-6));
    }

    [Fact]
    public async Task A_text_does_not_end_before_its_least_tokens()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var shorter = 0;
        for (var seed = 0; seed < 40; seed++)
        {
            var request = new GenerationRequest { Prompt = [1 + (seed % 9)], Options = new GenerationOptions { Seed = (ulong)seed, MaxTokens = 30, Temperature = 2, TopK = 0, TopP = 1, MinP = 0, StopTokenIds = [3], StopSequences = ["c"] } };
            shorter += Tokens(await Generate(loop, request)).Length < 10 ? 1 : 0;
            var text = Tokens(await Generate(loop, request with { Options = request.Options with { MinTokens = 10 } }));
            Assert.True(text.Length >= 10);
            Assert.DoesNotContain(3, text);
        }

        Assert.True(shorter > 10, "no text ended early by itself");
    }

    [Fact]
    public async Task Stop_tokens_end_a_text_though_its_own_end_is_ignored()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var request = new GenerationRequest { Prompt = [1], Options = new GenerationOptions { Temperature = 0, IgnoreEndOfText = true, MaxTokens = 20 } };
        var whole = Tokens(await Generate(loop, request));
        var updates = await Generate(loop, request with { Options = request.Options with { StopTokenIds = [whole[5]] } });
        var first = Array.IndexOf(whole, whole[5]);

        Assert.Equal(whole[..first], Tokens(updates));
        Assert.Equal((FinishReason.Stop, whole[5]), (updates[^1].FinishReason, updates[^1].StopTokenId));
    }

    [Fact]
    public async Task A_bias_that_forbids_every_token_is_refused()
    {
        var (loop, _) = Start();
        await using var _ = loop;
        var all = Enumerable.Range(0, FakeModel.Vocabulary).ToDictionary(token => token, _ => float.NegativeInfinity);
        var error = Assert.Throws<InvalidRequestException>(() => loop.Submit(new GenerationRequest { Prompt = [1], Options = new GenerationOptions { LogitBias = all } }, new LetterDecoder()));
        Assert.Equal("LogitBias", error.Option);

        all.Remove(End);
        error = await Assert.ThrowsAsync<InvalidRequestException>(() => Generate(loop, new GenerationRequest { Prompt = [1], Options = new GenerationOptions { LogitBias = all, MinTokens = 1 } }));
        Assert.Equal("MinTokens", error.Option);
    }
}
