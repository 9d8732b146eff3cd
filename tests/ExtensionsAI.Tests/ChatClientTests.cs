using System.Text.Json;
using Hearth.Runtime.Caching;
using Microsoft.Extensions.Logging;

namespace Hearth.Extensions.AI.Tests;

public sealed class ChatClientTests
{
    private static readonly AIFunction s_weather = AIFunctionFactory.Create((string city) => $"sunny in {city}", "weather", "The weather of a city.");

    [Fact]
    public async Task A_whole_answer_bears_its_identity_its_end_and_its_cost()
    {
        using var client = Script.Client("hello there");
        var response = await client.GetResponseAsync("hi");

        Assert.Equal("hello there", response.Text);
        Assert.Equal(ChatFinishReason.Stop, response.FinishReason);
        Assert.StartsWith("chatcmpl-", response.ResponseId, StringComparison.Ordinal);
        Assert.Equal("fake", response.ModelId);
        Assert.NotNull(response.CreatedAt);
        Assert.Null(response.ConversationId);
        var message = Assert.Single(response.Messages);
        Assert.Equal((ChatRole.Assistant, response.ResponseId), (message.Role, message.MessageId));
        Assert.Equal((2, 3, 5, 2, 0), (response.Usage!.InputTokenCount, response.Usage.OutputTokenCount, response.Usage.TotalTokenCount, response.Usage.CachedInputTokenCount, response.Usage.ReasoningTokenCount));
    }

    [Fact]
    public async Task A_stream_bears_the_same_in_every_update()
    {
        using var client = Script.Client("hello there");
        var updates = await client.GetStreamingResponseAsync("hi").ToListAsync();

        Assert.Equal(["hello", " ther", "e"], updates.Where(update => update.Text.Length > 0).Select(update => update.Text));
        Assert.Single(updates.Select(update => (update.ResponseId, update.MessageId, update.ModelId, update.CreatedAt, update.Role, update.ConversationId)).Distinct());
        Assert.Equal(ChatFinishReason.Stop, Assert.Single(updates, update => update.FinishReason is not null).FinishReason);
        Assert.Equal(5, Assert.Single(updates.SelectMany(update => update.Contents).OfType<UsageContent>()).Details.TotalTokenCount);
    }

