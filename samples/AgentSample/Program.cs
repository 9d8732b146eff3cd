// An agent with two plugins: Semantic Kernel offers their functions, the model calls them, the kernel invokes them.
//
//   agent-sample MODEL.gguf [QUESTION ...]
//
// With models/ember.gguf it asks for the weather and for a timer, and tells what was called and what came of it.
using System.ComponentModel;
using Hearth.SemanticKernel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

if (args.Length == 0)
{
    Console.Error.WriteLine("usage: agent-sample MODEL.gguf [QUESTION ...]");
    return 2;
}

string[] questions = args.Length > 1 ? args[1..] : ["What is the weather in Bern?", "Set a timer for 7 minutes."];
var builder = Kernel.CreateBuilder();
builder.AddHearthChatCompletion(new HearthServiceOptions { ModelPath = args[0] });
builder.Plugins.AddFromType<Weather>("weather");
builder.Plugins.AddFromType<Timers>("timer");
var kernel = builder.Build();
await using var services = (ServiceProvider)kernel.Services;
kernel.FunctionInvocationFilters.Add(new Narrator());
var chat = kernel.GetRequiredService<IChatCompletionService>();
foreach (var question in questions)
{
    Console.WriteLine($"user: {question}");
    var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 120, FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
    var history = new ChatHistory();
    history.AddUserMessage(question);
    var answer = await chat.GetChatMessageContentAsync(history, settings, kernel);
    Console.WriteLine($"assistant: {answer.Content}");
}

return 0;

/// <summary>What the weather is, as far as this program knows.</summary>
internal sealed class Weather
{
    [KernelFunction("get")]
    [Description("Get the current weather for a city")]
    public static string Get([Description("the city")] string city) => $"{{\"city\": \"{city}\", \"degrees\": 21, \"sky\": \"sunny\"}}";
}

/// <summary>Timers that nobody waits for.</summary>
internal sealed class Timers
{
    [KernelFunction("set")]
    [Description("Start a timer")]
    public static string Set([Description("length in minutes")] int minutes) => $"{{\"minutes\": {minutes}, \"status\": \"set\"}}";
}

/// <summary>Tells of each call.</summary>
internal sealed class Narrator : IFunctionInvocationFilter
{
    public async Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
    {
        await next(context);
        Console.WriteLine($"  called {context.Function.PluginName}.{context.Function.Name}({string.Join(", ", context.Arguments.Select(argument => $"{argument.Key}: {argument.Value}"))}) -> {context.Result}");
    }
}
