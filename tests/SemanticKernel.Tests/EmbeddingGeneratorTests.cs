using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Extensions.AI;
using Hearth.Extensions.AI.Backends;
using Hearth.Runtime.Graphs;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;

namespace Hearth.SemanticKernel.Tests;

/// <summary>The embedding generator: in process, against canned answers, and registered.</summary>
public sealed class EmbeddingGeneratorTests : IAsyncDisposable
{
    private readonly FakeEmbeddingModel _model = new();

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    [Fact]
    public async Task Texts_become_vectors_with_model_and_usage()
    {
        using var generator = new HearthEmbeddingGenerator(_model);
        var result = await generator.GenerateAsync(["ab", "c"]);

        Assert.Equal([_model.Vector([1, 'a', 'b']), _model.Vector([1, 'c'])], result.Select(embedding => embedding.Vector.ToArray()));
        Assert.All(result, embedding => Assert.Equal("vectors", embedding.ModelId));
        Assert.Equal((5, 5), (result.Usage!.InputTokenCount, result.Usage.TotalTokenCount));
        Assert.Equal([2], _model.Calls);
    }

    [Fact]
    public async Task No_texts_give_no_vectors_and_ask_nobody()
    {
        using var generator = new HearthEmbeddingGenerator(_model);
        Assert.Empty(await generator.GenerateAsync([]));
        Assert.Empty(_model.Calls);
    }

    [Fact]
    public async Task Fewer_dimensions_are_the_first_ones_at_length_one()
    {
        using var generator = new HearthEmbeddingGenerator(_model);
        var vector = (await generator.GenerateAsync(["abc"], new EmbeddingGenerationOptions { Dimensions = 3, ModelId = "vectors" }))[0].Vector.ToArray();
        var whole = _model.Vector(_model.Tokenize("abc"));
        var length = MathF.Sqrt(whole[..3].Sum(value => value * value));
        Assert.Equal(3, vector.Length);
        Assert.All(vector.Zip(whole), pair => Assert.Equal(pair.Second / length, pair.First, 5));
    }

