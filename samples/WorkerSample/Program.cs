// A service that works off a queue of orders with an agent: a kernel for each order, one model for all of them, and what every
// prompt begins with (a system prompt and the plugins' functions) computed once, when the service starts.
//
//   worker-sample MODEL.gguf
using System.ComponentModel;
using System.Threading.Channels;
using Hearth.Runtime;
using Hearth.SemanticKernel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

if (args.Length != 1)
{
    Console.Error.WriteLine("usage: worker-sample MODEL.gguf");
    return 2;
}

var options = new HearthServiceOptions { ModelPath = args[0] };
var builder = Host.CreateApplicationBuilder();
builder.Logging.SetMinimumLevel(LogLevel.Warning).AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
builder.Services.AddKernel().Plugins.AddFromType<Timers>("timer");
builder.Services.AddHearthChatCompletion(options);
builder.Services.AddHearthPinnedPrompt(options, OrderWorker.SystemPrompt);
builder.Services.AddSingleton(Channel.CreateBounded<string>(8));
builder.Services.AddHostedService<OrderWorker>();
await builder.Build().RunAsync();
return 0;

/// <summary>Works off the orders, then ends the service.</summary>
internal sealed class OrderWorker(IServiceProvider services, Channel<string> orders, HealthCheckService health, IHostApplicationLifetime lifetime) : BackgroundService
{
    public const string SystemPrompt = "You are a helpful assistant.";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        HealthReport report;
        while ((report = await health.CheckHealthAsync(stoppingToken)).Status != HealthStatus.Healthy)
        {
            if (report.Entries["hearth-prompts"].Exception is { } failure)
            {
                Console.Error.WriteLine(failure.Message);
                Environment.ExitCode = 1;
                lifetime.StopApplication();
                return;
            }

            await Task.Delay(100, stoppingToken);
        }

        Console.WriteLine($"ready: {report.Entries["hearth-prompts"].Description}");
        foreach (var minutes in new[] { 7, 12, 25 })
            await orders.Writer.WriteAsync($"Set a timer for {minutes} minutes.", stoppingToken);
        orders.Writer.Complete();
        await foreach (var order in orders.Reader.ReadAllAsync(stoppingToken))
        {
            // A kernel of its own, as every request of a web application has.
            await using var scope = services.CreateAsyncScope();
            var kernel = scope.ServiceProvider.GetRequiredService<Kernel>();
            var history = new ChatHistory(SystemPrompt);
            history.AddUserMessage(order);
            var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 80, FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
            var answer = await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(history, settings, kernel, stoppingToken);
            var usage = (TokenUsage)answer.Metadata!["Usage"]!;
            Console.WriteLine($"{order} {answer.Content} ({usage.CachedPromptTokens} of {usage.PromptTokens} prompt tokens were cached)");
        }

        lifetime.StopApplication();
    }
}

/// <summary>Timers that nobody waits for.</summary>
internal sealed class Timers
{
    [KernelFunction("set")]
    [Description("Start a timer")]
    public static string Set([Description("length in minutes")] int minutes)
    {
        Console.WriteLine($"  timer.set({minutes})");
        return $"{{\"minutes\": {minutes}, \"status\": \"set\"}}";
    }
}
