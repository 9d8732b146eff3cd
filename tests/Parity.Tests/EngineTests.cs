using System.Text.Json;
using Hearth.LLamaSharp;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Engines;
using Hearth.Runtime.Gguf;

namespace Hearth.Parity.Tests;

/// <summary>Hearth's scheduling, cache, constraints and tools over LLamaSharp's engine.</summary>
public sealed class EngineTests
{
    private static readonly GenerationOptions s_greedy = new() { Temperature = 0, MaxTokens = 24 };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static string Ember => Path.Combine(SharedFolder.Repository, "models", "ember.gguf");

    private static string Small => ReferenceModels.File("llama-gqa-base");

    [Fact]
    public async Task The_engine_is_found_by_its_name_and_tells_its_backend()
    {
        var engine = ModelEngines.Find("LLamaSharp");
        Assert.StartsWith("LLamaSharp 0.30.0, backend CPU", engine.Describe(), StringComparison.Ordinal);
        using var file = GgufFile.Open(Small);
        Assert.True(engine.Knows(file));
        var model = await engine.LoadAsync(file, new ModelOptions { Engine = "llamasharp" }, embeds: false, cancellationToken: Cancelled);
        await using var owned = Assert.IsType<LLamaSharpModel>(model);
        Assert.Equal("llamasharp", model.Information.Engine);
        Assert.Equal(engine.Describe(), model.Information.Backend);
    }

    [Fact]
    public async Task Sixteen_requests_at_once_each_get_what_they_get_alone()
    {
        var prompts = Enumerable.Range(0, 16).Select(i => Enumerable.Range(1, 3 + (i * 5)).Select(t => (t * (i + 3)) % 256).ToArray()).ToArray();
        await using var model = await LLamaSharpModel.LoadAsync(Small, new ModelOptions { KeyType = CacheType.F32, ValueType = CacheType.F32, FlashAttention = false }, cancellationToken: Cancelled);
        var alone = new List<int[]>();
        foreach (var prompt in prompts)
            alone.Add((await Generated.By(model, prompt, s_greedy)).Ids);
        var together = await Task.WhenAll(prompts.Select(prompt => Task.Run(() => Generated.By(model, prompt, s_greedy))));
        for (var i = 0; i < prompts.Length; i++)
            Assert.Equal(alone[i], together[i].Ids);
    }

    [Fact]
    public async Task A_prompt_seen_before_comes_from_the_cache_and_changes_nothing()
    {
        await using var model = await LLamaSharpModel.LoadAsync(ReferenceModels.File("qwen2-gqa"), cancellationToken: Cancelled);
        var prompt = Enumerable.Range(0, 150).Select(i => (i * 7) % 256).ToArray();
        var first = await Generated.By(model, prompt, s_greedy);
        var second = await Generated.By(model, prompt, s_greedy);
        Assert.Equal(0, first.Usage.CachedPromptTokens);
        Assert.InRange(second.Usage.CachedPromptTokens, 128, 149);
        Assert.Equal(first.Ids, second.Ids);
        Assert.Equal(0, model.TokensReadAgain);
    }

    [Fact]
    public async Task A_model_with_states_goes_on_from_the_end_of_the_turn_before()
    {
        await using var model = await LLamaSharpModel.LoadAsync(ReferenceModels.Hybrid("mamba2-dense"), cancellationToken: Cancelled);
        var prompt = Enumerable.Range(0, 70).Select(i => (i * 7) % 128).ToArray();
        var first = await Generated.By(model, prompt, s_greedy);
        int[] next = [.. prompt, .. first.Ids, 5, 6, 7];
        var second = await Generated.By(model, next, s_greedy);
        Assert.InRange(second.Usage.CachedPromptTokens, prompt.Length, next.Length - 1);
        await using var fresh = await LLamaSharpModel.LoadAsync(ReferenceModels.Hybrid("mamba2-dense"), new ModelOptions { PrefixCaching = false }, cancellationToken: Cancelled);
        Assert.Equal((await Generated.By(fresh, next, s_greedy)).Ids, second.Ids);
        Assert.Equal(0, model.TokensReadAgain);
    }

