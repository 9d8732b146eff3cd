using Hearth.Runtime.Conversion;
using Hearth.SemanticKernel;

namespace Hearth.Host.Tests;

/// <summary>A trained encoder–decoder from text to text: the service, and Semantic Kernel in process and over HTTP. Skipped where the asset is absent.</summary>
public sealed class SpellingToSoundTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_service_answers_spellings_with_sounds()
    {
        await using var model = await LoadAsync();
        await using var server = await TestServer.StartAsync(model);
        var (_, body) = await server.PostAsync("/v1/completions", """{"prompt": ["hello", "transformer"]}""");
        Assert.Equal(["hˈɛlO", "tɹænsfˈɔɹməɹ"], body["choices"]!.AsArray().Select(choice => choice!["text"]!.GetValue<string>()));

        var events = await server.StreamAsync("/v1/completions", """{"prompt": "hello", "beams": 3, "stream": true}""");
        Assert.Equal("hˈɛlO", string.Concat(events.SelectMany(item => item["choices"]!.AsArray()).Select(choice => choice!["text"]!.GetValue<string>())));
    }

    [Fact]
    public async Task Semantic_Kernel_gets_the_same_in_process_and_over_HTTP()
    {
        await using var model = await LoadAsync();
        await using var server = await TestServer.StartAsync(model);
        foreach (var service in new[] { new HearthTextGenerationService(model), new HearthTextGenerationService(server.Client, server.Client.BaseAddress!) })
        {
            Assert.Equal("hˈɛlO", Assert.Single(await service.GetTextContentsAsync("hello", cancellationToken: Token)).Text);
            Assert.Equal("hˈɛlO", Assert.Single(await service.GetTextContentsAsync("hello", new HearthPromptExecutionSettings { Beams = 4 }, cancellationToken: Token)).Text);
        }
    }

    [Fact]
    public async Task An_empty_text_is_a_bad_request()
    {
        await using var model = await LoadAsync();
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync("/v1/completions", """{"prompt": ""}""");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("prompt", body["error"]!["param"]!.GetValue<string>());
    }

    [Fact]
    public async Task Beams_that_a_step_cannot_hold_are_a_bad_request()
    {
        await using var model = await LoadAsync(new ModelOptions { StepTokens = 8 });
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync("/v1/completions", """{"prompt": "a", "beams": 9}""");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("beams", body["error"]!["param"]!.GetValue<string>());
    }

    public void Dispose() => _folder.Dispose();

    private Task<LanguageModel> LoadAsync(ModelOptions? options = null)
    {
        var named = Environment.GetEnvironmentVariable("HEARTH_SHARED");
        var shared = string.IsNullOrEmpty(named) ? Path.Combine(Repository(), "..", "shared") : named;
        var asset = Path.Combine(shared, "assets", "misaki-bart");
        if (!Directory.Exists(asset))
        {
            Assert.Skip($"{asset} is absent");
        }

        var file = Path.Combine(_folder.Path, "misaki.gguf");
        ModelConverter.Convert(asset, file, cancellationToken: Token);
        return LanguageModel.LoadAsync(file, options, cancellationToken: Token);
    }

    private static string Repository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "runtime.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? AppContext.BaseDirectory;
    }
}
