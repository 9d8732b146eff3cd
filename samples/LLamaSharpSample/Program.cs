// Semantic Kernel with a plugin, streamed, on LLamaSharp's engine: what its own connector did not have.
//
//   llamasharp-sample MODEL.gguf [--engine hearth|llamasharp] [QUESTION ...]
//
// With models/ember.gguf it asks for the weather and tells what was called and what came of it, then has an answer written
// that has to be a JSON object. With --engine hearth the same program runs on Hearth's own engine.
using System.ComponentModel;
using System.Text.Json.Serialization;
using Hearth.Runtime;
using Hearth.Runtime.Engines;
using Hearth.SemanticKernel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

var words = args.ToList();
var engine = "llamasharp";
if (words.IndexOf("--engine") is >= 0 and var at && at + 1 < words.Count)
{
    engine = words[at + 1];
    words.RemoveRange(at, 2);
}

if (words.Count == 0 || words.Any(word => word.StartsWith("--", StringComparison.Ordinal)))
{
    Console.Error.WriteLine("usage: llamasharp-sample MODEL.gguf [--engine hearth|llamasharp] [QUESTION ...]");
    return 2;
}

try
{
    Console.WriteLine($"engine: {(ModelEngines.IsOwn(engine) ? "Hearth's own" : ModelEngines.Find(engine).Describe())}");
    var builder = Kernel.CreateBuilder();
    builder.AddHearthChatCompletion(new HearthServiceOptions { ModelPath = words[0], Engine = engine });
    builder.Plugins.AddFromType<Weather>("weather");
    var kernel = builder.Build();
    await using var services = (ServiceProvider)kernel.Services;
    kernel.FunctionInvocationFilters.Add(new Narrator());
    var chat = kernel.GetRequiredService<IChatCompletionService>();
    foreach (var question in words.Count > 1 ? words[1..] : ["What is the weather in Bern?"])
    {
        Console.WriteLine($"user: {question}");
        var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 120, FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
        Console.Write("assistant: ");
        await foreach (var piece in chat.GetStreamingChatMessageContentsAsync(new ChatHistory { new ChatMessageContent(AuthorRole.User, question) }, settings, kernel))
            Console.Write(piece.Content);
        Console.WriteLine();
    }

    var typed = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 200, ResponseFormat = typeof(Reading) };
    var answer = await chat.GetChatMessageContentAsync(new ChatHistory { new ChatMessageContent(AuthorRole.User, "It is 21 degrees in Bern.") }, typed, kernel);
    Console.WriteLine($"typed: {answer.Content?.Trim()}");
    return 0;
}
catch (HearthException exception)
{
    Console.Error.WriteLine($"llamasharp-sample: {exception.Message}");
    return 1;
}

/// <summary>What an answer has to be.</summary>
internal sealed record Reading(Town Town, bool IsWarm);

/// <summary>Towns that are known.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<Town>))]
internal enum Town
{
    Bern,
    Lima,
}

/// <summary>What the weather is, as far as this program knows.</summary>
internal sealed class Weather
{
    [KernelFunction("get")]
    [Description("Get the current weather for a city")]
    public static string Get([Description("the city")] string city) => $"{{\"city\": \"{city}\", \"degrees\": 21, \"sky\": \"sunny\"}}";
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
