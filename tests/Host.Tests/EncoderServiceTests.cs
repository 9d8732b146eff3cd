using System.Text;
using System.Text.Json.Nodes;
using Hearth.Extensions.AI;
using Hearth.Host.CommandLine;
using Hearth.Host.Service;
using Hearth.Runtime.Tests.Support;
using Hearth.SemanticKernel;
using Microsoft.Extensions.AI;

namespace Hearth.Host.Tests;

/// <summary>Encoders and encoder–decoders of the engine, through service, connector and command line.</summary>
public sealed class EncoderServiceTests : IDisposable
{
    private static readonly string[] Texts = [.. Enumerable.Range(0, 16).Select(i => string.Join(' ', Enumerable.Repeat("the word and all of it is one hot day", 1 + (i % 5))) + string.Concat(Enumerable.Repeat(" can", i)))];

    private readonly Hearth.Runtime.Tests.Support.TemporaryFolder _folder = new();

    [Fact]
    public async Task Sixteen_requests_at_once_give_what_each_gives_alone()
    {
        await using var server = await Server("bert-mean");
        var together = await Task.WhenAll(Texts.Select(text => EmbedAsync(server, text)));
        for (var i = 0; i < Texts.Length; i++)
        {
            Assert.Equal(await EmbedAsync(server, Texts[i]), together[i]);
        }

        Assert.Equal(16, together.Select(vector => string.Join(' ', vector)).Distinct().Count());
    }

    [Fact]
    public async Task Process_service_and_command_give_the_same_vectors()
    {
        await using var server = await Server("bert-cls");
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-cls"));
        using var local = new HearthEmbeddingGenerator(model);
        using var remote = new HearthEmbeddingGenerator(server.Client, server.Client.BaseAddress!);
        foreach (var options in new[] { null, new EmbeddingGenerationOptions { Dimensions = 32 } })
        {
            var here = await local.GenerateAsync(Texts, options);
            var there = await remote.GenerateAsync(Texts, options);
            Assert.Equal(here.Select(embedding => embedding.Vector.ToArray()), there.Select(embedding => embedding.Vector.ToArray()));
            Assert.Equal((options?.Dimensions ?? 128, here.Usage!.InputTokenCount), (here[0].Vector.Length, there.Usage!.InputTokenCount));
            Assert.All(here, embedding => Assert.Equal(1, embedding.Vector.ToArray().Sum(value => (double)value * value), 5));
        }

        using var output = new StringWriter();
        Assert.Equal(0, await RunAsync(output, ["embed", ReferenceModels.File("bert-cls")], string.Join('\n', Texts)));
        var lines = output.ToString().ReplaceLineEndings("\n").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var expected = await local.GenerateAsync(Texts);
        Assert.Equal(expected.Select(embedding => embedding.Vector.ToArray()), lines.Select(Floats));
    }

    [Fact]
    public async Task A_chat_model_and_an_embedding_model_answer_side_by_side()
    {
        await using var server = await Server("bert-mean", "llama-gqa-base");
        var vectors = Task.WhenAll(Texts.Select(text => EmbedAsync(server, text)));
        var completions = Task.WhenAll(Enumerable.Range(0, 8).Select(i => server.PostAsync("/v1/completions", $$"""{"model": "llama-gqa-base", "prompt": [1, {{i + 2}}, 3], "max_tokens": 8, "temperature": 0, "ignore_eos": true}""")));
        Assert.Equal(16, (await vectors).Length);
        Assert.All(await completions, answer => Assert.Equal(8, answer.Body["usage"]!["completion_tokens"]!.GetValue<int>()));
    }

    [Fact]
    public async Task Pooling_of_the_configuration_wins_over_the_files()
    {
        var (mean, cls) = (ReferenceModels.File("bert-mean"), await EmbedAsync("bert-mean", PoolingName.Cls));
        var asTheFileSays = await EmbedAsync("bert-mean", null);
        Assert.NotEqual(asTheFileSays, cls);
        Assert.Equal(asTheFileSays, await EmbedAsync("bert-mean", PoolingName.Mean));
        Assert.Equal(cls, Floats((await OutputOf(["embed", mean, "--text", "the word", "--pooling", "cls"])).Trim()));
    }

