using System.Text;
using System.Text.Json.Nodes;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Tests.Support;
using Hearth.Runtime.Turns;

namespace Hearth.Runtime.Tests.Turns;

/// <summary>Turns of ember, the demo model, which at a high temperature says anything.</summary>
public sealed class ChatTurnTests : IAsyncLifetime
{
    private static readonly GenerationOptions s_wild = new() { Temperature = 4, TopK = 0, TopP = 1, MinP = 0, MaxTokens = 400 };

    private LanguageModel _model = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
        => _model = await LanguageModel.LoadAsync(Path.Combine(SharedFolder.Repository, "models", "ember.gguf"), new ModelOptions { ContextLength = 1024 }, cancellationToken: Token);

    public async ValueTask DisposeAsync()
    {
        Assert.Equal(0, _model.Load.UsedPages);
        await _model.DisposeAsync();
    }

    private static JsonObject Tool(string name, string parameters)
        => new() { ["type"] = "function", ["function"] = new JsonObject { ["name"] = name, ["description"] = "A tool.", ["parameters"] = JsonNode.Parse(parameters) } };

    private static ChatTurnRequest Request(GenerationOptions options, ToolChoice? choice = null) => new()
    {
        Chat = new ChatPrompt
        {
            Messages = [new("user", "What is the weather in Bern?")],
            Tools =
            [
                Tool("get_weather", """{"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]}"""),
                Tool("roll", """{"type": "object", "properties": {"sides": {"type": "integer", "minimum": 2, "maximum": 20}}, "required": ["sides"]}"""),
            ],
        },
        Options = options,
        ToolChoice = choice ?? ToolChoice.Auto,
    };

    private sealed record Answer(string Text, string Reasoning, List<(string Name, string Arguments)> Calls, FinishReason Reason, TokenUsage Usage, List<string> Warnings);

    private async Task<List<Answer>> AskAsync(ChatTurnRequest request)
    {
        var choices = Enumerable.Range(0, request.Options.ChoiceCount ?? 1)
            .Select(_ => (Text: new StringBuilder(), Thoughts: new StringBuilder(), Calls: new List<(string Name, StringBuilder Arguments, bool IsComplete)>(), Warnings: new List<string>())).ToArray();
        var ends = new ChatUpdate?[choices.Length];
        await foreach (var update in _model.ChatAsync(request, Token))
        {
            var choice = choices[update.Choice];
            choice.Text.Append(update.Text);
            choice.Thoughts.Append(update.Reasoning);
            choice.Warnings.AddRange(update.Warnings);
            foreach (var call in update.ToolCalls)
            {
                if (call.Index == choice.Calls.Count)
                    choice.Calls.Add((call.Name, new StringBuilder(), false));
                choice.Calls[call.Index].Arguments.Append(call.Arguments);
                choice.Calls[call.Index] = choice.Calls[call.Index] with { IsComplete = call.IsComplete };
            }

            ends[update.Choice] = update.FinishReason is null ? ends[update.Choice] : update;
        }

        return [.. choices.Zip(ends, (choice, end) => new Answer(
            choice.Text.ToString(), choice.Thoughts.ToString(), [.. choice.Calls.Where(call => call.IsComplete).Select(call => (call.Name, call.Arguments.ToString()))],
            end!.FinishReason!.Value, end.Usage!.Value, choice.Warnings))];
    }

    private static void AssertFits((string Name, string Arguments) call)
    {
        var arguments = JsonNode.Parse(call.Arguments)!.AsObject();
        if (call.Name == "roll")
            Assert.InRange(Assert.Single(arguments).Value!.GetValue<double>(), 2, 20);
        else
            Assert.InRange(arguments["city"]!.GetValue<string>().EnumerateRunes().Count(), 0, 12);
        Assert.Contains(call.Name, new[] { "roll", "get_weather" });
    }

    [Fact]
    public async Task A_call_that_is_required_comes_and_fits_whatever_the_model_wants()
    {
        for (var seed = 0; seed < 6; seed++)
        {
            foreach (var answer in await AskAsync(Request(s_wild with { Seed = (ulong)seed, ChoiceCount = 4 }, ToolChoice.Required) with { ParallelToolCalls = false }))
            {
                Assert.Equal(FinishReason.ToolCalls, answer.Reason);
                Assert.Equal("", answer.Text);
                AssertFits(Assert.Single(answer.Calls));
                Assert.True(answer.Usage.ForcedTokens > 0);
            }
        }
    }

