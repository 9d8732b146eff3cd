using System.Net.Sockets;
using System.Text;

namespace Hearth.Host.Tests;

/// <summary>Who may come in: connections, hosts and origins.</summary>
public sealed class ConnectionTests
{
    private const string Body = """{"prompt": "a b"}""";

    [Fact]
    public async Task Idle_connections_keep_nobody_out()
    {
        await using var server = await TestServer.StartAsync(configuration: """{"Limits": {"Connections": 8}}""");
        var idle = Enumerable.Range(0, 40).Select(_ => new TcpClient(server.Client.BaseAddress!.Host, server.Client.BaseAddress.Port)).ToList();
        try
        {
            for (var i = 0; i < 5; i++)
            {
                Assert.StartsWith("HTTP/1.1 200 ", await server.SendRawAsync("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
                Assert.StartsWith(
                    "HTTP/1.1 200 ",
                    await server.SendRawAsync($"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {Body.Length}\r\n\r\n{Body}"),
                    StringComparison.Ordinal);
            }
        }
        finally
        {
            idle.ForEach(client => client.Dispose());
        }
    }

    [Fact]
    public async Task Where_all_are_busy_health_alone_answers()
    {
        var gate = new TaskCompletionSource();
        var model = new FakeLanguageModel { BeforeUpdate = (_, cancelled) => gate.Task.WaitAsync(cancelled) };
        await using var server = await TestServer.StartAsync(model, configuration: """{"Limits": {"Connections": 2}}""");
        var busy = Enumerable.Range(0, 2).Select(_ => server.PostAsync("/v1/completions", Body)).ToList();
        for (var i = 0; model.Load.RunningRequests < 2 && i < 1000; i++)
        {
            await Task.Delay(10);
        }

        Assert.StartsWith("HTTP/1.1 200 ", await server.SendRawAsync("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200 ", await server.SendRawAsync("GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 200 ", await server.SendRawAsync("GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
        var refused = await server.SendRawAsync("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 503 ", refused, StringComparison.Ordinal);
        Assert.Contains("too_many_connections", refused, StringComparison.Ordinal);

        gate.SetResult();
        Assert.All(await Task.WhenAll(busy), answer => Assert.Equal(200, (int)answer.Response.StatusCode));
        Assert.StartsWith("HTTP/1.1 200 ", await server.SendRawAsync("GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("evil.example", null, 403, "host_not_allowed")]
    [InlineData("localhost.evil.example", null, 403, "host_not_allowed")]
    [InlineData("10.1.2.3:4327", null, 403, "host_not_allowed")]
    [InlineData("localhost", "http://evil.example", 403, "origin_not_allowed")]
    [InlineData("localhost", "null", 403, "origin_not_allowed")]
    [InlineData("localhost", "http://localhost.evil.example:80", 403, "origin_not_allowed")]
    [InlineData("localhost", "file://localhost", 403, "origin_not_allowed")]
    [InlineData("localhost", null, 200, null)]
    [InlineData("127.0.0.1:9", null, 200, null)]
    [InlineData("[::1]", null, 200, null)]
    [InlineData("ember.localhost:4327", null, 200, null)]
    [InlineData("localhost", "http://localhost:3000", 200, null)]
    [InlineData("localhost", "https://127.0.0.1", 200, null)]
    public async Task Only_this_machine_is_let_in_by_default(string host, string? origin, int status, string? code)
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var answer = await PostAsync(server, host, origin);
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
        Assert.Contains(code ?? "text_completion", answer, StringComparison.Ordinal);
        Assert.Equal(status == 200 ? 1 : 0, model.Requests.Count);
        Assert.Equal(status == 200 && origin is not null, answer.Contains($"Access-Control-Allow-Origin: {origin}\r\n", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ai.example", "https://app.example", 200)]
    [InlineData("a.b.example", "https://app.example", 200)]
    [InlineData("b.example", null, 403)]
    [InlineData("other.example", null, 403)]
    [InlineData("ai.example", "https://other.example", 403)]
    [InlineData("ai.example", "http://ai.example", 200)]
    public async Task Others_are_let_in_by_name(string host, string? origin, int status)
    {
        await using var server = await TestServer.StartAsync(configuration: """{"AllowedHosts": ["ai.example", "*.b.example"], "AllowedOrigins": ["https://app.example"]}""");
        Assert.StartsWith($"HTTP/1.1 {status} ", await PostAsync(server, host, origin), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_browser_that_asks_first_is_told_that_it_may()
    {
        await using var server = await TestServer.StartAsync(configuration: """{"AllowedOrigins": ["https://app.example"]}""");
        var preflight = "OPTIONS /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\nOrigin: ";
        var allowed = await server.SendRawAsync(preflight + "https://app.example\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 204 ", allowed, StringComparison.Ordinal);
        Assert.Contains("Access-Control-Allow-Headers: content-type", allowed, StringComparison.OrdinalIgnoreCase);
        Assert.StartsWith("HTTP/1.1 403 ", await server.SendRawAsync(preflight + "https://evil.example\r\n\r\n"), StringComparison.Ordinal);
    }

    private static Task<string> PostAsync(TestServer server, string host, string? origin) => server.SendRawAsync(
        $"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{(origin is null ? "" : $"Origin: {origin}\r\n")}Content-Type: application/json\r\nContent-Length: {Encoding.UTF8.GetByteCount(Body)}\r\n\r\n{Body}");
}
