// An agent of Microsoft Agent Framework on a Hearth model, with a function that asks before it runs.
//
//   agent-framework-sample MODEL.gguf
using System.ComponentModel;
using Hearth.Extensions.AI;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

if (args.Length != 1)
{
    Console.Error.WriteLine("usage: agent-framework-sample MODEL.gguf");
    return 2;
}

using var client = new HearthChatClient(new HearthClientOptions { ModelPath = args[0] });
AIFunction weather = AIFunctionFactory.Create(
    ([Description("City name")] string city) => $"{{\"city\": \"{city}\", \"degrees\": 21, \"sky\": \"sunny\"}}", "get_weather", "Current weather of a city");
var agent = client.AsAIAgent(new ChatClientAgentOptions
{
    Name = "forecaster",
    ChatOptions = new ChatOptions { Temperature = 0, MaxOutputTokens = 120, Tools = [new ApprovalRequiredAIFunction(weather)] },
});
var session = await agent.CreateSessionAsync();
var answer = await agent.RunAsync("What is the weather in Bern?", session);

// Whoever runs the agent decides; this program says yes to everything.
while (answer.Messages.SelectMany(message => message.Contents).OfType<ToolApprovalRequestContent>().ToList() is { Count: > 0 } requests)
{
    foreach (var request in requests)
        Console.WriteLine($"approved: {((FunctionCallContent)request.ToolCall).Name}");
    answer = await agent.RunAsync(new ChatMessage(ChatRole.User, [.. requests.Select(request => (AIContent)request.CreateResponse(true))]), session);
}

Console.WriteLine($"agent: {answer.Text}");
return 0;