    [Fact]
    public async Task More_texts_than_slots_are_told_honestly_of_the_cache()
    {
        await using var model = await LLamaSharpModel.LoadAsync(Small, new ModelOptions { MaxSequences = 1 }, cancellationToken: Cancelled);
        int[] Prompt(int number) => [.. Enumerable.Range(0, 40).Select(i => (number + (i * i)) % 256)];
        for (var i = 0; i < 60; i++)
            await Generated.By(model, Prompt(i), s_greedy with { MaxTokens = 1 });
        var kept = await Generated.By(model, Prompt(59), s_greedy with { MaxTokens = 1 });
        var gone = await Generated.By(model, Prompt(0), s_greedy with { MaxTokens = 1 });
        Assert.InRange(kept.Usage.CachedPromptTokens, 32, 39);
        Assert.Equal(0, gone.Usage.CachedPromptTokens);
        Assert.Equal(CacheMissReason.Evicted, gone.Usage.CacheMiss);
        Assert.Equal(0, model.TokensReadAgain);
    }

    [Fact]
    public async Task Leaving_a_generation_early_frees_its_pages()
    {
        await using var model = await LLamaSharpModel.LoadAsync(Small, new ModelOptions { PrefixCaching = false }, cancellationToken: Cancelled);
        await foreach (var _ in model.GenerateAsync(new GenerationRequest { Prompt = [1, 2, 3], Options = new() { Temperature = 0, MaxTokens = 1000 } }, Cancelled))
            break;
        for (var i = 0; i < 500 && model.Load.UsedPages > 0; i++)
            await Task.Delay(10, Cancelled);
        Assert.Equal(0, model.Load.UsedPages);
        Assert.Equal(0, model.Load.RunningRequests);
    }

    [Fact]
    public async Task A_schema_is_kept_to()
    {
        await using var model = await LLamaSharpModel.LoadAsync(Ember, cancellationToken: Cancelled);
        var schema = """{"type":"object","properties":{"city":{"enum":["Paris","Rome"]},"degrees":{"type":"integer","minimum":0,"maximum":40}},"required":["city","degrees"],"additionalProperties":false}""";
        var prompt = model.TokenizeChat(new ChatPrompt { Messages = [new ChatMessage("user", "How warm is it in Rome?")] }, Cancelled);
        var answer = await Generated.By(model, prompt, new GenerationOptions { Temperature = 0, MaxTokens = 100, Constraint = Constraint.JsonSchema(schema) });
        using var found = JsonDocument.Parse(answer.Text);
        Assert.Contains(found.RootElement.GetProperty("city").GetString(), new[] { "Paris", "Rome" });
        Assert.InRange(found.RootElement.GetProperty("degrees").GetDouble(), 0, 40);
    }

    [Fact]
    public async Task A_beam_search_finds_what_our_own_engine_finds()
    {
        var request = new GenerationRequest { Prompt = [9, 8, 7, 6], Options = new() { Beams = 4, MaxTokens = 8 } };
        await using var own = await LanguageModel.LoadAsync(Small, new ModelOptions { KeyType = CacheType.F32, ValueType = CacheType.F32 }, cancellationToken: Cancelled);
        await using var peer = await LLamaSharpModel.LoadAsync(Small, new ModelOptions { KeyType = CacheType.F32, ValueType = CacheType.F32, FlashAttention = false }, cancellationToken: Cancelled);
        var (ours, theirs) = (await own.SearchAsync(request, Cancelled), await peer.SearchAsync(request, Cancelled));
        Assert.Equal(ours.Select(found => found.TokenIds), theirs.Select(found => found.TokenIds));
        Assert.All(ours.Zip(theirs), pair => Assert.Equal(pair.First.LogProbability, pair.Second.LogProbability, 1e-3));
    }

