using System.Text;
using System.Text.Json.Nodes;

namespace Hearth.Host.Tests.Protocols;

/// <summary>Anthropic's messages.</summary>
public sealed class AnthropicTests
{
    private const string Path = "/v1/messages";

    private const string Tools = """
        "tools": [{"name": "get_weather", "description": "x", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]
        """;

    private static readonly string[] s_call = ["I look.\n", "<tool_call>\n{\"name\": \"get_weather\", ", "\"arguments\": {\"city\": ", "\"Bern\"}}\n</tool_call>"];

    private static string Body(string text = "one two", string more = "") => $"{{\"model\": \"fake\", \"max_tokens\": 100, \"messages\": [{{\"role\": \"user\", \"content\": \"{text}\"}}]{more}}}";

    private static async Task<List<JsonNode>> EventsAsync(TestServer server, string body)
    {
        using var response = await server.Client.PostAsync(Path, new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        var events = TestServer.Events(await response.Content.ReadAsStringAsync());
        var read = events.Select(text => text.Split('\n')).Select(lines => (Name: lines[0]["event: ".Length..], Data: JsonNode.Parse(lines[1]["data: ".Length..])!)).ToList();
        Assert.All(read, item => Assert.Equal(item.Name, item.Data["type"]!.GetValue<string>()));
        return [.. read.Select(item => item.Data).Where(item => item["type"]!.GetValue<string>() != "ping")];
    }

    [Fact]
    public async Task A_message_is_answered()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { CachedTokens = 3 });
        var (response, body) = await server.PostAsync(Path, Body());
        Assert.Equal(200, (int)response.StatusCode);
        Assert.StartsWith("req_", Assert.Single(response.Headers.GetValues("request-id")), StringComparison.Ordinal);
        Assert.Equal(("message", "assistant", "fake", "end_turn"), (Text(body, "type"), Text(body, "role"), Text(body, "model"), Text(body, "stop_reason")));
        Assert.True(body.AsObject().ContainsKey("stop_sequence"));
        Assert.Equal("""[{"type":"text","text":"one two"}]""", body["content"]!.ToJsonString());
        Assert.Equal("""{"input_tokens":4,"cache_creation_input_tokens":0,"cache_read_input_tokens":3,"output_tokens":2}""", body["usage"]!.ToJsonString());
    }

    [Fact]
    public async Task Events_begin_grow_and_end_each_block()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => s_call });
        var events = await EventsAsync(server, Body(more: $", \"stream\": true, {Tools}"));
        Assert.Equal("message_start", Text(events[0], "type"));
        Assert.Equal((0, 7), (events[0]["message"]!["content"]!.AsArray().Count, events[0]["message"]!["usage"]!["input_tokens"]!.GetValue<int>()));
        var types = events.Skip(1).Select(item => Text(item, "type")).ToList();
        Assert.Equal(["message_delta", "message_stop"], types[^2..]);
        Assert.Equal([0, 1], events.Where(item => Text(item, "type") == "content_block_start").Select(item => item["index"]!.GetValue<int>()));
        Assert.Equal([0, 1], events.Where(item => Text(item, "type") == "content_block_stop").Select(item => item["index"]!.GetValue<int>()));
        var start = events.Last(item => Text(item, "type") == "content_block_start")["content_block"]!;
        Assert.Equal(("tool_use", "get_weather", 0), (Text(start, "type"), Text(start, "name"), start["input"]!.AsObject().Count));
        Assert.Equal("I look.", string.Concat(Deltas(events, "text_delta").Select(delta => Text(delta, "text"))));
        Assert.Equal("""{"city": "Bern"}""", string.Concat(Deltas(events, "input_json_delta").Select(delta => Text(delta, "partial_json"))));
        Assert.Equal("tool_use", Text(events[^2]["delta"]!, "stop_reason"));
    }

    [Fact]
    public async Task Calls_results_thoughts_and_systems_reach_the_template()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (response, _) = await server.PostAsync(Path, """
            {"max_tokens": 9, "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}], "metadata": {"user_id": "u"}, "service_tier": "auto",
             "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
              {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "so"}, {"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}}]},
              {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "no"}], "is_error": true}, {"type": "text", "text": "go on"}]}]}
            """);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.True(model.Chats.TryDequeue(out var chat));
        Assert.Equal(["system", "user", "assistant", "tool", "user"], chat.Messages.Select(message => message.Role));
        Assert.Equal(["be brief", "a\nb", "so", "Error: no", "go on"], chat.Messages.Select(message => message.Content));
        Assert.Equal(("hm", "f", "c1"), (chat.Messages[2].Reasoning, chat.Messages[2].ToolCalls[0].Name, chat.Messages[3].ToolCallId));
    }

    [Fact]
    public async Task Options_arrive_under_their_names()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        await server.PostAsync(Path, Body(more: """
            , "temperature": 0.5, "top_p": 0.25, "top_k": 3, "stop_sequences": ["x"], "thinking": {"type": "enabled", "budget_tokens": 50},
            "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}}
            """));
        Assert.True(model.Requests.TryDequeue(out var request));
        Assert.Equal((100, 0.5f, 0.25f, 3), (request.Options.MaxTokens, request.Options.Temperature, request.Options.TopP, request.Options.TopK));
        Assert.Equal(["x"], request.Options.StopSequences);
        Assert.Equal(50, request.ThinkingBudget);
        Assert.NotNull(request.Options.Constraint);
    }

    [Fact]
    public async Task The_end_of_a_message_names_its_reason()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { EndedBy = "x" });
        var (_, body) = await server.PostAsync(Path, Body());
        Assert.Equal(("stop_sequence", "x"), (Text(body, "stop_reason"), Text(body, "stop_sequence")));
        (_, body) = await server.PostAsync(Path, """{"max_tokens": 1, "messages": [{"role": "user", "content": "a b"}]}""");
        Assert.Equal("max_tokens", Text(body, "stop_reason"));
    }

    [Fact]
    public async Task A_last_message_of_the_assistants_is_continued()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        await server.PostAsync(Path, """{"max_tokens": 9, "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "The answer"}]}""");
        Assert.True(model.Chats.TryDequeue(out var chat));
        Assert.True(chat.ContinuesFinalMessage);
    }

    [Theory]
    [InlineData(", \"tools\": [{\"type\": \"web_search_20250305\", \"name\": \"web_search\"}]", "tools[0]")]
    [InlineData(", \"mcp_servers\": [{\"url\": \"x\"}]", "mcp_servers")]
    [InlineData(", \"container\": \"c\"", "container")]
    [InlineData(", \"thinking\": {\"type\": \"much\"}", "thinking.type")]
    [InlineData(", \"tool_choice\": {\"type\": \"tool\"}", "tool_choice.name")]
    [InlineData(", \"top_p\": 3", "top_p")]
    [InlineData(", \"output_config\": {\"format\": {\"type\": \"xml\"}}", "output_config.format")]
    public async Task What_is_not_done_is_refused_by_name(string field, string name)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync(Path, Body(more: field));
        Assert.Equal((400, "error", "invalid_request_error"), ((int)response.StatusCode, Text(body, "type"), Text(body["error"]!, "type")));
        Assert.Contains($"'{name}", Text(body["error"]!, "message"), StringComparison.Ordinal);
        Assert.Equal(Assert.Single(response.Headers.GetValues("request-id")), Text(body, "request_id"));
    }

    [Theory]
    [InlineData("""{"max_tokens": 9}""", "messages")]
    [InlineData("""{"max_tokens": 0, "messages": [{"role": "user", "content": "a"}]}""", "max_tokens")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}""", "messages[0].content[0]")]
    [InlineData("""{"messages": [{"role": "user", "content": 5}]}""", "messages[0].content")]
    [InlineData("""{"messages": [{"role": "tool", "content": "a"}]}""", "messages[0].role")]
    [InlineData("""{"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "image"}]}]}]}""", "messages[0].content[0].content[0]")]
    public async Task Malformed_requests_are_refused_in_its_shape(string json, string name)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync(Path, json);
        Assert.Equal((400, "error"), ((int)response.StatusCode, Text(body, "type")));
        Assert.Contains($"'{name}", Text(body["error"]!, "message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_overloaded_service_says_so_in_its_way()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { InQueue = _ => throw new QueueFullException(5) });
        var (response, body) = await server.PostAsync(Path, Body());
        Assert.Equal((529, "overloaded_error"), ((int)response.StatusCode, Text(body["error"]!, "type")));
    }

    [Fact]
    public async Task A_failure_within_a_stream_is_an_event()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { BeforeUpdate = (i, _) => i == 1 ? throw new OutOfModelMemoryException("no pages") : Task.CompletedTask });
        var events = await EventsAsync(server, Body(more: ", \"stream\": true"));
        Assert.Equal(("error", "overloaded_error"), (Text(events[^1], "type"), Text(events[^1]["error"]!, "type")));
    }

    [Fact]
    public async Task Tokens_are_counted_without_an_answer()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync(Path + "/count_tokens", """{"model": "fake", "messages": [{"role": "user", "content": "one two"}]}""");
        Assert.Equal((200, """{"input_tokens":7}"""), ((int)response.StatusCode, body.ToJsonString()));
        Assert.Empty(model.Requests);
    }

    [Fact]
    public async Task Models_are_listed_in_its_shape_for_its_clients()
    {
        await using var server = await TestServer.StartAsync();
        server.Client.DefaultRequestHeaders.Add("anthropic-version", "2023-06-01");
        var list = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models"))!;
        Assert.Equal(("model", "fake", "fake"), (Text(list["data"]![0]!, "type"), Text(list["data"]![0]!, "id"), Text(list, "last_id")));
        var (response, body) = await server.PostAsync("/v1/nothing", "{}");
        Assert.Equal((404, "not_found_error"), ((int)response.StatusCode, Text(body["error"]!, "type")));
    }

    private static IEnumerable<JsonNode> Deltas(IEnumerable<JsonNode> events, string type)
        => events.Where(item => item["delta"] is JsonObject delta && delta["type"]?.GetValue<string>() == type).Select(item => item["delta"]!);

    private static string Text(JsonNode node, string name) => node[name]!.GetValue<string>();
}
