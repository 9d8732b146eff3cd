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
