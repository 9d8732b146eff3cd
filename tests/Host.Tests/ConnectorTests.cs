using Hearth.Runtime.Constraints;
using Hearth.SemanticKernel;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.Host.Tests;

/// <summary>Semantic Kernel's services against the real service.</summary>
public sealed class ConnectorTests
{
    [Fact]
    public async Task A_chat_streams_through_service_and_connector()
    {
        var model = new FakeLanguageModel { CachedTokens = 2 };
        await using var server = await TestServer.StartAsync(model);
        var service = new HearthChatCompletionService(server.Client, server.Client.BaseAddress!);
        var history = new ChatHistory("brief");
        history.AddUserMessage("größe 漢字 🔥");

        var pieces = new List<StreamingChatMessageContent>();
        var settings = new HearthPromptExecutionSettings { Temperature = 0.5f, Seed = ulong.MaxValue, LogitBias = new Dictionary<int, float> { [7] = float.NegativeInfinity } };
        await foreach (var piece in service.GetStreamingChatMessageContentsAsync(history, settings))
        {
            pieces.Add(piece);
        }

        Assert.Equal("größe 漢字 🔥", string.Concat(pieces.Select(piece => piece.Content)));
        Assert.Equal("Stop", pieces.Select(piece => piece.Metadata!["FinishReason"]).Last(reason => reason is not null));
        var usage = Assert.IsType<TokenUsage>(pieces[^1].Metadata!["Usage"]);
        Assert.Equal((3, 2, CacheMissReason.Differs, 2), (usage.CompletionTokens, usage.CachedPromptTokens, usage.CacheMiss, usage.FirstDifferentToken));
        Assert.All(pieces, piece => Assert.Equal("fake", piece.ModelId));
        Assert.True(model.Requests.TryDequeue(out var request));
        Assert.Equal((0.5f, ulong.MaxValue), (request.Options.Temperature, request.Options.Seed));
        Assert.Equal(float.NegativeInfinity, request.Options.LogitBias![7]);
    }

    [Fact]
    public async Task A_text_comes_whole_through_service_and_connector()
    {
        await using var server = await TestServer.StartAsync();
        var service = new HearthTextGenerationService(server.Client, server.Client.BaseAddress!, "fake");
        var contents = await service.GetTextContentsAsync("a b c", new HearthPromptExecutionSettings { MaxTokens = 2 });

        var content = Assert.Single(contents);
        Assert.Equal("a b ", content.Text);
        Assert.Equal("Length", content.Metadata!["FinishReason"]);
    }

    [Fact]
    public async Task Every_constraint_and_option_reaches_the_model_through_service_and_connector()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var service = new HearthTextGenerationService(server.Client, server.Client.BaseAddress!);
        foreach (var (settings, constraint) in new (HearthPromptExecutionSettings, Constraint)[]
        {
            (new() { ResponseFormat = "json_object" }, Constraint.JsonObject), (new() { ResponseFormat = typeof(Uri) }, Constraint.FromType<Uri>()), (new() { Grammar = "root ::= [a]" }, Constraint.Grammar("root ::= [a]")),
            (new() { Regex = "a+" }, Constraint.Regex("a+")), (new() { Choices = ["a", "\"b\""] }, Constraint.Choices(["a", "\"b\""])),
        })
        {
            await service.GetTextContentsAsync("a", settings);
            Assert.True(model.Requests.TryDequeue(out var constrained));
            Assert.Equal(constraint, constrained.Options.Constraint);
        }

        var all = new HearthPromptExecutionSettings
        {
            MinTokens = 2,
            StopTokenIds = [4],
            TextBias = new Dictionary<string, float> { ["x y"] = float.NegativeInfinity },
            LogitBias = new Dictionary<int, float> { [3] = 2 },
            ChoiceCount = 2,
            LogProbabilities = 3,
        };
        await service.GetTextContentsAsync("a", all);
        Assert.True(model.Requests.TryDequeue(out var request));
        Assert.Equal((2, 4, float.NegativeInfinity, 2f, 2, 3), (request.Options.MinTokens, Assert.Single(request.Options.StopTokenIds), request.Options.TextBias!["x y"], request.Options.LogitBias![3], request.Options.ChoiceCount, request.Options.LogProbabilities));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Choices_and_log_probabilities_come_through_service_and_connector(bool isChat)
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel());
        var settings = new HearthPromptExecutionSettings { ChoiceCount = 2, LogProbabilities = 4 };
        var contents = isChat
            ? await new HearthChatCompletionService(server.Client, server.Client.BaseAddress!).GetChatMessageContentsAsync(new ChatHistory("a b"), settings)
            : (IReadOnlyList<KernelContent>)await new HearthTextGenerationService(server.Client, server.Client.BaseAddress!).GetTextContentsAsync("a b", settings);

        Assert.Equal(["a b", "a b"], contents.Select(content => content.ToString()));
        foreach (var content in contents)
        {
            var told = Assert.IsAssignableFrom<IReadOnlyList<TokenLogProbabilities>>(content.Metadata!["LogProbabilities"]);
            Assert.Equal(["a ", "b"], told.Select(token => System.Text.Encoding.UTF8.GetString(token.Token.Bytes.Span)));
            Assert.Equal(-0.5, told[0].Token.LogProbability);
            Assert.Equal([-0.5, -1.5, -2.5, double.NegativeInfinity], told[0].Likeliest.Select(likely => likely.LogProbability));
        }
    }

    [Fact]
    public async Task A_constraint_that_cannot_be_enforced_is_an_HTTP_error_with_the_services_words()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => throw new Runtime.Constraints.ConstraintException("it cannot be", "/items") });
        var service = new HearthTextGenerationService(server.Client, server.Client.BaseAddress!);
        var error = await Assert.ThrowsAsync<HttpOperationException>(() => service.GetTextContentsAsync("a", new HearthPromptExecutionSettings { Regex = "a" }));
        Assert.Equal(400, (int)error.StatusCode!);
        Assert.Contains("it cannot be (at /items)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_prompt_beyond_the_context_keeps_its_type_and_numbers()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { ContextLength = 3 });
        var service = new HearthTextGenerationService(server.Client, server.Client.BaseAddress!);
        var error = await Assert.ThrowsAsync<ContextLengthExceededException>(() => service.GetTextContentsAsync("abcd"));
        Assert.Equal((4, 3), (error.TokensAsked, error.TokensPossible));
    }

    [Fact]
    public async Task An_unknown_model_is_an_HTTP_error_with_the_services_words()
    {
        await using var server = await TestServer.StartAsync(configuration: """{"AnswerUnknownModels": false}""");
        var service = new HearthChatCompletionService(server.Client, server.Client.BaseAddress!, "other");
        var error = await Assert.ThrowsAsync<HttpOperationException>(() => service.GetChatMessageContentAsync("hi"));
        Assert.Equal(404, (int)error.StatusCode!);
        Assert.Contains("'other' does not exist", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Leaving_a_stream_early_ends_the_generation()
    {
        var model = new FakeLanguageModel { BeforeUpdate = (i, cancelled) => i == 0 ? Task.CompletedTask : Task.Delay(Timeout.Infinite, cancelled) };
        await using var server = await TestServer.StartAsync(model);
        var service = new HearthChatCompletionService(server.Client, server.Client.BaseAddress!);
        await foreach (var piece in service.GetStreamingChatMessageContentsAsync("a b"))
        {
            if (piece.Content?.Length > 0)
            {
                break;
            }
        }

        for (var i = 0; model.Load.RunningRequests > 0 && i < 500; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal(0, model.Load.RunningRequests);
    }
}
