using System.Text;
using System.Text.Json.Nodes;
using Hearth.Host.Service;

namespace Hearth.Host.Tests.Keys;

/// <summary>A service with a key file of its own, and bearers that ask it.</summary>
internal sealed class KeyedService : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private TestServer? _server;

    public string File => Path.Combine(_folder.Path, KeyFile.FileName);

    public string Folder => _folder.Path;

    public TestServer Server => _server!;

    /// <summary>Makes a key that allows everything, changed as the test wants it.</summary>
    public string Add(string name, Func<ApiKey, ApiKey>? change = null)
    {
        var secret = ApiKey.Make();
        var key = new ApiKey { Id = Guid.NewGuid().ToString("N"), Name = name, Digest = ApiKey.DigestOf(secret), Created = DateTimeOffset.UtcNow, Verbs = KeyVerbs.All };
        new KeyFile(File).Change(keys => [.. keys.Where(other => other.Name != name), change is null ? key : change(key)]);
        return secret;
    }

    public void Revoke(string name) => new KeyFile(File).Change(keys => [.. keys.Select(key => key.Name == name ? key with { Revoked = DateTimeOffset.UtcNow } : key)]);

    /// <summary>Starts the service with models of these names.</summary>
    public async Task<TestServer> StartAsync(LoadModel load, string[] models, string more = "")
    {
        var described = string.Join(", ", models.Select(id => $$"""{"Id": "{{id}}", "Path": "{{id}}.gguf"}"""));
        var state = JsonValue.Create(Path.Combine(_folder.Path, "state")).ToJsonString();
        return _server = await TestServer.StartAsync(load, _folder.Write("hearth.json", $$"""{"Models": [{{described}}], "StateFolder": {{state}}{{more}}}"""));
    }

    public Task<TestServer> StartAsync(params string[] models) => StartAsync((_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()), models.Length > 0 ? models : ["fake"]);

    /// <summary>Asks, with a key or without.</summary>
    public async Task<(HttpResponseMessage Response, JsonNode? Body)> AskAsync(string? key, string path, string? json = null, string header = "Authorization", string? method = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method ?? (json is null ? "GET" : "POST")), path);
        request.Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json");
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation(header, header == "Authorization" ? "Bearer " + key : key);
        }

        var response = await Server.Client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        return (response, text.StartsWith('{') || text.StartsWith('[') ? JsonNode.Parse(text) : null);
    }

    public async Task<int> StatusAsync(string? key, string path, string? json = null, string? method = null)
    {
        var (response, _) = await AskAsync(key, path, json, method: method);
        response.Dispose();
        return (int)response.StatusCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _folder.Dispose();
    }
}
