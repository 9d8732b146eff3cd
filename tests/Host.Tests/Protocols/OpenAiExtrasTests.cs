using System.Text.Json.Nodes;
using Hearth.Host.Service;

namespace Hearth.Host.Tests.Protocols;

/// <summary>What OpenAI's API has beside its two main routes: legacy fields, headers, keys, names.</summary>
public sealed class OpenAiExtrasTests
{
    private static string Text(JsonNode node, string name) => node[name]!.GetValue<string>();

    [Fact]
    public async Task A_completion_begins_with_its_prompt_where_that_is_asked_for()
    {
        await using var server = await TestServer.StartAsync();
        var (_, body) = await server.PostAsync("/v1/completions", """{"prompt": ["a b", "c"], "echo": true, "max_tokens": 1, "n": 2}""");
        Assert.Equal(["a ba ", "a ba ", "cc", "cc"], body["choices"]!.AsArray().Select(choice => Text(choice!, "text")));
        var events = await server.StreamAsync("/v1/completions", """{"prompt": "a b", "echo": true, "stream": true}""");
        Assert.Equal("a ba b", string.Concat(events.Select(item => Text(item["choices"]![0]!, "text"))));
    }

    [Fact]
    public async Task The_likeliest_of_several_is_the_answer()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (_, body) = await server.PostAsync("/v1/completions", """{"prompt": "a b", "best_of": 3, "n": 2}""");
        Assert.Equal(2, body["choices"]!.AsArray().Count);
        Assert.All(body["choices"]!.AsArray(), choice => Assert.Null(choice!["logprobs"]));
        Assert.Equal((3, 0), (model.Requests.Single().Options.ChoiceCount, model.Requests.Single().Options.LogProbabilities));
        Assert.Equal(6, body["usage"]!["completion_tokens"]!.GetValue<int>());
    }

    [Theory]
    [InlineData("\"best_of\": 2, \"n\": 3", "best_of")]
    [InlineData("\"best_of\": 0", "best_of")]
    [InlineData("\"best_of\": 2, \"stream\": true", "best_of")]
    [InlineData("\"best_of\": 1000", "best_of")]
    [InlineData("\"echo\": true, \"logprobs\": 1", "logprobs")]
    [InlineData("\"suffix\": \"x\"", "suffix")]
    public async Task Combinations_without_a_meaning_are_refused(string fields, string param)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync("/v1/completions", $"{{\"prompt\": \"a\", {fields}}}");
        Assert.Equal((400, param), ((int)response.StatusCode, Text(body["error"]!, "param")));
    }

    [Fact]
    public async Task Chunks_before_the_last_say_null_of_usage()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var (path, body) in new[] { ("/v1/chat/completions", "\"messages\": [{\"role\": \"user\", \"content\": \"a b\"}]"), ("/v1/completions", "\"prompt\": \"a b\"") })
        {
            var chunks = await server.StreamAsync(path, $"{{{body}, \"stream\": true, \"stream_options\": {{\"include_usage\": true}}}}");
            Assert.All(chunks.SkipLast(1), chunk => Assert.True(chunk.AsObject().TryGetPropertyValue("usage", out var usage) && usage is null));
            Assert.NotNull(chunks[^1]["usage"]);
            Assert.All(chunks, chunk => Assert.StartsWith("b", Text(chunk, "system_fingerprint"), StringComparison.Ordinal));
            chunks = await server.StreamAsync(path, $"{{{body}, \"stream\": true}}");
            Assert.All(chunks, chunk => Assert.False(chunk.AsObject().ContainsKey("usage")));
        }
    }

    [Fact]
    public async Task Every_answer_has_an_id_of_its_own()
    {
        await using var server = await TestServer.StartAsync();
        var ids = new HashSet<string>();
        foreach (var path in new[] { "/v1/models", "/health", "/v1/none", "/api/none" })
        {
            using var response = await server.Client.GetAsync(path);
            Assert.True(ids.Add(Assert.Single(response.Headers.GetValues("x-request-id"))));
        }
    }

    [Theory]
    [InlineData("/v1/chat/completions", "POST")]
    [InlineData("/v1/models", "GET, HEAD")]
    [InlineData("/api/chat", "POST")]
    public async Task What_a_route_takes_is_told(string path, string allowed)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Options, path));
        Assert.Equal((204, allowed), ((int)response.StatusCode, string.Join(", ", response.Content.Headers.Allow)));
    }

    [Fact]
    public async Task A_name_that_no_model_has_is_the_only_models_unless_that_is_turned_off()
    {
        const string Body = """{"model": "gpt-4o", "messages": [{"role": "user", "content": "a"}]}""";
        await using (var server = await TestServer.StartAsync())
        {
            var (response, body) = await server.PostAsync("/v1/chat/completions", Body);
            Assert.Equal((200, "fake"), ((int)response.StatusCode, Text(body, "model")));
        }

        await using (var server = await TestServer.StartAsync(configuration: """{"AnswerUnknownModels": false}"""))
        {
            var (response, body) = await server.PostAsync("/v1/chat/completions", Body);
            Assert.Equal((404, "model_not_found"), ((int)response.StatusCode, Text(body["error"]!, "code")));
        }

        await using (var server = await TestServer.StartAsync(
            [new ModelConfiguration { Id = "a", Path = "a", Aliases = ["gpt-4o"] }, new ModelConfiguration { Id = "b", Path = "b" }], (_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel())))
        {
            var (response, body) = await server.PostAsync("/v1/chat/completions", Body);
            Assert.Equal((200, "a"), ((int)response.StatusCode, Text(body, "model")));
            (response, _) = await server.PostAsync("/v1/chat/completions", """{"model": "c", "messages": [{"role": "user", "content": "a"}]}""");
            Assert.Equal(404, (int)response.StatusCode);
        }
    }

    [Theory]
    [InlineData("Authorization", "Bearer secret", 200)]
    [InlineData("x-api-key", "secret", 200)]
    [InlineData("api-key", "secret", 200)]
    [InlineData("Authorization", "Bearer other", 401)]
    [InlineData("x-none", "secret", 401)]
    public async Task A_key_opens_what_is_not_open_to_everybody(string header, string value, int status)
    {
        await using var server = await TestServer.StartAsync(configuration: """{"ApiKeys": ["first", "secret"]}""");
        using var models = await server.Client.GetAsync("/v1/models");
        Assert.Equal(200, (int)models.StatusCode);
        server.Client.DefaultRequestHeaders.Add(header, value);
        var (response, body) = await server.PostAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "a"}]}""");
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal(status == 401, body["error"]?["code"]?.GetValue<string>() == "invalid_api_key");
    }

    [Fact]
    public async Task A_preset_brings_its_system_prompt_and_options()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model, configuration: """
            {"Presets": [{"Id": "pirate", "Model": "fake", "System": "Talk like a pirate.", "Sampling": {"Temperature": 0.25, "MaxTokens": 1, "Stop": ["x"], "Seed": -3}}]}
            """);
        var (_, body) = await server.PostAsync("/v1/chat/completions", """{"model": "pirate", "temperature": 0.5, "messages": [{"role": "user", "content": "a b"}]}""");
        Assert.Equal("pirate", Text(body, "model"));
        Assert.Equal(["Talk like a pirate.", "a b"], model.Chats.Single().Messages.Select(message => message.Content));
        var options = model.Requests.Single().Options;
        Assert.Equal((0.5f, 1, unchecked((ulong)-3L)), (options.Temperature, options.MaxTokens, options.Seed));
        Assert.Equal(["x"], options.StopSequences);
        await server.PostAsync("/v1/messages", """{"model": "pirate", "system": "No.", "messages": [{"role": "user", "content": "a b"}]}""");
        Assert.Equal("No.", model.Chats.Last().Messages[0].Content);
        var list = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models"))!;
        Assert.Equal(["fake", "pirate"], list["data"]!.AsArray().Select(entry => Text(entry!, "id")));
    }
}
