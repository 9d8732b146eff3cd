using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Hearth.Host.Tests;

public sealed class StreamLifetimeTests
{
    private const string Body = "{\"messages\": [{\"role\": \"user\", \"content\": \"a b c d\"}], \"stream\": true}";

    [Fact]
    public async Task A_failure_after_the_first_chunk_is_an_event_and_the_end()
    {
        var model = new FakeLanguageModel { BeforeUpdate = (i, _) => i == 2 ? throw new HearthException("the engine stopped") : Task.CompletedTask };
        await using var server = await TestServer.StartAsync(model);
        using var response = await server.Client.PostAsync("/v1/chat/completions", new StringContent(Body, Encoding.UTF8, "application/json"));

        // Comments, which say that an answer is alive, may come at any time.
        string[] events = [.. (await response.Content.ReadAsStringAsync()).Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(one => !one.StartsWith(':'))];

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("the engine stopped", JsonNode.Parse(events[^1]["data: ".Length..])!["error"]!["message"]!.GetValue<string>());
        Assert.DoesNotContain("data: [DONE]", events);
        Assert.Equal(4, events.Length);
    }

    [Theory]
    [InlineData("/v1/chat/completions", Body)]
    [InlineData("/v1/chat/completions", "{\"messages\": [{\"role\": \"user\", \"content\": \"a b\"}]}")]
    [InlineData("/v1/completions", "{\"prompt\": \"a b\"}")]
    [InlineData("/v1/completions", "{\"prompt\": [\"a b\", \"c d\"], \"stream\": true}")]
    public async Task A_client_that_vanishes_ends_its_generation(string path, string body)
    {
        var started = new TaskCompletionSource();
        var ended = new TaskCompletionSource();
        var model = new FakeLanguageModel
        {
            BeforeUpdate = async (i, cancelled) =>
            {
                if (i == 0)
                {
                    return;
                }

                started.TrySetResult();
                try
                {
                    await Task.Delay(Timeout.Infinite, cancelled);
                }
                finally
                {
                    ended.TrySetResult();
                }
            },
        };
        await using var server = await TestServer.StartAsync(model);
        var address = server.Client.BaseAddress!;
        using (var client = new TcpClient(address.Host, address.Port))
        {
            await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(
                $"POST {path} HTTP/1.1\r\nHost: {address.Authority}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            await started.Task.WaitAsync(TimeSpan.FromSeconds(20));
        }

        await ended.Task.WaitAsync(TimeSpan.FromSeconds(20));
        for (var i = 0; model.Load.RunningRequests > 0 && i < 500; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal(0, model.Load.RunningRequests);
    }

    [Fact]
    public async Task Chunks_are_sent_as_they_come()
    {
        var gate = new TaskCompletionSource();
        var model = new FakeLanguageModel { BeforeUpdate = (i, cancelled) => i < 2 ? Task.CompletedTask : gate.Task.WaitAsync(cancelled) };
        await using var server = await TestServer.StartAsync(model);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/chat/completions") { Content = new StringContent(Body, Encoding.UTF8, "application/json") };
        using var response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());

        // The third word is held back, the first two must be here already.
        var seen = new StringBuilder();
        while (!seen.ToString().Contains("\"content\":\"b \"", StringComparison.Ordinal))
        {
            var line = await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20));
            Assert.NotNull(line);
            seen.AppendLine(line);
        }

        gate.SetResult();
        Assert.EndsWith("data: [DONE]\n\n", await reader.ReadToEndAsync(), StringComparison.Ordinal);
    }
}
