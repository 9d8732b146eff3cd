namespace Hearth.Host.Tests;

/// <summary>/live and /ready.</summary>
public sealed class ProbeTests
{
    [Fact]
    public async Task A_service_is_alive_before_it_is_ready_and_neither_once_it_is_to_stop()
    {
        var gate = new TaskCompletionSource();
        await using var server = await TestServer.StartAsync(load: async (_, _, cancelled) =>
        {
            await gate.Task.WaitAsync(cancelled);
            return new FakeLanguageModel();
        });
        Assert.Equal((200, "Healthy"), await AskAsync(server, "/live"));
        Assert.Equal((503, "Unhealthy"), await AskAsync(server, "/ready"));
        gate.SetResult();
        await server.UntilReadyAsync();
        Assert.Equal((200, "Healthy"), await AskAsync(server, "/ready"));
        using var head = await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Head, "/ready"));
        Assert.Equal(200, (int)head.StatusCode);
        using var post = await server.Client.PostAsync("/live", null);
        Assert.Equal(405, (int)post.StatusCode);
    }

    private static async Task<(int, string)> AskAsync(TestServer server, string path)
    {
        using var response = await server.Client.GetAsync(path);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }
}
