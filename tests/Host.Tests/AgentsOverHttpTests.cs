using Hearth.Extensions.AI;
using Hearth.SemanticKernel;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.Host.Tests;

/// <summary>Agents of Semantic Kernel and Agent Framework whose model is a service's.</summary>
public sealed class AgentsOverHttpTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // Calls first; once the result is there it tells it.
    private static FakeLanguageModel Model(string name) => new()
    {
        Reply = line => line.Contains("sunny", StringComparison.Ordinal) ? ["It is ", "sunny."]
            : [$"<tool_call>\n{{\"name\": \"{name}\", ", "\"arguments\": {\"city\": ", "\"Bern\"}}\n</tool_call>"],
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Semantic_Kernel_invokes_and_asks_again(bool streams)
    {
        await using var server = await TestServer.StartAsync(Model("weather-get"));
        var cities = new List<string>();
        var kernel = new Kernel();
        kernel.Plugins.AddFromFunctions("weather", [KernelFunctionFactory.CreateFromMethod((string city) =>
        {
            cities.Add(city);
            return "sunny";
        }, "get", "The weather of a city")]);
        var service = new HearthChatCompletionService(server.Client, server.Client.BaseAddress!);
        var history = new ChatHistory();
        history.AddUserMessage("The weather in Bern?");
        var settings = new HearthPromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
        var text = "";
        if (streams)
        {
            var calls = 0;
            await foreach (var piece in service.GetStreamingChatMessageContentsAsync(history, settings, kernel, Token))
            {
                text += piece.Content;
                calls += piece.Items.OfType<StreamingFunctionCallUpdateContent>().Count(call => call.Name == "weather-get");
            }

            Assert.Equal(1, calls);
        }
        else
        {
            text = (await service.GetChatMessageContentAsync(history, settings, kernel, Token)).Content;
        }

        Assert.Equal("It is sunny.", text);
        Assert.Equal(["Bern"], cities);
        Assert.Equal([AuthorRole.User, AuthorRole.Assistant, AuthorRole.Tool], history.Select(message => message.Role));
    }

    [Fact]
    public async Task A_function_that_throws_is_told_to_the_model()
    {
        await using var server = await TestServer.StartAsync(Model("weather-get"));
        var kernel = new Kernel();
        kernel.Plugins.AddFromFunctions("weather", [KernelFunctionFactory.CreateFromMethod(string (string city) => throw new InvalidOperationException("no sunny day is known"), "get", "The weather of a city")]);
        var service = new HearthChatCompletionService(server.Client, server.Client.BaseAddress!);
        var history = new ChatHistory();
        history.AddUserMessage("The weather in Bern?");
        await service.GetChatMessageContentAsync(history, new HearthPromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() }, kernel, Token);
        Assert.Contains("no sunny day is known", history.Single(message => message.Role == AuthorRole.Tool).Content, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_agent_of_Agent_Framework_asks_before_it_calls(bool streams)
    {
        await using var server = await TestServer.StartAsync(Model("weather"));
        var cities = new List<string>();
        using var client = new HearthChatClient(server.Client, server.Client.BaseAddress!);
        var tool = new ApprovalRequiredAIFunction(AIFunctionFactory.Create((string city) =>
        {
            cities.Add(city);
            return "sunny";
        }, "weather"));
        var agent = client.AsAIAgent(instructions: "be brief", tools: [tool]);
        var session = await agent.CreateSessionAsync(Token);
        var request = Assert.Single((await RunAsync(new(ChatRole.User, "The weather in Bern?"))).Contents().OfType<ToolApprovalRequestContent>());
        Assert.Empty(cities);
        var answer = await RunAsync(new Microsoft.Extensions.AI.ChatMessage(ChatRole.User, [request.CreateResponse(true)]));
        Assert.Equal(["Bern"], cities);
        Assert.Equal("It is sunny.", answer.Text);

        async Task<AgentResponse> RunAsync(Microsoft.Extensions.AI.ChatMessage message)
            => streams ? await agent.RunStreamingAsync(message, session, cancellationToken: Token).ToAgentResponseAsync(Token) : await agent.RunAsync(message, session, cancellationToken: Token);
    }
}

/// <summary>What agents' answers hold.</summary>
internal static class AgentResponses
{
    public static IEnumerable<AIContent> Contents(this AgentResponse response) => response.Messages.SelectMany(message => message.Contents);
}
