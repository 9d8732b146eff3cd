using System.Text.Json.Nodes;
using Microsoft.SemanticKernel;

namespace Hearth.SemanticKernel.Tests;

public sealed class TextGenerationServiceTests : IAsyncDisposable
{
    private readonly FakeLanguageModel _model = new();

    private HearthTextGenerationService Service => new(_model);

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    [Fact]
    public async Task A_text_is_continued_without_a_template()
    {
        var content = Assert.Single(await Service.GetTextContentsAsync("once upon", new HearthPromptExecutionSettings { MaxTokens = 1 }));

        Assert.Equal("once ", content.Text);
        Assert.Equal("Length", content.Metadata!["FinishReason"]);
        Assert.StartsWith("cmpl-", (string)content.Metadata["Id"]!, StringComparison.Ordinal);
        Assert.Empty(_model.Chats);
    }

    [Fact]
    public async Task A_text_streams()
    {
        var pieces = new List<StreamingTextContent>();
        await foreach (var piece in Service.GetStreamingTextContentsAsync("a b"))
        {
            pieces.Add(piece);
        }

        Assert.Equal("a b", string.Concat(pieces.Select(piece => piece.Text)));
        Assert.Equal("Stop", pieces[^1].Metadata!["FinishReason"]);
        Assert.NotNull(pieces[^1].Metadata!["Usage"]);
    }

    [Fact]
    public async Task Template_variables_are_refused()
    {
        var settings = new HearthPromptExecutionSettings { TemplateVariables = new JsonObject { ["enable_thinking"] = false } };
        await Assert.ThrowsAsync<NotSupportedException>(() => Service.GetTextContentsAsync("a", settings));
    }
}
