using Anthropic;
using Anthropic.Exceptions;
using Microsoft.Extensions.AI;

namespace Hearth.Host.Tests.Protocols;

/// <summary>Anthropic's own client for .NET against the service.</summary>
public sealed class AnthropicClientTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static IChatClient Client(TestServer server)
        => new AnthropicClient { BaseUrl = server.Client.BaseAddress!.ToString().TrimEnd('/'), ApiKey = "none", MaxRetries = 0 }.AsIChatClient("fake", 100);

    // Calls first; once the result is there it tells it.
    private static FakeLanguageModel Model() => new()
    {
        Reply = line => line.Contains("sunny", StringComparison.Ordinal) ? ["It is ", "sunny."]
            : ["<tool_call>\n{\"name\": \"get_weather\", ", "\"arguments\": {\"city\": ", "\"Bern\"}}\n</tool_call>"],
    };

    private static ChatOptions Tools(List<string> asked) => new()
    {
        Tools = [AIFunctionFactory.Create((string city) => { asked.Add(city); return "sunny"; }, "get_weather", "The weather of a city")],
    };

    [Fact]
    public async Task A_tool_loop_ends_with_the_answer()
    {
        await using var server = await TestServer.StartAsync(Model());
        var asked = new List<string>();
        using var client = Client(server).AsBuilder().UseFunctionInvocation().Build();
        var answer = await client.GetResponseAsync([new(ChatRole.System, "Be brief."), new(ChatRole.User, "The weather in Bern?")], Tools(asked), Token);
        Assert.Equal(("It is sunny.", "Bern"), (answer.Text, Assert.Single(asked)));
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.True(answer.Usage!.OutputTokenCount > 0);
    }

    [Fact]
    public async Task The_loop_streams()
    {
        await using var server = await TestServer.StartAsync(Model());
        var asked = new List<string>();
        using var client = Client(server).AsBuilder().UseFunctionInvocation().Build();
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync([new(ChatRole.User, "The weather in Bern?")], Tools(asked), Token))
        {
            updates.Add(update);
        }

        Assert.Equal(("It is sunny.", "Bern"), (string.Concat(updates.Select(update => update.Text)), Assert.Single(asked)));
    }

    [Fact]
    public async Task What_is_refused_is_its_clients_error()
    {
        await using var server = await TestServer.StartAsync();
        using var client = Client(server);
        var fault = await Assert.ThrowsAsync<AnthropicBadRequestException>(() => client.GetResponseAsync([new(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")])], cancellationToken: Token));
        Assert.Contains("messages[0].content[0]", fault.Message, StringComparison.Ordinal);
    }
}