    [Fact]
    public async Task A_call_is_told_whole_and_never_made()
    {
        var isCalled = false;
        var tool = AIFunctionFactory.Create((string city, int days) => isCalled = true, "forecast");
        using var client = Script.Client("let me see " + Script.Call("forecast", """{"city": "Ulm", "days": 3}"""));
        var response = await client.GetResponseAsync("hi", new ChatOptions { Tools = [tool] });

        Assert.False(isCalled);
        Assert.Equal(ChatFinishReason.ToolCalls, response.FinishReason);
        Assert.Equal("let me see", response.Text.Trim());
        var call = Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>());
        Assert.Equal("forecast", call.Name);
        Assert.NotEmpty(call.CallId);
        Assert.Null(call.Exception);
        Assert.Equal("Ulm", ((JsonElement)call.Arguments!["city"]!).GetString());
        Assert.Equal(3, ((JsonElement)call.Arguments["days"]!).GetInt32());
    }

    [Fact]
    public async Task Several_calls_have_different_ids()
    {
        using var client = Script.Client(Script.Call("weather", """{"city": "Ulm"}""") + "\n" + Script.Call("weather", """{"city": "Bonn"}"""));
        var calls = await client.GetStreamingResponseAsync("hi", new ChatOptions { Tools = [s_weather] }).SelectMany(update => update.Contents.ToAsyncEnumerable()).OfType<FunctionCallContent>().ToListAsync();
        Assert.Equal(["Ulm", "Bonn"], calls.Select(call => call.Arguments!["city"]!.ToString()));
        Assert.Equal(2, calls.Select(call => call.CallId).Distinct().Count());
    }

    [Fact]
    public async Task What_cannot_be_read_as_a_call_stays_text_and_is_warned_of_where_users_look()
    {
        var logged = new List<string>();
        using var factory = LoggerFactory.Create(builder => builder.AddProvider(new ListLogger(logged)));
        const string Broken = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"U";
        using var client = new HearthChatClient(Script.Model(Broken, Broken), factory);
        for (var i = 0; i < 2; i++)
        {
            var response = await client.GetResponseAsync("hi", new ChatOptions { Tools = [s_weather] });
            Assert.Equal(Broken, response.Text);
            Assert.Empty(response.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>());
            Assert.Contains("call of a tool", Assert.Single(Assert.IsType<string[]>(response.AdditionalProperties!["warnings"])), StringComparison.Ordinal);
        }

        Assert.Contains("call of a tool", Assert.Single(logged), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_of_a_tools_schema_is_not_enforced_is_warned_of()
    {
        var tool = AIFunctionFactory.CreateDeclaration("odd", "", JsonElement.Parse("""{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer"}, "contains": {"const": 1}, "uniqueItems": true}}}"""));
        using var client = Script.Client("text");
        var response = await client.GetResponseAsync("hi", new ChatOptions { Tools = [tool] });
        Assert.Contains("'odd'", Assert.IsType<string[]>(response.AdditionalProperties!["warnings"])[0], StringComparison.Ordinal);

        var strict = new ChatOptions { Tools = [tool], AdditionalProperties = new() { ["strict"] = true } };
        await Assert.ThrowsAnyAsync<HearthException>(() => client.GetResponseAsync("hi", strict));
    }

    [Fact]
    public async Task The_history_goes_to_the_template_as_its_author_meant()
    {
        var model = Script.Model("ok");
        using var client = new HearthChatClient(model);
        await client.GetResponseAsync(
            [
                new(ChatRole.System, "rules"),
                new(ChatRole.User, [new TextContent("one"), new TextContent("two")]) { AuthorName = "Ann" },
                new(ChatRole.Assistant, [new TextReasoningContent("hmm"), new TextContent("so "), new TextContent("it is"), new UsageContent(new())]),
                new(ChatRole.User, "go on"),
            ],
            new ChatOptions { Instructions = "be brief" });

        var messages = Assert.Single(model.Chats).Messages;
        Assert.Equal(["system", "user", "assistant", "user"], messages.Select(message => message.Role));
        Assert.Equal(["be brief\n\nrules", "one\ntwo", "so it is", "go on"], messages.Select(message => message.Content));
        Assert.Equal(("Ann", "hmm"), (messages[1].Name, messages[2].Reasoning));
    }

    public static TheoryData<object?, string> Results => new()
    {
        { "sunny", "sunny" },
        { JsonElement.Parse("\"sunny\""), "sunny" },
        { JsonElement.Parse("""{"sky": "grün"}"""), """{"sky":"grün"}""" },
        { new[] { 1, 2 }, "[1,2]" },
        { null, "null" },
        { new TextContent("text"), "text" },
        { new AIContent[] { new TextContent("a"), new TextContent("b") }, "a\nb" },
    };

    [Theory]
    [MemberData(nameof(Results))]
    public void Results_of_every_kind_are_text(object? result, string text)
    {
        var mapped = MessageMapping.Map(
            [new(ChatRole.Assistant, [new FunctionCallContent("1", "f", new Dictionary<string, object?> { ["x"] = 1 })]), new(ChatRole.Tool, [new FunctionResultContent("1", result)])], null);
        Assert.Null(mapped[0].Content);
        Assert.Equal("""{"x":1}""", Assert.Single(mapped[0].ToolCalls).Arguments.ToJsonString());
        Assert.Equal(("tool", "1", "f", text), (mapped[1].Role, mapped[1].ToolCallId, mapped[1].Name, mapped[1].Content));
    }

    [Fact]
    public void A_result_that_failed_says_so()
    {
        var mapped = MessageMapping.Map([new(ChatRole.Tool, [new FunctionResultContent("1", null) { Exception = new InvalidOperationException("no bread") }, new FunctionResultContent("2", "b")])], null);
        Assert.Equal(["Error: no bread", "b"], mapped.Select(message => message.Content));
    }

    public static TheoryData<AIContent, string> Foreign => new()
    {
        { new DataContent(new byte[] { 1 }, "image/png"), "image/png" },
        { new UriContent("http://host/a.png", "image/png"), nameof(UriContent) },
        { new HostedFileContent("1"), nameof(HostedFileContent) },
        { new ErrorContent("x"), nameof(ErrorContent) },
        { new TextReasoningContent("x"), nameof(TextReasoningContent) },
        { new ToolApprovalRequestContent("1", new FunctionCallContent("1", "f")), nameof(ToolApprovalRequestContent) },
    };

    [Theory]
    [MemberData(nameof(Foreign))]
    public async Task Contents_that_no_template_takes_are_refused_by_name(AIContent content, string name)
    {
        using var client = Script.Client("ok");
        var error = await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync([new(ChatRole.User, [content])]));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Contains("message 0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failures_come_before_the_first_update()
    {
        using var client = new HearthChatClient(new FakeLanguageModel { ContextLength = 1 });
        await using var updates = client.GetStreamingResponseAsync("a long one").GetAsyncEnumerator();
        await Assert.ThrowsAsync<ContextLengthExceededException>(async () => await updates.MoveNextAsync());
        await Assert.ThrowsAsync<ArgumentException>(() => client.GetResponseAsync([]));
        Assert.Throws<ArgumentNullException>(() => client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!));
    }

    [Fact]
    public async Task Cancellation_ends_the_request_in_every_phase()
    {
        using var before = new CancellationTokenSource();
        await before.CancelAsync();
        var model = new FakeLanguageModel();
        using var client = new HearthChatClient(model);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetResponseAsync("a b", null, before.Token));
        Assert.Empty(model.Requests);

        using var queued = new CancellationTokenSource();
        model.InQueue = async token =>
        {
            await queued.CancelAsync();
            token.ThrowIfCancellationRequested();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetResponseAsync("a b", null, queued.Token));

        using var running = new CancellationTokenSource();
        model.InQueue = _ => Task.CompletedTask;
        model.BeforeUpdate = (index, _) => index == 1 ? running.CancelAsync() : Task.CompletedTask;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetResponseAsync("a b c", null, running.Token));
        Assert.Equal(1, model.Ended);
        Assert.Equal(0, model.Load.RunningRequests);
    }

    [Fact]
    public async Task Leaving_a_stream_ends_the_request()
    {
        var model = new FakeLanguageModel();
        using var client = new HearthChatClient(model);
        await foreach (var _ in client.GetStreamingResponseAsync("a b c"))
            break;
        Assert.Equal((1, 0), (model.Ended, model.Load.RunningRequests));
    }

    [Fact]
    public void Services_are_the_metadata_the_model_and_the_client()
    {
        var model = new FakeLanguageModel();
        using var client = new HearthChatClient(model);
        var metadata = client.GetService<ChatClientMetadata>()!;
        Assert.Equal(("hearth", "fake", null), (metadata.ProviderName, metadata.DefaultModelId, metadata.ProviderUri));
        Assert.Same(model, client.GetService<ILanguageModel>());
        Assert.Same(client, client.GetService<IChatClient>());
        Assert.Null(client.GetService<KvCache>());
        Assert.Null(client.GetService(typeof(ILanguageModel), "key"));

        using var http = new HttpClient();
        using var remote = new HearthChatClient(http, new Uri("http://host:4327"), "m");
        Assert.Equal(("hearth", "m", new Uri("http://host:4327")), (remote.GetService<ChatClientMetadata>()!.ProviderName, remote.GetService<ChatClientMetadata>()!.DefaultModelId, remote.GetService<ChatClientMetadata>()!.ProviderUri));
        Assert.Null(remote.GetService<ILanguageModel>());
    }

    [Fact]
    public async Task Disposing_leaves_the_callers_model_alone()
    {
        var model = new FakeLanguageModel();
        new HearthChatClient(model).Dispose();
        Assert.False(model.IsDisposed);
        using var client = new HearthChatClient(model);
        Assert.Equal("a", (await client.GetResponseAsync("a")).Text);
    }

    private sealed class ListLogger(List<string> lines) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            => lines.Add(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
