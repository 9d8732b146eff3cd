using System.Text;
using OllamaSharp;
using OllamaSharp.Models;
using OllamaSharp.Models.Chat;

namespace Hearth.Host.Tests.Protocols;

/// <summary>OllamaSharp against the service.</summary>
public sealed class OllamaClientTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static OllamaApiClient Client(TestServer server) => new(server.Client.BaseAddress!, "fake");

    [Fact]
    public async Task A_chat_keeps_its_history()
    {
        await using var server = await TestServer.StartAsync();
        using var client = Client(server);
        Assert.True(await client.IsRunningAsync(Token));
        var chat = new Chat(client, "Be brief.");
        var text = new StringBuilder();
        await foreach (var piece in chat.SendAsync("Hello there", Token))
        {
            text.Append(piece);
        }

        Assert.Equal("Hello there", text.ToString());
        Assert.Equal(3, chat.Messages.Count);
    }

    [Fact]
    public async Task Calls_arrive()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => ["<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bern\"}}\n</tool_call>"] });
        using var client = Client(server);
        var request = new ChatRequest
        {
            Messages = [new Message(ChatRole.User, "The weather in Bern?")],
            Tools = [new Tool { Function = new Function { Name = "get_weather", Description = "x", Parameters = new Parameters { Type = "object", Properties = new Dictionary<string, Property> { ["city"] = new() { Type = "string" } }, Required = ["city"] } } }],
        };
        var calls = new List<Message.ToolCall>();
        await foreach (var piece in client.ChatAsync(request, Token))
        {
            calls.AddRange(piece?.Message.ToolCalls ?? []);
        }

        var call = Assert.Single(calls);
        Assert.Equal("get_weather", call.Function!.Name);
        Assert.Equal("Bern", call.Function.Arguments!["city"]!.ToString());
    }

    [Fact]
    public async Task Texts_models_and_versions_are_read()
    {
        await using var server = await TestServer.StartAsync();
        using var client = Client(server);
        var text = new StringBuilder();
        GenerateDoneResponseStream? end = null;
        await foreach (var piece in client.GenerateAsync(new GenerateRequest { Prompt = "one two", Options = new RequestOptions { NumPredict = 1 } }, Token))
        {
            text.Append(piece!.Response);
            end = piece as GenerateDoneResponseStream ?? end;
        }

        Assert.Equal(("one ", 1), (text.ToString(), end!.EvalCount));
        Assert.Equal("fake", Assert.Single(await client.ListLocalModelsAsync(Token)).Name);
        Assert.Equal("fake", Assert.Single(await client.ListRunningModelsAsync(Token)).Name);
        Assert.NotNull(await client.ShowModelAsync("fake", Token));
        Assert.NotEmpty(await client.GetVersionAsync(Token));
    }
}
