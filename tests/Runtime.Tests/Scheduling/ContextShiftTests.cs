using Hearth.Runtime.Caching;
using Hearth.Runtime.Sampling;
using Hearth.Runtime.Scheduling;
using Hearth.Runtime.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>A full context goes on as behind a prompt that never held what was left out, and says how much that was.</summary>
public sealed class ContextShiftTests
{
    private const int End = 0;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static GenerationRequest Shifting(int[] prompt, int most, int? kept = null, params int[][] shorter) => new()
    {
        Prompt = prompt,
        Options = new GenerationOptions { OnFull = FullContext.Shift, KeptTokens = kept, MaxTokens = most, Temperature = 0, IgnoreEndOfText = true },
        ShorterPrompts = shorter,
    };

    private static int[] Range(int begin, int count) => [.. Enumerable.Range(begin, count)];

    [Fact]
    public void The_beginning_stays_and_half_of_the_rest_goes()
    {
        List<int> history = [.. Range(0, 100)];
        var shift = new ContextShift([.. Range(0, 80)], Shifting(Range(0, 80), 200), 100);
        Assert.False(shift.IsFull(99));
        Assert.True(shift.IsFull(100));
        Assert.Equal(48, shift.Apply(history));
        Assert.Equal([.. Range(0, 4), .. Range(52, 48)], history);

        // A prompt that leaves room stays whole: the text's own beginning goes first.
        history = [.. Range(0, 100)];
        shift = new ContextShift([.. Range(0, 40)], Shifting(Range(0, 40), 200), 100);
        Assert.Equal(30, shift.Apply(history));
        Assert.Equal([.. Range(0, 40), .. Range(70, 30)], history);

        // What a caller wants kept stays, and so often as the context fills.
        history = [.. Range(0, 100)];
        shift = new ContextShift([.. Range(0, 70)], Shifting(Range(0, 70), 200, kept: 60), 100);
        Assert.Equal(20, shift.Apply(history));
        Assert.Equal([.. Range(0, 60), .. Range(80, 20)], history);
        history.AddRange(Range(100, 20));
        Assert.Equal(20, shift.Apply(history));
        Assert.Equal([.. Range(0, 60), .. Range(100, 20)], history);
        Assert.Equal(40, shift.Dropped);
    }

    [Fact]
    public void Shorter_prompts_come_before_that_and_their_common_head_stays()
    {
        int[] prompt = Range(0, 60), shorter = [.. Range(0, 10), .. Range(30, 30)], shortest = [.. Range(0, 10), .. Range(50, 10)];
        List<int> history = [.. prompt, .. Range(100, 40)];
        var shift = new ContextShift([.. prompt], Shifting(prompt, 500, null, shorter, shortest), 100);

        // The first would leave 80 of 100, which is full again soon.
        Assert.Equal(40, shift.Apply(history));
        Assert.Equal([.. shortest, .. Range(100, 40)], history);
        history.AddRange(Range(140, 40));
        Assert.Equal(40, shift.Apply(history));
        Assert.Equal([.. shortest, .. Range(140, 40)], history);
        Assert.Equal(80, shift.Dropped);
    }

    [Fact]
    public void A_prompt_that_is_longer_than_the_context_loses_its_middle_by_units()
    {
        // 4 stay; units of 48; 24 tokens are left for the answer.
        List<int> prompt = [.. Range(0, 150)];
        var shift = new ContextShift(prompt, Shifting([.. prompt], 200), 100);
        Assert.Equal([.. Range(0, 4), .. Range(100, 50)], prompt);
        Assert.Equal(96, shift.Dropped);

        // A prompt that goes on from it loses the same.
        List<int> longer = [.. Range(0, 170)];
        Assert.Equal(96, new ContextShift(longer, Shifting([.. longer], 200), 100).Dropped);
        List<int> shortAnswer = [.. Range(0, 145)];
        Assert.Equal(48, new ContextShift(shortAnswer, Shifting([.. shortAnswer], 1), 100).Dropped);
        List<int> chat = [.. Range(0, 150)];
        shift = new ContextShift(chat, Shifting([.. chat], 200, null, Range(0, 120), Range(0, 90), Range(0, 20)), 100);
        Assert.Equal(Range(0, 90), chat);
        Assert.Equal(60, shift.Dropped);
    }