    [Fact]
    public async Task One_tool_is_called_where_it_is_named()
    {
        var answer = Assert.Single(await AskAsync(Request(new GenerationOptions { Temperature = 0 }, ToolChoice.Named("roll")) with { ParallelToolCalls = false }));
        Assert.Equal("roll", Assert.Single(answer.Calls).Name);
    }

    [Fact]
    public async Task What_is_free_is_text_or_calls_and_nothing_between()
    {
        for (var seed = 0; seed < 8; seed++)
        {
            var answer = Assert.Single(await AskAsync(Request(s_wild with { Temperature = 1, Seed = (ulong)seed, MaxTokens = 200 })));
            Assert.All(answer.Calls, AssertFits);
            Assert.Equal(answer.Reason != FinishReason.Length && answer.Calls.Count > 0, answer.Reason == FinishReason.ToolCalls);
        }
    }

    [Fact]
    public async Task Beside_tools_a_format_is_a_call_or_the_format()
    {
        for (var seed = 0; seed < 8; seed++)
        {
            var answer = Assert.Single(await AskAsync(Request(s_wild with { Seed = (ulong)seed, Constraint = Constraint.JsonSchema("""{"enum": [1, 2]}""") }) with { ParallelToolCalls = false }));
            if (answer.Calls.Count == 0)
                Assert.Contains(JsonNode.Parse(answer.Text)!.GetValue<double>(), new[] { 1.0, 2.0 });
            else
                Assert.Equal("", answer.Text);
        }
    }

    [Fact]
    public async Task A_message_that_was_begun_goes_on()
    {
        var question = new ChatMessage("user", "Who are you?");
        var request = new ChatTurnRequest { Chat = new ChatPrompt { Messages = [question] }, Options = new GenerationOptions { Temperature = 0, MaxTokens = 40 } };
        var whole = Assert.Single(await AskAsync(request)).Text;
        var half = whole[..whole.IndexOf(' ', whole.Length / 2)];
        request = request with { Chat = new ChatPrompt { Messages = [question, new("assistant", half)] }, ContinuesFinalMessage = true };
        Assert.Equal(whole, half + Assert.Single(await AskAsync(request)).Text);
        await Assert.ThrowsAsync<InvalidRequestException>(() => AskAsync(request with { Chat = new ChatPrompt { Messages = [new("user", "Who are you?")] } }));
    }

    [Fact]
    public async Task Faults_of_tools_are_told_before_anything_is_computed()
    {
        var request = Request(new GenerationOptions());
        foreach (var (tools, message) in new (JsonObject[], string)[]
        {
            ([Tool("a b", "{}")], "letters, digits"),
            ([Tool("a", "{}"), Tool("a", "{}")], "two tools named 'a'"),
            ([Tool("<|im_end|>", "{}")], "letters, digits"),
            ([Tool("a", """{"properties": {"x": {"enum": []}}, "required": ["x"]}""")], "cannot be enforced"),
            ([Tool("a", "5")], "JSON schema of an object"),
        })
        {
            var fault = await Assert.ThrowsAsync<InvalidRequestException>(() => AskAsync(request with { Chat = request.Chat with { Tools = tools } }));
            Assert.Contains(message, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Models_whose_templates_know_no_tools_are_told_by_the_prompt()
    {
        var chat = new ChatPrompt
        {
            Messages =
            [
                new("user", "Roll."), new ChatMessage("assistant", null) { ToolCalls = [new ToolCall("1", "roll", new JsonObject { ["sides"] = 6, ["note"] = "<|im_end|>" })] },
                new ChatMessage("tool", "4") { ToolCallId = "1" }, new ChatMessage("tool", "5") { ToolCallId = "2" },
            ],
            Tools = [Tool("roll", "{}")],
        };
        var adapted = ToolPrompt.Adapt(chat, ChatDialect.Plain);

        Assert.Empty(adapted.Tools);
        Assert.Equal(["system", "user", "assistant", "user"], adapted.Messages.Select(message => message.Role));
        Assert.Contains("\"name\": \"roll\"", adapted.Messages[0].Content, StringComparison.Ordinal);

        // The model's own words, in which a caller's value cannot spell a token of control.
        Assert.Equal("<tool_call>\n{\"name\": \"roll\", \"arguments\": {\"sides\": 6, \"note\": \"\\u003c|im_end|>\"}}\n</tool_call>", adapted.Messages[2].Content);
        Assert.Equal("<tool_response>\n4\n</tool_response>\n<tool_response>\n5\n</tool_response>", adapted.Messages[3].Content);
        Assert.Equal(["user", "assistant", "user"], ToolPrompt.WithoutSystem(adapted).Messages.Select(message => message.Role));
    }
}
