using System.Text;
using System.Text.Json.Nodes;

namespace Hearth.Host.Tests;

/// <summary>What a client sees before the first token.</summary>
public sealed class StreamStartTests
{
    private const string Pings = """{"Limits": {"PingSeconds": 0.05}}""";

    [Theory]
    [InlineData("/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"a b\"}], \"stream\": true}")]
    [InlineData("/v1/completions", "{\"prompt\": \"a b\", \"stream\": true}")]
    [InlineData("/v1/completions", "{\"prompt\": [\"a b\", \"c\"], \"stream\": true}")]
    public async Task The_status_line_and_pings_come_while_the_prompt_is_read(string path, string body)
    {
        var gate = new TaskCompletionSource();
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { BeforeUpdate = (_, cancelled) => gate.Task.WaitAsync(cancelled) }, configuration: Pings);
        using var response = await SendAsync(server, path, body);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);

        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(": ping", await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)));
            Assert.Equal("", await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)));
        }

        gate.SetResult();
        var events = TestServer.Events(await reader.ReadToEndAsync());
        Assert.Equal("data: [DONE]", events[^1]);
        Assert.True(events.Length > 2);
    }

    [Fact]
    public async Task Pings_come_between_tokens_too()
    {
        var gate = new TaskCompletionSource();
        var model = new FakeLanguageModel { BeforeUpdate = (i, cancelled) => i == 1 ? gate.Task.WaitAsync(cancelled) : Task.CompletedTask };
        await using var server = await TestServer.StartAsync(model, configuration: Pings);
        using var response = await SendAsync(server, "/v1/completions", """{"prompt": "a b", "stream": true}""");
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.StartsWith("data: ", await reader.ReadLineAsync(), StringComparison.Ordinal);
        Assert.Equal("", await reader.ReadLineAsync());
        Assert.Equal(": ping", await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)));
        gate.SetResult();
    }

    [Fact]
    public async Task A_failure_while_the_prompt_is_read_is_an_event()
    {
        var model = new FakeLanguageModel
        {
            BeforeUpdate = async (_, _) =>
            {
                await Task.Delay(20, CancellationToken.None);
                throw new OutOfModelMemoryException("the cache has no pages left");
            },
        };
        await using var server = await TestServer.StartAsync(model);
        using var response = await SendAsync(server, "/v1/completions", """{"prompt": "a b", "stream": true}""");
        Assert.Equal(200, (int)response.StatusCode);
        var error = Assert.Single(TestServer.Events(await response.Content.ReadAsStringAsync()));
        Assert.Equal("out_of_memory", JsonNode.Parse(error["data: ".Length..])!["error"]!["code"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_failure_in_the_queue_is_a_status()
    {
        var model = new FakeLanguageModel
        {
            InQueue = async _ =>
            {
                await Task.Delay(20, CancellationToken.None);
                throw new OutOfModelMemoryException("the cache has no pages left");
            },
        };
        await using var server = await TestServer.StartAsync(model);
        using var response = await SendAsync(server, "/v1/completions", """{"prompt": "a b", "stream": true}""");
        Assert.Equal(503, (int)response.StatusCode);
    }

    [Fact]
    public async Task A_long_wait_in_the_queue_has_a_status_and_pings()
    {
        var gate = new TaskCompletionSource();
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { InQueue = cancelled => gate.Task.WaitAsync(cancelled) }, configuration: Pings);
        using var response = await SendAsync(server, "/v1/completions", """{"prompt": "a b", "stream": true}""");
        Assert.Equal(200, (int)response.StatusCode);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        Assert.Equal(": ping", await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)));
        gate.SetResult();
        Assert.Contains("data: [DONE]", await reader.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_real_models_stream_starts_before_its_prompt_is_read()
    {
        await using var model = await LanguageModel.LoadAsync(Ember.Path, new ModelOptions { Threads = 1 });
        var admitted = 0;
        var request = new GenerationRequest { Prompt = model.Tokenize("Once"), Options = new GenerationOptions { MaxTokens = 3 }, Admitted = () => admitted++ };
        await foreach (var update in model.GenerateAsync(request))
        {
            Assert.Equal(1, admitted);
        }

        var search = request with { Options = new GenerationOptions { MaxTokens = 3, Beams = 2 } };
        await foreach (var update in model.GenerateAsync(search))
        {
            Assert.Equal(2, admitted);
        }

        await foreach (var update in model.GenerateAsync(request with { Admitted = () => throw new InvalidOperationException("lost") }))
        {
            Assert.NotNull(update);
        }
    }

    internal static Task<HttpResponseMessage> SendAsync(TestServer server, string path, string body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        return server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }
}