    [Theory]
    [InlineData(-1, 80)]
    [InlineData(76, 80)]
    public void What_stays_leaves_room(int kept, int prompt)
    {
        var error = Assert.Throws<InvalidRequestException>(() => new ContextShift([.. Range(0, prompt)], Shifting(Range(0, prompt), 5, kept), 100));
        Assert.Contains("at most 75", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Texts_go_on_as_if_each_step_had_seen_what_is_left_alone()
    {
        var shifts = 0;
        for (var seed = 0; seed < 80; seed++)
        {
            var random = new Random(seed);
            var context = random.Next(9, 60);
            int[] prompt = [.. Enumerable.Range(0, random.Next(1, context * 2)).Select(_ => random.Next(1, 4))];
            var request = new GenerationRequest
            {
                Prompt = prompt,
                ShorterPrompts = random.Next(2) == 0 ? [] : [.. Enumerable.Range(1, 2).Select(i => (int[])[.. prompt[..Math.Min(2, prompt.Length)], .. prompt[(prompt.Length * i / 3)..]]).Where(shorter => shorter.Length < prompt.Length)],
                Options = new GenerationOptions
                {
                    OnFull = FullContext.Shift,
                    KeptTokens = random.Next(3) == 0 ? random.Next(0, context - Math.Max(1, context / 4) + 1) : null,
                    MaxTokens = random.Next(3) == 0 ? null : random.Next(0, 150),
                    Seed = (ulong)seed,
                    Temperature = random.Next(2),
                    RepetitionPenalty = random.Next(2) == 0 ? 1.3f : null,
                    DraftTokens = random.Next(2) * 6,
                    LogProbabilities = random.Next(3) == 0 ? 1 : null,
                    IgnoreEndOfText = random.Next(3) > 0,
                },
            };
            var (expected, reason, dropped) = Plain(request, context);
            var store = new FakePageStore(4, random.Next(16, 40));
            var runner = new FakeRunner(store) { BeforeRun = batch => Assert.All(batch.Sequences, sequence => Assert.True(sequence.Past + sequence.RowCount <= context)) };
            var options = new StepLoopOptions { ContextLength = context, TokenBudget = random.Next(3, 24), CachePrefixes = random.Next(4) > 0 };
            await using var loop = new StepLoop(runner, store, options, token => token == End, TimeProvider.System, NullLogger.Instance);

            // Beside others, who must not be held up by anything.
            var neighbours = Enumerable.Range(0, 2).Select(i => Read(loop, request with { Options = request.Options with { Seed = (ulong)(seed + i + 1000) } })).ToList();
            var (tokens, last) = await Read(loop, request);
            await Task.WhenAll(neighbours);
            Assert.Equal(expected, tokens);
            Assert.Equal(reason, last.FinishReason);
            Assert.Equal(dropped, last.Usage!.Value.DroppedTokens);
            Assert.Equal(tokens.Count, last.Usage.Value.CompletionTokens);
            Assert.Empty(KvCacheInvariants.FindViolations(loop.Cache.CaptureState()));
            Assert.Equal((0, 0), (loop.Cache.GetStatistics().UsedPages, loop.Cache.GetStatistics().Sequences));
            shifts += dropped > 0 ? 1 : 0;
        }

        Assert.InRange(shifts, 25, 79);
    }

    [Fact]
    public async Task Stop_ends_the_text_and_error_says_that_it_did_not_end()
    {
        var store = new FakePageStore(4, 16);
        await using var loop = new StepLoop(new FakeRunner(store), store, new StepLoopOptions { ContextLength = 20 }, _ => false, TimeProvider.System, NullLogger.Instance);
        var request = Shifting([1, 2, 3], 40) with { Options = new GenerationOptions { Temperature = 0, MaxTokens = 40, OnFull = FullContext.Error } };
        var error = await Assert.ThrowsAsync<ContextLengthExceededException>(() => Read(loop, request));
        Assert.Equal(20, error.TokensPossible);
        Assert.Contains("filled the context of 20 tokens", error.Message, StringComparison.Ordinal);

        // A limit that is the request's own is none of it.
        var (within, _) = await Read(loop, request with { Options = request.Options with { MaxTokens = 17 } });
        Assert.Equal(17, within.Count);
        var (stopped, last) = await Read(loop, request with { Options = request.Options with { OnFull = FullContext.Stop } });
        Assert.Equal((17, FinishReason.Length, 0), (stopped.Count, last.FinishReason, last.Usage!.Value.DroppedTokens));
        Assert.Equal(within, stopped);
        await Assert.ThrowsAsync<ContextLengthExceededException>(() => Read(loop, Shifting(Range(1, 21), 5) with { Options = new GenerationOptions { MaxTokens = 5 } }));
        Assert.Equal(0, loop.Cache.GetStatistics().UsedPages);
    }

    [Fact]
    public void Beams_do_not_shift_and_names_are_checked()
    {
        Assert.Equal(nameof(GenerationOptions.OnFull), new GenerationOptions { Beams = 3, OnFull = FullContext.Shift }.FindFault()!.Option);
        Assert.Null(new GenerationOptions { Beams = 3, OnFull = FullContext.Stop }.FindFault());
        Assert.Contains("stop, shift or error", new GenerationOptions { OnFull = (FullContext)7 }.FindFault()!.Message, StringComparison.Ordinal);
        Assert.Equal(nameof(GenerationOptions.KeptTokens), new GenerationOptions { KeptTokens = -2 }.FindFault()!.Option);
    }

    // Rope in both layouts, scaled, with factors, in parts, of several sections, long and short; ALiBi, learned positions,
    // latent attention, windows, none at all.
    [Theory]
    [InlineData("llama-gqa-base")]
    [InlineData("llama-yarn")]
    [InlineData("llama-linear-rope")]
    [InlineData("llama3-ropefreqs-tied")]
    [InlineData("minicpm-longrope")]
    [InlineData("gptneox")]
    [InlineData("phi2")]
    [InlineData("qwen2vl")]
    [InlineData("glm4-mrope")]
    [InlineData("bloom")]
    [InlineData("mpt")]
    [InlineData("gpt2")]
    [InlineData("deepseek2")]
    [InlineData("gemma3")]
    [InlineData("gpt-oss")]
    [InlineData("granite-norope")]
    [InlineData("smallthinker")]
    public Task Every_kind_of_position_goes_on_exactly(string name) => GoesOnExactly(ReferenceModels.File(name), CacheType.F16);

    [Theory]
    [InlineData(CacheType.Q8_0)]
    [InlineData(CacheType.Q4_0)]
    public Task A_quantized_cache_too(CacheType type) => GoesOnExactly(ReferenceModels.Quantized("Q4_K_M"), type);

    [Fact]
    public async Task Layers_with_states_too()
    {
        foreach (var name in ReferenceModels.Hybrids.Take(3))
            await GoesOnExactly(ReferenceModels.Hybrid(name), CacheType.F16);
    }

    [Fact]
    public async Task An_encoder_decoder_refuses()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("t5-v1.1"), cancellationToken: Token);
        var error = await Assert.ThrowsAsync<InvalidRequestException>(async () => await model.GenerateAsync(Shifting([5, 6, 7], 5), Token).ToListAsync(Token));
        Assert.Equal(nameof(GenerationOptions.OnFull), error.Option);
    }

