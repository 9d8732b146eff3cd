using System.Text.Json;
using Hearth.LLamaSharp;

namespace Hearth.Parity.Tests;

/// <summary>Both engines write the same texts where the likeliest token is taken.</summary>
public sealed class GreedyParityTests
{
    [Theory]
    [InlineData("What is Hearth?")]
    [InlineData("Hello! Who are you?")]
    [InlineData("Name three colours.")]
    public async Task The_demo_model_answers_alike(string question)
    {
        var path = Path.Combine(SharedFolder.Repository, "models", "ember.gguf");
        await using var own = await LanguageModel.LoadAsync(path, cancellationToken: TestContext.Current.CancellationToken);
        await using var peer = await LLamaSharpModel.LoadAsync(path, cancellationToken: TestContext.Current.CancellationToken);
        var chat = new ChatPrompt { Messages = [new ChatMessage("user", question)] };
        var prompt = own.TokenizeChat(chat, TestContext.Current.CancellationToken);
        Assert.Equal(prompt, peer.TokenizeChat(chat, TestContext.Current.CancellationToken));
        var options = new GenerationOptions { Temperature = 0, MaxTokens = 48 };
        var (ours, theirs) = (await Generated.By(own, prompt, options), await Generated.By(peer, prompt, options));
        Assert.NotEmpty(ours.Text);
        Assert.Equal(ours.Text, theirs.Text);
        Assert.Equal(ours.Ids, theirs.Ids);
        Assert.Equal(ours.Reason, theirs.Reason);
    }

    [Fact]
    public async Task A_trained_model_tells_the_reference_story()
    {
        await using var peer = await LLamaSharpModel.LoadAsync(SharedFolder.Require("assets", "stories260K", "stories260K.gguf"), cancellationToken: TestContext.Current.CancellationToken);
        using var golden = JsonDocument.Parse(await File.ReadAllTextAsync(SharedFolder.Require("assets", "stories260K", "golden.json"), TestContext.Current.CancellationToken));
        foreach (var story in golden.RootElement.GetProperty("cases").EnumerateArray())
        {
            var prompt = peer.Tokenize(story.GetProperty("prompt").GetString()!);
            var expected = story.GetProperty("greedy_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
            var told = await Generated.By(peer, prompt, new GenerationOptions { Temperature = 0, MaxTokens = expected.Length });
            Assert.Equal(expected, told.Ids);
            Assert.Equal(story.GetProperty("greedy_text").GetString(), told.Text);
        }
    }
}