    [Fact]
    public async Task What_cannot_be_embedded_is_refused_by_type()
    {
        using var generator = new HearthEmbeddingGenerator(_model);
        using var ranking = new HearthEmbeddingGenerator(new FakeEmbeddingModel { Pooling = PoolingKind.Rank });
        Assert.Contains("text 1", (await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["a", ""]))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync([null!]));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => generator.GenerateAsync(["a"], new EmbeddingGenerationOptions { Dimensions = 0 }));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => generator.GenerateAsync(["a"], new EmbeddingGenerationOptions { Dimensions = 7 }));
        await Assert.ThrowsAsync<NotSupportedException>(() => generator.GenerateAsync(["a"], new EmbeddingGenerationOptions { ModelId = "other" }));
        await Assert.ThrowsAsync<NotSupportedException>(() => ranking.GenerateAsync(["a"]));
        var exceeded = await Assert.ThrowsAsync<ContextLengthExceededException>(() => generator.GenerateAsync(["a", new string('b', 64)]));
        Assert.Equal((1, 65, 64), (exceeded.TextIndex!.Value, (int)exceeded.TokensAsked, (int)exceeded.TokensPossible));
    }

    [Fact]
    public void Metadata_and_services_tell_what_the_generator_is()
    {
        using var client = new HttpClient();
        using var local = new HearthEmbeddingGenerator(_model);
        using var remote = new HearthEmbeddingGenerator(client, new Uri("http://host:1"), "bge");
        var here = local.GetService<EmbeddingGeneratorMetadata>()!;
        var there = remote.GetService<EmbeddingGeneratorMetadata>()!;
        Assert.Equal(("hearth", null, "vectors", 6), (here.ProviderName, here.ProviderUri, here.DefaultModelId, here.DefaultModelDimensions));
        Assert.Equal(("hearth", new Uri("http://host:1"), "bge", null), (there.ProviderName, there.ProviderUri, there.DefaultModelId, there.DefaultModelDimensions));
        Assert.Same(_model, local.GetService<IEmbeddingModel>());
        Assert.Null(remote.GetService<IEmbeddingModel>());
        Assert.Same(local, local.GetService<IEmbeddingGenerator<string, Embedding<float>>>());
        Assert.Null(local.GetService(typeof(IEmbeddingModel), "key"));
    }

    [Fact]
    public async Task The_request_has_OpenAIs_shape()
    {
        using var service = new StubService(_ => (200, """{"object":"list","data":[{"index":1,"embedding":[0.5,-1e-3]},{"index":0,"embedding":"AACAPwAAAMA="}],"model":"bge","usage":{"prompt_tokens":7,"total_tokens":7}}"""));
        using var generator = service.Generator("bge");
        var result = await generator.GenerateAsync(["a", "ü"], new EmbeddingGenerationOptions { Dimensions = 2 });

        Assert.Equal("http://host:1/base/v1/embeddings", service.Address);
        Assert.Equal("""{"model":"bge","input":["a","ü"],"encoding_format":"base64","dimensions":2}""", Assert.Single(service.Bodies));
        Assert.Equal([[1f, -2f], [0.5f, -0.001f]], result.Select(embedding => embedding.Vector.ToArray()));
        Assert.Equal("bge", result[1].ModelId);
        Assert.Equal((7, 7), (result.Usage!.InputTokenCount, result.Usage.TotalTokenCount));
    }

    [Fact]
    public async Task The_models_name_of_the_options_wins()
    {
        using var service = new StubService(StubService.Embed);
        using var generator = service.Generator("bge");
        await generator.GenerateAsync(["a"], new EmbeddingGenerationOptions { ModelId = "other" });
        Assert.Equal("other", JsonNode.Parse(service.Bodies[0])!["model"]!.GetValue<string>());
    }

    [Fact]
    public async Task Many_texts_go_in_several_requests_and_come_back_in_order()
    {
        using var service = new StubService(StubService.Embed);
        using var generator = service.Generator();
        string[] texts = [.. Enumerable.Range(0, 1300).Select(i => new string('a', 1 + (i % 50))), new string('b', 900_000), new string('c', 900_000)];
        var result = await generator.GenerateAsync(texts);

        Assert.Equal([512, 512, 277, 1], service.Bodies.Select(body => JsonNode.Parse(body)!["input"]!.AsArray().Count));
        Assert.Equal(texts.Select(text => (float)text.Length), result.Select(embedding => embedding.Vector.Span[0]));
        Assert.Equal(1302, result.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task A_text_beyond_the_context_is_named_by_its_place_among_all()
    {
        var count = 0;
        using var service = new StubService(body => count++ == 0
            ? StubService.Embed(body)
            : (400, """{"error":{"message":"too long","type":"invalid_request_error","param":"input[3]","code":"context_length_exceeded","tokens_asked":9,"tokens_possible":5}}"""));
        using var generator = service.Generator();
        var error = await Assert.ThrowsAsync<ContextLengthExceededException>(() => generator.GenerateAsync(Enumerable.Repeat("a", 600)));
        Assert.Equal((515, 9, 5), (error.TextIndex!.Value, (int)error.TokensAsked, (int)error.TokensPossible));
    }

    [Theory]
    [InlineData(404, """{"error": {"message": "no such model", "code": "model_not_found"}}""", "no such model")]
    [InlineData(502, "<html>bad gateway</html>", "502")]
    [InlineData(200, "no JSON", "not of OpenAI's shape")]
    [InlineData(200, "null", "not of OpenAI's shape")]
    [InlineData(200, """{"model":"m"}""", "not of OpenAI's shape")]
    [InlineData(200, """{"model":"m","data":null}""", "not of OpenAI's shape")]
    [InlineData(200, """{"model":"m","data":[]}""", "0 vectors for 2 texts")]
    [InlineData(200, """{"model":"m","data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}""", "unusable index")]
    [InlineData(200, """{"model":"m","data":[{"index":0,"embedding":[1]},{"index":2,"embedding":[1]}]}""", "unusable index")]
    [InlineData(200, """{"model":"m","data":[{"index":0,"embedding":[1]},null]}""", "unusable index")]
    [InlineData(200, """{"model":"m","data":[{"index":0,"embedding":[]},{"index":1,"embedding":[1]}]}""", "no vector")]
    [InlineData(200, """{"model":"m","data":[{"index":0,"embedding":"AAA="},{"index":1,"embedding":[1]}]}""", "base64")]
    [InlineData(200, """{"model":"m","data":[{"index":0,"embedding":["a"]},{"index":1,"embedding":[1]}]}""", "numbers")]
    public async Task A_refusal_or_a_broken_answer_is_an_HTTP_error(int status, string answer, string words)
    {
        using var service = new StubService(_ => (status, answer));
        using var generator = service.Generator();
        var error = await Assert.ThrowsAsync<HearthServiceException>(() => generator.GenerateAsync(["a", "b"]));
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.Equal(status == 200 ? null : status, (int?)error.StatusCode);
    }

    [Fact]
    public async Task Generators_of_one_path_share_one_model_which_the_container_disposes()
    {
        var loads = 0;
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton(new ModelPool(new FakeLoader((string path, PoolingKind? pooling) =>
        {
            loads++;
            Assert.Equal(PoolingKind.Last, pooling);
            return Task.FromResult<IModel>(_model);
        })));
        builder.AddHearthEmbeddingGenerator(new() { ModelPath = "models/e.gguf", Pooling = PoolingKind.Last, KeepAlive = TimeSpan.Zero });
        builder.AddHearthEmbeddingGenerator(new() { ModelPath = "./models/e.gguf", Pooling = PoolingKind.Last, KeepAlive = TimeSpan.Zero, ServiceId = "second" });
        var kernel = builder.Build();
        var generator = kernel.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
        Assert.Null(generator.GetService<IEmbeddingModel>());
        await generator.GenerateAsync(["a"]);
        await kernel.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>("second").GenerateAsync(["b"]);

        Assert.Equal(1, loads);
        Assert.Equal("e", generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelId);
        Assert.Same(_model, generator.GetService<IEmbeddingModel>());
        await ((IAsyncDisposable)kernel.Services).DisposeAsync();
        Assert.True(_model.IsDisposed);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => generator.GenerateAsync(["a"]));
    }

    [Fact]
    public void Options_that_mean_nothing_are_refused()
    {
        var services = new ServiceCollection();
        Assert.Throws<ArgumentException>(() => services.AddHearthEmbeddingGenerator(new()));
        Assert.Throws<ArgumentException>(() => services.AddHearthEmbeddingGenerator(new() { Endpoint = new Uri("http://host"), Pooling = PoolingKind.Mean }));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new() { ModelPath = "a.gguf", Pooling = PoolingKind.Mean }));
        services.AddHearthEmbeddingGenerator(new() { ModelPath = "a.gguf" });
        services.AddHearthChatCompletion(new() { ModelPath = "a.gguf", Model = new ModelOptions { Threads = 2 } });
        Assert.Throws<ArgumentException>(() => services.AddHearthEmbeddingGenerator(new() { ModelPath = "a.gguf", Pooling = PoolingKind.Last }));
    }

    /// <summary>Answers from a function of the request's body.</summary>
    private sealed class StubService(Func<string, (int Status, string Body)> answer) : HttpMessageHandler
    {
        private readonly List<HttpClient> _clients = [];

        public string? Address { get; private set; }

        public List<string> Bodies { get; } = [];

        /// <summary>A text's vector is its length; each counts as one token.</summary>
        public static (int Status, string Body) Embed(string body)
        {
            var input = JsonNode.Parse(body)!["input"]!.AsArray();
            var data = input.Select((text, i) => new { index = i, embedding = new[] { (float)text!.GetValue<string>().Length } });
            return (200, JsonSerializer.Serialize(new { data, model = "m", usage = new { prompt_tokens = input.Count, total_tokens = input.Count } }));
        }

        public HearthEmbeddingGenerator Generator(string? modelId = null)
        {
            var client = new HttpClient(this, disposeHandler: false);
            _clients.Add(client);
            return new HearthEmbeddingGenerator(client, new Uri("http://host:1/base"), modelId);
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Address = request.RequestUri!.AbsoluteUri;
            var body = await request.Content!.ReadAsStringAsync(cancellationToken);
            Bodies.Add(body);
            var (status, text) = answer(body);
            return new HttpResponseMessage((HttpStatusCode)status) { Content = new StringContent(text, Encoding.UTF8, "application/json") };
        }

        protected override void Dispose(bool disposing)
        {
            _clients.ForEach(client => client.Dispose());
            base.Dispose(disposing);
        }
    }
}
