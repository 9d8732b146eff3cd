using Hearth.SemanticKernel;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.Host.Tests;

/// <summary>Semantic Kernel's services against the real service.</summary>
public sealed class ConnectorTests
{
    [Fact]
    public async Task A_chat_streams_through_service_and_connector()
    {
        var model = new FakeLanguageModel { CachedTokens = 2 };
        await using var server = await TestServer.StartAsync(model);
        var service = new HearthChatCompletionService(server.Client, server.Client.BaseAddress!);
        var history = new ChatHistory("brief");
        history.AddUserMessage("größe 漢字 🔥");

        var pieces = new List<StreamingChatMessageContent>();
        var settings = new HearthPromptExecutionSettings { Temperature = 0.5f, Seed = ulong.MaxValue, LogitBias = new Dictionary<int, float> { [7] = float.NegativeInfinity } };
        await foreach (var piece in service.GetStreamingChatMessageContentsAsync(history, settings))
        {
            pieces.Add(piece);
        }

        Assert.Equal("größe 漢字 🔥", string.Concat(pieces.Select(piece => piece.Content)));
        Assert.Equal("Stop", pieces.Select(piece => piece.Metadata!["FinishReason"]).Last(reason => reason is not null));
        var usage = Assert.IsType<TokenUsage>(pieces[^1].Metadata!["Usage"]);
        Assert.Equal((3, 2, CacheMissReason.Differs, 2), (usage.CompletionTokens, usage.CachedPromptTokens, usage.CacheMiss, usage.FirstDifferentToken));
        Assert.All(pieces, piece => Assert.Equal("fake", piece.ModelId));
        Assert.True(model.Requests.TryDequeue(out var request));
        Assert.Equal((0.5f, ulong.MaxValue), (request.Options.Temperature, request.Options.Seed));
        Assert.Equal(float.NegativeInfinity, request.Options.LogitBias![7]);
    }

    [Fact]
    public async Task A_text_comes_whole_through_service_and_connector()
    {
        await using var server = await TestServer.StartAsync();
        var service = new HearthTextGenerationService(server.Client, server.Client.BaseAddress!, "fake");
        var contents = await service.GetTextContentsAsync("a b c", new HearthPromptExecutionSettings { MaxTokens = 2 });

        var content = Assert.Single(contents);
        Assert.Equal("a b ", content.Text);
        Assert.Equal("Length", content.Metadata!["FinishReason"]);
    }

    [Fact]
    public async Task A_prompt_beyond_the_context_keeps_its_type_and_numbers()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { ContextLength = 3 });
        var service = new HearthTextGenerationService(server.Client, server.Client.BaseAddress!);
        var error = await Assert.ThrowsAsync<ContextLengthExceededException>(() => service.GetTextContentsAsync("abcd"));
        Assert.Equal((4, 3), (error.TokensAsked, error.TokensPossible));
    }

    [Fact]
    public async Task An_unknown_model_is_an_HTTP_error_with_the_services_words()
    {
        await using var server = await TestServer.StartAsync();
        var service = new HearthChatCompletionService(server.Client, server.Client.BaseAddress!, "other");
        var error = await Assert.ThrowsAsync<HttpOperationException>(() => service.GetChatMessageContentAsync("hi"));
        Assert.Equal(404, (int)error.StatusCode!);
        Assert.Contains("'other' does not exist", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Leaving_a_stream_early_ends_the_generation()
    {
        var model = new FakeLanguageModel { BeforeUpdate = (i, cancelled) => i == 0 ? Task.CompletedTask : Task.Delay(Timeout.Infinite, cancelled) };
        await using var server = await TestServer.StartAsync(model);
        var service = new HearthChatCompletionService(server.Client, server.Client.BaseAddress!);
        await foreach (var piece in service.GetStreamingChatMessageContentsAsync("a b"))
        {
            if (piece.Content?.Length > 0)
            {
                break;
            }
        }

        for (var i = 0; model.Load.RunningRequests > 0 && i < 500; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal(0, model.Load.RunningRequests);
    }
}
