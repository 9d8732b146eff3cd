using System.Buffers.Binary;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Graphs;

namespace Hearth.Host.Tests;

/// <summary>POST /v1/embeddings: shapes, limits and refusals.</summary>
public sealed class EmbeddingsTests
{
    private const string Path = "/v1/embeddings";

    [Fact]
    public async Task A_text_becomes_a_vector_in_OpenAIs_shape()
    {
        var model = new FakeEmbeddingModel { Dimensions = 2 };
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync(Path, """{"model": "fake", "input": "ab", "user": "u", "encoding_format": "float"}""");

        Assert.Equal(200, (int)response.StatusCode);
        var vector = model.Vector(model.Tokenize("ab"));
        Assert.Equal(["object", "data", "model", "usage"], body.AsObject().Select(pair => pair.Key));
        Assert.Equal("list", body["object"]!.GetValue<string>());
        Assert.Equal("fake", body["model"]!.GetValue<string>());
        Assert.Equal("""{"prompt_tokens":3,"total_tokens":3}""", body["usage"]!.ToJsonString());
        var entry = Assert.Single(body["data"]!.AsArray())!;
        Assert.Equal(["object", "index", "embedding"], entry.AsObject().Select(pair => pair.Key));
        Assert.Equal(("embedding", 0), (entry["object"]!.GetValue<string>(), entry["index"]!.GetValue<int>()));
        Assert.Equal(vector, Floats(entry));
    }

    [Theory]
    [InlineData("""["ab", "c"]""", "ab|c")]
    [InlineData("""[1, 97, 98]""", "ab")]
    [InlineData("""[[1, 97, 98], [1, 99]]""", "ab|c")]
    public async Task Every_kind_of_input_gives_its_vectors_in_order(string input, string texts)
    {
        var model = new FakeEmbeddingModel();
        await using var server = await TestServer.StartAsync(model);
        var (_, body) = await server.PostAsync(Path, $$"""{"input": {{input}}}""");

        var expected = texts.Split('|').Select(text => model.Vector(model.Tokenize(text)));
        Assert.Equal(expected, body["data"]!.AsArray().Select(entry => Floats(entry!)));
        Assert.Equal(Enumerable.Range(0, texts.Split('|').Length), body["data"]!.AsArray().Select(entry => entry!["index"]!.GetValue<int>()));
    }

