using System.Text;
using System.Text.Json;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests;

/// <summary>The front door with real models: text in, text out, many at once.</summary>
public sealed class LanguageModelTests
{
    private static readonly GenerationOptions Greedy = new() { Temperature = 0, MaxTokens = 32 };

    [Fact]
    public async Task A_trained_model_tells_the_reference_story()
    {
        await using var model = await LanguageModel.LoadAsync(SharedFolder.Require("assets", "stories260K", "stories260K.gguf"));
        using var golden = JsonDocument.Parse(await File.ReadAllTextAsync(SharedFolder.Require("assets", "stories260K", "golden.json")));
        foreach (var story in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            var prompt = model.Tokenize(story.GetProperty("prompt").GetString()!);
            Assert.Equal(Ids(story, "prompt_ids"), prompt);
            var expected = Ids(story, "greedy_ids");
            var told = await Generate(model, prompt, new GenerationOptions { Temperature = 0, MaxTokens = expected.Length });
            Assert.Equal(expected, told.Ids);
            Assert.Equal(story.GetProperty("greedy_text").GetString(), told.Text);
        }
    }

    [Fact]
    public async Task Sixteen_requests_at_once_each_get_what_they_get_alone()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"));
        var prompts = Enumerable.Range(0, 16).Select(i => Enumerable.Range(1, 3 + (i * 5)).Select(t => (t * (i + 3)) % 256).ToArray()).ToArray();
        var alone = new List<int[]>();
        foreach (var prompt in prompts)
        {
            await using var single = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"));
            alone.Add((await Generate(single, prompt, Greedy)).Ids);
        }

