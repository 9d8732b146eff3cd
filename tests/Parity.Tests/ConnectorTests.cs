using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hearth.SemanticKernel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.Parity.Tests;

/// <summary>Semantic Kernel over either engine: one suite.</summary>
public sealed class ConnectorTests
{
    public static TheoryData<string> Engines => ["hearth", "llamasharp"];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_plugin_is_called_and_its_result_told(string engine)
    {
        var weather = new Weather();
        await using var services = Kernel(engine, weather, out var kernel);
        var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 120, FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
        var answer = await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(Asked("What is the weather in Bern?"), settings, kernel, Cancelled);
        Assert.Equal(["Bern"], weather.Asked);
        Assert.Contains("21", answer.Content, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_plugin_is_called_while_the_answer_streams(string engine)
    {
        var weather = new Weather();
        await using var services = Kernel(engine, weather, out var kernel);
        var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 120, FunctionChoiceBehavior = FunctionChoiceBehavior.Required() };
        var text = "";
        await foreach (var piece in kernel.GetRequiredService<IChatCompletionService>().GetStreamingChatMessageContentsAsync(Asked("What is the weather in Bern?"), settings, kernel, Cancelled))
            text += piece.Content;

        Assert.Equal(["Bern"], weather.Asked);
        Assert.Contains("21", text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_response_format_is_kept_to(string engine)
    {
        await using var services = Kernel(engine, new Weather(), out var kernel);
        var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 200, ResponseFormat = typeof(Reading) };
        var answer = await kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(Asked("It is warm in Bern."), settings, kernel, Cancelled);
        using var read = JsonDocument.Parse(answer.Content!);
        Assert.Contains(read.RootElement.EnumerateObject().First().Value.GetString(), Enum.GetNames<Town>());
        Assert.Equal(2, read.RootElement.EnumerateObject().Count());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_turn_computes_only_what_is_new(string engine)
    {
        await using var services = Kernel(engine, new Weather(), out var kernel);
        var chat = kernel.GetRequiredService<IChatCompletionService>();
        var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 24 };
        var history = Asked("Hello! Who are you? Tell me about yourself in some words, please.");
        var first = await chat.GetChatMessageContentAsync(history, settings, kernel, Cancelled);
        history.AddAssistantMessage(first.Content!);
        history.AddUserMessage("And what is Hearth?");
        var usage = Usage(await chat.GetChatMessageContentAsync(history, settings, kernel, Cancelled));
        Assert.InRange(usage.CachedPromptTokens, Usage(first).PromptTokens, usage.PromptTokens - 1);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_stream_that_is_cancelled_ends(string engine)
    {
        await using var services = Kernel(engine, new Weather(), out var kernel);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 1500, ExtensionData = new Dictionary<string, object> { ["ignore_eos"] = true } };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var _ in kernel.GetRequiredService<IChatCompletionService>().GetStreamingChatMessageContentsAsync(Asked("Count."), settings, kernel, stop.Token))
                await stop.CancelAsync();
        });
    }

    [Fact]
    public async Task An_engine_that_is_not_there_is_told_with_those_that_are()
    {
        var builder = Microsoft.SemanticKernel.Kernel.CreateBuilder();
        builder.AddHearthChatCompletion(new HearthServiceOptions { ModelPath = Ember, Engine = "vllm" });
        var kernel = builder.Build();
        await using var services = (ServiceProvider)kernel.Services;
        var error = await Assert.ThrowsAnyAsync<Exception>(() => kernel.GetRequiredService<IChatCompletionService>().GetChatMessageContentAsync(Asked("Hello"), kernel: kernel, cancellationToken: Cancelled));
        Assert.Contains("there are: hearth, llamasharp", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_that_contradict_each_other_are_refused()
    {
        var builder = Microsoft.SemanticKernel.Kernel.CreateBuilder();
        Assert.Contains("Engine", Assert.Throws<ArgumentException>(() => builder.AddHearthChatCompletion(new HearthServiceOptions { ModelPath = Ember, Engine = "llamasharp", Model = new ModelOptions { Engine = "hearth" } })).Message, StringComparison.Ordinal);
        Assert.Contains("Engine", Assert.Throws<ArgumentException>(() => builder.AddHearthChatCompletion(new HearthServiceOptions { Endpoint = new Uri("http://127.0.0.1:1"), Engine = "llamasharp" })).Message, StringComparison.Ordinal);
    }

    private static string Ember => Path.Combine(SharedFolder.Repository, "models", "ember.gguf");

    private static ChatHistory Asked(string question) => [new ChatMessageContent(AuthorRole.User, question)];

    private static TokenUsage Usage(ChatMessageContent answer) => Assert.IsType<TokenUsage>(answer.Metadata!["Usage"]);

    private static ServiceProvider Kernel(string engine, Weather weather, out Kernel kernel)
    {
        var builder = Microsoft.SemanticKernel.Kernel.CreateBuilder();
        builder.AddHearthChatCompletion(new HearthServiceOptions { ModelPath = Ember, Engine = engine, KeepAlive = TimeSpan.Zero });
        builder.Plugins.AddFromObject(weather, "weather");
        kernel = builder.Build();
        return (ServiceProvider)kernel.Services;
    }

    [JsonConverter(typeof(JsonStringEnumConverter<Town>))]
    private enum Town
    {
        Bern,
        Lima,
    }

    private sealed record Reading(Town Town, bool IsWarm);

    private sealed class Weather
    {
        public List<string> Asked { get; } = [];

        [KernelFunction("get")]
        [Description("Get the current weather for a city")]
        public string Get([Description("the city")] string city)
        {
            Asked.Add(city);
            return $"{{\"city\": \"{city}\", \"degrees\": 21, \"sky\": \"sunny\"}}";
        }
    }
}
