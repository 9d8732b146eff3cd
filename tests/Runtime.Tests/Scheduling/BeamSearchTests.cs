using Hearth.Runtime.Caching;
using Hearth.Runtime.Tests.Models;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Scheduling;

/// <summary>Beams against a plain computation that knows no cache and no forks, and what becomes of their pages.</summary>
public sealed class BeamSearchTests
{
    private static readonly int[] _prompt = [3, 17, 90, 41];

    // In full precision, so that the plain computation, which has no cache, chooses alike.
    private static readonly ModelOptions _exact = new() { KeyType = CacheType.F32, ValueType = CacheType.F32, CacheTokens = 2048 };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Models => ["llama-gqa-base", "gpt2", "t5-v1.1"];

    [Theory]
    [MemberData(nameof(Models))]
    public async Task One_beam_is_greedy(string name)
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File(name), _exact, cancellationToken: Token);
        var greedy = await MisakiTests.Generate(model, Request(new GenerationOptions { MaxTokens = 40, Temperature = 0 }));
        var found = Assert.Single(await model.SearchAsync(Request(new GenerationOptions { MaxTokens = 40 }), Token));

        Assert.Equal(greedy.TokenIds, found.TokenIds);
        Assert.Equal(40, found.TokenIds.Count);
        Assert.False(found.IsFinished);
    }

    [Theory]
    [InlineData("llama-gqa-base", 3, 1f)]
    [InlineData("llama-gqa-base", 5, 0f)]
    [InlineData("t5-v1.1", 4, 1f)]
    public async Task Beams_are_those_of_a_plain_computation(string name, int width, float penalty)
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File(name), _exact, cancellationToken: Token);
        var expected = PlainBeamSearch.Run(model, model.HasEncoder ? [0] : _prompt, model.HasEncoder ? _prompt : [], width, penalty, 36, end: null);
        var found = await model.SearchAsync(Request(new GenerationOptions { Beams = width, LengthPenalty = penalty, MaxTokens = 36 }), Token);

        AssertSame(expected, found);
        var best = await MisakiTests.Generate(model, Request(new GenerationOptions { Beams = width, LengthPenalty = penalty, MaxTokens = 36 }));
        Assert.Equal(expected[0].Tokens, best.TokenIds);
        Assert.Equal(FinishReason.Length, best.FinishReason);
    }

    [Theory]
    [InlineData("knight", 4, 1f)]
    [InlineData("psychology", 8, 0.6f)]
    [InlineData("colonel", 2, 2f)]
    public async Task Beams_of_a_trained_model_end_where_a_plain_computation_ends_them(string word, int width, float penalty)
    {
        using var folder = new TemporaryFolder();
        Hearth.Runtime.Conversion.ModelConverter.Convert(SharedFolder.Require("assets", "misaki-bart"), folder.File("m.gguf"), cancellationToken: Token);
        await using var model = await LanguageModel.LoadAsync(folder.File("m.gguf"), _exact, cancellationToken: Token);
        var source = model.Tokenize(word);
        var expected = PlainBeamSearch.Run(model, [1], [.. source], width, penalty, 63, end: 2);
        var found = await model.SearchAsync(new GenerationRequest { Prompt = source, Options = new GenerationOptions { Beams = width, LengthPenalty = penalty } }, Token);

        AssertSame(expected, found);
        Assert.True(found[0].IsFinished);
        Assert.Equal(model.OutputTokenizer.Decode([.. found[0].TokenIds]), found[0].Text);
    }

    [Fact]
    public async Task Forks_share_all_pages_but_the_last_and_give_them_back()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), _exact with { PrefixCaching = false }, cancellationToken: Token);
        int[] prompt = [.. Enumerable.Range(0, 128).Select(i => i * 7 % 256)];
        await model.SearchAsync(Request(new GenerationOptions { Beams = 8, MaxTokens = 20 }) with { Prompt = prompt }, Token);
        var after = model.Cache.GetStatistics();

        Assert.Equal(after.TotalPages, after.FreePages);
        Assert.Equal(0, after.Sequences);
        // The prompt's 4 pages are whole: only the page behind them is ever copied, at most once a step and fork.
        Assert.InRange(after.CopiedPages, 1, 20 * 7);
        Assert.Empty(KvCacheInvariants.FindViolations(model.Cache.CaptureState()));
    }

    [Fact]
    public async Task Whole_pages_of_a_prompt_are_in_the_cache_once_for_all_beams()
    {
        // 5 pages: 4 for the prompt and one for what a single beam adds. Copies of the prompt would not fit.
        var options = _exact with { PrefixCaching = false, CacheTokens = 32 * 7, ContextLength = 160 };
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), options, cancellationToken: Token);
        int[] prompt = [.. Enumerable.Range(0, 129).Select(i => i * 7 % 256)];
        var request = Request(new GenerationOptions { Beams = 3, MaxTokens = 20 }) with { Prompt = prompt };
        Assert.Equal(3, (await model.SearchAsync(request, Token)).Count);
        var error = await Assert.ThrowsAsync<OutOfModelMemoryException>(() => model.SearchAsync(request with { Options = request.Options with { Beams = 4 } }, Token));
        Assert.Contains("beams", error.Message, StringComparison.Ordinal);
        Assert.Equal(7, model.Cache.GetStatistics().FreePages);
    }

    [Fact]
    public async Task A_cancelled_search_gives_its_pages_back()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), _exact with { PrefixCaching = false }, cancellationToken: Token);
        using var cancellation = new CancellationTokenSource();
        var search = model.SearchAsync(Request(new GenerationOptions { Beams = 4, IgnoreEndOfText = true }), cancellation.Token);
        while (!search.IsCompleted && model.Load.UsedPages == 0)
            await Task.Delay(1, Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => search);

        Assert.Equal(0, model.Load.UsedPages);
        Assert.Equal(0, model.Load.RunningRequests);
    }

    [Fact]
    public async Task Searches_and_requests_side_by_side_find_what_they_find_alone()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), _exact, cancellationToken: Token);
        var search = Request(new GenerationOptions { Beams = 3, MaxTokens = 24 });
        var greedy = Request(new GenerationOptions { Temperature = 0, MaxTokens = 24 });
        var (alone, plain) = (await model.SearchAsync(search, Token), await MisakiTests.Generate(model, greedy));
        var searches = Enumerable.Range(0, 3).Select(_ => model.SearchAsync(search, Token)).ToArray();
        var requests = Enumerable.Range(0, 3).Select(_ => MisakiTests.Generate(model, greedy)).ToArray();

        foreach (var found in await Task.WhenAll(searches))
            Assert.Equal(alone[0].TokenIds, found[0].TokenIds);
        foreach (var result in await Task.WhenAll(requests))
            Assert.Equal(plain.TokenIds, result.TokenIds);
    }

    [Fact]
    public async Task A_passed_deadline_ends_a_search_without_a_text()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), _exact, cancellationToken: Token);
        var request = Request(new GenerationOptions { Beams = 2 }) with { Deadline = DateTimeOffset.UtcNow.AddMinutes(-1) };
        Assert.Empty(await model.SearchAsync(request, Token));
        Assert.Equal(FinishReason.DeadlineExceeded, (await MisakiTests.Generate(model, request)).FinishReason);
    }

    public static TheoryData<GenerationOptions, string> Contradictions => new()
    {
        { new GenerationOptions { Beams = 2, Temperature = 0.5f }, "Temperature" },
        { new GenerationOptions { Beams = 2, TopK = 10 }, "TopK" },
        { new GenerationOptions { Beams = 2, TopP = 0.5f }, "TopP" },
        { new GenerationOptions { Beams = 2, MinP = 0.5f }, "MinP" },
        { new GenerationOptions { Beams = 2, Seed = 1 }, "Seed" },
        { new GenerationOptions { Beams = 2, RepetitionPenalty = 1.1f }, "RepetitionPenalty" },
        { new GenerationOptions { Beams = 2, PresencePenalty = 0.1f }, "PresencePenalty" },
        { new GenerationOptions { LengthPenalty = 1 }, "LengthPenalty" },
        { new GenerationOptions { Beams = 0 }, "Beams" },
        { new GenerationOptions { Beams = 257 }, "Beams" },
        { new GenerationOptions { Beams = 2, LengthPenalty = float.NaN }, "LengthPenalty" },
    };

    [Theory]
    [MemberData(nameof(Contradictions))]
    public async Task Options_that_contradict_beams_are_refused_by_name(GenerationOptions options, string name)
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), _exact, cancellationToken: Token);
        Assert.Equal(name, Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(Request(options), Token)).Option);
    }

    [Fact]
    public async Task More_beams_than_rows_of_a_step_are_refused()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), _exact with { StepTokens = 4 }, cancellationToken: Token);
        var error = Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(Request(new GenerationOptions { Beams = 5 }), Token));
        Assert.Contains("at most 4", error.Message, StringComparison.Ordinal);
        Assert.Equal(4, (await model.SearchAsync(Request(new GenerationOptions { Beams = 4, MaxTokens = 6 }), Token)).Count);
    }

    [Fact]
    public async Task A_search_ends_with_an_error_where_its_model_is_unloaded()
    {
        var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), _exact, cancellationToken: Token);
        var search = model.SearchAsync(Request(new GenerationOptions { Beams = 4, IgnoreEndOfText = true }), Token);
        await model.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => search);
    }

    private static GenerationRequest Request(GenerationOptions options) => new() { Prompt = _prompt, Options = options };

    private static void AssertSame(IReadOnlyList<PlainBeamSearch.Text> expected, IReadOnlyList<Hypothesis> found)
    {
        Assert.Equal(expected.Select(text => string.Join(' ', text.Tokens)), found.Select(text => string.Join(' ', text.TokenIds)));
        Assert.Equal(expected.Select(text => text.IsFinished), found.Select(text => text.IsFinished));
        Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First.LogProbability, pair.Second.LogProbability, 1e-3));
        Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First.Score, pair.Second.Score, 1e-3));
    }
}
