using Hearth.Runtime.Caching;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Encoders and encoder–decoders against the numbers of an independent implementation.</summary>
public sealed class EncoderTests
{
    private const double Bound = 1e-6;

    public static TheoryData<string> Encoders =>
    [
        "bert-mean", "bert-cls", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v2-code", "jina-bert-v3", "t5encoder", "t5encoder-relu",
        "neo-bert", "modern-bert", "eurobert", "gemma-embedding", "llama-embed", "llama-embed-last",
    ];

    public static TheoryData<string> EncoderDecoders => ["t5-v1.0", "t5-v1.1"];

    [Theory]
    [MemberData(nameof(Encoders))]
    public async Task Encoders_give_the_reference_vectors(string name)
    {
        var expected = ReferenceModels.Logits(name);
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File(name));
        var vectors = await model.EmbedAsync([ReferenceModels.Tokens(name)], normalize: false, TestContext.Current.CancellationToken);
        Assert.InRange(ReferenceLogitsTests.Error(vectors[0], expected), 0, Bound);
    }

    [Theory]
    [MemberData(nameof(EncoderDecoders))]
    public async Task Encoder_decoders_give_the_reference_logits(string name)
    {
        var tokens = ReferenceModels.Tokens(name);
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File(name));
        var all = new float[tokens.Length * model.Information.VocabularySize];
        model.ComputeLogits(tokens, (position, logits) => logits.CopyTo(all.AsSpan(position * model.Information.VocabularySize)), source: tokens);
        Assert.InRange(ReferenceLogitsTests.Error(all, ReferenceModels.Logits(name)), 0, Bound);
    }

    [Fact]
    public async Task A_text_has_the_same_vector_beside_others()
    {
        var texts = Enumerable.Range(1, 40).Select(n => (IReadOnlyList<int>)[.. Enumerable.Range(0, n).Select(i => ((i * 7) + n) % 256)]).ToArray();
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"));
        var together = await model.EmbedAsync(texts, cancellationToken: TestContext.Current.CancellationToken);
        for (var i = 0; i < texts.Length; i++)
        {
            var alone = await model.EmbedAsync([texts[i]], cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal(alone[0], together[i]);
        }
    }

    [Fact]
    public async Task Vectors_have_length_one_unless_asked_otherwise()
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-cls"));
        var unit = (await model.EmbedAsync([[2, 9, 9, 3]], cancellationToken: TestContext.Current.CancellationToken))[0];
        var plain = (await model.EmbedAsync([[2, 9, 9, 3]], normalize: false, TestContext.Current.CancellationToken))[0];
        var length = Math.Sqrt(plain.Sum(x => (double)x * x));
        Assert.Equal(1, unit.Sum(x => (double)x * x), 5);
        Assert.All(unit.Zip(plain), pair => Assert.Equal(pair.Second / length, pair.First, 5));
    }

    [Fact]
    public async Task A_text_beyond_the_context_is_refused_whole()
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"));
        var error = await Assert.ThrowsAsync<ContextLengthExceededException>(() => model.EmbedAsync([new int[513]]));
        Assert.Contains("513", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAnyAsync<ArgumentException>(() => model.EmbedAsync([[]]));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => model.EmbedAsync([]));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => model.EmbedAsync([[256]]));
    }

    [Fact]
    public async Task An_encoder_is_no_language_model()
    {
        var error = await Assert.ThrowsAsync<UnsupportedModelException>(() => LanguageModel.LoadAsync(ReferenceModels.File("bert-mean")));
        Assert.Contains("embeddings", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cancelled_request_ends_and_the_next_is_served()
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"));
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => model.EmbedAsync([[5, 6]], cancellationToken: cancelled.Token));
        Assert.Single(await model.EmbedAsync([[5, 6]], cancellationToken: TestContext.Current.CancellationToken));
    }

    [Theory]
    [MemberData(nameof(EncoderDecoders))]
    public async Task Generating_gives_the_most_likely_tokens_of_the_logits(string name)
    {
        int[] source = [17, 4, 200, 9, 3];
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File(name), new ModelOptions { KeyType = CacheType.F32, ValueType = CacheType.F32 });
        List<int> output = [0];
        for (var i = 0; i < 12; i++)
        {
            var best = 0;
            model.ComputeLogits([.. output], (_, logits) => best = IndexOfLast(logits, model.Information.VocabularySize), source: source);
            output.Add(best);
        }

        Assert.Equal(output[1..], await Generate(model, source, 12));
    }

    [Fact]
    public async Task Many_sources_at_once_give_what_each_gives_alone_and_leave_no_page()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("t5-v1.1"), new ModelOptions { MaxSequences = 8, StepTokens = 64 });
        var sources = Enumerable.Range(0, 24).Select(n => Enumerable.Range(0, 5 + (n % 12 * 9)).Select(i => ((i * 31) + (n % 12)) % 256).ToArray()).ToArray();
        var together = await Task.WhenAll(sources.Select(s => Generate(model, s, 20)));
        await using var other = await LanguageModel.LoadAsync(ReferenceModels.File("t5-v1.1"), new ModelOptions { PrefixCaching = false });
        for (var i = 0; i < sources.Length; i++)
            Assert.Equal(await Generate(other, sources[i], 20), together[i]);
        Assert.Equal(0, model.Load.RunningRequests);
        Assert.Equal(0, model.Load.UsedPages);
        Assert.Equal(0, other.Load.UsedPages);
    }

    [Fact]
    public async Task A_reader_that_leaves_frees_both_caches()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("t5-v1.1"), new ModelOptions { PrefixCaching = false });
        await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = [1, 2, 3], Options = new GenerationOptions { MaxTokens = 400, IgnoreEndOfText = true } }))
        {
            if (update.TokenIds.Count > 0)
                break;
        }

        for (var i = 0; i < 200 && model.Load.UsedPages > 0; i++)
            await Task.Delay(10, TestContext.Current.CancellationToken);
        Assert.Equal(0, model.Load.UsedPages);
    }

    [Fact]
    public async Task An_equal_source_is_read_once()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("t5-v1.0"));
        var request = new GenerationRequest { Prompt = [7, 8, 9, 10], Options = new GenerationOptions { MaxTokens = 3, Temperature = 0, IgnoreEndOfText = true } };
        var first = await Usage(model, request);
        var second = await Usage(model, request);
        var longer = await Usage(model, request with { Prompt = [7, 8, 9, 10, 11] });
        Assert.Equal((4, 0), (first.PromptTokens, first.CachedPromptTokens));
        Assert.Equal((4, 4), (second.PromptTokens, second.CachedPromptTokens));
        Assert.Equal((5, 0), (longer.PromptTokens, longer.CachedPromptTokens));
    }

    [Fact]
    public async Task Sources_and_decoder_prompts_that_cannot_be_are_refused()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("t5-v1.0"));
        await using var decoder = await LanguageModel.LoadAsync(ReferenceModels.File("llama-gqa-base"));
        Assert.Throws<ContextLengthExceededException>(() => model.GenerateAsync(new GenerationRequest { Prompt = new int[20_000] }));
        Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [] }));
        Assert.Throws<InvalidRequestException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [1], DecoderPrompt = [] }));
        Assert.Throws<InvalidRequestException>(() => decoder.GenerateAsync(new GenerationRequest { Prompt = [1], DecoderPrompt = [1] }));
        Assert.ThrowsAny<ArgumentException>(() => decoder.ComputeLogits([1], (_, _) => { }, source: [1]));
        Assert.ThrowsAny<ArgumentException>(() => model.ComputeLogits([1], (_, _) => { }));
    }

    [Fact]
    public async Task An_encoder_decoder_holds_the_embedding_table_once()
    {
        await using var model = await LanguageModel.LoadAsync(ReferenceModels.File("t5-v1.1"));
        Assert.InRange(model.Memory.Weights, 1, (long)(new FileInfo(ReferenceModels.File("t5-v1.1")).Length * 1.15));
    }

    [Theory]
    [InlineData(PoolingKind.Mean)]
    [InlineData(PoolingKind.First)]
    [InlineData(PoolingKind.Last)]
    public async Task The_caller_may_pool_otherwise_than_the_file_says(PoolingKind pooling)
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"), pooling: pooling);
        Assert.Equal(pooling, model.Pooling);
        var vector = (await model.EmbedAsync([ReferenceModels.Tokens("bert-mean")], normalize: false, TestContext.Current.CancellationToken))[0];
        var error = ReferenceLogitsTests.Error(vector, ReferenceModels.Logits("bert-mean"));
        if (pooling == PoolingKind.Mean)
            Assert.InRange(error, 0, Bound);
        else
            Assert.InRange(error, 1e-3, double.MaxValue);
    }

    [Theory]
    [InlineData("qwen3-gqa")]
    [InlineData("cohere2")]
    [InlineData("gpt-oss")]
    [InlineData("deepseek2")]
    public async Task A_decoder_asked_for_vectors_pools_its_rows(string name)
    {
        int[] text = [17, 4, 200, 9, 3, 77, 5, 81, 2, 40, 6];
        var last = await Vectors(name, PoolingKind.Last, text[..1], text, [.. text[..^1], 7]);
        var first = await Vectors(name, PoolingKind.First, text[..1], text, [.. text[..^1], 7]);
        var mean = await Vectors(name, PoolingKind.Mean, text[..1], text);

        // A token sees the past alone, so the first row knows nothing of what follows and the last knows everything.
        Assert.InRange(ReferenceLogitsTests.Error(first[0], last[0]), 0, 1e-12);
        Assert.InRange(ReferenceLogitsTests.Error(mean[0], last[0]), 0, 1e-12);
        Assert.InRange(ReferenceLogitsTests.Error(first[1], first[2]), 0, 1e-12);
        Assert.InRange(ReferenceLogitsTests.Error(last[1], last[2]), 1e-4, 10);
        Assert.InRange(ReferenceLogitsTests.Error(mean[1], last[1]), 1e-4, 10);
    }

    private static async Task<float[][]> Vectors(string name, PoolingKind pooling, params int[][] texts)
    {
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File(name), pooling: pooling);
        return [.. await model.EmbedAsync(texts, normalize: false, TestContext.Current.CancellationToken)];
    }

    private static int IndexOfLast(ReadOnlySpan<float> logits, int vocabulary)
    {
        var last = logits[^vocabulary..];
        var best = 0;
        for (var i = 1; i < last.Length; i++)
        {
            if (last[i] > last[best])
                best = i;
        }

        return best;
    }

    private static async Task<int[]> Generate(LanguageModel model, int[] source, int tokens)
    {
        List<int> ids = [];
        var options = new GenerationOptions { MaxTokens = tokens, Temperature = 0, IgnoreEndOfText = true };
        await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = source, Options = options }))
            ids.AddRange(update.TokenIds);
        return [.. ids];
    }

    private static async Task<TokenUsage> Usage(LanguageModel model, GenerationRequest request)
    {
        TokenUsage? usage = null;
        await foreach (var update in model.GenerateAsync(request))
            usage = update.Usage ?? usage;
        return usage!.Value;
    }
}
