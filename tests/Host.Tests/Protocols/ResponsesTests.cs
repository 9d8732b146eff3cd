using System.Text;
using System.Text.Json.Nodes;

namespace Hearth.Host.Tests.Protocols;

/// <summary>OpenAI's responses.</summary>
public sealed class ResponsesTests
{
    private const string Path = "/v1/responses";

    private const string Tools = """
        "tools": [{"type": "function", "name": "get_weather", "description": "x", "strict": true, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false}}]
        """;

    private static async Task<List<JsonNode>> EventsAsync(TestServer server, string body)
    {
        using var response = await server.Client.PostAsync(Path, new StringContent(body, Encoding.UTF8, "application/json"));
        var read = TestServer.Events(await response.Content.ReadAsStringAsync()).Select(text => text.Split('\n')).Select(lines => (Name: lines[0]["event: ".Length..], Data: JsonNode.Parse(lines[1]["data: ".Length..])!)).ToList();
        Assert.All(read, item => Assert.Equal(item.Name, item.Data["type"]!.GetValue<string>()));
        return [.. read.Select(item => item.Data)];
    }

    [Fact]
    public async Task A_text_is_answered_and_kept()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { CachedTokens = 2 });
        var (response, body) = await server.PostAsync(Path, """{"model": "fake", "input": "one two", "metadata": {"a": "b"}, "user": "u"}""");
        Assert.Equal(200, (int)response.StatusCode);
        Assert.StartsWith("resp_", Text(body, "id"), StringComparison.Ordinal);
        Assert.Equal(("response", "completed", "fake"), (Text(body, "object"), Text(body, "status"), Text(body, "model")));
        var message = Assert.Single(body["output"]!.AsArray())!;
        Assert.Equal(("message", "assistant", "one two"), (Text(message, "type"), Text(message, "role"), Text(message["content"]![0]!, "text")));
        Assert.Equal("""{"input_tokens":7,"input_tokens_details":{"cached_tokens":2},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":9}""", body["usage"]!.ToJsonString());
        Assert.Equal("b", Text(body["metadata"]!, "a"));

        var id = Text(body, "id");
        var kept = JsonNode.Parse(await server.Client.GetStringAsync($"{Path}/{id}"))!;
        Assert.Equal(body.ToJsonString(), kept.ToJsonString());
        var items = JsonNode.Parse(await server.Client.GetStringAsync($"{Path}/{id}/input_items"))!;
        Assert.Equal("one two", Text(Assert.Single(items["data"]!.AsArray())!["content"]![0]!, "text"));

        using var deleted = await server.Client.DeleteAsync($"{Path}/{id}");
        Assert.True(JsonNode.Parse(await deleted.Content.ReadAsStringAsync())!["deleted"]!.GetValue<bool>());
        using var gone = await server.Client.GetAsync($"{Path}/{id}");
        Assert.Equal(404, (int)gone.StatusCode);
    }

    [Fact]
    public async Task A_later_request_goes_on_from_an_earlier_one()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (_, first) = await server.PostAsync(Path, """{"input": "one", "instructions": "first"}""");
        var (_, second) = await server.PostAsync(Path, $$"""{"input": "two", "instructions": "second", "previous_response_id": "{{Text(first, "id")}}"}""");
        var (_, third) = await server.PostAsync(Path, $$"""{"input": [{"role": "user", "content": "three"}], "previous_response_id": "{{Text(second, "id")}}"}""");
        var chats = model.Chats.ToArray();
        Assert.Equal(["first", "one"], chats[0].Messages.Select(message => message.Content));
        Assert.Equal(["second", "one", "one", "two"], chats[1].Messages.Select(message => message.Content));
        Assert.Equal(["one", "one", "two", "two", "three"], chats[2].Messages.Select(message => message.Content));
        Assert.Equal(Text(second, "id"), Text(third, "previous_response_id"));
    }

    [Fact]
    public async Task What_is_not_stored_or_not_known_cannot_be_gone_on_from()
    {
        await using var server = await TestServer.StartAsync();
        var (_, first) = await server.PostAsync(Path, """{"input": "one", "store": false}""");
        foreach (var id in new[] { Text(first, "id"), "resp_none" })
        {
            var (response, body) = await server.PostAsync(Path, $$"""{"input": "two", "previous_response_id": "{{id}}"}""");
            Assert.Equal((400, "previous_response_not_found", "previous_response_id"), ((int)response.StatusCode, Text(body["error"]!, "code"), Text(body["error"]!, "param")));
        }
    }

    [Fact]
    public async Task The_store_is_bounded()
    {
        await using var server = await TestServer.StartAsync(configuration: """{"Limits": {"StoredResponses": 2}}""");
        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            ids.Add(Text((await server.PostAsync(Path, """{"input": "one"}""")).Body, "id"));
        }

        var found = new List<int>();
        foreach (var id in ids)
        {
            using var response = await server.Client.GetAsync($"{Path}/{id}");
            found.Add((int)response.StatusCode);
        }

        Assert.Equal([404, 200, 200], found);
    }

    [Fact]
    public async Task Clients_that_are_kept_apart_find_their_own_only()
    {
        await using var server = await TestServer.StartAsync(configuration: """{"PrefixSharing": "Client"}""");
        server.Client.DefaultRequestHeaders.Authorization = new("Bearer", "one");
        var (_, body) = await server.PostAsync(Path, """{"input": "one"}""");
        server.Client.DefaultRequestHeaders.Authorization = new("Bearer", "two");
        using var response = await server.Client.GetAsync($"{Path}/{Text(body, "id")}");
        Assert.Equal(404, (int)response.StatusCode);
    }

    [Fact]
    public async Task Events_are_typed_numbered_and_join_to_the_response()
    {
        await using var server = await TestServer.StartAsync();
        var events = await EventsAsync(server, """{"input": "one two", "stream": true}""");
        Assert.Equal(
            ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta", "response.output_text.delta",
             "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"],
            events.Select(item => Text(item, "type")));
        Assert.Equal(Enumerable.Range(0, events.Count), events.Select(item => item["sequence_number"]!.GetValue<int>()));
        Assert.Equal("one two", string.Concat(events.Where(item => Text(item, "type") == "response.output_text.delta").Select(item => Text(item, "delta"))));
        var message = events[^1]["response"]!["output"]![0]!;
        Assert.Equal(("one two", Text(events[2]["item"]!, "id")), (Text(message["content"]![0]!, "text"), Text(message, "id")));
        Assert.Empty(events[2]["item"]!["content"]!.AsArray());
    }

    [Fact]
    public async Task Calls_are_items_of_their_own()
    {
        var model = new FakeLanguageModel { Reply = line => line == "sunny" ? ["So it is."] : ["I look.\n", "<tool_call>\n{\"name\": \"get_weather\", ", "\"arguments\": {\"city\": ", "\"Bern\"}}\n</tool_call>"] };
        await using var server = await TestServer.StartAsync(model);
        var events = await EventsAsync(server, $"{{\"input\": \"The weather?\", \"stream\": true, {Tools}}}");
        Assert.Equal("""{"city": "Bern"}""", string.Concat(events.Where(item => Text(item, "type") == "response.function_call_arguments.delta").Select(item => Text(item, "delta"))));
        var output = events[^1]["response"]!["output"]!.AsArray();
        Assert.Equal(["message", "function_call"], output.Select(item => Text(item!, "type")));
        var call = output[1]!;
        Assert.Equal(("get_weather", """{"city": "Bern"}""", "completed"), (Text(call, "name"), Text(call, "arguments"), Text(call, "status")));

        var (_, next) = await server.PostAsync(Path, $$"""
            {"previous_response_id": "{{Text(events[^1]["response"]!, "id")}}", "input": [{"type": "function_call_output", "call_id": "{{Text(call, "call_id")}}", "output": "sunny"}]}
            """);
        Assert.Equal("So it is.", Text(next["output"]![0]!["content"]![0]!, "text"));
        var messages = model.Chats.Last().Messages;
        Assert.Equal(["user", "assistant", "tool"], messages.Select(message => message.Role));
        Assert.Equal((Text(call, "call_id"), "I look."), (messages[2].ToolCallId, messages[1].Content));
        Assert.Equal("Bern", messages[1].ToolCalls[0].Arguments["city"]!.GetValue<string>());
    }

    [Fact]
    public async Task Items_that_a_caller_keeps_itself_are_read()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (response, _) = await server.PostAsync(Path, """
            {"store": false, "include": ["reasoning.encrypted_content"], "input": [{"role": "developer", "content": "be brief"}, {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
             {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
             {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"x\": 1}"}, {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
             {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "one"}]}, {"type": "function_call_output", "call_id": "c2", "output": "two"}]}
            """);
        Assert.Equal(200, (int)response.StatusCode);
        var messages = Assert.Single(model.Chats).Messages;
        Assert.Equal(["system", "user", "assistant", "tool", "tool"], messages.Select(message => message.Role));
        Assert.Equal(("hm", 2, "one"), (messages[2].Reasoning, messages[2].ToolCalls.Count, messages[3].Content));
    }

    [Fact]
    public async Task Options_arrive_under_their_names()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (_, body) = await server.PostAsync(Path, """
            {"input": "a b c", "max_output_tokens": 1, "temperature": 0.5, "top_p": 0.25, "reasoning": {"effort": "high"}, "truncation": "disabled", "background": false,
             "text": {"format": {"type": "json_schema", "name": "x", "strict": true, "schema": {"type": "object"}}}}
            """);
        Assert.True(model.Requests.TryDequeue(out var request));
        Assert.Equal((1, 0.5f, 0.25f), (request.Options.MaxTokens, request.Options.Temperature, request.Options.TopP));
        Assert.NotNull(request.Options.Constraint);
        Assert.Equal("high", model.Chats.Single().Variables["reasoning_effort"]!.GetValue<string>());
        Assert.Equal(("incomplete", "max_output_tokens"), (Text(body, "status"), Text(body["incomplete_details"]!, "reason")));
    }

    [Theory]
    [InlineData("\"background\": true", "background")]
    [InlineData("\"conversation\": \"c\"", "conversation")]
    [InlineData("\"prompt\": {\"id\": \"p\"}", "prompt")]
    [InlineData("\"truncation\": \"middle\"", "truncation")]
    [InlineData("\"tools\": [{\"type\": \"web_search\"}]", "tools[0]")]
    [InlineData("\"text\": {\"format\": {\"type\": \"xml\"}}", "text.format")]
    [InlineData("\"temperature\": -1", "temperature")]
    [InlineData("\"max_output_tokens\": -5", "max_output_tokens")]
    public async Task What_is_not_done_is_refused_by_name(string field, string name)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync(Path, $"{{\"input\": \"a\", {field}}}");
        Assert.Equal((400, "invalid_request_error"), ((int)response.StatusCode, Text(body["error"]!, "type")));
        Assert.Contains($"'{name}", Text(body["error"]!, "message"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("5", "input")]
    [InlineData("[]", "input")]
    [InlineData("[{\"type\": \"computer_call\"}]", "input[0]")]
    [InlineData("[{\"role\": \"user\", \"content\": [{\"type\": \"input_image\", \"image_url\": \"x\"}]}]", "input[0].content[0]")]
    [InlineData("[{\"type\": \"function_call\", \"name\": \"f\", \"arguments\": \"{}\"}]", "input[0].call_id")]
    [InlineData("[{\"type\": \"item_reference\", \"id\": \"none\"}]", "input[0].id")]
    public async Task Malformed_input_is_refused_by_its_place(string input, string name)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync(Path, $"{{\"input\": {input}}}");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains($"'{name}", Text(body["error"]!, "message"), StringComparison.Ordinal);
    }

    private static string Text(JsonNode node, string name) => node[name]!.GetValue<string>();
}