        var together = await Task.WhenAll(prompts.Select(p => Task.Run(() => Generate(model, p, Greedy))));
        for (var i = 0; i < prompts.Length; i++)
            Assert.Equal(alone[i], together[i].Ids);
    }

    [Fact]
    public async Task Leaving_a_generation_early_frees_its_pages()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), new ModelOptions { PrefixCaching = false });
        await foreach (var _ in model.GenerateAsync(new GenerationRequest { Prompt = [1, 2, 3], Options = new() { Temperature = 0, MaxTokens = 1500 } }))
            break;
        for (var i = 0; i < 500 && model.Load.UsedPages > 0; i++)
            await Task.Delay(10);
        Assert.Equal(0, model.Load.UsedPages);
        Assert.Equal(0, model.Load.RunningRequests);
    }

    [Fact]
    public async Task A_prompt_seen_before_comes_from_the_cache_and_changes_nothing()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("qwen2-gqa"));
        var prompt = Enumerable.Range(0, 150).Select(i => (i * 7) % 256).ToArray();
        var first = await Generate(model, prompt, Greedy);
        var second = await Generate(model, prompt, Greedy);
        Assert.Equal(0, first.Usage.CachedPromptTokens);
        Assert.InRange(second.Usage.CachedPromptTokens, 128, 149);
        Assert.Equal(first.Ids, second.Ids);
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_text_whatever_runs_beside_it()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"));
        var options = new GenerationOptions { Temperature = 1.2f, Seed = 42, MaxTokens = 24 };
        var alone = await Generate(model, [9, 8, 7], options);
        var crowd = await Task.WhenAll(Enumerable.Range(0, 5).Select(i => Generate(model, i == 2 ? [9, 8, 7] : [i + 1, 5], i == 2 ? options : options with { Seed = (ulong)i })));
        Assert.Equal(alone.Ids, crowd[2].Ids);
    }

    [Fact]
    public async Task A_prompt_beyond_the_context_is_refused_with_both_numbers()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"), new ModelOptions { ContextLength = 64 });
        var error = await Assert.ThrowsAsync<ContextLengthExceededException>(() => Generate(model, [.. Enumerable.Repeat(1, 65)], Greedy));
        Assert.Equal((65, 64), (error.TokensAsked, error.TokensPossible));
    }

    [Fact]
    public async Task A_model_without_vocabulary_takes_ids_and_says_why_it_takes_no_text()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("gpt2"));
        Assert.Equal(32, (await Generate(model, [1, 2, 3], Greedy)).Ids.Length);
        Assert.Contains("no_vocab", Assert.Throws<UnsupportedModelException>(() => model.Tokenize("text")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Loading_can_be_cancelled_and_reports_progress()
    {
        var reports = new List<LoadProgress>();
        await using (await LanguageModel.LoadAsync(ReferenceModels.File("gpt2"), progress: new Immediate(reports.Add)))
            Assert.Equal(reports[^1].BytesTotal, reports[^1].BytesDone);
        using var cancellation = new CancellationTokenSource();
        var cancelling = new Immediate(p => cancellation.Cancel());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => LanguageModel.LoadAsync(ReferenceModels.File("gpt2"), progress: cancelling, cancellationToken: cancellation.Token));
    }

    [Theory]
    [InlineData("general.architecture", "deepseek4", typeof(UnsupportedModelException), "deepseek4")]
    [InlineData("llama.block_count", 3u, typeof(ModelFormatException), "blk.2.")]
    [InlineData("llama.block_count", 0u, typeof(ModelFormatException), "block_count")]
    [InlineData("llama.embedding_length", 512u, typeof(ModelFormatException), "[512, any]")]
    [InlineData("llama.attention.head_count", 5u, typeof(ModelFormatException), "head_count")]
    [InlineData("llama.attention.head_count_kv", 3u, typeof(ModelFormatException), "head_count_kv")]
    [InlineData("llama.attention.layer_norm_rms_epsilon", float.NaN, typeof(ModelFormatException), "epsilon")]
    [InlineData("llama.rope.dimension_count", 63u, typeof(ModelFormatException), "dimension_count")]
    [InlineData("llama.rope.freq_base", "ten", typeof(ModelFormatException), "freq_base")]
    [InlineData("llama.context_length", uint.MaxValue, typeof(ModelFormatException), "context_length")]
    [InlineData("llama.feed_forward_length", 1024u, typeof(ModelFormatException), "ffn_")]
    public async Task A_model_that_contradicts_itself_is_refused_by_name(string key, object value, Type exception, string named)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "damaged.gguf");
        Rewrite(ReferenceModels.File("llama-gqa-base"), path, key, value, leaveOut: null);
        var error = await Assert.ThrowsAsync(exception, () => LanguageModel.LoadAsync(path));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_tensor_is_named()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "damaged.gguf");
        Rewrite(ReferenceModels.File("llama-gqa-base"), path, null, null, leaveOut: "blk.1.attn_k.weight");
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => LanguageModel.LoadAsync(path));
        Assert.Contains("blk.1.attn_k.weight", error.Message, StringComparison.Ordinal);
    }

    private static void Rewrite(string source, string target, string? key, object? value, string? leaveOut)
    {
        using var file = GgufFile.Open(source);
        using var writer = GgufWriter.Create(target);
        foreach (var (k, v) in file.Metadata)
        {
            if (k == key)
                Add(writer, k, value!);
            else if (!k.StartsWith(file.Metadata.Get<string>("general.architecture") + ".", StringComparison.Ordinal) || key != "general.architecture")
                Add(writer, k, v);
        }

        var kept = file.Tensors.Where(t => t.Name != leaveOut).ToArray();
        foreach (var tensor in kept)
            writer.Declare(tensor.Name, tensor.Type, [.. tensor.Shape]);
        foreach (var tensor in kept)
        {
            writer.Begin(tensor.Name);
            writer.Write(tensor.Bytes());
        }

        writer.Complete();
    }

    private static void Add(GgufWriter writer, string key, object value) => writer.Add(key, value);

    private static int[] Ids(JsonElement story, string name) => [.. story.GetProperty(name).EnumerateArray().Select(e => e.GetInt32())];

    private static async Task<(int[] Ids, string Text, TokenUsage Usage)> Generate(LanguageModel model, IReadOnlyList<int> prompt, GenerationOptions options)
    {
        var ids = new List<int>();
        var text = new StringBuilder();
        TokenUsage? usage = null;
        await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = prompt, Options = options }))
        {
            ids.AddRange(update.TokenIds);
            text.Append(update.Text);
            usage = update.Usage ?? usage;
        }

        return ([.. ids], text.ToString(), usage ?? throw new InvalidOperationException("the last update carries the usage"));
    }

    private sealed class Immediate(Action<LoadProgress> report) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => report(value);
    }
}
