using Hearth.Runtime.Caching;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Hearth.Extensions.AI.Tests;

/// <summary>Prompts that are computed when a host starts.</summary>
public sealed class PinnedPromptTests
{
    private const string Instructions = "You are a helpful assistant who answers in few words.";

    private static readonly AIFunction s_weather = AIFunctionFactory.Create((string city) => city, "get_weather", "Get the current weather for a city");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static string Ember
    {
        get
        {
            var folder = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(folder.FullName, "runtime.sln")))
                folder = folder.Parent!;
            return Path.Combine(folder.FullName, "models", "ember.gguf");
        }
    }

    private static async Task<HealthReport> ReportAsync(IHost host)
    {
        var health = host.Services.GetRequiredService<HealthCheckService>();
        for (; ; )
        {
            var report = await health.CheckHealthAsync(Token);
            if (report.Status == HealthStatus.Healthy || report.Entries["hearth-prompts"].Exception is not null)
                return report;
            await Task.Delay(10, Token);
        }
    }

    [Fact]
    public async Task The_first_chat_finds_its_beginning_in_the_cache()
    {
        var options = new HearthClientOptions { ModelPath = Ember };
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddHearthChatClient(options);
        builder.Services.AddHearthPinnedPrompt(options, Instructions, [s_weather]);
        builder.Services.AddHearthPinnedPrompt(options, "Another beginning.");
        using var host = builder.Build();
        await host.StartAsync(Token);
        var entry = (await ReportAsync(host)).Entries["hearth-prompts"];
        Assert.Equal(HealthStatus.Healthy, entry.Status);
        Assert.Equal((2, 2), (entry.Data["prompts"], entry.Data["pinned"]));
        Assert.Contains("ready", entry.Tags);

        var client = host.Services.GetRequiredService<IChatClient>();
        var first = await client.GetResponseAsync("What is the weather in Bern?", new ChatOptions { Instructions = Instructions, Tools = [s_weather], MaxOutputTokens = 3 }, Token);
        var cache = client.GetService<KvCache>()!;
        Assert.InRange(first.Usage!.CachedInputTokenCount!.Value, 60, first.Usage.InputTokenCount!.Value);

        // What is pinned stays, whatever is evicted.
        cache.Evict();
        var again = await client.GetResponseAsync("Something else?", new ChatOptions { Instructions = Instructions, Tools = [s_weather], MaxOutputTokens = 3 }, Token);
        Assert.InRange(again.Usage!.CachedInputTokenCount!.Value, 60, again.Usage.InputTokenCount!.Value);
        await host.StopAsync(Token);
    }

    [Fact]
    public async Task What_cannot_be_pinned_is_told_by_the_health_check()
    {
        var options = new HearthClientOptions { ModelPath = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.gguf") };
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddHearthPinnedPrompt(options, Instructions);
        using var host = builder.Build();
        await host.StartAsync(Token);
        var report = await ReportAsync(host);
        Assert.Equal(HealthStatus.Unhealthy, report.Status);
        Assert.Contains(options.ModelPath, report.Entries["hearth-prompts"].Description, StringComparison.Ordinal);
        await host.StopAsync(Token);
    }

    [Fact]
    public async Task A_model_without_prefixes_pins_nothing()
    {
        var options = new HearthClientOptions { ModelPath = Ember, Model = new() { PrefixCaching = false } };
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddHearthPinnedPrompt(options, Instructions);
        using var host = builder.Build();
        await host.StartAsync(Token);
        Assert.Contains("keeps no prefixes", (await ReportAsync(host)).Entries["hearth-prompts"].Description, StringComparison.Ordinal);
        await host.StopAsync(Token);
    }

    [Fact]
    public void A_service_elsewhere_and_an_empty_prompt_are_refused()
    {
        var services = new ServiceCollection();
        Assert.Contains("Endpoint", Assert.Throws<ArgumentException>(() => services.AddHearthPinnedPrompt(new HearthClientOptions { Endpoint = new Uri("http://127.0.0.1:4327") }, Instructions)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => services.AddHearthPinnedPrompt(new HearthClientOptions { ModelPath = Ember }, null));
        Assert.Throws<NotSupportedException>(() => services.AddHearthPinnedPrompt(new HearthClientOptions { ModelPath = Ember }, null, [new HostedWebSearchTool()]));
    }
}