    // What a model says in a context that shifts, and what another that caches nothing says behind each prompt that a shift leaves.
    private static async Task GoesOnExactly(string file, CacheType type)
    {
        const int Context = 48;
        var options = new ModelOptions { ContextLength = Context, CacheTokens = 512, KeyType = type, ValueType = type };
        await using var model = await LanguageModel.LoadAsync(file, options, cancellationToken: Token);
        await using var plain = await LanguageModel.LoadAsync(file, options with { PrefixCaching = false }, cancellationToken: Token);
        var random = new Random(3);
        int[] prompt = [.. Enumerable.Range(0, 30).Select(_ => random.Next(model.Information.VocabularySize))];
        var request = Shifting(prompt, 60, kept: 6);
        var written = new List<int>();
        var usage = default(TokenUsage);
        await foreach (var update in model.GenerateAsync(request, Token))
        {
            written.AddRange(update.TokenIds);
            usage = update.Usage ?? usage;
        }

        List<int> history = [.. prompt];
        var shift = new ContextShift([.. prompt], request, Context);
        var expected = new List<int>();
        while (expected.Count < 60)
        {
            var piece = new GenerationRequest { Prompt = [.. history], Options = new GenerationOptions { Temperature = 0, IgnoreEndOfText = true, MaxTokens = Math.Min(60 - expected.Count, Context - history.Count) } };
            await foreach (var update in plain.GenerateAsync(piece, Token))
            {
                expected.AddRange(update.TokenIds);
                history.AddRange(update.TokenIds);
            }

            if (expected.Count < 60)
                shift.Apply(history);
        }

        Assert.Equal(expected, written);
        Assert.Equal(shift.Dropped, usage.DroppedTokens);
        Assert.InRange(usage.DroppedTokens, 40, 80);
    }

    private static async Task<(List<int> Tokens, GenerationUpdate Last)> Read(StepLoop loop, GenerationRequest request)
    {
        var (tokens, last) = (new List<int>(), (GenerationUpdate?)null);
        await foreach (var update in loop.Submit(request, new LetterDecoder(), Token))
        {
            tokens.AddRange(update.TokenIds);
            last = update;
        }

        return (tokens, last!);
    }

    // Without cache, pages or batches: every token from all that is left, computed from nothing.
    private static (List<int> Tokens, FinishReason Reason, int Dropped) Plain(GenerationRequest request, int context)
    {
        List<int> history = [.. request.Prompt];
        var shift = new ContextShift(history, request, context);
        var sampler = new Sampler(SamplingParameters.Resolve(request.Options, FakeModel.Vocabulary), history.ToArray());
        var (scratch, completion) = (new SamplerScratch(), new List<int>());
        while (completion.Count < (request.Options.MaxTokens ?? context))
        {
            var token = sampler.Sample(FakeModel.Logits(history.ToArray()), scratch);
            if (token == End && !request.Options.IgnoreEndOfText)
                return (completion, FinishReason.Stop, shift.Dropped);
            history.Add(token);
            completion.Add(token);
            if (completion.Count < (request.Options.MaxTokens ?? context) && shift.IsFull(history.Count))
                shift.Apply(history);
        }

        return (completion, FinishReason.Length, shift.Dropped);
    }
}
