using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Tests.Support;
using Microsoft.Extensions.Logging;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>Texts without an end, in the pages of their memory.</summary>
public sealed class RecurrentGenerationTests
{
    private static readonly GenerationOptions s_greedy = new() { Temperature = 0, IgnoreEndOfText = true };

    // Exact numbers, so that every way to compute a text agrees on the likeliest token.
    private static readonly ModelOptions s_exact = new() { KeyType = CacheType.F32, ValueType = CacheType.F32, StepTokens = 16 };

    [Theory]
    [MemberData(nameof(TransformerXlCheckpoint.Names), MemberType = typeof(TransformerXlCheckpoint))]
    public async Task Greedy_tokens_are_the_likeliest_of_the_whole_text_read_again(string name)
    {
        using var checkpoint = TransformerXlCheckpoint.Open(name);
        await using var model = await LanguageModel.LoadAsync(checkpoint.Convert(), s_exact);
        var prompt = checkpoint.Tokens[..40];
        int[] text = [.. prompt, .. await Generate(model, prompt, s_greedy with { MaxTokens = 250 })];

        Assert.Equal(290, text.Length);
        Assert.Equal(text[prompt.Length..], Likeliest(model, text)[(prompt.Length - 1)..^1]);
    }

    [Fact]
    public async Task A_text_many_times_longer_than_the_cache_never_holds_more_than_one_memory()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        var path = checkpoint.Convert();
        var most = new Recurrence(6, 10).MostHeld(s_exact.StepTokens!.Value, CacheSizing.PageTokens);
        await using var model = await LanguageModel.LoadAsync(path, s_exact with { CacheTokens = (int)most });
        var pages = (most + CacheSizing.PageTokens - 1) / CacheSizing.PageTokens;
        Assert.Equal(pages, model.Load.TotalPages);

