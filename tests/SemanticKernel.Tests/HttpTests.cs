using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel.Tests;

/// <summary>What goes over the wire, against canned answers.</summary>
public sealed class HttpTests
{
    private const string Answer = """
        data: {"id":"chatcmpl-1","created":1795348800,"model":"ember","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

        : a comment, which is skipped

        data: {"id":"chatcmpl-1","created":1795348800,"model":"ember","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}

        data: {"id":"chatcmpl-1","created":1795348800,"model":"ember","choices":[{"index":0,"delta":{},"finish_reason":"length"}]}

        data: {"id":"chatcmpl-1","created":1795348800,"model":"ember","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}}

        data: [DONE]


        """;

    [Fact]
    public async Task The_request_has_OpenAIs_shape()
    {
        using var handler = new StubHandler(HttpStatusCode.OK, Answer);
        using var client = new HttpClient(handler);
        var service = new HearthChatCompletionService(client, new Uri("http://host:1/base"), "ember");
        var history = new ChatHistory("s");
        history.AddUserMessage("u");
        var settings = new HearthPromptExecutionSettings { Temperature = 0.5f, MaxTokens = 3, StopSequences = ["x"], TopK = 5, TemplateVariables = new JsonObject { ["a"] = 1 } };
        var message = await service.GetChatMessageContentAsync(history, settings);

        Assert.Equal("http://host:1/base/v1/chat/completions", handler.Address);
        Assert.Equal(
            """{"messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],"chat_template_kwargs":{"a":1},"model":"ember","temperature":0.5,"top_k":5,"max_tokens":3,"stop":["x"],"stream":true,"stream_options":{"include_usage":true}}""",
            handler.Body);
        Assert.Equal("hi", message.Content);
        Assert.Equal("ember", message.ModelId);
        Assert.Equal("chatcmpl-1", message.Metadata!["Id"]);
        Assert.Equal("Length", message.Metadata["FinishReason"]);
        Assert.Equal(6, ((TokenUsage)message.Metadata["Usage"]!).TotalTokens);
        Assert.Equal(new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero), message.Metadata["CreatedAt"]);
    }

    [Theory]
    [InlineData(404, """{"error": {"message": "no such model", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}""", "no such model")]
    [InlineData(502, "<html>bad gateway</html>", "502")]
    [InlineData(500, "", "500")]
    public async Task A_refusal_is_an_HTTP_error_with_the_services_words(int status, string body, string words)
    {
        using var handler = new StubHandler((HttpStatusCode)status, body);
        using var client = new HttpClient(handler);
        var service = new HearthChatCompletionService(client, new Uri("http://host:1"));
        var error = await Assert.ThrowsAsync<HttpOperationException>(() => service.GetChatMessageContentsAsync("a"));

        Assert.Equal(status, (int)error.StatusCode!);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.Equal(body, error.ResponseContent);
    }

    [Theory]
    [InlineData("data: {\"error\": {\"message\": \"the engine stopped\"}}\n\n", "the engine stopped")]
    [InlineData("data: {\"id\":\"1\",\"created\":1,\"model\":\"m\",\"choices\":[]}\n\n", "ended before")]
    [InlineData("data: {\n\n", "not of OpenAI's shape")]
    [InlineData("data: {\"id\": 5}\n\n", "not of OpenAI's shape")]
    [InlineData("", "ended before")]
    public async Task A_broken_stream_is_an_HTTP_error(string answer, string words)
    {
        using var handler = new StubHandler(HttpStatusCode.OK, answer);
        using var client = new HttpClient(handler);
        var service = new HearthTextGenerationService(client, new Uri("http://host:1"));
        var error = await Assert.ThrowsAsync<HttpOperationException>(() => service.GetTextContentsAsync("a"));
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unreachable_service_is_named()
    {
        using var client = new HttpClient();
        var service = new HearthChatCompletionService(client, new Uri("http://127.0.0.1:1"));
        var error = await Assert.ThrowsAsync<HttpOperationException>(() => service.GetChatMessageContentsAsync("a"));
        Assert.Contains("http://127.0.0.1:1/", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_containers_client_is_used_where_none_is_given()
    {
        using var handler = new StubHandler(HttpStatusCode.OK, Answer);
        using var client = new HttpClient(handler);
        var services = new ServiceCollection();
        services.AddSingleton(client);
        services.AddHearthChatCompletion(new() { Endpoint = new Uri("http://host:1"), ServiceId = "remote" });
        await using var provider = services.BuildServiceProvider();
        await provider.GetRequiredKeyedService<IChatCompletionService>("remote").GetChatMessageContentsAsync("a");

        Assert.Equal("http://host:1/v1/chat/completions", handler.Address);
    }

    [Fact]
    public async Task What_had_come_before_a_cancellation_comes_no_more()
    {
        using var handler = new StubHandler(HttpStatusCode.OK, Answer);
        using var client = new HttpClient(handler);
        using var cancellation = new CancellationTokenSource();
        var service = new HearthChatCompletionService(client, new Uri("http://host:1"));
        var seen = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var piece in service.GetStreamingChatMessageContentsAsync("a", cancellationToken: cancellation.Token))
            {
                seen++;
                await cancellation.CancelAsync();
            }
        });
        Assert.Equal(1, seen);
    }

    [Fact]
    public async Task An_answer_cancelled_at_its_last_piece_is_cancelled()
    {
        using var handler = new StubHandler(HttpStatusCode.OK, Answer);
        using var client = new HttpClient(handler);
        using var cancellation = new CancellationTokenSource();
        var service = new HearthChatCompletionService(client, new Uri("http://host:1"));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var piece in service.GetStreamingChatMessageContentsAsync("a", cancellationToken: cancellation.Token))
            {
                if (piece.Metadata!.ContainsKey("Usage") && piece.Metadata["Usage"] is not null)
                {
                    await cancellation.CancelAsync();
                }
            }
        });
    }

    [Fact]
    public async Task A_clients_time_limit_is_told_as_what_it_is()
    {
        using var handler = new FailingHandler(async cancelled =>
        {
            await Task.Delay(Timeout.Infinite, cancelled);
            throw new InvalidOperationException();
        });
        using var client = new HttpClient(handler) { Timeout = TimeSpan.FromMilliseconds(50) };
        var error = await Assert.ThrowsAsync<HttpOperationException>(() => new HearthChatCompletionService(client, new Uri("http://host:1")).GetChatMessageContentsAsync("a"));
        Assert.Contains("time limit of 0.05 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_is_disposed_is_told_as_what_it_is()
    {
        var client = new HttpClient();
        client.Dispose();
        var error = await Assert.ThrowsAsync<HttpOperationException>(() => new HearthChatCompletionService(client, new Uri("http://host:1")).GetChatMessageContentsAsync("a"));
        Assert.Contains("HttpClient cannot send to http://host:1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_that_breaks_off_is_an_HTTP_error()
    {
        using var handler = new FailingHandler(_ => Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(new BreakingStream()) }));
        using var client = new HttpClient(handler);
        var error = await Assert.ThrowsAsync<HttpOperationException>(() => new HearthTextGenerationService(client, new Uri("http://host:1")).GetTextContentsAsync("a"));
        Assert.Contains("broke off: the cable is cut", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_client_that_is_missing_is_refused_when_the_service_is_made()
    {
        var endpoint = new Uri("http://host:1");
        Assert.Throws<ArgumentNullException>(() => new HearthChatCompletionService(null!, endpoint));
        Assert.Throws<ArgumentNullException>(() => new HearthTextGenerationService(null!, endpoint));
        Assert.Throws<ArgumentNullException>(() => new Hearth.Extensions.AI.HearthEmbeddingGenerator(null!, endpoint));
    }

    [Fact]
    public async Task Thoughts_and_broken_calls_go_over_the_wire_as_they_are()
    {
        using var handler = new StubHandler(HttpStatusCode.OK, Answer);
        using var client = new HttpClient(handler);
        var backend = new Hearth.Extensions.AI.Backends.HttpBackend(client, new Uri("http://host:1"), null);
        var chat = new ChatPrompt
        {
            Messages = [new ChatMessage("assistant", null) { Reasoning = "hm", ToolCalls = [new ToolCall("1", "f", []) { ArgumentsText = "{\"a\": 1" }] }],
        };
        await foreach (var update in backend.ChatAsync(new ChatTurnRequest { Chat = chat }, CancellationToken.None))
        {
            Assert.NotNull(update);
        }

        var message = JsonNode.Parse(handler.Body!)!["messages"]![0]!;
        Assert.Equal(("hm", "{\"a\": 1"), (message["reasoning_content"]!.GetValue<string>(), message["tool_calls"]![0]!["function"]!["arguments"]!.GetValue<string>()));
    }

    private sealed class FailingHandler(Func<CancellationToken, Task<HttpResponseMessage>> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => answer(cancellationToken);
    }

    private sealed class BreakingStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("the cable is cut");
    }

    private sealed class StubHandler(HttpStatusCode status, string answer) : HttpMessageHandler
    {
        public string? Address { get; private set; }

        public string? Body { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Address = request.RequestUri!.AbsoluteUri;
            Body = await request.Content!.ReadAsStringAsync(cancellationToken);
            return new HttpResponseMessage(status) { Content = new StringContent(answer.ReplaceLineEndings("\n"), Encoding.UTF8, status == HttpStatusCode.OK ? "text/event-stream" : "text/plain") };
        }
    }
}