    [Fact]
    public async Task Base64_holds_the_same_values_as_little_endian_floats()
    {
        await using var server = await TestServer.StartAsync(new FakeEmbeddingModel());
        var (_, plain) = await server.PostAsync(Path, """{"input": ["a", "bc"]}""");
        var (_, coded) = await server.PostAsync(Path, """{"input": ["a", "bc"], "encoding_format": "base64"}""");

        foreach (var (number, text) in plain["data"]!.AsArray().Zip(coded["data"]!.AsArray()))
        {
            var bytes = Convert.FromBase64String(text!["embedding"]!.GetValue<string>());
            Assert.Equal(Floats(number!), Enumerable.Range(0, bytes.Length / 4).Select(i => BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(4 * i))));
        }
    }

    [Fact]
    public async Task Fewer_dimensions_are_the_first_ones_at_length_one()
    {
        var model = new FakeEmbeddingModel();
        await using var server = await TestServer.StartAsync(model);
        var (_, body) = await server.PostAsync(Path, """{"input": "abc", "dimensions": 4}""");

        var whole = model.Vector(model.Tokenize("abc"));
        var length = MathF.Sqrt(whole[..4].Sum(value => value * value));
        var vector = Floats(body["data"]![0]!);
        Assert.Equal(4, vector.Length);
        Assert.All(vector.Zip(whole), pair => Assert.Equal(pair.Second / length, pair.First, 5));
    }

    [Theory]
    [InlineData("""{}""", "input")]
    [InlineData("""{"input": []}""", "input")]
    [InlineData("""{"input": ""}""", "input[0]")]
    [InlineData("""{"input": ["a", ""]}""", "input[1]")]
    [InlineData("""{"input": [[1], []]}""", "input[1]")]
    [InlineData("""{"input": [1, "a"]}""", "input")]
    [InlineData("""{"input": {"a": 1}}""", "input")]
    [InlineData("""{"input": [[1], [65536]]}""", "input[1]")]
    [InlineData("""{"input": [-1]}""", "input[0]")]
    [InlineData("""{"input": [1.5]}""", "input")]
    [InlineData("""{"input": "a", "encoding_format": "hex"}""", "encoding_format")]
    [InlineData("""{"input": "a", "encoding_format": 5}""", "encoding_format")]
    [InlineData("""{"input": "a", "dimensions": 0}""", "dimensions")]
    [InlineData("""{"input": "a", "dimensions": 7}""", "dimensions")]
    [InlineData("""{"input": "a", "dimensions": "two"}""", "dimensions")]
    public async Task Unusable_requests_name_the_field(string json, string param)
    {
        await using var server = await TestServer.StartAsync(new FakeEmbeddingModel());
        var (response, body) = await server.PostAsync(Path, json);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("invalid_request_error", body["error"]!["type"]!.GetValue<string>());
        Assert.Equal(param, body["error"]!["param"]!.GetValue<string>());
    }

    [Theory]
    [InlineData(2048, 200)]
    [InlineData(2049, 400)]
    public async Task A_request_holds_at_most_2048_inputs(int count, int status)
    {
        await using var server = await TestServer.StartAsync(new FakeEmbeddingModel());
        var (response, body) = await server.PostAsync(Path, new JsonObject { ["input"] = new JsonArray([.. Enumerable.Repeat("a", count).Select(text => (JsonNode)text)]) }.ToJsonString());
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(status == 200 ? count : 0, body["data"]?.AsArray().Count ?? 0);
    }

    [Fact]
    public async Task A_text_beyond_the_context_names_its_place_and_the_numbers()
    {
        var model = new FakeEmbeddingModel { ContextLength = 4 };
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync(Path, """{"input": ["abc", "abcd"]}""");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("context_length_exceeded", body["error"]!["code"]!.GetValue<string>());
        Assert.Equal("input[1]", body["error"]!["param"]!.GetValue<string>());
        Assert.Equal((5, 4), (body["error"]!["tokens_asked"]!.GetValue<int>(), body["error"]!["tokens_possible"]!.GetValue<int>()));
        Assert.Empty(model.Calls);
    }

    [Fact]
    public async Task A_model_without_a_vocabulary_embeds_token_ids_and_refuses_text()
    {
        await using var server = await TestServer.StartAsync(new FakeEmbeddingModel { HasVocabulary = false });
        var (text, error) = await server.PostAsync(Path, """{"input": "a"}""");
        var (ids, _) = await server.PostAsync(Path, """{"input": [5, 6]}""");
        Assert.Equal((400, 200), ((int)text.StatusCode, (int)ids.StatusCode));
        Assert.Contains("token ids", error["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_queue_says_when_to_come_again()
    {
        await using var server = await TestServer.StartAsync(new FakeEmbeddingModel { BeforeAnswer = (_, _) => throw new QueueFullException(3) });
        var (response, body) = await server.PostAsync(Path, """{"input": "a"}""");
        Assert.Equal(503, (int)response.StatusCode);
        Assert.Equal("queue_full", body["error"]!["code"]!.GetValue<string>());
        Assert.True(response.Headers.Contains("Retry-After"));
    }

    [Fact]
    public async Task A_client_that_goes_away_cancels_its_texts()
    {
        var started = new TaskCompletionSource();
        var cancelled = new TaskCompletionSource();
        var model = new FakeEmbeddingModel
        {
            BeforeAnswer = async (_, token) =>
            {
                started.SetResult();
                using var registration = token.Register(cancelled.SetResult);
                await Task.Delay(Timeout.Infinite, token);
            },
        };
        await using var server = await TestServer.StartAsync(model);
        using var leaving = new CancellationTokenSource();
        using var content = new StringContent("""{"input": "a"}""", System.Text.Encoding.UTF8, "application/json");
        var request = server.Client.PostAsync(Path, content, leaving.Token);
        await started.Task.WaitAsync(TimeSpan.FromSeconds(20));
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
        await cancelled.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Each_model_refuses_what_the_other_is_for_and_answers_what_names_none()
    {
        await using var server = await MixedServer();
        var (onText, textError) = await server.PostAsync(Path, """{"model": "chat", "input": "a"}""");
        var (onVectors, vectorError) = await server.PostAsync("/v1/chat/completions", """{"model": "vectors", "messages": [{"role": "user", "content": "a"}]}""");
        var (completion, _) = await server.PostAsync("/v1/completions", """{"model": "vectors", "prompt": "a"}""");
        var (unknown, unknownError) = await server.PostAsync(Path, """{"model": "other", "input": "a"}""");
        Assert.Equal((400, 400, 400, 404), ((int)onText.StatusCode, (int)onVectors.StatusCode, (int)completion.StatusCode, (int)unknown.StatusCode));
        Assert.Contains("\"Kind\": \"Embedding\"", textError["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains("/v1/embeddings", vectorError["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("model_not_found", unknownError["error"]!["code"]!.GetValue<string>());

        var (_, embedded) = await server.PostAsync(Path, """{"input": "a"}""");
        var (_, chatted) = await server.PostAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "a"}]}""");
        Assert.Equal(("vectors", "chat"), (embedded["model"]!.GetValue<string>(), chatted["model"]!.GetValue<string>()));
    }

    [Fact]
    public async Task Models_and_health_tell_what_an_embedding_model_is()
    {
        await using var server = await MixedServer();
        var models = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models"))!["data"]!.AsArray();
        Assert.Equal(["embedding", "text"], models.Select(model => model!["kind"]!.GetValue<string>()));
        Assert.Equal([false, true], models.Select(model => model!["chat"]!.GetValue<bool>()));
        Assert.Equal((6, "cls"), (models[0]!["dimensions"]!.GetValue<int>(), models[0]!["pooling"]!.GetValue<string>()));
        Assert.Null(models[1]!["dimensions"]);

        var health = JsonNode.Parse(await server.Client.GetStringAsync("/health"))!;
        Assert.Equal("chat", health["model"]!.GetValue<string>());
        Assert.Equal("""{"id":"vectors","status":"ready","load":{"running_requests":0,"waiting_requests":0}}""", health["models"]![0]!.ToJsonString());
    }

    [Fact]
    public async Task A_ranking_model_gives_no_embeddings()
    {
        await using var server = await TestServer.StartAsync(new FakeEmbeddingModel { Pooling = PoolingKind.Rank, Dimensions = 1 });
        var (response, body) = await server.PostAsync(Path, """{"input": "a"}""");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("wrong_model_kind", body["error"]!["code"]!.GetValue<string>());
    }

    private static Task<TestServer> MixedServer() => TestServer.StartAsync(
        [new ModelConfiguration { Id = "vectors", Path = "a.gguf" }, new ModelConfiguration { Id = "chat", Path = "b.gguf" }],
        (model, _, _) => Task.FromResult<IModel>(model.EffectiveId == "chat" ? new FakeLanguageModel() : new FakeEmbeddingModel { Pooling = PoolingKind.First }));

    private static float[] Floats(JsonNode entry) => [.. entry["embedding"]!.AsArray().Select(value => value!.GetValue<float>())];
}