        var count = 0;
        await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = checkpoint.Tokens, Options = s_greedy with { MaxTokens = 2000 } }, TestContext.Current.CancellationToken))
        {
            count += update.TokenIds.Count;
            Assert.InRange(model.Load.UsedPages, 0, pages);
        }

        Assert.Equal(2000, count);
        Assert.Equal(0, model.Load.UsedPages);
    }

    [Fact]
    public async Task A_conversation_goes_on_as_if_it_had_been_one_text()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("one-cluster");
        await using var model = await LanguageModel.LoadAsync(checkpoint.Convert(), s_exact);
        var whole = await Generate(model, checkpoint.Tokens[..30], s_greedy with { MaxTokens = 200 });
        List<int> grown = [.. checkpoint.Tokens[..30]];
        foreach (var piece in new[] { 1, 50, 3, 146 })
            grown.AddRange(await Generate(model, [.. grown], s_greedy with { MaxTokens = piece }));

        Assert.Equal(whole, grown[30..]);
    }

    [Fact]
    public async Task Texts_side_by_side_and_texts_that_lost_their_pages_are_those_computed_alone()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        var path = checkpoint.Convert();
        var prompts = Enumerable.Range(0, 6).Select(i => checkpoint.Tokens[(i * 20)..((i * 20) + 5 + (37 * i % 90))]).ToArray();
        var options = Enumerable.Range(0, 6).Select(i => new GenerationOptions { Seed = (ulong)i, MaxTokens = 150 + (10 * i), IgnoreEndOfText = true }).ToArray();
        var alone = new List<int[]>();
        await using (var model = await LanguageModel.LoadAsync(path, s_exact))
        {
            foreach (var (prompt, option) in prompts.Zip(options))
                alone.Add(await Generate(model, prompt, option));
        }

        // Two texts fit at their longest, six at their beginning.
        var most = new Recurrence(6, 10).MostHeld(s_exact.StepTokens!.Value, CacheSizing.PageTokens);
        var preemptions = new PreemptionCounter();
        await using var narrow = await LanguageModel.LoadAsync(path, s_exact with { CacheTokens = (int)(2 * most) }, logger: preemptions, cancellationToken: TestContext.Current.CancellationToken);
        var together = await Task.WhenAll(prompts.Zip(options).Select(pair => Task.Run(() => Generate(narrow, pair.First, pair.Second))));

        Assert.Equal(alone, together);
        Assert.True(preemptions.Count > 0, "no text lost its pages");
        Assert.Equal((0, 0), (narrow.Load.UsedPages, narrow.Load.CachedPages));
        Assert.Empty(KvCacheInvariants.FindViolations(narrow.Cache.CaptureState()));
    }

    [Theory]
    [InlineData("same-length", 3, 1.0)]
    [InlineData("four-clusters", 2, 0.6)]
    public async Task Beams_that_forget_find_what_whole_texts_give(string name, int width, double penalty)
    {
        using var checkpoint = TransformerXlCheckpoint.Open(name);
        await using var model = await LanguageModel.LoadAsync(checkpoint.Convert(), s_exact);
        var prompt = checkpoint.Tokens[..100];
        var options = s_greedy with { Beams = width, LengthPenalty = (float)penalty, MaxTokens = 16 };
        var found = await model.SearchAsync(new GenerationRequest { Prompt = prompt, Options = options }, TestContext.Current.CancellationToken);
        var expected = PlainBeamSearch.Run(model, prompt, [], width, (float)penalty, 16, end: null);

        Assert.Equal(expected.Select(text => text.Tokens), found.Select(text => text.TokenIds.ToArray()));
        Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First.LogProbability, pair.Second.LogProbability, 1e-3));
        Assert.Equal(0, model.Load.UsedPages);
        await Assert.ThrowsAsync<InvalidRequestException>(() => model.SearchAsync(new GenerationRequest { Prompt = prompt, Options = options with { MaxTokens = null } }, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_cancelled_text_leaves_no_page()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("same-length");
        await using var model = await LanguageModel.LoadAsync(checkpoint.Convert(), s_exact);
        using var cancellation = new CancellationTokenSource();
        var count = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = checkpoint.Tokens, Options = s_greedy }, cancellation.Token))
            {
                if ((count += update.TokenIds.Count) > 300)
                    await cancellation.CancelAsync();
            }
        });
        for (var i = 0; i < 2000 && model.Load is not { RunningRequests: 0, UsedPages: 0 }; i++)
            await Task.Delay(5, TestContext.Current.CancellationToken);

        Assert.Equal((0, 0, 0), (model.Load.RunningRequests, model.Load.UsedPages, model.Load.CachedPages));
    }

    [Fact]
    public async Task The_same_prompt_again_is_read_again()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("long-segment");
        await using var model = await LanguageModel.LoadAsync(checkpoint.Convert(), s_exact);
        var request = new GenerationRequest { Prompt = checkpoint.Tokens, Options = s_greedy with { MaxTokens = 20 } };
        var first = await Collect(model, request);
        var second = await Collect(model, request);

        Assert.Equal(first.Tokens, second.Tokens);
        Assert.Equal(0, second.Usage.CachedPromptTokens);
        Assert.Equal(0, model.Load.CachedPages);
    }

    [Fact]
    public void What_is_forgotten_is_never_seen_again_and_what_is_held_is_bounded()
    {
        var random = new Random(3);
        for (var round = 0; round < 300; round++)
        {
            var (segment, memory, page, most) = (random.Next(1, 50), random.Next(0, 80), 1 << random.Next(6), random.Next(1, 40));
            var recurrence = new Recurrence(segment, memory);
            var (end, forgotten) = (0, 0);
            while (end < 1000)
            {
                var rows = random.Next(1, most + 1);
                Assert.InRange(end - forgotten + rows, 1, recurrence.MostHeld(most, page));
                end += rows;
                forgotten += recurrence.Forgettable(end - forgotten, page);
                Assert.Equal((0, 0), (forgotten % page, forgotten % segment));
                Assert.True(forgotten == 0 || forgotten <= (end / segment * segment) - memory, $"the position {end} sees what {segment}, {memory} and pages of {page} forgot");
            }
        }
    }

    // The scheduler tells of every request that gives its pages to others.
    private sealed class PreemptionCounter : ILogger
    {
        public int Count { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (formatter(state, exception).Contains("gives its pages", StringComparison.Ordinal))
                Count++;
        }
    }

    private static async Task<int[]> Generate(LanguageModel model, int[] prompt, GenerationOptions options)
        => [.. (await Collect(model, new GenerationRequest { Prompt = prompt, Options = options })).Tokens];

    private static async Task<(List<int> Tokens, TokenUsage Usage)> Collect(LanguageModel model, GenerationRequest request)
    {
        var tokens = new List<int>();
        TokenUsage usage = default;
        await foreach (var update in model.GenerateAsync(request, TestContext.Current.CancellationToken))
        {
            tokens.AddRange(update.TokenIds);
            usage = update.Usage ?? usage;
        }

        return (tokens, usage);
    }

    private static int[] Likeliest(LanguageModel model, int[] text)
    {
        var likeliest = new List<int>();
        model.ComputeLogits(text, (_, logits) =>
        {
            for (var row = 0; row < logits.Length; row += model.Information.VocabularySize)
                likeliest.Add(System.Numerics.Tensors.TensorPrimitives.IndexOfMax(logits.Slice(row, model.Information.VocabularySize)));
        });
        return [.. likeliest];
    }
}