    [Fact]
    public async Task What_the_native_code_would_not_survive_is_refused_before()
    {
        await using var model = await LLamaSharpModel.LoadAsync(Small, new ModelOptions { ContextLength = 64 }, cancellationToken: Cancelled);
        Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [] }, Cancelled));
        Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [256] }, Cancelled));
        Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [-1] }, Cancelled));
        Assert.Throws<ContextLengthExceededException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [.. Enumerable.Repeat(1, 65)] }, Cancelled));
        Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [1], DecoderPrompt = [1] }, Cancelled));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.ComputeLogits([300], (_, _) => { }));
        Assert.Throws<ContextLengthExceededException>(() => model.ComputeLogits(new int[65], (_, _) => { }));
        var filled = await Generated.By(model, [1, 2, 3], new GenerationOptions { Temperature = 0 });
        Assert.Equal(61, filled.Ids.Length);
        Assert.Equal(FinishReason.Length, filled.Reason);
    }

    [Fact]
    public async Task Options_of_the_other_engine_are_refused_by_name()
    {
        Assert.Contains("PinThreads", (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => LLamaSharpModel.LoadAsync(Small, new ModelOptions { PinThreads = true }, cancellationToken: Cancelled))).Message, StringComparison.Ordinal);
        Assert.Contains("ValueType", (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => LLamaSharpModel.LoadAsync(Small, new ModelOptions { ValueType = CacheType.Q8_0, FlashAttention = false }, cancellationToken: Cancelled))).Message, StringComparison.Ordinal);
        Assert.Contains("MainGpu", (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => LLamaSharpModel.LoadAsync(Small, new ModelOptions { MainGpu = 99 }, cancellationToken: Cancelled))).Message, StringComparison.Ordinal);
        Assert.Contains("GpuLayers", (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => LanguageModel.LoadAsync(Small, new ModelOptions { GpuLayers = 1 }, cancellationToken: Cancelled))).Message, StringComparison.Ordinal);
        Assert.Contains("llamasharp", (await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => LanguageModel.LoadAsync(Small, new ModelOptions { Engine = "llamasharp" }, cancellationToken: Cancelled))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_library_of_another_version_is_refused_by_its_structures()
    {
        var parameters = LLama.Native.LLamaContextParams.Default();
        Hearth.LLamaSharp.Native.LlamaLibrary.RequireLayout(parameters);
        parameters.n_seq_max = 512; // where the member before it is gone
        Assert.Contains("0.30.0", Assert.Throws<NativeLibraryException>(() => Hearth.LLamaSharp.Native.LlamaLibrary.RequireLayout(parameters)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_context_that_cannot_be_had_is_a_typed_error()
    {
        var error = await Assert.ThrowsAsync<OutOfModelMemoryException>(() => LLamaSharpModel.LoadAsync(Ember, new ModelOptions { CacheTokens = 2_000_000_000 }, cancellationToken: Cancelled));
        Assert.Contains("CacheTokens", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_architecture_that_nobody_knows_and_one_that_only_the_other_knows_are_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        var own = folder.File("own.gguf");
        await File.WriteAllBytesAsync(own, Renamed("llama", "talki"), Cancelled);
        var error = await Assert.ThrowsAnyAsync<HearthException>(() => LLamaSharpModel.LoadAsync(own, cancellationToken: Cancelled));
        Assert.Contains("talki", error.Message, StringComparison.Ordinal);
        var encoderDecoder = await Assert.ThrowsAsync<UnsupportedModelException>(() => LLamaSharpModel.LoadAsync(ReferenceModels.File("t5-v1.0"), cancellationToken: Cancelled));
        Assert.Contains("encoder", encoderDecoder.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_only_another_engine_knows_is_refused_with_its_name()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("new.gguf");
        await File.WriteAllBytesAsync(path, Renamed("llama", "newer"), Cancelled);
        var unknown = await Assert.ThrowsAsync<UnsupportedModelException>(() => LanguageModel.LoadAsync(path, cancellationToken: Cancelled));
        Assert.DoesNotContain("is available with", unknown.Message, StringComparison.Ordinal);
        ModelEngines.Register(new OmniscientEngine());
        var known = await Assert.ThrowsAsync<UnsupportedModelException>(() => LanguageModel.LoadAsync(path, cancellationToken: Cancelled));
        Assert.StartsWith(unknown.Message, known.Message, StringComparison.Ordinal);
        Assert.Contains("It is available with the engine omniscient", known.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hundred_loads_leave_nothing()
    {
        long before = 0;
        for (var load = 0; load < 100; load++)
        {
            await using (var model = await LLamaSharpModel.LoadAsync(Small, cancellationToken: Cancelled))
                Assert.Single((await Generated.By(model, [1, 2, 3], s_greedy with { MaxTokens = 1 })).Ids);
            if (load == 20)
                before = Resident();
        }

        // Each load takes some 30 MiB; eighty that stay would be seen.
        Assert.InRange(Resident() - before, long.MinValue, 200L << 20);

        static long Resident()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            using var process = System.Diagnostics.Process.GetCurrentProcess();
            return process.WorkingSet64;
        }
    }

    [Fact]
    public async Task An_embedding_model_gives_our_vectors()
    {
        foreach (var name in new[] { "bert-mean", "bert-cls" })
        {
            using var file = GgufFile.Open(ReferenceModels.File(name));
            await using var own = await EmbeddingModel.LoadAsync(file, cancellationToken: Cancelled);
            await using var peer = await LLamaSharpEmbeddingModel.LoadAsync(file, cancellationToken: Cancelled);
            IReadOnlyList<int>[] texts = [ReferenceModels.Tokens(name), [1, 2, 3], [7]];
            var (ours, theirs) = (await own.EmbedAsync(texts, cancellationToken: Cancelled), await peer.EmbedAsync(texts, cancellationToken: Cancelled));
            Assert.Equal(own.Dimensions, peer.Dimensions);
            Assert.Equal(own.Pooling, peer.Pooling);
            Assert.All(ours.Zip(theirs), pair => Assert.InRange(pair.First.Zip(pair.Second, (a, b) => Math.Pow(a - (double)b, 2)).Sum(), 0, 1e-6));
        }
    }

    [Fact]
    public async Task Disposing_ends_what_runs()
    {
        var model = await LLamaSharpModel.LoadAsync(Small, cancellationToken: Cancelled);
        var running = model.GenerateAsync(new GenerationRequest { Prompt = [1, 2, 3], Options = new() { Temperature = 0, MaxTokens = 2000, IgnoreEndOfText = true } }, Cancelled).GetAsyncEnumerator(Cancelled);
        Assert.True(await running.MoveNextAsync());
        await model.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (await running.MoveNextAsync())
            {
            }
        });
        Assert.Throws<ObjectDisposedException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [1] }, Cancelled));
    }

    // Same length, so that nothing moves.
    private static byte[] Renamed(string from, string to)
    {
        var bytes = ReferenceModels.Rebuild("llama-gqa-base");
        var text = System.Text.Encoding.Latin1.GetString(bytes).Replace(from + ".", to + ".", StringComparison.Ordinal);
        var at = text.IndexOf("general.architecture", StringComparison.Ordinal);
        var name = text.IndexOf(from, at, StringComparison.Ordinal);
        return System.Text.Encoding.Latin1.GetBytes(text[..name] + to + text[(name + from.Length)..]);
    }

    private sealed class OmniscientEngine : IModelEngine
    {
        public string Name => "omniscient";

        public string Describe() => Name;

        public bool Knows(GgufFile file) => true;

        public Task<IModel> LoadAsync(
            GgufFile file, ModelOptions options, bool embeds, Hearth.Runtime.Graphs.PoolingKind? pooling = null, IProgress<Hearth.Runtime.Graphs.LoadProgress>? progress = null,
            Microsoft.Extensions.Logging.ILogger? logger = null, CancellationToken cancellationToken = default)
            => throw new NotSupportedException();
    }
}