    [Theory]
    [InlineData("llama-gqa-base", "Pooling")]
    [InlineData("t5-v1.1", "Pooling")]
    public async Task Pooling_of_a_text_model_is_refused(string name, string word)
    {
        var configuration = new ModelConfiguration { Path = ReferenceModels.File(name), Pooling = PoolingName.Mean };
        var error = await Assert.ThrowsAsync<HearthException>(() => ModelLoading.LoadAsync(configuration, null, TestContext.Current.CancellationToken));
        Assert.Contains(word, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Embed_as_JSON_tells_index_tokens_and_vector()
    {
        var result = JsonNode.Parse(await OutputOf(["embed", ReferenceModels.File("bert-mean"), "--text", "the word", "--text", "hot", "--no-normalize", "--json"]))!.AsArray();
        Assert.Equal([0, 1], result.Select(item => item!["index"]!.GetValue<int>()));
        Assert.Equal([4, 3], result.Select(item => item!["tokens"]!.GetValue<int>()));
        await using var model = await EmbeddingModel.LoadAsync(ReferenceModels.File("bert-mean"));
        var vectors = await model.EmbedAsync([model.Tokenize("the word"), model.Tokenize("hot")], normalize: false, TestContext.Current.CancellationToken);
        Assert.Equal(vectors, result.Select(item => item!["embedding"]!.AsArray().Select(value => value!.GetValue<float>()).ToArray()));
    }

    [Theory]
    [InlineData(2, "bert-mean --pooling median --text a")]
    [InlineData(2, "bert-mean --pooling 1 --text a")]
    [InlineData(2, "bert-mean --text a --input file")]
    [InlineData(1, "bert-mean --input nowhere.txt")]
    [InlineData(1, "bert-mean")]
    [InlineData(1, "llama-gqa-base --text a")]
    [InlineData(1, "t5-v1.1 --text a")]
    [InlineData(1, "bert-mean --context 3 --text a --text the,word,and")]
    public async Task What_cannot_be_embedded_is_one_line(int exitCode, string arguments)
    {
        var words = arguments.Split(' ');
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.Equal(exitCode, await RunAsync(output, ["embed", ReferenceModels.File(words[0]), .. words[1..]], "", error));
        Assert.Empty(output.ToString());
        Assert.StartsWith("hearth: ", error.ToString(), StringComparison.Ordinal);
        Assert.Single(error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("generate", "--prompt", "a")]
    [InlineData("bench", "--repetitions", "1")]
    public async Task Verbs_for_text_refuse_an_encoder_in_one_line(string verb, string option, string value)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        Assert.Equal(1, await RunAsync(output, [verb, ReferenceModels.File("bert-mean"), option, value], "", error));
        Assert.Contains("embeddings", error.ToString(), StringComparison.Ordinal);
        Assert.Single(error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Inspect_describes_an_encoder()
        => Assert.Contains("bert.pooling_type", await OutputOf(["inspect", ReferenceModels.File("bert-mean"), "--tensors"]), StringComparison.Ordinal);

    [Fact]
    public async Task An_encoder_decoder_generates_from_a_text_the_same_everywhere()
    {
        const string Prompt = "w7 w8 w9 w200";
        var path = T5WithVocabulary();
        await using var model = await LanguageModel.LoadAsync(path);
        Assert.Equal([7, 8, 9, 200, 1], model.Tokenize(Prompt));
        var options = new GenerationOptions { MaxTokens = 12, Temperature = 0, IgnoreEndOfText = true };
        var expected = await TextOf(model, new GenerationRequest { Prompt = model.Tokenize(Prompt), Options = options });
        var other = await TextOf(model, new GenerationRequest { Prompt = model.Tokenize("w100 w3"), Options = options });
        Assert.NotEqual(other, expected);

        Assert.Equal(expected, await OutputOf(["generate", path, "--prompt", Prompt, "--max-tokens", "12", "--temperature", "0", "--ignore-eos"]));
        await using var server = await TestServer.StartAsync([new ModelConfiguration { Id = "t5", Path = path }], ModelLoading.LoadAsync);
        var (_, body) = await server.PostAsync("/v1/completions", $$"""{"prompt": "{{Prompt}}", "max_tokens": 12, "temperature": 0, "ignore_eos": true}""");
        Assert.Equal(expected, body["choices"]![0]!["text"]!.GetValue<string>());
        Assert.Equal(5, body["usage"]!["prompt_tokens"]!.GetValue<int>());

        var (chat, error) = await server.PostAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "w7"}]}""");
        Assert.Equal(400, (int)chat.StatusCode);
        Assert.Contains("no chat template", error["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Text_generation_of_the_kernel_reads_the_source_and_continues_nothing()
    {
        await using var model = await LanguageModel.LoadAsync(T5WithVocabulary());
        var settings = new HearthPromptExecutionSettings { MaxTokens = 6, Temperature = 0 };
        var here = (await new HearthTextGenerationService(model).GetTextContentsAsync("w7 w8", settings))[0];
        await using var server = await TestServer.StartAsync(model);
        var there = (await new HearthTextGenerationService(server.Client, server.Client.BaseAddress!).GetTextContentsAsync("w7 w8", settings))[0];
        Assert.Equal(here.Text, there.Text);
        Assert.Equal(3, ((TokenUsage)here.Metadata!["Usage"]!).PromptTokens);
    }

    public void Dispose() => _folder.Dispose();

    // A reference model that knows the words w3 to w255; 0 pads, 1 ends a text, 2 is the unknown.
    private string T5WithVocabulary()
    {
        string[] tokens = ["<pad>", "</s>", "<unk>", .. Enumerable.Range(3, 253).Select(i => $"\u2581w{i}")];
        int[] kinds = [3, 3, 2, .. Enumerable.Repeat(1, 253)];
        return EditedModel.Of("t5-v1.1")
            .SetMetadata("tokenizer.ggml.model", "t5")
            .SetMetadata("tokenizer.ggml.tokens", tokens)
            .SetMetadata("tokenizer.ggml.scores", tokens.Select((_, i) => -(float)i / 100).ToArray())
            .SetMetadata("tokenizer.ggml.token_type", kinds)
            .SetMetadata("tokenizer.ggml.padding_token_id", 0u)
            .SetMetadata("tokenizer.ggml.eos_token_id", 1u)
            .SetMetadata("tokenizer.ggml.unknown_token_id", 2u)
            .SetMetadata("tokenizer.ggml.add_eos_token", true)
            .SetMetadata("tokenizer.ggml.add_space_prefix", true)
            .Save(_folder);
    }

    private static Task<TestServer> Server(params string[] names)
        => TestServer.StartAsync([.. names.Select(name => new ModelConfiguration { Id = name, Path = ReferenceModels.File(name) })], ModelLoading.LoadAsync);

    private static async Task<float[]> EmbedAsync(TestServer server, string text)
    {
        var (_, body) = await server.PostAsync("/v1/embeddings", new JsonObject { ["input"] = text }.ToJsonString());
        return [.. body["data"]![0]!["embedding"]!.AsArray().Select(value => value!.GetValue<float>())];
    }

    private static async Task<float[]> EmbedAsync(string name, PoolingName? pooling)
    {
        var configuration = new ModelConfiguration { Path = ReferenceModels.File(name), Pooling = pooling };
        await using var model = (EmbeddingModel)await ModelLoading.LoadAsync(configuration, null, TestContext.Current.CancellationToken);
        return (await model.EmbedAsync([model.Tokenize("the word")], cancellationToken: TestContext.Current.CancellationToken))[0];
    }

    private static async Task<string> TextOf(LanguageModel model, GenerationRequest request)
    {
        var text = new StringBuilder();
        await foreach (var update in model.GenerateAsync(request, TestContext.Current.CancellationToken))
        {
            text.Append(update.Text);
        }

        return text.ToString();
    }

    private static async Task<string> OutputOf(string[] arguments)
    {
        using var output = new StringWriter();
        Assert.Equal(0, await RunAsync(output, arguments, ""));
        return output.ToString();
    }

    private static async Task<int> RunAsync(StringWriter output, string[] arguments, string input, StringWriter? error = null)
    {
        using var unread = new StringWriter();
        var environment = new CommandEnvironment
        {
            Input = new MemoryStream(Encoding.UTF8.GetBytes(input)),
            Output = output,
            Error = error ?? unread,
            Load = ModelLoading.LoadAsync,
        };
        return await HearthCommand.RunAsync(arguments, environment, TestContext.Current.CancellationToken);
    }

    private static float[] Floats(string line) => [.. line.Split(' ').Select(word => float.Parse(word, System.Globalization.CultureInfo.InvariantCulture))];
}
