using Hearth.Runtime.Synthesis;

namespace Hearth.Host.Tests;

/// <summary>What every <see cref="ILanguageModel"/> keeps to: the model, and the fake on which the services' tests rest.</summary>
public sealed class LanguageModelContractTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

#if PARITY
    public static TheoryData<string> Models => ["llamasharp"];
#else
    public static TheoryData<string> Models => ["fake", "real"];
#endif

    public void Dispose() => _folder.Dispose();

    private async Task<ILanguageModel> LoadAsync(string kind)
    {
#if !PARITY
        if (kind == "fake")
            return new FakeLanguageModel { ContextLength = 64 };
#endif
        var path = Path.Combine(_folder.Path, "model.gguf");
        ModelSynthesizer.Write(path, new SyntheticShape(64, 1, 2, 1, 64, 512), "F32", seed: 3);
        var options = new ModelOptions { ContextLength = 64, Threads = 1 };
#if PARITY
        Assert.Equal("llamasharp", kind);
        return await Hearth.LLamaSharp.LLamaSharpModel.LoadAsync(path, options);
#else
        return await LanguageModel.LoadAsync(path, options);
#endif
    }

    private static GenerationRequest Request(ILanguageModel model, int? most = null)
        => new() { Prompt = model.Tokenize("a b c d e f"), Options = new GenerationOptions { MaxTokens = most, IgnoreEndOfText = true, Seed = 1 } };

    private static async Task<List<GenerationUpdate>> ReadAsync(ILanguageModel model, GenerationRequest request, CancellationToken cancellationToken = default)
    {
        var updates = new List<GenerationUpdate>();
        await foreach (var update in model.GenerateAsync(request, cancellationToken))
            updates.Add(update);
        return updates;
    }

    private static async Task IdleAsync(ILanguageModel model)
    {
        for (var i = 0; i < 2000 && model.Load is not { RunningRequests: 0, WaitingRequests: 0 }; i++)
            await Task.Delay(5);
        Assert.Equal((0, 0), (model.Load.RunningRequests, model.Load.WaitingRequests));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task The_last_update_alone_says_how_the_text_ended_and_what_it_cost(string kind)
    {
        var model = await LoadAsync(kind);
        var request = Request(model, most: 3);
        var updates = await ReadAsync(model, request);
        Assert.All(updates[..^1], update => Assert.Equal((null, null), (update.FinishReason, update.Usage)));
        Assert.Equal(FinishReason.Length, updates[^1].FinishReason);
        Assert.Equal((request.Prompt.Count, 3), (updates[^1].Usage!.Value.PromptTokens, updates[^1].Usage!.Value.CompletionTokens));
        Assert.Equal(3, updates.Sum(update => update.TokenIds.Count));
        await EndAsync(model);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_request_that_nobody_reads_costs_nothing(string kind)
    {
        var model = await LoadAsync(kind);
        _ = model.GenerateAsync(Request(model));
        Assert.Equal((0, 0), (model.Load.RunningRequests, model.Load.WaitingRequests));
        Assert.Equal(1, (await ReadAsync(model, Request(model, most: 1))).Sum(update => update.TokenIds.Count));
        await EndAsync(model);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_prompt_beyond_the_context_is_refused_with_both_numbers(string kind)
    {
        var model = await LoadAsync(kind);
        var error = await Assert.ThrowsAsync<ContextLengthExceededException>(() => ReadAsync(model, new GenerationRequest { Prompt = [.. Enumerable.Repeat(1, 65)] }));
        Assert.Equal((65, 64), (error.TokensAsked, error.TokensPossible));
        await EndAsync(model);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Cancelled_is_cancelled_before_the_first_read_and_between_two(string kind)
    {
        var model = await LoadAsync(kind);
        using var cancellation = new CancellationTokenSource();
        await using var reader = model.GenerateAsync(Request(model), cancellation.Token).GetAsyncEnumerator();
        Assert.True(await reader.MoveNextAsync());
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            while (await reader.MoveNextAsync())
            {
            }
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReadAsync(model, Request(model), cancellation.Token));
        await EndAsync(model);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Leaving_a_text_early_ends_its_request(string kind)
    {
        var model = await LoadAsync(kind);
        await foreach (var update in model.GenerateAsync(Request(model)))
            break;
        await EndAsync(model);
    }

    private static async Task EndAsync(ILanguageModel model)
    {
        await IdleAsync(model);
        Assert.Null(model.Fault);
        await ((IAsyncDisposable)model).DisposeAsync();
    }
}
