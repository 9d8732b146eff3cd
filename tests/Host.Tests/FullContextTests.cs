using System.Text.Json.Nodes;

namespace Hearth.Host.Tests;

/// <summary>What each protocol says of a context that is full, with the demo model.</summary>
public sealed class FullContextTests
{
    private const string Greedy = "\"temperature\": 0, \"ignore_eos\": true";

    private static Task<LanguageModel> Load() => LanguageModel.LoadAsync(Ember.Path, new ModelOptions { Id = "fake", Threads = 1, ContextLength = 128 });

    // Far more than 128 tokens.
    private static string Talk() => string.Join(", ", Enumerable.Range(0, 12).Select(i => $$"""{"role": "user", "content": "Please remember the number {{i}} and the colour green."}, {"role": "assistant", "content": "I will remember {{i}}."}"""));

    private static string Chat(string more) => $$"""{"model": "fake", "messages": [{{Talk()}}, {"role": "user", "content": "Hello"}], {{more}}}""";

    [Fact]
    public async Task A_chat_that_does_not_fit_loses_whole_messages_and_says_so()
    {
        await using var model = await Load();
        await using var server = await TestServer.StartAsync(model);
        const string Path = "/v1/chat/completions";
        var (refused, _) = await server.PostAsync(Path, Chat("\"max_tokens\": 8"));
        Assert.Equal(400, (int)refused.StatusCode);
        var (response, body) = await server.PostAsync(Path, Chat("\"max_tokens\": 8, \"on_full\": \"shift\""));
        Assert.True(response.IsSuccessStatusCode, body.ToJsonString());
        Assert.InRange(body["usage"]!["prompt_tokens"]!.GetValue<int>(), 8, 120);
        Assert.InRange(body["usage"]!["dropped_tokens"]!.GetValue<int>(), 100, 1000);
        Assert.Contains("earlier messages", body["warnings"]![0]!.GetValue<string>(), StringComparison.Ordinal);
        var stream = await server.StreamAsync(Path, Chat("\"max_tokens\": 8, \"on_full\": \"shift\", \"stream\": true"));
        Assert.Contains(stream, chunk => chunk.ToJsonString().Contains("earlier messages", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_text_goes_on_past_the_context_and_says_so()
    {
        await using var model = await Load();
        await using var server = await TestServer.StartAsync(model);
        const string Path = "/v1/completions";
        var (_, body) = await server.PostAsync(Path, $$"""{"prompt": "Hello there", "max_tokens": 300, {{Greedy}}, "on_full": "shift"}""");
        Assert.Equal(300, body["usage"]!["completion_tokens"]!.GetValue<int>());
        Assert.InRange(body["usage"]!["dropped_tokens"]!.GetValue<int>(), 100, 300);
        Assert.Contains("went on without", body["warnings"]![0]!.GetValue<string>(), StringComparison.Ordinal);

        (_, body) = await server.PostAsync(Path, $$"""{"prompt": "Hello there", "max_tokens": 300, {{Greedy}}}""");
        Assert.InRange(body["usage"]!["completion_tokens"]!.GetValue<int>(), 100, 127);
        Assert.Equal("length", body["choices"]![0]!["finish_reason"]!.GetValue<string>());
        Assert.Null(body["usage"]!["dropped_tokens"]);
        Assert.Null(body["warnings"]);

        var (failed, error) = await server.PostAsync(Path, $$"""{"prompt": "Hello there", "max_tokens": 300, {{Greedy}}, "on_full": "error"}""");
        Assert.Equal((400, "context_length_exceeded"), ((int)failed.StatusCode, error["error"]!["code"]!.GetValue<string>()));
        (failed, error) = await server.PostAsync(Path, """{"prompt": "Hello", "on_full": "fall over"}""");
        Assert.Equal(400, (int)failed.StatusCode);
        Assert.Contains("stop, shift or error", error["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        (failed, error) = await server.PostAsync(Path, """{"prompt": "Hello", "on_full": "shift", "n_keep": 120}""");
        Assert.Equal((400, "n_keep"), ((int)failed.StatusCode, error["error"]!["param"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("/api/chat", """ "stream": false, "shift": true, "options": {"num_predict": 8}""", "dropped_count")]
    [InlineData("/api/chat", """ "stream": false, "options": {"num_predict": 8, "on_full": "shift", "num_keep": 2}""", "dropped_count")]
    [InlineData("/v1/messages", """ "max_tokens": 8, "on_full": "shift" """, "usage.dropped_tokens")]
    [InlineData("/v1/responses", """ "max_output_tokens": 8, "truncation": "auto" """, "usage.dropped_tokens")]
    [InlineData("/v1/responses", """ "max_output_tokens": 8, "on_full": "shift" """, "usage.dropped_tokens")]
    public async Task Every_protocol_has_it(string path, string more, string field)
    {
        await using var model = await Load();
        await using var server = await TestServer.StartAsync(model);
        var json = Chat(more);
        json = path == "/v1/responses" ? json.Replace("\"messages\"", "\"input\"", StringComparison.Ordinal) : json;
        var (response, body) = await server.PostAsync(path, json);
        Assert.True(response.IsSuccessStatusCode, body.ToJsonString());
        Assert.InRange(field.Split('.').Aggregate((JsonNode?)body, (node, name) => node?[name])!.GetValue<int>(), 100, 1000);
    }

    [Fact]
    public async Task Llama_servers_too_and_contradictions_are_refused()
    {
        await using var model = await Load();
        await using var server = await TestServer.StartAsync(model);
        var (_, body) = await server.PostAsync("/completion", $$"""{"prompt": "Hello there", "n_predict": 200, {{Greedy}}, "on_full": "shift", "n_keep": 3}""");
        Assert.True(body["truncated"]!.GetValue<bool>());
        Assert.InRange(body["tokens_dropped"]!.GetValue<int>(), 50, 200);
        var (refused, error) = await server.PostAsync("/v1/responses", """{"input": "a", "truncation": "auto", "on_full": "stop"}""");
        Assert.Equal((400, "on_full"), ((int)refused.StatusCode, error["error"]!["param"]!.GetValue<string>()));
        (refused, error) = await server.PostAsync("/v1/completions", """{"prompt": "a", "beams": 2, "on_full": "shift"}""");
        Assert.Equal((400, "on_full"), ((int)refused.StatusCode, error["error"]!["param"]!.GetValue<string>()));
    }
}
