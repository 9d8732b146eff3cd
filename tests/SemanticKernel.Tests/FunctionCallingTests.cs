using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Constraints;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel.Tests;

/// <summary>Functions of a kernel, offered, called and invoked; the model's words are a script.</summary>
public sealed class FunctionCallingTests : IAsyncDisposable
{
    private readonly FakeLanguageModel _model;
    private readonly Clock _clock = new();
    private readonly Kernel _kernel;
    private readonly HearthChatCompletionService _service;
    private readonly Dictionary<string, string> _script = [];

    public FunctionCallingTests()
    {
        _model = new FakeLanguageModel { Reply = line => Pieces(_script.GetValueOrDefault(line, line)) };
        _service = new HearthChatCompletionService(_model);
        var builder = Kernel.CreateBuilder();
        builder.Services.AddSingleton<IChatCompletionService>(_service);
        builder.Plugins.AddFromObject(_clock, "clock");
        builder.Plugins.AddFromFunctions("sums", [KernelFunctionFactory.CreateFromMethod((int a, int b) => a + b, "add", "Adds two numbers.")]);
        _kernel = builder.Build();
    }

    public ValueTask DisposeAsync() => _model.DisposeAsync();

    [Fact]
    public async Task A_called_function_is_invoked_and_the_model_asked_again()
    {
        _script["time in Bern?"] = Call("clock-now", """{"zone": "Bern", "seconds": true}""");
        _script["12:00:00 in Bern"] = "It is noon.";
        var history = new ChatHistory("s");
        history.AddUserMessage("time in Bern?");
        var answer = await _service.GetChatMessageContentAsync(history, Auto(), _kernel);

        Assert.Equal("It is noon.", answer.Content);
        Assert.Equal("Stop", answer.Metadata!["FinishReason"]);
        Assert.Equal(["Bern/True"], _clock.Asked);
        Assert.Equal(["system", "user", "assistant", "tool"], history.Select(message => message.Role.Label));
        var call = Assert.Single(FunctionCallContent.GetFunctionCalls(history[2]));
        Assert.Equal(("clock", "now", "Bern", "true"), (call.PluginName, call.FunctionName, call.Arguments!["zone"], call.Arguments["seconds"]));
        Assert.Equal("ToolCalls", history[2].Metadata!["FinishReason"]);
        var result = Assert.Single(history[3].Items.OfType<FunctionResultContent>());
        Assert.Equal((call.Id, "clock", "now", "12:00:00 in Bern"), (result.CallId, result.PluginName, result.FunctionName, result.Result));

        // What the model wrote is told again as it wrote it: true, and not "true".
        var told = _model.Chats.Last();
        Assert.Equal(("clock-now", """{"zone":"Bern","seconds":true}"""), (told.Messages[2].ToolCalls[0].Name, told.Messages[2].ToolCalls[0].Arguments.ToJsonString()));
        Assert.Equal(("tool", "clock-now", call.Id, "12:00:00 in Bern"), (told.Messages[3].Role, told.Messages[3].Name, told.Messages[3].ToolCallId, told.Messages[3].Content));
    }

    [Fact]
    public async Task A_stream_tells_calls_and_then_the_answer()
    {
        _script["go"] = "I look.\n" + Call("clock-now", """{"zone": "Bern"}""") + "\n" + Call("sums-add", """{"a": 1, "b": 2}""");
        _script["3"] = "Done.";
        var history = new ChatHistory();
        history.AddUserMessage("go");
        var pieces = new List<StreamingChatMessageContent>();
        var builder = new FunctionCallContentBuilder();
        await foreach (var piece in _service.GetStreamingChatMessageContentsAsync(history, Auto(), _kernel))
        {
            pieces.Add(piece);
            builder.Append(piece);
        }

        Assert.Equal("I look.Done.", string.Concat(pieces.Select(piece => piece.Content)).Replace("\n", "", StringComparison.Ordinal));
        Assert.Equal(["ToolCalls", "Stop"], pieces.Select(piece => piece.Metadata?["FinishReason"]).OfType<string>());
        var calls = builder.Build();
        Assert.Equal([("clock", "now"), ("sums", "add")], calls.Select(call => (call.PluginName!, call.FunctionName)));
        Assert.Equal(("1", "2"), (calls[1].Arguments!["a"], calls[1].Arguments!["b"]));
        var updates = pieces.SelectMany(piece => piece.Items.OfType<StreamingFunctionCallUpdateContent>()).ToList();
        Assert.Equal(["clock-now", "sums-add"], updates.Select(update => update.Name).OfType<string>());
        Assert.All(updates.Where(update => update.Name is not null), update => Assert.Equal("", update.Arguments));
        Assert.True(updates.Count > 4, "arguments come whole and not in pieces");
        Assert.Equal(["user", "assistant", "tool", "tool"], history.Select(message => message.Role.Label));
        Assert.Equal("3", history[3].Items.OfType<FunctionResultContent>().Single().Result);
    }

