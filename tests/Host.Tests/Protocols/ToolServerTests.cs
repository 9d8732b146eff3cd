using System.ComponentModel;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ModelContextProtocol.Server;

namespace Hearth.Host.Tests.Protocols;

/// <summary>Presets whose tools come from servers of the Model Context Protocol, which the service runs itself.</summary>
public sealed class ToolServerTests : IAsyncLifetime
{
    private static int s_runs;

    private readonly TemporaryFolder _folder = new();
    private WebApplication _tools = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Preset(string more = "") => $$"""
        {
          "ToolServers": [{"Id": "shop", "Url": "{{_tools.Urls.First()}}", "ResultCharacters": 60{{more}}}],
          "Presets": [{"Id": "clerk", "Model": "fake", "ToolServers": ["shop"], "MostToolRounds": 2}]
        }
        """;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddMcpServer().WithHttpTransport().WithTools<Shop>();
        _tools = builder.Build();
        _tools.Urls.Add("http://127.0.0.1:0");
        _tools.MapMcp();
        await _tools.StartAsync(Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _tools.DisposeAsync();
        _folder.Dispose();
    }

    // A model that calls once, and says behind a result what it was.
    private static FakeLanguageModel Calling(string name, string arguments, string before = "")
        => new() { Reply = prompt => prompt.EndsWith("buy", StringComparison.Ordinal) ? [before, $"<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n</tool_call>"] : ["It ", "is: ", prompt[(prompt.LastIndexOf('\n') + 1)..]] };

    private static string Body(string more = "") => $$"""{"model": "clerk", "messages": [{"role": "user", "content": "buy"}]{{more}}}""";

    private const string Own = """, "tools": [{"type": "function", "function": {"name": "mine"}}]""";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_call_is_run_and_the_answer_goes_on_with_its_result(bool streams)
    {
        var model = Calling("price", """{"article": "bread", "pieces": 3}""", "I look. ");
        await using var server = await TestServer.StartAsync(model, configuration: Preset());
        string text, reason;
        JsonNode usage;
        if (streams)
        {
            var chunks = (await server.StreamAsync("/v1/chat/completions", Body(""", "stream": true, "stream_options": {"include_usage": true}"""))).ToList();
            Assert.All(chunks, chunk => Assert.Null(chunk["choices"]!.AsArray().FirstOrDefault()?["delta"]?["tool_calls"]));
            text = string.Concat(chunks.Select(chunk => chunk["choices"]!.AsArray().FirstOrDefault()?["delta"]?["content"]?.GetValue<string>()));
            reason = Assert.Single(chunks.Select(chunk => chunk["choices"]!.AsArray().FirstOrDefault()?["finish_reason"]?.GetValue<string>()).OfType<string>());
            usage = chunks[^1]["usage"]!;
        }
        else
        {
            var (_, body) = await server.PostAsync("/v1/chat/completions", Body());
            Assert.Null(body["choices"]![0]!["message"]!["tool_calls"]);
            text = body["choices"]![0]!["message"]!["content"]!.GetValue<string>();
            reason = body["choices"]![0]!["finish_reason"]!.GetValue<string>();
            usage = body["usage"]!;
        }

        Assert.Equal("I look.\n\nIt is: 3 of bread cost 6", text.Replace("I look. ", "I look.", StringComparison.Ordinal));
        Assert.Equal("stop", reason);
        Assert.Equal(["price", "fail", "list", "count"], model.Chats.First().Tools.Select(tool => tool["function"]!["name"]!.GetValue<string>()).OrderBy(name => Array.IndexOf(["price", "fail", "list", "count"], name)));
        var messages = model.Chats.Last().Messages;
        Assert.Equal(["user", "assistant", "tool"], messages.Select(message => message.Role));
        Assert.Equal(messages[1].ToolCalls.Single().Id, messages[2].ToolCallId);
        Assert.Equal(model.Requests.Sum(request => request.Prompt.Count), usage["prompt_tokens"]!.GetValue<int>());
        Assert.Equal(5, usage["completion_tokens"]!.GetValue<int>());
    }

