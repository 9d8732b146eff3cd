using System.Text;
using System.Text.Json.Nodes;
using Hearth.Host.Http;
using Hearth.Host.Service;
using Microsoft.AspNetCore.Builder;

namespace Hearth.Host.Tests;

/// <summary>The service on a free port, with a fake model called "fake".</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestServer(WebApplication app)
    {
        _app = app;
        Client = new HttpClient { BaseAddress = new Uri(app.Urls.First()), Timeout = TimeSpan.FromSeconds(30) };
    }

    public HttpClient Client { get; }

    public IServiceProvider Services => _app.Services;

    public WebApplication App => _app;

    /// <summary>Starts the service with several models, each loaded by its id, and waits until they are.</summary>
    public static async Task<TestServer> StartAsync(IReadOnlyList<ModelConfiguration> models, LoadModel load)
    {
        var arguments = new ServeArguments { Urls = "http://127.0.0.1:0", Models = models };
        var app = HearthServer.Build(arguments, load, quiet: true);
        await app.StartAsync();
        var server = new TestServer(app);
        await server.UntilReadyAsync();
        return server;
    }

    public static async Task<TestServer> StartAsync(IModel? model = null, LoadModel? load = null, string? configuration = null)
    {
        using var folder = new TemporaryFolder();
        var arguments = new ServeArguments
        {
            File = configuration is null ? null : folder.Write("hearth.json", configuration),
            Urls = "http://127.0.0.1:0",
            Models = [new ModelConfiguration { Id = "fake", Path = "fake.gguf" }],
        };
        model ??= new FakeLanguageModel();
        var app = HearthServer.Build(arguments, load ?? ((_, _, _) => Task.FromResult(model)), quiet: true);
        await app.StartAsync();
        var server = new TestServer(app);
        if (load is null)
        {
            await server.UntilReadyAsync();
        }

        return server;
    }

    /// <summary>Starts the service with what a configuration file says of models.</summary>
    public static async Task<TestServer> StartAsync(LoadModel load, string file)
    {
        var app = HearthServer.Build(new ServeArguments { File = file, Urls = "http://127.0.0.1:0" }, load, quiet: true);
        await app.StartAsync();
        var server = new TestServer(app);
        await server.UntilReadyAsync();
        return server;
    }

    public async Task UntilReadyAsync()
    {
        for (var i = 0; i < 2000; i++)
        {
            using var response = await Client.GetAsync("/health");
            if (response.IsSuccessStatusCode)
            {
                return;
            }

            await Task.Delay(10);
        }

        Assert.Fail("the service did not become ready");
    }

    public async Task<(HttpResponseMessage Response, JsonNode Body)> PostAsync(string path, string json)
    {
        var response = await Client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"));
        return (response, JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
    }

    /// <summary>The events of a streamed answer, parsed; the last must be [DONE] and is left out.</summary>
    public async Task<List<JsonNode>> StreamAsync(string path, string json)
    {
        using var response = await Client.PostAsync(path, new StringContent(json, Encoding.UTF8, "application/json"));
        var events = Events(await response.Content.ReadAsStringAsync());
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        Assert.Equal("data: [DONE]", events[^1]);
        return [.. events[..^1].Select(item => JsonNode.Parse(item["data: ".Length..])!)];
    }

    /// <summary>A stream's events, without the comments that say it is alive.</summary>
    public static string[] Events(string stream)
        => [.. stream.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(item => !item.StartsWith(':'))];

    /// <summary>Sends bytes as they are and reads the answer until the connection ends or nothing comes for a while.</summary>
    public async Task<string> SendRawAsync(string request, bool untilClosed = true)
    {
        using var client = new System.Net.Sockets.TcpClient(Client.BaseAddress!.Host, Client.BaseAddress.Port);
        await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(request));
        var answer = new StringBuilder();
        var block = new byte[4096];
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        for (int read; (read = await client.GetStream().ReadAsync(block, patience.Token)) > 0;)
        {
            answer.Append(Encoding.UTF8.GetString(block, 0, read));
            if (!untilClosed)
            {
                break;
            }
        }

        return answer.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}

/// <summary>A folder that is gone after the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("hearth-test-").FullName;

    public string Write(string name, string text)
    {
        var path = System.IO.Path.Combine(Path, name);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
