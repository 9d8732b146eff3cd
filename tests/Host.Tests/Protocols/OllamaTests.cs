using System.Text;
using System.Text.Json.Nodes;

namespace Hearth.Host.Tests.Protocols;

/// <summary>Ollama's API, as its clients speak it.</summary>
public sealed class OllamaTests
{
    private const string Tools = """
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
        """;

    private static string Message(string text) => $"\"model\": \"fake\", \"messages\": [{{\"role\": \"user\", \"content\": \"{text}\"}}]";

    private static async Task<(string? Type, List<JsonNode> Lines)> LinesAsync(TestServer server, string path, string json)
    {
        using var response = await server.Client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"));
        var text = await response.Content.ReadAsStringAsync();
        return (response.Content.Headers.ContentType?.MediaType, [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonNode.Parse(line)!)]);
    }

    [Fact]
    public async Task A_chat_streams_lines_unless_it_is_told_not_to()
    {
        await using var server = await TestServer.StartAsync();
        var (type, lines) = await LinesAsync(server, "/api/chat", $"{{{Message("one two")}}}");
        Assert.Equal("application/x-ndjson", type);
        Assert.Equal("one two", string.Concat(lines.Select(line => line["message"]!["content"]!.GetValue<string>())));
        Assert.All(lines.SkipLast(1), line => Assert.False(line["done"]!.GetValue<bool>()));
        var end = lines[^1];
        Assert.True(end["done"]!.GetValue<bool>());
        Assert.Equal("stop", end["done_reason"]!.GetValue<string>());
        Assert.Equal((7, 2), (end["prompt_eval_count"]!.GetValue<int>(), end["eval_count"]!.GetValue<int>()));
        Assert.True(end["total_duration"]!.GetValue<long>() > 0);

        var (_, whole) = await server.PostAsync("/api/chat", $"{{{Message("one two")}, \"stream\": false}}");
        Assert.Equal(("one two", "assistant"), (whole["message"]!["content"]!.GetValue<string>(), whole["message"]!["role"]!.GetValue<string>()));
        Assert.True(whole["done"]!.GetValue<bool>());
    }

    [Fact]
    public async Task A_model_is_found_by_its_name_with_a_tag_too()
    {
        await using var server = await TestServer.StartAsync(configuration: """{"AnswerUnknownModels": false}""");
        var (response, body) = await server.PostAsync("/api/chat", """{"model": "Fake:latest", "messages": [{"role": "user", "content": "a"}], "stream": false}""");
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("fake", body["model"]!.GetValue<string>());

        (response, body) = await server.PostAsync("/api/chat", """{"model": "other", "messages": [{"role": "user", "content": "a"}]}""");
        Assert.Equal(404, (int)response.StatusCode);
        Assert.Contains("'other' does not exist", body["error"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_arrive_under_their_names()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        await server.PostAsync("/api/chat", "{" + Message("a b c") + """
            , "stream": false, "format": {"type": "object"}, "think": "high", "options": {"num_predict": 2, "temperature": 0.5, "top_k": 3, "top_p": 0.25, "min_p": 0.125,
             "seed": 7, "stop": ["x"], "repeat_penalty": 1.5, "repeat_last_n": 9, "presence_penalty": 0.5, "frequency_penalty": -0.5, "num_ctx": 2048, "num_gpu": 1, "mirostat": 0}}
            """);
        Assert.True(model.Requests.TryDequeue(out var request));
        var options = request.Options;
        Assert.Equal((2, 0.5f, 3, 0.25f, 0.125f, 7ul), (options.MaxTokens, options.Temperature, options.TopK, options.TopP, options.MinP, options.Seed));
        Assert.Equal((1.5f, 9, 0.5f, -0.5f), (options.RepetitionPenalty, options.PenaltyWindow, options.PresencePenalty, options.FrequencyPenalty));
        Assert.Equal(["x"], options.StopSequences);
        Assert.NotNull(options.Constraint);
        Assert.True(model.Chats.TryDequeue(out var chat));
        Assert.Equal(("high", true), (chat.Variables["reasoning_effort"]!.GetValue<string>(), chat.Variables["enable_thinking"]!.GetValue<bool>()));
    }

    [Fact]
    public async Task Calls_come_whole_with_their_arguments_as_an_object()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => ["<tool_call>\n{\"name\": \"get_weather\", ", "\"arguments\": {\"city\": ", "\"Bern\"}}\n</tool_call>"] });
        var (_, lines) = await LinesAsync(server, "/api/chat", $"{{{Message("The weather?")}, {Tools}}}");
        var call = Assert.Single(lines.Select(line => line["message"]!["tool_calls"]).OfType<JsonArray>())[0]!;
        Assert.Equal("get_weather", call["function"]!["name"]!.GetValue<string>());
        Assert.Equal("Bern", call["function"]!["arguments"]!["city"]!.GetValue<string>());

        var (_, whole) = await server.PostAsync("/api/chat", $"{{{Message("The weather?")}, {Tools}, \"stream\": false}}");
        Assert.Equal("Bern", whole["message"]!["tool_calls"]![0]!["function"]!["arguments"]!["city"]!.GetValue<string>());
    }

    [Fact]
    public async Task Results_go_to_the_calls_before_them()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        await server.PostAsync("/api/chat", """
            {"model": "fake", "stream": false, "messages": [{"role": "user", "content": "a"},
              {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}, {"function": {"name": "g", "arguments": {}}}]},
              {"role": "tool", "content": "one", "tool_name": "f"}, {"role": "tool", "content": "two"}]}
            """);
        Assert.True(model.Chats.TryDequeue(out var chat));
        var calls = chat.Messages[1].ToolCalls;
        Assert.Equal(("hm", "f", 1), (chat.Messages[1].Reasoning, calls[0].Name, calls[0].Arguments["x"]!.GetValue<int>()));
        Assert.NotEqual(calls[0].Id, calls[1].Id);
        Assert.Equal([calls[0].Id, calls[1].Id], [chat.Messages[2].ToolCallId, chat.Messages[3].ToolCallId]);
    }

    [Fact]
    public async Task A_text_is_generated_with_and_without_a_template()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (_, lines) = await LinesAsync(server, "/api/generate", """{"model": "fake", "system": "be brief", "prompt": "one two"}""");
        Assert.Equal("one two", string.Concat(lines.Select(line => line["response"]!.GetValue<string>())));
        Assert.True(model.Chats.TryDequeue(out var chat));
        Assert.Equal(["system", "user"], chat.Messages.Select(message => message.Role));

        var (_, whole) = await server.PostAsync("/api/generate", """{"model": "fake", "prompt": "raw text", "raw": true, "stream": false}""");
        Assert.Equal("raw text", whole["response"]!.GetValue<string>());
        Assert.Empty(model.Chats);
    }

    [Fact]
    public async Task Nothing_to_answer_loads_the_model()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var path in new[] { "/api/chat", "/api/generate" })
        {
            var (response, body) = await server.PostAsync(path, """{"model": "fake", "keep_alive": "5m"}""");
            Assert.Equal(200, (int)response.StatusCode);
            Assert.Equal(("load", true), (body["done_reason"]!.GetValue<string>(), body["done"]!.GetValue<bool>()));
        }
    }

    [Theory]
    [InlineData("\"images\": [\"aGk=\"]", "images")]
    [InlineData("\"template\": \"{{ .Prompt }}\"", "template")]
    [InlineData("\"context\": [1, 2]", "context")]
    [InlineData("\"options\": {\"mirostat\": 2}", "options.mirostat")]
    [InlineData("\"options\": {\"temperature\": -1}", "options.temperature")]
    [InlineData("\"keep_alive\": \"soon\"", "keep_alive")]
    [InlineData("\"think\": \"a lot\"", "think")]
    [InlineData("\"format\": \"xml\"", "format")]
    public async Task What_is_not_done_is_refused_by_name(string field, string name)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync("/api/generate", $"{{\"model\": \"fake\", \"prompt\": \"a\", {field}}}");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains($"'{name}'", body["error"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Single(body.AsObject());
    }

    [Fact]
    public async Task Images_of_a_message_are_refused()
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync("/api/chat", """{"model": "fake", "messages": [{"role": "user", "content": "a", "images": ["aGk="]}]}""");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("messages[0].images", body["error"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failure_within_a_stream_is_a_line()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { BeforeUpdate = (i, _) => i == 1 ? throw new OutOfModelMemoryException("no pages") : Task.CompletedTask });
        var (_, lines) = await LinesAsync(server, "/api/chat", $"{{{Message("one two")}}}");
        Assert.Equal("no pages", lines[^1]["error"]!.GetValue<string>());
    }

    [Fact]
    public async Task The_status_line_comes_before_the_first_line()
    {
        var gate = new TaskCompletionSource();
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { BeforeUpdate = (_, cancelled) => gate.Task.WaitAsync(cancelled) });
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat") { Content = new StringContent($"{{{Message("a")}}}", Encoding.UTF8, "application/json") };
        using var response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("application/x-ndjson", response.Content.Headers.ContentType?.MediaType);
        gate.SetResult();
        Assert.Contains("\"done\":true", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_that_the_configuration_keeps_is_not_unloaded()
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync("/api/generate", """{"model": "fake", "keep_alive": 0}""");
        Assert.Equal((400, true), ((int)response.StatusCode, body["error"]!.GetValue<string>().Contains("stays loaded", StringComparison.Ordinal)));
        Assert.Single(JsonNode.Parse(await server.Client.GetStringAsync("/api/ps"))!["models"]!.AsArray());
    }

    [Fact]
    public async Task Models_are_listed_shown_and_told_of_while_loaded()
    {
        await using var server = await TestServer.StartAsync();
        var tag = Assert.Single(JsonNode.Parse(await server.Client.GetStringAsync("/api/tags"))!["models"]!.AsArray())!;
        Assert.Equal(("fake", "gguf", 64), (tag["name"]!.GetValue<string>(), tag["details"]!["format"]!.GetValue<string>(), tag["digest"]!.GetValue<string>().Length));
        var loaded = Assert.Single(JsonNode.Parse(await server.Client.GetStringAsync("/api/ps"))!["models"]!.AsArray())!;
        Assert.Equal(4096, loaded["context_length"]!.GetValue<int>());
        var (_, shown) = await server.PostAsync("/api/show", """{"model": "fake"}""");
        Assert.Contains("completion", shown["capabilities"]!.AsArray().Select(item => item!.GetValue<string>()));
        Assert.Matches(@"^\d+\.\d+", JsonNode.Parse(await server.Client.GetStringAsync("/api/version"))!["version"]!.GetValue<string>());

        var (response, error) = await server.PostAsync("/api/show", """{"model": "none"}""");
        Assert.Equal((404, true), ((int)response.StatusCode, error["error"]!.GetValue<string>().Contains("none", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(null, null, 200)]
    [InlineData("Sec-Fetch-Site", "cross-site", 415)]
    [InlineData("Origin", "http://127.0.0.1:9999", 415)]
    public async Task Curl_need_not_name_the_type(string? header, string? value, int status)
    {
        await using var server = await TestServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/chat")
        {
            Content = new StringContent("""{"model": "fake", "messages": [{"role": "user", "content": "Hello"}], "stream": false}""", null, "application/x-www-form-urlencoded"),
        };
        if (header is not null)
        {
            request.Headers.Add(header, value);
        }

        using var response = await server.Client.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.Equal(status, (int)response.StatusCode);
    }
}
