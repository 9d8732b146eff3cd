using Hearth.Extensions.AI.Backends;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.TextGeneration;

namespace Hearth.SemanticKernel.Tests;

public sealed class RegistrationTests : IAsyncDisposable
{
    private readonly FakeLanguageModel _model = new();
    private int _loads;

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    [Fact]
    public async Task Services_of_one_path_share_one_model_loaded_when_needed()
    {
        var builder = Kernel.CreateBuilder();
        AddFakeLoader(builder.Services);
        builder.AddHearthChatCompletion(new() { ModelPath = "models/a.gguf" });
        builder.AddHearthTextGeneration(new() { ModelPath = "./models/a.gguf", ServiceId = "text" });
        var kernel = builder.Build();
        var chat = kernel.GetRequiredService<IChatCompletionService>();
        var text = kernel.GetRequiredService<ITextGenerationService>("text");
        Assert.Equal(0, _loads);

        await Task.WhenAll(chat.GetChatMessageContentsAsync("a"), text.GetTextContentsAsync("b"), chat.GetChatMessageContentsAsync("c"));
        Assert.Equal(1, _loads);
        Assert.Equal("a", chat.Attributes["ModelId"]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_container_disposes_the_model(bool synchronously)
    {
        var services = new ServiceCollection();
        AddFakeLoader(services);
        services.AddHearthChatCompletion(new() { ModelPath = "a.gguf", KeepAlive = TimeSpan.Zero });
        var provider = services.BuildServiceProvider();
        var chat = provider.GetRequiredService<IChatCompletionService>();
        await chat.GetChatMessageContentsAsync("a");
        if (synchronously)
        {
            provider.Dispose();
        }
        else
        {
            await provider.DisposeAsync();
        }

        Assert.True(_model.IsDisposed);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => chat.GetChatMessageContentsAsync("a"));
    }

    [Fact]
    public async Task A_failed_load_says_why_and_is_tried_again()
    {
        var services = new ServiceCollection();
        services.AddSingleton(new ModelPool(new FakeLoader((string path, CancellationToken _) => _loads++ == 0
            ? throw new ModelFormatException("no GGUF file", path)
            : Task.FromResult<IModel>(_model))));
        services.AddHearthChatCompletion(new() { ModelPath = "a.gguf" });
        await using var provider = services.BuildServiceProvider();
        var chat = provider.GetRequiredService<IChatCompletionService>();

        var error = await Assert.ThrowsAsync<ModelFormatException>(() => chat.GetChatMessageContentsAsync("a"));
        Assert.Contains("a.gguf", error.Message, StringComparison.Ordinal);
        Assert.Equal("again", (await chat.GetChatMessageContentAsync("again")).Content);
    }

    [Fact]
    public async Task A_missing_file_is_named()
    {
        var services = new ServiceCollection();
        services.AddHearthChatCompletion(new() { ModelPath = "nowhere/a.gguf" });
        await using var provider = services.BuildServiceProvider();
        var error = await Assert.ThrowsAsync<HearthException>(() => provider.GetRequiredService<IChatCompletionService>().GetChatMessageContentsAsync("a"));
        Assert.Contains("a.gguf", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Services_that_share_a_model_must_agree_on_its_options()
    {
        var services = new ServiceCollection();
        services.AddHearthChatCompletion(new() { ModelPath = "a.gguf", Model = new ModelOptions { Threads = 2 } });
        services.AddHearthTextGeneration(new() { ModelPath = "a.gguf", Model = new ModelOptions { Threads = 2 } });
        Assert.Throws<ArgumentException>(() => services.AddHearthTextGeneration(new() { ModelPath = "a.gguf" }));
    }

    [Fact]
    public void Options_must_name_one_source()
    {
        var services = new ServiceCollection();
        var address = new Uri("http://127.0.0.1:4327");
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new()));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new() { ModelPath = "a", Endpoint = address }));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new() { ModelPath = " " }));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new() { Endpoint = new Uri("ftp://a") }));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new() { Endpoint = new Uri("v1", UriKind.Relative) }));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new() { Endpoint = address, Model = new ModelOptions() }));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new() { Endpoint = address, KeepAlive = TimeSpan.Zero }));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new() { ModelPath = "a", KeepAlive = TimeSpan.FromSeconds(-5) }));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatCompletion(new() { ModelPath = "a", KeepAlive = TimeSpan.MaxValue }));
    }

    private void AddFakeLoader(IServiceCollection services) => services.AddSingleton(new ModelPool(new FakeLoader(async (string _, CancellationToken cancellationToken) =>
    {
        Interlocked.Increment(ref _loads);
        await Task.Delay(20, cancellationToken);
        return _model;
    })));
}
