using System.Text;
using System.Text.Json.Nodes;
using Hearth.Host.Service;

namespace Hearth.Host.Tests.Protocols;

/// <summary>llama-server's own routes, over the fake model and, where a vocabulary is needed, ember.</summary>
public sealed class LlamaServerTests
{
    private static async Task<TestServer> EmberAsync() => await TestServer.StartAsync(
        [new ModelConfiguration { Id = "ember", Path = Ember.Path, Threads = 1, ContextLength = 256, CacheTokens = 1024, MaxSequences = 3 }], ModelLoading.LoadAsync);

    private static string Text(JsonNode node, string name) => node[name]!.GetValue<string>();

    [Fact]
    public async Task A_completion_tells_what_it_did()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { CachedTokens = 3 });
        var (response, body) = await server.PostAsync("/completion", """{"prompt": "one two\nthree four", "n_predict": 1, "n_probs": 2, "return_tokens": true, "temperature": 0.5}""");
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal(("three ", "limit", true, false), (Text(body, "content"), Text(body, "stop_type"), body["stop"]!.GetValue<bool>(), body["truncated"]!.GetValue<bool>()));
        Assert.Equal((18, 1, 3), (body["tokens_evaluated"]!.GetValue<int>(), body["tokens_predicted"]!.GetValue<int>(), body["timings"]!["cache_n"]!.GetValue<int>()));
        Assert.Equal("[0]", body["tokens"]!.ToJsonString());
        Assert.Equal(2, Assert.Single(body["completion_probabilities"]!.AsArray())!["top_logprobs"]!.AsArray().Count);
        Assert.Equal((0.5, 1), (body["generation_settings"]!["temperature"]!.GetValue<double>(), body["generation_settings"]!["n_predict"]!.GetValue<int>()));
    }

    [Fact]
    public async Task A_stream_ends_with_a_piece_that_says_stop()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { EndedBy = "x" });
        using var response = await server.Client.PostAsync("/completion", new StringContent("""{"prompt": "one two", "stream": true, "timings_per_token": true}""", Encoding.UTF8, "application/json"));
        var events = TestServer.Events(await response.Content.ReadAsStringAsync()).Select(text => JsonNode.Parse(text["data: ".Length..])!).ToList();
        Assert.Equal([false, false, true], events.Select(item => item["stop"]!.GetValue<bool>()));
        Assert.Equal("one two", string.Concat(events.Select(item => Text(item, "content"))));
        Assert.Equal(("word", "x"), (Text(events[^1], "stop_type"), Text(events[^1], "stopping_word")));
        Assert.All(events, item => Assert.NotNull(item["timings"]));
    }

    [Theory]
    [InlineData("\"a b\"", false)]
    [InlineData("[97, 32, 98]", false)]
    [InlineData("[97, \" b\"]", false)]
    [InlineData("{\"prompt_string\": \"a b\"}", false)]
    [InlineData("[\"a b\", \"a b\"]", true)]
    [InlineData("[[97, 32, 98], \"a b\", {\"prompt_string\": \"a b\"}, [97, \" b\"]]", true)]
    public async Task Prompts_come_in_every_form(string prompt, bool areSeveral)
    {
        await using var server = await TestServer.StartAsync();
        var (_, body) = await server.PostAsync("/completion", $"{{\"prompt\": {prompt}}}");
        Assert.Equal(areSeveral, body is JsonArray);
        Assert.All(areSeveral ? body.AsArray() : [body.DeepClone()], text => Assert.Equal("a b", Text(text!, "content")));
    }

    [Theory]
    [InlineData("{\"prompt\": true}", 400, "'prompt'")]
    [InlineData("{\"prompt\": []}", 400, "'prompt'")]
    [InlineData("{\"prompt\": \"a\", \"mirostat\": 2}", 400, "'mirostat'")]
    [InlineData("{\"prompt\": \"a\", \"samplers\": [\"top_k\"]}", 400, "'samplers'")]
    [InlineData("{\"prompt\": \"a\", \"lora\": [{\"id\": 0}]}", 400, "'lora'")]
    [InlineData("{\"prompt\": \"a\", \"post_sampling_probs\": true}", 400, "'post_sampling_probs'")]
    [InlineData("{\"prompt\": {\"prompt_string\": \"a\", \"multimodal_data\": [\"x\"]}}", 400, "multimodal_data")]
    [InlineData("{\"prompt\": \"a\", \"n_probs\": -1}", 400, "'n_probs'")]
    public async Task What_is_not_done_is_refused_in_its_shape(string json, int status, string says)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync("/completion", json);
        Assert.Equal((status, status, "invalid_request_error"), ((int)response.StatusCode, body["error"]!["code"]!.GetValue<int>(), Text(body["error"]!, "type")));
        Assert.Contains(says, Text(body["error"]!, "message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_that_does_not_fit_says_how_much_it_is()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { ContextLength = 4 });
        var (response, body) = await server.PostAsync("/chat/completions", """{"messages": [{"role": "user", "content": "too long"}]}""");
        Assert.Equal((400, "exceed_context_size_error"), ((int)response.StatusCode, Text(body["error"]!, "type")));
        Assert.Equal((8, 4), (body["error"]!["n_prompt_tokens"]!.GetValue<int>(), body["error"]!["n_ctx"]!.GetValue<int>()));
    }

    [Fact]
    public async Task Only_the_fields_that_are_wanted_come()
    {
        await using var server = await TestServer.StartAsync();
        var (_, body) = await server.PostAsync("/completion", """{"prompt": "one two", "n_predict": 1, "response_fields": ["content", "generation_settings/n_predict", "nothing"]}""");
        Assert.Equal("""{"content":"one ","generation_settings/n_predict":1}""", body.ToJsonString());
    }

    [Fact]
    public async Task A_prompt_that_shall_not_be_cached_is_nobodys()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        await server.PostAsync("/completion", """{"prompt": "a", "cache_prompt": false}""");
        await server.PostAsync("/completion", """{"prompt": "a", "cache_prompt": false}""");
        await server.PostAsync("/completion", """{"prompt": "a"}""");
        var scopes = model.Requests.Select(request => request.CacheScope).ToArray();
        Assert.NotEqual(scopes[0], scopes[1]);
        Assert.Null(scopes[2]);
    }

    [Fact]
    public async Task Texts_become_tokens_and_texts_again()
    {
        await using var server = await EmberAsync();
        var (_, tokens) = await server.PostAsync("/tokenize", """{"content": "Hello there, friend", "with_pieces": true}""");
        Assert.Equal("Hello there, friend", string.Concat(tokens["tokens"]!.AsArray().Select(token => Text(token!, "piece"))));
        var ids = tokens["tokens"]!.AsArray().Select(token => token!["id"]!.GetValue<int>());
        var (_, text) = await server.PostAsync("/detokenize", $"{{\"tokens\": [{string.Join(',', ids)}]}}");
        Assert.Equal("Hello there, friend", Text(text, "content"));
        var (response, error) = await server.PostAsync("/detokenize", """{"tokens": [-1]}""");
        Assert.Equal((400, true), ((int)response.StatusCode, Text(error["error"]!, "message").Contains("token -1", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_template_shows_what_it_makes()
    {
        await using var server = await EmberAsync();
        var (_, body) = await server.PostAsync("/apply-template", """{"messages": [{"role": "user", "content": "What is the time?"}]}""");
        Assert.Contains("What is the time?", Text(body, "prompt"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_service_tells_of_itself()
    {
        await using var server = await EmberAsync();
        var props = JsonNode.Parse(await server.Client.GetStringAsync("/props"))!;
        Assert.Equal((3, 256, "ember.gguf"), (props["total_slots"]!.GetValue<int>(), props["default_generation_settings"]!["n_ctx"]!.GetValue<int>(), Text(props, "model_path")));
        Assert.Equal(3, JsonNode.Parse(await server.Client.GetStringAsync("/slots"))!.AsArray().Count);
        Assert.Equal("[]", await server.Client.GetStringAsync("/lora-adapters"));
        await server.PostAsync("/completion", """{"prompt": "Once", "n_predict": 3, "temperature": 0}""");
        var metrics = await server.Client.GetStringAsync("/metrics");
        Assert.Contains("llamacpp:tokens_predicted_total{model=\"ember\"} 3\n", metrics, StringComparison.Ordinal);
        var (response, body) = await server.PostAsync("/slots/0?action=save", "{}");
        Assert.Equal((501, "not_supported_error"), ((int)response.StatusCode, Text(body["error"]!, "type")));
    }

    [Fact]
    public async Task A_model_without_tokens_for_it_fills_no_hole()
    {
        await using var server = await EmberAsync();
        var (response, body) = await server.PostAsync("/infill", """{"input_prefix": "a", "input_suffix": "b"}""");
        Assert.Equal((400, "invalid_request_error"), ((int)response.StatusCode, Text(body["error"]!, "type")));
        (response, body) = await server.PostAsync("/v1/completions", """{"prompt": "a", "suffix": "b"}""");
        Assert.Equal((400, "suffix"), ((int)response.StatusCode, Text(body["error"]!, "param")));
    }
}
