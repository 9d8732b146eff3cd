using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Services;

namespace Hearth.SemanticKernel.Tests;

public sealed class ChatCompletionServiceTests : IAsyncDisposable
{
    private readonly FakeLanguageModel _model = new() { CachedTokens = 4 };

    private HearthChatCompletionService Service => new(_model);

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    [Fact]
    public async Task A_whole_answer_carries_reason_usage_and_model()
    {
        var history = new ChatHistory("brief");
        history.AddUserMessage("good morning");
        var message = Assert.Single(await Service.GetChatMessageContentsAsync(history));

        Assert.Equal(AuthorRole.Assistant, message.Role);
        Assert.Equal("good morning", message.Content);
        Assert.Equal("fake", message.ModelId);
        Assert.Equal("Stop", message.Metadata!["FinishReason"]);
        Assert.StartsWith("chatcmpl-", (string)message.Metadata["Id"]!, StringComparison.Ordinal);
        Assert.IsType<DateTimeOffset>(message.Metadata["CreatedAt"]);
        var usage = Assert.IsType<TokenUsage>(message.Metadata["Usage"]);
        Assert.Equal((18, 2, 4), (usage.PromptTokens, usage.CompletionTokens, usage.CachedPromptTokens));
        var result = Assert.IsType<GenerationResult>(message.InnerContent);
        Assert.Equal([0, 1], result.TokenIds);
    }

    [Fact]
    public async Task A_stream_ends_with_reason_and_usage()
    {
        var pieces = new List<StreamingChatMessageContent>();
        await foreach (var piece in Service.GetStreamingChatMessageContentsAsync("a b c", new HearthPromptExecutionSettings { MaxTokens = 2 }))
        {
            pieces.Add(piece);
        }

        Assert.Equal(["a ", "b ", ""], pieces.Select(piece => piece.Content));
        Assert.All(pieces[..^1], piece => Assert.Null(piece.Metadata!["FinishReason"]));
        Assert.Equal("Length", pieces[^1].Metadata!["FinishReason"]);
        Assert.Equal(2, ((TokenUsage)pieces[^1].Metadata!["Usage"]!).CompletionTokens);
        Assert.Single(pieces.Select(piece => piece.Metadata!["Id"]).Distinct());
        Assert.All(pieces, piece => Assert.IsType<ChatUpdate>(piece.InnerContent));
    }

    [Fact]
    public async Task Roles_and_text_parts_reach_the_template()
    {
        var history = new ChatHistory();
        history.AddDeveloperMessage("be brief");
        history.Add(new ChatMessageContent(AuthorRole.User, [new TextContent("one"), new TextContent("two")]) { AuthorName = "Ada" });
        history.AddAssistantMessage("three");
        history.AddUserMessage("four");
        await Service.GetChatMessageContentsAsync(history);

        Assert.True(_model.Chats.TryDequeue(out var chat));
        Assert.Equal(["system", "user", "assistant", "user"], chat.Messages.Select(message => message.Role));
        Assert.Equal("one\ntwo", chat.Messages[1].Content);
        Assert.Equal("Ada", chat.Messages[1].Name);
        Assert.True(chat.AddGenerationPrompt);
    }

    [Fact]
    public async Task Function_calls_and_results_in_the_history_are_told()
    {
        var history = new ChatHistory("s");
        history.AddUserMessage("what time is it?");
        var call = new FunctionCallContent("now", "clock", "c1", new KernelArguments { ["zone"] = "UTC" });
        history.Add(new ChatMessageContent(AuthorRole.Assistant, [call]));
        history.Add(new FunctionResultContent(call, new { time = "12:00" }).ToChatMessage());
        await Service.GetChatMessageContentsAsync(history);

        Assert.True(_model.Chats.TryDequeue(out var chat));
        var told = Assert.Single(chat.Messages[2].ToolCalls);
        Assert.Null(chat.Messages[2].Content);
        Assert.Equal(("c1", "clock-now", """{"zone":"UTC"}"""), (told.Id, told.Name, told.Arguments.ToJsonString()));
        Assert.Equal(("tool", "c1", """{"time":"12:00"}"""), (chat.Messages[3].Role, chat.Messages[3].ToolCallId, chat.Messages[3].Content));
    }

    [Fact]
    public async Task Content_other_than_text_is_refused()
    {
        var history = new ChatHistory();
        history.Add(new ChatMessageContent(AuthorRole.User, [new TextContent("look"), new ImageContent(new Uri("https://example.org/a.png"))]));
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => Service.GetChatMessageContentsAsync(history));
        Assert.Contains("ImageContent", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_history_is_refused()
        => await Assert.ThrowsAsync<ArgumentException>(() => Service.GetChatMessageContentsAsync([]));

    [Fact]
    public async Task Cancelling_ends_the_stream()
    {
        using var cancellation = new CancellationTokenSource();
        _model.BeforeUpdate = (i, cancelled) => i == 0 ? Task.CompletedTask : Task.Delay(Timeout.Infinite, cancelled);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var piece in Service.GetStreamingChatMessageContentsAsync("a b", cancellationToken: cancellation.Token))
            {
                await cancellation.CancelAsync();
            }
        });
        Assert.Equal(1, _model.Ended);
    }

    [Fact]
    public async Task A_kernel_prompt_runs_through_it()
    {
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingletonChat(Service);
        var kernel = builder.Build();
        var answer = await kernel.InvokePromptAsync<string>("say {{$word}}", new KernelArguments(new HearthPromptExecutionSettings { Temperature = 0 }) { ["word"] = "hello" });

        Assert.Equal("say hello", answer);
        Assert.True(_model.Requests.TryDequeue(out var request));
        Assert.Equal(0, request.Options.Temperature);
    }

    [Fact]
    public void Attributes_name_the_model_or_the_address()
    {
        Assert.Equal("fake", Service.GetModelId());
        using var client = new HttpClient();
        var remote = new HearthChatCompletionService(client, new Uri("http://127.0.0.1:4327"), "ember");
        Assert.Equal("ember", remote.GetModelId());
        Assert.Equal("http://127.0.0.1:4327/", remote.GetEndpoint());
    }
}
