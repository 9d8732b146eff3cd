using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Hearth.Host.Tests;

public sealed class ServiceTests
{
    [Fact]
    public async Task Health_tells_the_load_of_a_ready_model()
    {
        await using var server = await TestServer.StartAsync();
        var health = JsonNode.Parse(await server.Client.GetStringAsync("/health"))!;

        Assert.Equal("ok", health["status"]!.GetValue<string>());
        Assert.Equal("fake", health["model"]!.GetValue<string>());
        Assert.Equal(
            """[{"id":"fake","status":"ready","load":{"running_requests":0,"waiting_requests":0,"used_pages":0,"cached_pages":3,"total_pages":64}}]""",
            health["models"]!.ToJsonString());
    }

    [Fact]
    public async Task Health_tells_of_a_model_whose_loop_has_ended()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        model.Fault = new InvalidOperationException("a secret of the code");
        using var response = await server.Client.GetAsync("/health");
        var health = await response.Content.ReadAsStringAsync();
        Assert.Equal(503, (int)response.StatusCode);
        Assert.Equal("failed", JsonNode.Parse(health)!["status"]!.GetValue<string>());
        Assert.Contains("ended by a fault", JsonNode.Parse(health)!["models"]![0]!["error"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.DoesNotContain("secret", health, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Models_are_listed_and_described()
    {
        await using var server = await TestServer.StartAsync();
        var list = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models"))!;
        var one = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models/fake"))!;

        Assert.Equal("list", list["object"]!.GetValue<string>());
        Assert.Equal(one.ToJsonString(), Assert.Single(list["data"]!.AsArray())!.ToJsonString());
        Assert.Equal("model", one["object"]!.GetValue<string>());
        Assert.Equal(4096, one["context_length"]!.GetValue<int>());
        Assert.Equal(1795348800, one["created"]!.GetValue<long>());
    }

    [Fact]
    public async Task While_a_model_loads_requests_are_asked_to_come_again()
    {
        var gate = new TaskCompletionSource();
        await using var server = await TestServer.StartAsync(load: async (_, progress, cancelled) =>
        {
            progress!.Report(0.5);
            await gate.Task.WaitAsync(cancelled);
            return new FakeLanguageModel();
        });
        using var health = await server.Client.GetAsync("/health");
        Assert.Equal(503, (int)health.StatusCode);
        var body = JsonNode.Parse(await health.Content.ReadAsStringAsync())!;
        Assert.Equal("loading", body["status"]!.GetValue<string>());
        var (chat, error) = await server.PostAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "a"}]}""");
        Assert.Equal(503, (int)chat.StatusCode);
        Assert.True(chat.Headers.Contains("Retry-After"));
        Assert.Equal("model_loading", error["error"]!["code"]!.GetValue<string>());

        gate.SetResult();
        await server.UntilReadyAsync();
    }

    [Fact]
    public async Task A_model_that_cannot_be_loaded_stops_the_service()
    {
        await using var server = await TestServer.StartAsync(load: (_, _, _) => throw new ModelFormatException("no GGUF file", "fake.gguf"));
        await server.App.WaitForShutdownAsync().WaitAsync(TimeSpan.FromSeconds(20));
        Assert.IsType<ModelFormatException>(server.Services.GetRequiredService<ModelCatalog>().Failure);
    }

    [Fact]
    public async Task Stopping_the_service_disposes_its_models()
    {
        var model = new FakeLanguageModel();
        var server = await TestServer.StartAsync(model);
        await server.DisposeAsync();
        Assert.True(model.IsDisposed);
    }
}
