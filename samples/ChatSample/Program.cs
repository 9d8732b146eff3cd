// Holds a conversation through Semantic Kernel with a Hearth model.
//
//   chat-sample [SERVICE-ADDRESS | MODEL.gguf] [--interactive]
//
// Without an address it asks the service of HEARTH_URL, or http://127.0.0.1:4327. A path to a GGUF file is loaded into
// this process instead. By default three turns are spoken from a script; --interactive reads them from standard input.
using Hearth.Runtime;
using Hearth.SemanticKernel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

string[] script = ["Hello! Who are you?", "What is Hearth?", "Thank you, goodbye!"];

var source = args.FirstOrDefault(arg => !arg.StartsWith('-')) ?? Environment.GetEnvironmentVariable("HEARTH_URL") ?? "http://127.0.0.1:4327";
if (args.FirstOrDefault(arg => arg.StartsWith('-') && arg is not ("--interactive" or "--script")) is { } unknown)
{
    Console.Error.WriteLine($"chat-sample: unknown option {unknown}; usage: chat-sample [SERVICE-ADDRESS | MODEL.gguf] [--interactive]");
    return 2;
}

using var cancellation = new CancellationTokenSource();
Console.CancelKeyPress += (_, press) =>
{
    press.Cancel = true;
    cancellation.Cancel();
};

var builder = Kernel.CreateBuilder();
builder.AddHearthChatCompletion(source.StartsWith("http", StringComparison.OrdinalIgnoreCase)
    ? new HearthServiceOptions { Endpoint = new Uri(source) }
    : new HearthServiceOptions { ModelPath = source });
var kernel = builder.Build();
try
{
    await ConverseAsync(kernel.GetRequiredService<IChatCompletionService>(), cancellation.Token);
    return 0;
}
catch (OperationCanceledException)
{
    return 130;
}
catch (Exception exception) when (exception is HearthException or HttpOperationException or IOException)
{
    Console.Error.WriteLine($"chat-sample: {exception.Message}");
    return 1;
}
finally
{
    await ((ServiceProvider)kernel.Services).DisposeAsync();
}

async Task ConverseAsync(IChatCompletionService chat, CancellationToken cancelled)
{
    var history = new ChatHistory();
    var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 128 };
    foreach (var turn in args.Contains("--interactive") ? Typed() : script)
    {
        Console.WriteLine($"user: {turn}");
        Console.Write("assistant: ");
        history.AddUserMessage(turn);
        var reply = new System.Text.StringBuilder();
        object? reason = null;
        TokenUsage usage = default;
        await foreach (var piece in chat.GetStreamingChatMessageContentsAsync(history, settings, kernel, cancelled))
        {
            Console.Write(piece.Content);
            reply.Append(piece.Content);
            reason = piece.Metadata?["FinishReason"] ?? reason;
            usage = piece.Metadata?["Usage"] as TokenUsage? ?? usage;
        }

        history.AddAssistantMessage(reply.ToString());
        Console.WriteLine();
        Console.WriteLine($"  [{reason}; {usage.PromptTokens} prompt tokens, {usage.CachedPromptTokens} of them cached; {usage.CompletionTokens} generated]");
    }
}

static IEnumerable<string> Typed()
{
    while (Console.ReadLine() is { } line)
    {
        if (line.Length > 0)
        {
            yield return line;
        }
    }
}
