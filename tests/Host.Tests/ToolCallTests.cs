using System.Text.Json.Nodes;

namespace Hearth.Host.Tests;

/// <summary>Functions that a model calls, over HTTP.</summary>
public sealed class ToolCallTests
{
    private const string Path = "/v1/chat/completions";

    private const string Tools = """
        "tools": [
          {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 5}}, "required": ["city"]}}},
          {"type": "function", "function": {"name": "clock"}}]
        """;

    private static string Body(string more = "") => $"{{\"messages\": [{{\"role\": \"user\", \"content\": \"What is the weather in Bern?\"}}], {Tools}{more}}}";

    private static FakeLanguageModel Model(params string[] words) => new() { Reply = _ => words };

    private static JsonNode Choice(JsonNode body) => body["choices"]![0]!;

    [Fact]
    public async Task A_call_is_told_with_id_name_arguments_and_reason()
    {
        await using var server = await TestServer.StartAsync(Model("I look.\n", "<tool", "_call>\n{\"name\": \"get_weather\", \"arg", "uments\": {\"city\": \"Bern\", \"days\": 2}}\n</tool_call>"));
        var (response, body) = await server.PostAsync(Path, Body());

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("tool_calls", Choice(body)["finish_reason"]!.GetValue<string>());
        Assert.Equal("I look.", Choice(body)["message"]!["content"]!.GetValue<string>());
        var call = Assert.Single(Choice(body)["message"]!["tool_calls"]!.AsArray())!;
        Assert.Equal("function", call["type"]!.GetValue<string>());
        Assert.Matches("^[A-Za-z0-9]{9}$", call["id"]!.GetValue<string>());
        Assert.Equal("get_weather", call["function"]!["name"]!.GetValue<string>());
        Assert.Equal("""{"city": "Bern", "days": 2}""", call["function"]!["arguments"]!.GetValue<string>());
        Assert.Null(body["warnings"]);
    }

    [Fact]
    public async Task Calls_alone_have_no_content()
    {
        await using var server = await TestServer.StartAsync(Model("<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>"));
        var (_, body) = await server.PostAsync(Path, Body());

        Assert.Null(Choice(body)["message"]!["content"]);
        var calls = Choice(body)["message"]!["tool_calls"]!.AsArray();
        Assert.Equal(2, calls.Select(call => call!["id"]!.GetValue<string>()).Distinct().Count());
    }

