using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Hearth.Host.Tests;

/// <summary>Reading the configuration anew while the service runs.</summary>
public sealed class ReloadTests
{
    [Fact]
    public async Task What_changed_counts_and_what_did_not_is_left_alone()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("hearth.json", """{"Models": [{"Id": "a", "Path": "a.gguf"}, {"Id": "b", "Path": "b.gguf"}], "Presets": [{"Id": "p", "Model": "a"}]}""");
        var loads = new ConcurrentQueue<string>();
        var models = new ConcurrentDictionary<string, FakeLanguageModel>();
        await using var server = await TestServer.StartAsync((model, _, _) =>
        {
            loads.Enqueue(model.EffectiveId);
            return Task.FromResult<IModel>(models.AddOrUpdate(model.EffectiveId, _ => new FakeLanguageModel(), (_, _) => new FakeLanguageModel()));
        }, file);
        var (_, chat) = await server.PostAsync("/v1/chat/completions", """{"model": "a", "conversation": "new", "messages": [{"role": "user", "content": "x"}]}""");
        var conversation = chat["conversation"]!["id"]!.GetValue<string>();
        var (first, second) = (models["a"], models["b"]);

        folder.Write("hearth.json", """
            {"Models": [{"Id": "a", "Path": "a.gguf", "Aliases": ["gpt-4o"], "System": "Talk."}, {"Id": "b", "Path": "b.gguf", "ContextLength": 99}, {"Id": "c", "Path": "c.gguf"}],
             "Presets": [{"Id": "q", "Model": "a"}], "Limits": {"RequestSeconds": 77}, "AllowedOrigins": ["https://page.example"]}
            """);
        Assert.Null(server.Services.GetRequiredService<LiveConfiguration>().Reload());
        await UntilAsync(() => loads.Count == 4 && second.IsDisposed);
        await server.UntilReadyAsync();

        // a is the very same model, under more names; b was loaded anew, c is new.
        Assert.Equal(["b", "c"], loads.Skip(2).Order(StringComparer.Ordinal));
        Assert.False(first.IsDisposed);
        Assert.Equal(77, server.Services.GetRequiredService<ServiceConfiguration>().Limits.RequestSeconds);
        var (response, body) = await server.PostAsync("/v1/chat/completions", $$"""{"model": "gpt-4o", "conversation": "{{conversation}}", "messages": [{"role": "user", "content": "y"}]}""");
        Assert.Equal((200, "a"), ((int)response.StatusCode, body["model"]!.GetValue<string>()));
        var list = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models"))!;
        Assert.Equal(["a", "b", "c", "q"], list["data"]!.AsArray().Select(entry => entry!["id"]!.GetValue<string>()).Order(StringComparer.Ordinal));
        using var page = new HttpRequestMessage(HttpMethod.Get, "/v1/models");
        page.Headers.Add("Origin", "https://page.example");
        using var answer = await server.Client.SendAsync(page);
        Assert.Equal("https://page.example", answer.Headers.GetValues("Access-Control-Allow-Origin").Single());

        folder.Write("hearth.json", """{"Models": [{"Id": "c", "Path": "c.gguf"}]}""");
        Assert.Null(server.Services.GetRequiredService<LiveConfiguration>().Reload());
        await UntilAsync(() => first.IsDisposed);
        list = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models"))!;
        Assert.Equal(["c"], list["data"]!.AsArray().Select(entry => entry!["id"]!.GetValue<string>()));
        Assert.Equal(4, loads.Count);
    }

    [Theory]
    [InlineData("{", "hearth.json")]
    [InlineData("""{"Models": []}""", "Models")]
    [InlineData("""{"Modls": []}""", "Modls")]
    [InlineData("""{"Models": [{"Path": "a.gguf"}], "Limits": {"DrainSeconds": -1}}""", "Limits:DrainSeconds")]
    public async Task A_configuration_that_cannot_be_used_changes_nothing(string text, string named)
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("hearth.json", """{"Models": [{"Id": "a", "Path": "a.gguf"}], "Limits": {"DrainSeconds": 3}}""");
        await using var server = await TestServer.StartAsync((_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()), file);
        folder.Write("hearth.json", text);
        Assert.Contains(named, server.Services.GetRequiredService<LiveConfiguration>().Reload(), StringComparison.Ordinal);
        Assert.Equal(3, server.Services.GetRequiredService<ServiceConfiguration>().Limits.DrainSeconds);
        var (response, _) = await server.PostAsync("/v1/completions", """{"prompt": "x"}""");
        Assert.Equal(200, (int)response.StatusCode);
    }

    [Fact]
    public async Task Log_levels_and_keys_are_read_anew()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("hearth.json", """{"Models": [{"Id": "a", "Path": "a.gguf"}], "Logging": {"LogLevel": {"Trial": "Error"}}}""");
        await using var server = await TestServer.StartAsync((_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()), file);
        var logger = server.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Trial");
        Assert.False(logger.IsEnabled(LogLevel.Debug));
        folder.Write("hearth.json", """{"Models": [{"Id": "a", "Path": "a.gguf"}], "Logging": {"LogLevel": {"Trial": "Debug"}}, "ApiKeys": ["secret"]}""");
        Assert.Null(server.Services.GetRequiredService<LiveConfiguration>().Reload());
        Assert.True(logger.IsEnabled(LogLevel.Debug));
        var (response, _) = await server.PostAsync("/v1/completions", """{"prompt": "x"}""");
        Assert.Equal(401, (int)response.StatusCode);
        server.Client.DefaultRequestHeaders.Authorization = new("Bearer", "secret");
        (response, _) = await server.PostAsync("/v1/completions", """{"prompt": "x"}""");
        Assert.Equal(200, (int)response.StatusCode);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 2000 && !condition(); i++)
        {
            await Task.Delay(10);
        }

        Assert.True(condition());
    }
}