    [Fact]
    public async Task Calls_that_are_not_to_be_invoked_are_handed_over_and_results_come_back_in()
    {
        _script["go"] = Call("clock-now", """{"zone": "Bern"}""");
        _script["noon"] = "It is noon.";
        var history = new ChatHistory();
        history.AddUserMessage("go");
        var settings = new PromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto(autoInvoke: false) };
        var message = await _service.GetChatMessageContentAsync(history, settings, _kernel);
        Assert.Null(message.Content);
        Assert.Empty(_clock.Asked);
        Assert.Single(history);
        var call = Assert.Single(FunctionCallContent.GetFunctionCalls(message));

        history.Add(message);
        history.Add(new FunctionResultContent(call, "noon").ToChatMessage());
        Assert.Equal("It is noon.", (await _service.GetChatMessageContentAsync(history, settings, _kernel)).Content);
        await Assert.ThrowsAsync<KernelException>(() => _service.GetChatMessageContentAsync(history, Auto(), kernel: null));
    }

    [Fact]
    public async Task What_is_offered_is_what_the_behavior_says()
    {
        var add = _kernel.Plugins.GetFunction("sums", "add");
        Assert.Equal(("clock-fail clock-now sums-add", ToolChoice.Auto, true), await OfferAsync(FunctionChoiceBehavior.Auto(autoInvoke: false)));
        Assert.Equal(("sums-add", ToolChoice.Auto, true), await OfferAsync(FunctionChoiceBehavior.Auto([add], autoInvoke: false)));
        Assert.Equal(("sums-add", ToolChoice.Required, true), await OfferAsync(FunctionChoiceBehavior.Required([add], autoInvoke: false)));
        Assert.Equal(("", ToolChoice.Auto, true), await OfferAsync(FunctionChoiceBehavior.Auto([], autoInvoke: false)));
        Assert.Equal(("clock-fail clock-now sums-add", ToolChoice.None, true), await OfferAsync(FunctionChoiceBehavior.None()));
        Assert.Equal(("sums-add", ToolChoice.Auto, false), await OfferAsync(FunctionChoiceBehavior.Auto([add], autoInvoke: false, new() { AllowParallelCalls = false })));

        async Task<(string, ToolChoice, bool)> OfferAsync(FunctionChoiceBehavior behavior)
        {
            var recorder = new RecordingBackend();
            await new HearthChatCompletionService(recorder).GetChatMessageContentsAsync("a", new PromptExecutionSettings { FunctionChoiceBehavior = behavior }, _kernel);
            var turn = recorder.Turns.Single();
            return (string.Join(' ', turn.Chat.Tools.Select(tool => tool["function"]!["name"]!.GetValue<string>()).Order()), turn.ToolChoice, turn.ParallelToolCalls);
        }
    }

    [Fact]
    public async Task A_functions_description_and_schema_are_told()
    {
        var recorder = new RecordingBackend();
        var settings = new PromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto(options: new() { AllowStrictSchemaAdherence = true }) };
        await new HearthChatCompletionService(recorder).GetChatMessageContentsAsync("a", settings, _kernel);
        var tool = recorder.Turns.Single().Chat.Tools.Single(tool => tool["function"]!["name"]!.GetValue<string>() == "clock-now")["function"]!;
        Assert.Equal("Tells the time.", tool["description"]!.GetValue<string>());
        Assert.True(tool["strict"]!.GetValue<bool>());
        var parameters = tool["parameters"]!;
        Assert.Equal(["zone"], parameters["required"]!.AsArray().Select(name => name!.GetValue<string>()));
        Assert.Equal("string", parameters["properties"]!["zone"]!["type"]!.GetValue<string>());
        Assert.Contains("boolean", parameters["properties"]!["seconds"]!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_required_call_is_required_once()
    {
        var settings = new PromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Required() };
        _script["go"] = Call("clock-now", """{"zone": "Bern"}""");
        _script["12:00 in Bern"] = Call("clock-now", """{"zone": "Ulm"}""");
        var answer = await _service.GetChatMessageContentAsync("go", settings, _kernel);

        // The functions stay in the prompt, but no call of them is read any more.
        Assert.Equal(_script["12:00 in Bern"], answer.Content);
        Assert.Equal(["Bern/False"], _clock.Asked);
        Assert.Equal([3, 3], _model.Chats.Select(chat => chat.Tools.Count));
    }

    [Fact]
    public async Task A_function_that_fails_is_told_to_the_model()
    {
        _script["go"] = Call("clock-fail", "{}");
        _script["Error: the function failed: the spring is broken"] = "Sorry.";
        Assert.Equal("Sorry.", (await _service.GetChatMessageContentAsync("go", Auto(), _kernel)).Content);

        // Its own cancellation is a failure too; the caller's is none.
        _script["stop"] = Call("clock-now", """{"zone": "nowhere"}""");
        using var cancellation = new CancellationTokenSource();
        _clock.Cancels = cancellation;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _service.GetChatMessageContentAsync("stop", Auto(), _kernel, cancellation.Token));
    }

    [Fact]
    public async Task Filters_see_each_call_may_change_its_result_and_end_the_exchange()
    {
        _script["go"] = Call("sums-add", """{"a": 1, "b": 2}""") + "\n" + Call("clock-now", """{"zone": "Bern"}""");
        _script["30"] = "never asked";
        var filter = new Filter(context =>
        {
            if (context.Function.Name == "add")
                context.Result = new FunctionResult(context.Function, context.Result.GetValue<int>() * 10);
            context.Terminate = context.FunctionSequenceIndex == context.FunctionCount - 1;
        });
        _kernel.AutoFunctionInvocationFilters.Add(filter);
        var history = new ChatHistory();
        history.AddUserMessage("go");
        var last = await _service.GetChatMessageContentAsync(history, Auto(), _kernel);

        Assert.Equal(AuthorRole.Tool, last.Role);
        Assert.Equal("12:00 in Bern", last.Content);
        Assert.Equal(["0.0/2 add False", "0.1/2 now False"], filter.Seen);
        Assert.Equal("30", history[2].Items.OfType<FunctionResultContent>().Single().Result);
        Assert.Single(_model.Requests);

        // Of two calls the first may end it.
        var first = new Filter(context => context.Terminate = true);
        _kernel.AutoFunctionInvocationFilters.Clear();
        _kernel.AutoFunctionInvocationFilters.Add(first);
        var pieces = new List<StreamingChatMessageContent>();
        await foreach (var piece in _service.GetStreamingChatMessageContentsAsync("go", Auto(), _kernel))
            pieces.Add(piece);
        Assert.Equal(["0.0/2 add True"], first.Seen);
        Assert.Equal((AuthorRole.Tool, "3"), (pieces[^1].Role!.Value, pieces[^1].Content));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Calls_run_at_once_only_where_that_is_allowed(bool concurrently)
    {
        var together = 0;
        var both = new TaskCompletionSource();
        var kernel = new Kernel();
        kernel.Plugins.AddFromFunctions("p", [KernelFunctionFactory.CreateFromMethod(async (string x) =>
        {
            if (Interlocked.Increment(ref together) == 2)
                both.TrySetResult();
            await (concurrently ? both.Task : Task.Delay(20));
            var seen = concurrently ? 2 : Volatile.Read(ref together);
            Interlocked.Decrement(ref together);
            return $"{x}{seen}";
        }, "f")]);
        _script["go"] = Call("p-f", """{"x": "a"}""") + Call("p-f", """{"x": "b"}""");
        var history = new ChatHistory();
        history.AddUserMessage("go");
        var behavior = FunctionChoiceBehavior.Auto(options: new() { AllowConcurrentInvocation = concurrently });
        await _service.GetChatMessageContentAsync(history, new PromptExecutionSettings { FunctionChoiceBehavior = behavior }, kernel).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(concurrently ? ["a2", "b2"] : ["a1", "b1"], history.SelectMany(message => message.Items.OfType<FunctionResultContent>()).Select(result => (string)result.Result!));
    }

    [Fact]
    public async Task A_model_that_calls_for_ever_is_not_asked_for_ever()
    {
        _model.Reply = _ => [Call("sums-add", """{"a": 1, "b": 2}""")];
        var history = new ChatHistory();
        history.AddUserMessage("go");
        var last = await _service.GetChatMessageContentAsync(history, Auto(), _kernel);
        Assert.Equal(129, _model.Requests.Count);
        Assert.Single(FunctionCallContent.GetFunctionCalls(last));
        Assert.Equal(1 + (2 * 128), history.Count);
    }

    [Fact]
    public async Task What_cannot_be_read_as_a_call_stays_text_and_says_so()
    {
        _script["go"] = Call("disk-format", "{}");
        var message = await _service.GetChatMessageContentAsync("go", Auto(), _kernel);
        Assert.Equal(_script["go"], message.Content);
        Assert.Equal("Stop", message.Metadata!["FinishReason"]);
        Assert.NotEmpty((IReadOnlyList<string>)message.Metadata["Warnings"]!);

        _script["long"] = Call("clock-now", """{"zone": "Bern, and much more"}""");
        var settings = new HearthPromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto(), MaxTokens = 9 };
        message = await _service.GetChatMessageContentAsync("long", settings, _kernel);
        Assert.Equal("Length", message.Metadata!["FinishReason"]);
        Assert.StartsWith("<tool_call>", message.Content, StringComparison.Ordinal);
        Assert.Empty(FunctionCallContent.GetFunctionCalls(message));
        Assert.Empty(_clock.Asked);
    }

    [Fact]
    public async Task Types_of_arguments_are_kept_where_that_is_asked_for()
    {
        _script["go"] = Call("sums-add", """{"a": 1, "b": 2}""");
        var behavior = FunctionChoiceBehavior.Auto(autoInvoke: false, options: new() { RetainArgumentTypes = true });
        var message = await _service.GetChatMessageContentAsync("go", new PromptExecutionSettings { FunctionChoiceBehavior = behavior }, _kernel);
        var arguments = FunctionCallContent.GetFunctionCalls(message).Single().Arguments!;
        Assert.Equal(2, Assert.IsType<JsonElement>(arguments["b"]).GetInt32());
    }

    [Fact]
    public async Task Results_of_every_kind_are_told_as_text()
    {
        object?[] results = ["text", null, 1.5, new { ort = "Zürich" }, new ChatMessageContent(AuthorRole.Assistant, "said"), new TextContent("told"), JsonNode.Parse("""{"a":[1]}""")];
        string[] expected = ["text", "", "1.5", """{"ort":"Zürich"}""", "said", "told", """{"a":[1]}"""];
        var history = new ChatHistory();
        history.AddUserMessage("go");
        history.Add(new ChatMessageContent(AuthorRole.Assistant, [new ReasoningContent("hm"), new TextContent("I look."), .. results.Select((_, i) => new FunctionCallContent("f", "p", $"c{i}"))]));
        history.Add(new ChatMessageContent(AuthorRole.Tool, [.. results.Select((result, i) => new FunctionResultContent("f", "p", $"c{i}", result))]));
        await _service.GetChatMessageContentsAsync(history);

        var chat = _model.Chats.Single();
        Assert.Equal(("hm", "I look.", 7), (chat.Messages[1].Reasoning, chat.Messages[1].Content, chat.Messages[1].ToolCalls.Count));
        Assert.Equal(expected, chat.Messages.Skip(2).Select(message => message.Content));
        Assert.Equal(["c0", "c1", "c2", "c3", "c4", "c5", "c6"], chat.Messages.Skip(2).Select(message => message.ToolCallId));
    }

    [Fact]
    public async Task A_format_stands_beside_functions()
    {
        var recorder = new RecordingBackend();
        var settings = new HearthPromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto(), ResponseFormat = typeof(Uri) };
        await new HearthChatCompletionService(recorder).GetChatMessageContentsAsync("a", settings, _kernel);
        Assert.Equal((3, Constraint.FromType<Uri>()), (recorder.Turns.Single().Chat.Tools.Count, recorder.Turns.Single().Options.Constraint));
    }

    [Fact]
    public async Task Settings_as_JSON_say_the_same()
    {
        var recorder = new RecordingBackend();
        var settings = JsonSerializer.Deserialize<PromptExecutionSettings>("""
            {"function_choice_behavior": {"type": "required", "functions": ["sums.add"], "options": {"allow_parallel_calls": null}},
             "reasoning_effort": "high", "thinking_budget": 100, "enable_thinking": true, "parallel_tool_calls": false, "ignore_eos": false, "repeat_penalty": 1.5}
            """);
        await new HearthChatCompletionService(recorder).GetChatMessageContentsAsync("a", settings, _kernel);
        var turn = recorder.Turns.Single();
        Assert.Equal(ToolChoice.Required, turn.ToolChoice);
        Assert.Equal("sums-add", Assert.Single(turn.Chat.Tools)["function"]!["name"]!.GetValue<string>());
        Assert.Equal(("high", 100, true, false, 1.5f), (turn.ReasoningEffort, turn.ThinkingBudget, turn.Thinks, turn.ParallelToolCalls, turn.Options.RepetitionPenalty));

        await new HearthChatCompletionService(recorder).GetChatMessageContentsAsync("a", new HearthPromptExecutionSettings { ReasoningEffort = "none" });
        Assert.Equal((null, false), (recorder.Turns[^1].ReasoningEffort, recorder.Turns[^1].Thinks));
        await Assert.ThrowsAsync<ArgumentException>(() => _service.GetChatMessageContentsAsync("a", new HearthPromptExecutionSettings { ThinkingBudget = -2 }));
        await Assert.ThrowsAsync<ArgumentException>(() => _service.GetChatMessageContentsAsync("a", new HearthPromptExecutionSettings { ChoiceCount = 2, FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() }, _kernel));
    }

    [Fact]
    public async Task A_prompt_of_the_kernel_calls_functions()
    {
        _script["add them"] = Call("sums-add", """{"a": 1, "b": 2}""");
        _script["3"] = "It is 3.";
        Assert.Equal("It is 3.", await _kernel.InvokePromptAsync<string>("add them", new KernelArguments(Auto())));
    }

    private static PromptExecutionSettings Auto() => new() { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };

    private static string Call(string name, string arguments) => $$"""<tool_call>{{"\n"}}{"name": "{{name}}", "arguments": {{arguments}}}{{"\n"}}</tool_call>""";

    private static IEnumerable<string> Pieces(string text) => text.Chunk(7).Select(units => new string(units));

    private sealed class Clock
    {
        public List<string> Asked { get; } = [];

        public CancellationTokenSource? Cancels { get; set; }

        [KernelFunction("now"), Description("Tells the time.")]
        public string Now([Description("Where.")] string zone, bool seconds = false)
        {
            Asked.Add($"{zone}/{seconds}");
            Cancels?.Cancel();
            Cancels?.Token.ThrowIfCancellationRequested();
            return (seconds ? "12:00:00" : "12:00") + " in " + zone;
        }

        [KernelFunction("fail")]
        public static string Fail() => throw new InvalidOperationException("the spring is broken");
    }

    private sealed class Filter(Action<AutoFunctionInvocationContext> after) : IAutoFunctionInvocationFilter
    {
        public List<string> Seen { get; } = [];

        public async Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
        {
            Seen.Add($"{context.RequestSequenceIndex}.{context.FunctionSequenceIndex}/{context.FunctionCount} {context.Function.Name} {context.IsStreaming}");
            await next(context);
            after(context);
        }
    }
}