    [Fact]
    public async Task Calls_stream_name_first_then_arguments_piece_by_piece()
    {
        await using var server = await TestServer.StartAsync(Model("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": ", "{\"city\": \"Be", "rn\"}", "}\n</tool_call>"));
        var chunks = await server.StreamAsync(Path, Body(", \"stream\": true"));
        var calls = chunks.Select(chunk => chunk["choices"]!.AsArray()).Where(choices => choices.Count > 0).Select(choices => choices[0]!["delta"]!["tool_calls"]).OfType<JsonArray>().Select(calls => Assert.Single(calls)!).ToList();

        Assert.Equal("get_weather", calls[0]["function"]!["name"]!.GetValue<string>());
        Assert.NotNull(calls[0]["id"]);
        Assert.All(calls, call => Assert.Equal(0, call["index"]!.GetValue<int>()));
        Assert.All(calls.Skip(1), call => Assert.Null(call["id"]));
        Assert.True(calls.Count >= 3);
        Assert.Equal("""{"city": "Bern"}""", string.Concat(calls.Select(call => call["function"]!["arguments"]!.GetValue<string>())));
        Assert.Equal("tool_calls", chunks.Select(chunk => chunk["choices"]!.AsArray()).Where(choices => choices.Count > 0).Select(choices => choices[0]!["finish_reason"]?.GetValue<string>()).Last());
    }

    [Fact]
    public async Task What_is_no_call_stays_content_whole()
    {
        const string Text = "<tool_call>\n{\"name\": \"format_disk\", \"arguments\": {}}\n</tool_call>";
        await using var server = await TestServer.StartAsync(Model("So: ", Text));
        var (_, body) = await server.PostAsync(Path, Body());

        Assert.Equal("stop", Choice(body)["finish_reason"]!.GetValue<string>());
        Assert.Equal("So:" + Text, Choice(body)["message"]!["content"]!.GetValue<string>());
        Assert.Contains("could not be read", Assert.Single(body["warnings"]!.AsArray())!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_that_the_token_limit_cuts_stays_content_and_says_so()
    {
        await using var server = await TestServer.StartAsync(Model("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": ", "{\"city\": \"Be", "rn\"}"));
        var (_, body) = await server.PostAsync(Path, Body(", \"max_tokens\": 2"));

        Assert.Equal("length", Choice(body)["finish_reason"]!.GetValue<string>());
        Assert.Null(Choice(body)["message"]!["tool_calls"]);
        Assert.EndsWith("{\"city\": \"Be", Choice(body)["message"]!["content"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Contains("ended within a call", Assert.Single(body["warnings"]!.AsArray())!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_keyword_that_is_not_enforced_is_warned_of_and_refused_where_strict()
    {
        await using var server = await TestServer.StartAsync(Model("Hello."));
        const string Tool = "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a\", STRICT\"parameters\": {\"type\": \"object\", \"properties\": {\"x\": {\"type\": \"array\", \"items\": {\"type\": \"object\"}, \"uniqueItems\": true}}}}}]";
        const string Messages = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], ";
        var (response, body) = await server.PostAsync(Path, Messages + Tool.Replace("STRICT", "") + "}");
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Contains("'uniqueItems'", Assert.Single(body["warnings"]!.AsArray())!.GetValue<string>(), StringComparison.Ordinal);

        (response, body) = await server.PostAsync(Path, Messages + Tool.Replace("STRICT", "\"strict\": true, ") + "}");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("tools", body["error"]!["param"]!.GetValue<string>());
        Assert.Contains("uniqueItems", body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(", \"store\": true")]
    [InlineData(", \"parallel_tool_calls\": false")]
    [InlineData(", \"verbosity\": \"low\"")]
    [InlineData(", \"service_tier\": \"flex\"")]
    [InlineData(", \"functions\": []")]
    [InlineData(", \"max_tokens\": -1")]
    [InlineData(", \"stop\": \"\"")]
    [InlineData(", \"repeat_penalty\": 1.1")]
    [InlineData(", \"repeat_last_n\": 32")]
    [InlineData(", \"n_predict\": 10")]
    [InlineData(", \"enable_thinking\": false")]
    [InlineData(", \"reasoning_effort\": \"none\"")]
    [InlineData(", \"reasoning\": {\"effort\": \"low\", \"max_tokens\": 100}")]
    [InlineData(", \"tool_choice\": {\"type\": \"allowed_tools\", \"allowed_tools\": {\"mode\": \"auto\", \"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"clock\"}}]}}")]
    public async Task Fields_that_people_send_are_taken(string field)
    {
        await using var server = await TestServer.StartAsync(Model("Hello."));
        var (response, body) = await server.PostAsync(Path, Body(field));
        Assert.True(response.IsSuccessStatusCode, body.ToJsonString());
    }

    [Fact]
    public async Task Thoughts_and_switches_reach_the_template_and_the_answer_apart()
    {
        var model = Model("Hello.");
        await using var server = await TestServer.StartAsync(model);
        await server.PostAsync(Path, Body(", \"enable_thinking\": false, \"reasoning_effort\": \"high\""));
        Assert.True(model.Chats.TryDequeue(out var chat));
        Assert.False(chat.Variables["enable_thinking"]!.GetValue<bool>());
        Assert.Equal("high", chat.Variables["reasoning_effort"]!.GetValue<string>());
    }
}