    [Theory]
    [InlineData("/v1/messages", """{"model": "clerk", "max_tokens": 50, "messages": [{"role": "user", "content": "buy"}]}""")]
    [InlineData("/v1/responses", """{"model": "clerk", "input": "buy"}""")]
    [InlineData("/api/chat", """{"model": "clerk", "stream": false, "messages": [{"role": "user", "content": "buy"}]}""")]
    public async Task Every_protocol_has_them(string path, string body)
    {
        await using var server = await TestServer.StartAsync(Calling("price", """{"article": "bread", "pieces": 2}"""), configuration: Preset());
        var (response, answer) = await server.PostAsync(path, body);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Contains("It is: 2 of bread cost 4", answer.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_goes_wrong_in_a_tool_is_told_to_the_model()
    {
        await using var server = await TestServer.StartAsync(Calling("fail", "{}"), configuration: Preset());
        var (_, body) = await server.PostAsync("/v1/chat/completions", Body());
        Assert.StartsWith("It is: Error: ", body["choices"]![0]!["message"]!["content"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_long_result_is_cut_and_says_so()
    {
        var model = Calling("list", "{}");
        await using var server = await TestServer.StartAsync(model, configuration: Preset());
        await server.PostAsync("/v1/chat/completions", Body());
        Assert.Equal(new string('x', 60) + "\n[940 more characters are cut off]", model.Chats.Last().Messages[^1].Content);
    }

    [Fact]
    public async Task Rounds_end_and_the_answer_says_why()
    {
        // Calls whatever it is told, as long as it may.
        var model = new FakeLanguageModel { Reply = _ => ["<tool_call>\n{\"name\": \"count\", \"arguments\": {}}\n</tool_call>"] };
        s_runs = 0;
        await using var server = await TestServer.StartAsync(model, configuration: Preset());
        var (_, body) = await server.PostAsync("/v1/chat/completions", Body());
        Assert.Equal(2, s_runs);
        Assert.Equal(3, model.Requests.Count);
        Assert.Contains(body["warnings"]!.AsArray(), warning => warning!.GetValue<string>().Contains("MostToolRounds", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_call_of_the_callers_own_tool_goes_to_the_caller()
    {
        var model = Calling("mine", "{}");
        s_runs = 0;
        await using var server = await TestServer.StartAsync(model, configuration: Preset());
        var (_, body) = await server.PostAsync("/v1/chat/completions", Body(Own));
        Assert.Equal("tool_calls", body["choices"]![0]!["finish_reason"]!.GetValue<string>());
        Assert.Equal("mine", Assert.Single(body["choices"]![0]!["message"]!["tool_calls"]!.AsArray())!["function"]!["name"]!.GetValue<string>());
        Assert.Equal(0, s_runs);
        Assert.Contains("price", model.Chats.Single().Tools.Select(tool => tool["function"]!["name"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData(""", "tool_choice": "none" """, 200, "")]
    [InlineData(""", "n": 2""", 400, "'n'")]
    [InlineData(""", "conversation": "new" """, 400, "conversation")]
    [InlineData(""", "tools": [{"type": "function", "function": {"name": "price"}}]""", 400, "two tools named 'price'")]
    public async Task What_does_not_go_together_is_refused_by_name(string more, int status, string named)
    {
        var model = new FakeLanguageModel { Reply = _ => ["ok"] };
        await using var server = await TestServer.StartAsync(model, configuration: Preset());
        var (response, body) = await server.PostAsync("/v1/chat/completions", Body(more));
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Contains(named, body["error"]?["message"]?.GetValue<string>() ?? "", StringComparison.Ordinal);
        Assert.Equal(status == 200, model.Requests.Count == 1 && model.Chats.Last().Tools.Count == 0);
    }

    [Fact]
    public async Task Named_tools_alone_are_offered()
    {
        var model = Calling("price", """{"article": "bread", "pieces": 2}""");
        await using var server = await TestServer.StartAsync(model, configuration: Preset(""", "Tools": ["price"]"""));
        await server.PostAsync("/v1/chat/completions", Body());
        Assert.Equal("price", Assert.Single(model.Chats.First().Tools)["function"]!["name"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("""{"Id": "shop", "Command": "/no/such/program"}""", "shop")]
    [InlineData("""{"Id": "shop", "Url": "http://127.0.0.1:1/", "TimeoutSeconds": 20}""", "shop")]
    public async Task A_server_that_is_not_there_is_its_askers_error_alone(string toolServer, string named)
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel(), configuration: $$"""{"ToolServers": [{{toolServer}}], "Presets": [{"Id": "clerk", "Model": "fake", "ToolServers": ["shop"]}]}""");
        var (response, body) = await server.PostAsync("/v1/chat/completions", Body());
        Assert.Equal(503, (int)response.StatusCode);
        Assert.Equal("tool_server_unavailable", body["error"]!["code"]!.GetValue<string>());
        Assert.Contains(named, body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        var (other, _) = await server.PostAsync("/v1/chat/completions", Body().Replace("clerk", "fake", StringComparison.Ordinal));
        Assert.Equal(200, (int)other.StatusCode);
    }

    [Theory]
    [InlineData("""{"ToolServers": [{"Id": "a"}]}""", "neither a Command nor a Url")]
    [InlineData("""{"ToolServers": [{"Id": "a", "Command": "x", "Url": "http://a"}]}""", "both")]
    [InlineData("""{"ToolServers": [{"Id": "a", "Url": "ftp://a"}]}""", "http")]
    [InlineData("""{"ToolServers": [{"Id": "a", "Command": "x", "Environment": ["A"]}]}""", "NAME=VALUE")]
    [InlineData("""{"ToolServers": [{"Id": "a", "Command": "x"}, {"Id": "a", "Command": "y"}]}""", "2 tool servers")]
    [InlineData("""{"Presets": [{"Id": "p", "Model": "m", "ToolServers": ["nobody"]}]}""", "nobody")]
    [InlineData("""{"Presets": [{"Id": "p", "Model": "m", "ToolsFile": "none.json"}]}""", "none.json")]
    public async Task A_configuration_that_cannot_work_names_what_is_wrong(string configuration, string named)
    {
        var error = await Assert.ThrowsAsync<HearthException>(() => TestServer.StartAsync(new FakeLanguageModel(), configuration: configuration));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tools_of_a_file_are_offered_where_the_request_has_none()
    {
        var model = new FakeLanguageModel { Reply = _ => ["ok"] };
        var file = _folder.Write("tools.json", """[{"type": "function", "function": {"name": "from_file"}}]""");
        await using var server = await TestServer.StartAsync(model, configuration: new JsonObject
        {
            ["Presets"] = new JsonArray(new JsonObject { ["Id"] = "clerk", ["Model"] = "fake", ["ToolsFile"] = file }),
        }.ToJsonString());
        await server.PostAsync("/v1/chat/completions", Body());
        await server.PostAsync("/v1/chat/completions", Body(Own));
        Assert.Equal(["from_file", "mine"], model.Chats.Select(chat => Assert.Single(chat.Tools)["function"]!["name"]!.GetValue<string>()));
    }

    /// <summary>Tools to be called.</summary>
    [McpServerToolType]
    private sealed class Shop
    {
        [McpServerTool(Name = "price"), Description("What pieces of an article cost")]
        public static string Price(string article, int pieces) => $"{pieces} of {article} cost {2 * pieces}";

        [McpServerTool(Name = "fail")]
        public static string Fail() => throw new InvalidOperationException("the shop is shut");

        [McpServerTool(Name = "list")]
        public static string List() => new('x', 1000);

        [McpServerTool(Name = "count")]
        public static string Count() => $"{Interlocked.Increment(ref s_runs)}";
    }
}
