using Hearth.Extensions.AI;
using Microsoft.Extensions.AI;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace Hearth.Host.Tests;

/// <summary>The chat client against the real service: the same as in process.</summary>
public sealed class ChatClientTests
{
    [Fact]
    public async Task Functions_are_invoked_over_HTTP()
    {
        var answers = new Queue<string>(["<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Ulm\"}}\n</tool_call>", "sunny"]);
        var model = new FakeLanguageModel { CachedTokens = 2, Reply = _ => answers.Dequeue().Chunk(5).Select(piece => new string(piece)) };
        await using var server = await TestServer.StartAsync(model);
        using var client = new ChatClientBuilder(new HearthChatClient(server.Client, server.Client.BaseAddress!)).UseFunctionInvocation().Build();
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in client.GetStreamingResponseAsync("hi", new ChatOptions { Tools = [AIFunctionFactory.Create((string city) => $"sun over {city}", "weather")], ToolMode = ChatToolMode.RequireAny }))
            updates.Add(update);

        var response = updates.ToChatResponse();
        Assert.Equal("sunny", response.Text);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.Equal("Ulm", Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>()).Arguments!["city"]!.ToString());
        Assert.Equal(4, response.Usage!.CachedInputTokenCount);
        Assert.Contains(model.Chats.Last().Messages, message => message is { Role: "tool", Content: "sun over Ulm" });
    }

    [Fact]
    public async Task Ember_answers_the_same_in_process_and_over_HTTP()
    {
        await using var model = await LanguageModel.LoadAsync(Ember.Path);
        await using var server = await TestServer.StartAsync(model);
        using var local = new HearthChatClient(model);
        using var remote = new HearthChatClient(server.Client, server.Client.BaseAddress!);
        var tool = AIFunctionFactory.Create((string city) => "sunny", "get_weather", "Current weather of a city");
        Assert.NotNull(local.GetService<Hearth.Runtime.Caching.KvCache>());

        ChatOptions[] all =
        [
            new() { Temperature = 0, MaxOutputTokens = 20 },
            new() { Temperature = 0, Tools = [tool], ToolMode = ChatToolMode.RequireAny },
            new() { Temperature = 0, MaxOutputTokens = 60, ResponseFormat = ChatResponseFormat.ForJsonSchema<int[]>() },
            new() { Seed = 7, TopK = 5, MaxOutputTokens = 20, AdditionalProperties = new() { ["min_p"] = 0.1 } },
        ];
        foreach (var options in all)
        {
            var (here, there) = (await local.GetResponseAsync("What is the weather in Bern?", options), await remote.GetResponseAsync("What is the weather in Bern?", options));
            Assert.Equal((here.Text, here.FinishReason, here.ModelId is null), (there.Text, there.FinishReason, there.ModelId is null));
            Assert.Equal((here.Usage!.InputTokenCount, here.Usage.OutputTokenCount), (there.Usage!.InputTokenCount, there.Usage.OutputTokenCount));
            Assert.Equal(Calls(here), Calls(there));
        }

        Assert.Equal("get_weather", Assert.Single((await remote.GetResponseAsync("What is the weather in Bern?", all[1])).Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>()).Name);
        Assert.Contains("top_p", (await Assert.ThrowsAnyAsync<Exception>(() => remote.GetResponseAsync("hi", new ChatOptions { TopP = 2 }))).Message.Replace("TopP", "top_p", StringComparison.Ordinal), StringComparison.Ordinal);

        static string Calls(ChatResponse response)
            => string.Join(';', response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>().Select(call => $"{call.Name}({string.Join(',', call.Arguments!)})"));
    }

    [Fact]
    public async Task A_service_that_is_gone_fails_before_the_first_update()
    {
        using var http = new HttpClient();
        using var client = new HearthChatClient(http, new Uri("http://127.0.0.1:1"));
        await using var updates = client.GetStreamingResponseAsync([new ChatMessage(ChatRole.User, "hi")]).GetAsyncEnumerator();
        await Assert.ThrowsAnyAsync<HttpRequestException>(async () => await updates.MoveNextAsync());
    }
}
