using Microsoft.Agents.AI;

namespace Hearth.Extensions.AI.Tests;

/// <summary>Agent Framework on a Hearth model.</summary>
public sealed class AgentTests
{
    [Fact]
    public async Task An_agent_calls_its_tools_and_remembers_its_session()
    {
        var model = Script.Model(Script.Call("weather", """{"city": "Ulm"}"""), "sunny", "yes, Ulm");
        var tool = AIFunctionFactory.Create((string city) => $"sun over {city}", "weather");
        var agent = new HearthChatClient(model).AsAIAgent(instructions: "be brief", name: "Emma", tools: [tool]);
        var session = await agent.CreateSessionAsync();
        Assert.Equal("sunny", (await agent.RunAsync("and in Ulm?", session)).Text);
        Assert.Equal("yes, Ulm", (await agent.RunAsync("sure?", session)).Text);

        var messages = model.Chats.Last().Messages;
        Assert.StartsWith("be brief", messages[0].Content, StringComparison.Ordinal);
        Assert.Contains(messages, message => message is { Role: "tool", Content: "sun over Ulm" });
        Assert.Equal("sure?", messages[^1].Content);
    }

    [Fact]
    public async Task An_agent_streams()
    {
        var model = Script.Model(Script.Call("now", "{}"), "it is noon");
        var agent = new HearthChatClient(model).AsAIAgent(tools: [AIFunctionFactory.Create(() => "12:00", "now")]);
        var updates = await agent.RunStreamingAsync("hi").ToListAsync();
        Assert.Equal("it is noon", string.Concat(updates.Select(update => update.Text)));
        Assert.Single(updates.SelectMany(update => update.Contents).OfType<FunctionCallContent>());
        Assert.Single(updates.SelectMany(update => update.Contents).OfType<FunctionResultContent>());
    }

    [Fact]
    public async Task An_agent_asks_before_it_calls_what_wants_approval()
    {
        var isCalled = false;
        var model = Script.Model(Script.Call("delete", "{}"), "gone");
        var agent = new HearthChatClient(model).AsAIAgent(tools: [new ApprovalRequiredAIFunction(AIFunctionFactory.Create(() => isCalled = true, "delete"))]);
        var session = await agent.CreateSessionAsync();
        var response = await agent.RunAsync("delete it", session);
        var request = Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<ToolApprovalRequestContent>());
        Assert.False(isCalled);
        response = await agent.RunAsync(new ChatMessage(ChatRole.User, [request.CreateResponse(true)]), session);
        Assert.True(isCalled);
        Assert.Equal("gone", response.Text);
    }

    [Fact]
    public async Task Middleware_stands_around_runs_and_calls()
    {
        var seen = new List<string>();
        var model = Script.Model(Script.Call("now", "{}"), "noon");
        var agent = new HearthChatClient(model).AsAIAgent(tools: [AIFunctionFactory.Create(() => "12:00", "now")]).AsBuilder()
            .Use(async (inner, context, next, cancellationToken) =>
            {
                seen.Add(context.Function.Name);
                return await next(context, cancellationToken);
            })
            .Use(
                async (messages, session, options, inner, cancellationToken) =>
                {
                    seen.Add("run");
                    return await inner.RunAsync(messages, session, options, cancellationToken);
                },
                null)
            .Build();
        Assert.Equal("noon", (await agent.RunAsync("hi")).Text);
        Assert.Equal(["run", "now"], seen.Order(StringComparer.Ordinal).Reverse());
    }
}
