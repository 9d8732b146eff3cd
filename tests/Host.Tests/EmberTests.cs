using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.SemanticKernel;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.Host.Tests;

/// <summary>The whole line with the demo model: kernels, cache, step loop, service, connector.</summary>
public sealed class EmberTests
{
    private const string Path = "/v1/chat/completions";

    [Fact]
    public async Task Sixteen_chats_at_once_answer_as_each_does_alone()
    {
        await using var server = await StartAsync();
        var bodies = Enumerable.Range(0, 16).Select(i =>
            $$"""{"messages": [{"role": "user", "content": "Hello, I am number {{i * 37}}!"}], "temperature": 0, "max_tokens": 24, "stream": true}""").ToList();
        var alone = new List<string>();
        foreach (var body in bodies)
        {
            alone.Add(Text(await server.StreamAsync(Path, body)));
        }

        var together = await Task.WhenAll(bodies.Select(body => server.StreamAsync(Path, body)));

        Assert.Equal(alone, together.Select(Text));
        Assert.All(alone, text => Assert.NotEmpty(text));
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"messages": [{"role": "user", "content": "%"}]}""")]
    [InlineData("/v1/completions", """{"prompt": "%"}""")]
    public async Task A_text_that_cannot_fit_is_refused_by_its_length_alone(string path, string body)
    {
        await using var server = await StartAsync();
        var (response, json) = await server.PostAsync(path, body.Replace("%", new string('a', 100_000), StringComparison.Ordinal));
        Assert.Equal((400, "context_length_exceeded"), ((int)response.StatusCode, json["error"]!["code"]!.GetValue<string>()));
        Assert.Contains("takes at least ", json["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_vanishes_frees_its_pages()
    {
        await using var server = await StartAsync();
        var model = server.Services.GetRequiredService<ModelCatalog>().DefaultFor(served => served is ILanguageModel).Model!;
        var address = server.Client.BaseAddress!;
        const string body = """{"prompt": "Hello", "stream": true, "ignore_eos": true}""";
        using (var client = new TcpClient(address.Host, address.Port))
        {
            await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(
                $"POST /v1/completions HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            await client.GetStream().ReadExactlyAsync(new byte[400]);
            Assert.Equal(1, model.Load.RunningRequests);
        }

        for (var i = 0; model.Load is not { RunningRequests: 0, UsedPages: 0 } && i < 500; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal((0, 0), (model.Load.RunningRequests, model.Load.UsedPages));
    }

    [Fact]
    public async Task A_second_turn_through_the_connector_finds_the_first_in_the_cache()
    {
        await using var server = await StartAsync();
        var chat = new HearthChatCompletionService(server.Client, server.Client.BaseAddress!);
        var settings = new HearthPromptExecutionSettings { Temperature = 0, MaxTokens = 32 };
        var history = new ChatHistory();
        history.AddUserMessage("Hello! Who are you?");
        var first = Assert.Single(await chat.GetChatMessageContentsAsync(history, settings));
        history.Add(first);
        history.AddUserMessage("Thank you!");
        var second = Assert.Single(await chat.GetChatMessageContentsAsync(history, settings));

        Assert.NotEqual("", first.Content);
        Assert.NotEqual("", second.Content);
        var (before, after) = ((TokenUsage)first.Metadata!["Usage"]!, (TokenUsage)second.Metadata!["Usage"]!);
        Assert.True(after.CachedPromptTokens >= before.PromptTokens, $"{after.CachedPromptTokens} cached of {after.PromptTokens}, the first turn had {before.PromptTokens}");
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_text()
    {
        await using var server = await StartAsync();
        const string body = """{"messages": [{"role": "user", "content": "Tell me something."}], "temperature": 1.5, "seed": 7, "max_tokens": 24, "stream": true}""";
        Assert.Equal(Text(await server.StreamAsync(Path, body)), Text(await server.StreamAsync(Path, body)));
    }

    [Fact]
    public async Task A_prompt_beyond_the_context_is_refused_with_both_numbers()
    {
        await using var server = await StartAsync();
        var limit = server.Services.GetRequiredService<ModelCatalog>().DefaultFor(served => served is ILanguageModel).Model!.Information.ContextLength;
        var (response, body) = await server.PostAsync("/v1/completions", $$"""{"prompt": [{{string.Join(',', Enumerable.Repeat(1, limit + 1))}}]}""");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(limit, body["error"]!["tokens_possible"]!.GetValue<int>());
        Assert.True(body["error"]!["tokens_asked"]!.GetValue<int>() > limit);
    }

    private static string Text(List<JsonNode> events) => string.Concat(events.Select(item => item["choices"]![0]!["delta"]!["content"]?.GetValue<string>()));

    private static async Task<TestServer> StartAsync()
    {
        var model = new ModelConfiguration { Path = Ember.Path, Id = "ember" };
        return await TestServer.StartAsync(await ModelLoading.LoadAsync(model, null, CancellationToken.None));
    }
}
