using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Constraints;

namespace Hearth.Extensions.AI.Tests;

public sealed class ChatOptionsTests
{
    private static readonly AIFunction s_add = AIFunctionFactory.Create((int a, int b) => a + b, "add", "Adds.");
    private static readonly AIFunction s_sub = AIFunctionFactory.Create((int a, int b) => a - b, "sub");

    [Fact]
    public async Task Every_setting_reaches_the_model()
    {
        var options = (await AskAsync(new ChatOptions
        {
            Temperature = 0.5f,
            MaxOutputTokens = 7,
            TopP = 0.25f,
            TopK = 3,
            FrequencyPenalty = 0.5f,
            PresencePenalty = -1,
            Seed = -2,
            StopSequences = ["x", "y"],
            ModelId = "fake",
            ResponseFormat = ChatResponseFormat.Text,
        })).Options;
        Assert.Equal((0.5f, 7, 0.25f, 3), (options.Temperature, options.MaxTokens, options.TopP, options.TopK));
        Assert.Equal((0.5f, -1f, ulong.MaxValue - 1), (options.FrequencyPenalty, options.PresencePenalty, options.Seed));
        Assert.Equal(["x", "y"], options.StopSequences);
        Assert.Null(options.Constraint);
        Assert.Null((await AskAsync(new ChatOptions { Seed = -1 })).Options.Seed);
    }

    [Fact]
    public async Task Names_of_options_over_HTTP_are_additional_properties()
    {
        var request = await AskAsync(With(new()
        {
            ["min_p"] = 0.25,
            ["repetition_penalty"] = 2,
            ["penalty_window"] = JsonElement.Parse("5"),
            ["seed"] = "18446744073709551615",
            ["stop"] = "z",
            ["stop_token_ids"] = new[] { 4, 5 },
            ["logit_bias"] = new Dictionary<string, float> { ["3"] = -100, ["word"] = 1 },
            ["min_tokens"] = 1,
            ["max_tokens"] = 9,
            ["logprobs"] = true,
            ["thinking_budget"] = 12,
            ["top_k"] = null,
        }));
        var options = request.Options;
        Assert.Equal((0.25f, 2f, 5, ulong.MaxValue), (options.MinP, options.RepetitionPenalty, options.PenaltyWindow, options.Seed));
        Assert.Equal((1, 9, 0), (options.MinTokens, options.MaxTokens, options.LogProbabilities));
        Assert.Equal(["z"], options.StopSequences);
        Assert.Equal([4, 5], options.StopTokenIds);
        Assert.Equal(float.NegativeInfinity, Assert.Single(options.LogitBias!).Value);
        Assert.Equal(1, options.TextBias!["word"]);
        Assert.Equal(12, request.ThinkingBudget);
        Assert.Null(options.TopK);
        Assert.True((await AskAsync(With(new() { ["ignore_eos"] = true }))).Options.IgnoreEndOfText);
    }

    [Theory]
    [InlineData("grammar", "root ::= \"a\"", ConstraintKind.Grammar)]
    [InlineData("regex", "a+", ConstraintKind.Regex)]
    [InlineData("guided_choice", "a", ConstraintKind.Choices)]
    public async Task Constraints_of_every_kind_can_be_asked_for(string name, string value, ConstraintKind kind)
    {
        Assert.Equal(kind, (await AskAsync(With(new() { [name] = value }))).Options.Constraint!.Kind);
        var both = With(new() { [name] = value });
        both.ResponseFormat = ChatResponseFormat.Json;
        Assert.Contains(name, (await Assert.ThrowsAsync<InvalidRequestException>(() => AskAsync(both))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Template_variables_and_thinking_reach_the_template()
    {
        var model = Script.Model("a", "b", "c");
        using var client = new HearthChatClient(model);
        await client.GetResponseAsync("hi", With(new() { ["chat_template_kwargs"] = new JsonObject { ["tone"] = "dry" }, ["enable_thinking"] = false }));
        await client.GetResponseAsync("hi", new ChatOptions { Reasoning = new() { Effort = ReasoningEffort.Low } });
        var extra = await client.GetResponseAsync("hi", new ChatOptions { Reasoning = new() { Effort = ReasoningEffort.ExtraHigh } });
        var variables = model.Chats.Select(chat => chat.Variables).ToArray();
        Assert.Equal(("dry", false), (variables[0]["tone"]!.GetValue<string>(), variables[0]["enable_thinking"]!.GetValue<bool>()));
        Assert.Equal(("low", true), (variables[1]["reasoning_effort"]!.GetValue<string>(), variables[1]["enable_thinking"]!.GetValue<bool>()));
        Assert.Equal("high", variables[2]["reasoning_effort"]!.GetValue<string>());
        Assert.Contains("ExtraHigh", Assert.Single((string[])extra.AdditionalProperties!["warnings"]!), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("min_p", "x")]
    [InlineData("min_p", 2)]
    [InlineData("top_k", 1.5)]
    [InlineData("seed", "x")]
    [InlineData("stop", 5)]
    [InlineData("stop_token_ids", "x")]
    [InlineData("logit_bias", "x")]
    [InlineData("ignore_eos", "x")]
    [InlineData("thinking_budget", -1)]
    [InlineData("enable_thinking", "x")]
    [InlineData("chat_template_kwargs", "x")]
    public async Task A_bad_value_is_refused_by_name(string name, object value)
    {
        var error = await Assert.ThrowsAsync<InvalidRequestException>(() => AskAsync(With(new() { [name] = value })));
        Assert.Contains(name.Replace("_", "", StringComparison.Ordinal), error.Option.Replace("_", "", StringComparison.Ordinal), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task An_option_given_twice_is_refused()
    {
        var options = With(new() { ["temperature"] = 1 });
        options.Temperature = 0;
        Assert.Equal("temperature", (await Assert.ThrowsAsync<InvalidRequestException>(() => AskAsync(options))).Option);
        Assert.Equal("MaxOutputTokens", (await Assert.ThrowsAsync<InvalidRequestException>(() => AskAsync(new ChatOptions { MaxOutputTokens = -2 }))).Option);
    }

    public static TheoryData<string, ChatOptions> Refused => new()
    {
        { "ConversationId", new() { ConversationId = "1" } },
        { "AllowBackgroundResponses", new() { AllowBackgroundResponses = true } },
        { "ContinuationToken", new() { ContinuationToken = ResponseContinuationToken.FromBytes(new byte[] { 1 }) } },
        { "Summary", new() { Reasoning = new() { Output = ReasoningOutput.Summary } } },
        { "HostedWebSearchTool", new() { Tools = [new HostedWebSearchTool()] } },
        { "HostedCodeInterpreterTool", new() { Tools = [new HostedCodeInterpreterTool()] } },
        { "RawRepresentationFactory", new() { RawRepresentationFactory = _ => "x" } },
        { "other", new() { ModelId = "other" } },
        { "mirostat", With(new() { ["mirostat"] = 1 }) },
        { "response_format", With(new() { ["response_format"] = "json_object" }) },
        { "'n'", With(new() { ["n"] = 2 }) },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_cannot_be_honoured_is_refused_by_name(string name, ChatOptions options)
        => Assert.Contains(name, (await Assert.ThrowsAsync<NotSupportedException>(() => AskAsync(options))).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_member_of_the_options_is_known()
    {
        // One that a later version brings shall not be ignored unseen.
        string[] known =
        [
            "AdditionalProperties", "AllowBackgroundResponses", "AllowMultipleToolCalls", "ContinuationToken", "ConversationId", "FrequencyPenalty", "Instructions", "MaxOutputTokens", "ModelId",
            "PresencePenalty", "RawRepresentationFactory", "Reasoning", "ResponseFormat", "Seed", "StopSequences", "Temperature", "ToolMode", "Tools", "TopK", "TopP",
        ];
        Assert.Equal(known, typeof(ChatOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Select(member => member.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_option_of_the_runtime_has_a_name()
    {
        string[] elsewhere = ["response_format"];
        foreach (var name in GenerationOptions.Table.Select(option => option.WireName).Except(elsewhere))
        {
            var error = Record.Exception(() => AdditionalSettings.Apply(new ChatTurnRequest { Chat = new ChatPrompt { Messages = [] } }, new() { [name] = new JsonObject() }, out _));
            Assert.IsNotType<NotSupportedException>(error);
        }
    }

    [Fact]
    public async Task The_raw_representation_counts_first()
    {
        var request = await AskAsync(new ChatOptions { RawRepresentationFactory = _ => new GenerationOptions { Temperature = 0, Beams = 1 }, Temperature = 1, TopK = 2 });
        Assert.Equal((0f, 2, 1), (request.Options.Temperature, request.Options.TopK, request.Options.Beams));

        var turn = new ChatTurnRequest { Chat = new ChatPrompt { Messages = [], Variables = new Dictionary<string, JsonNode?> { ["v"] = 1 } }, CacheScope = "mine", Priority = 3, ThinkingBudget = 5 };
        request = await AskAsync(new ChatOptions { RawRepresentationFactory = _ => turn, Temperature = 1 });
        Assert.Equal(("mine", 3, 5, 1f), (request.CacheScope, request.Priority, request.ThinkingBudget, request.Options.Temperature));

        using var http = new HttpClient();
        using var remote = new HearthChatClient(http, new Uri("http://127.0.0.1:1"));
        Assert.Contains("CacheScope", (await Assert.ThrowsAsync<NotSupportedException>(() => remote.GetResponseAsync("x", new ChatOptions { RawRepresentationFactory = _ => turn with { Priority = 0 } }))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tools_go_to_the_model_with_their_schemas()
    {
        var request = Map(new ChatOptions { Tools = [s_add, new ApprovalRequiredAIFunction(s_sub)], AllowMultipleToolCalls = false });
        Assert.Equal(["add", "sub"], request.Chat.Tools.Select(tool => tool["function"]!["name"]!.GetValue<string>()));
        Assert.Equal("Adds.", request.Chat.Tools[0]["function"]!["description"]!.GetValue<string>());
        Assert.Equal("integer", request.Chat.Tools[0]["function"]!["parameters"]!["properties"]!["a"]!["type"]!.GetValue<string>());
        Assert.False(request.ParallelToolCalls);
        Assert.True(Map(new ChatOptions { Tools = [s_add] }).ParallelToolCalls);
        await Assert.ThrowsAnyAsync<HearthException>(() => AskAsync(new ChatOptions { Tools = [s_add, s_add] }));
    }

    [Fact]
    public async Task Tool_modes_say_what_is_left_to_the_model()
    {
        Assert.Equal(ToolChoice.Auto, Choice(null));
        Assert.Equal(ToolChoice.Auto, Choice(ChatToolMode.Auto));
        Assert.Equal(ToolChoice.None, Choice(ChatToolMode.None));
        Assert.Equal(ToolChoice.Required, Choice(ChatToolMode.RequireAny));
        Assert.Equal(ToolChoice.Named("sub"), Choice(ChatToolMode.RequireSpecific("sub")));
        await Assert.ThrowsAsync<InvalidRequestException>(() => AskAsync(new ChatOptions { ToolMode = ChatToolMode.RequireAny }));
        Assert.Contains("nope", (await Assert.ThrowsAsync<InvalidRequestException>(() => AskAsync(new ChatOptions { Tools = [s_add], ToolMode = ChatToolMode.RequireSpecific("nope") }))).Message, StringComparison.Ordinal);

        static ToolChoice Choice(ChatToolMode? mode) => Map(new ChatOptions { Tools = [s_add, s_sub], ToolMode = mode }).ToolChoice;
    }

    [Fact]
    public void Formats_are_constraints()
    {
        Assert.Equal(Constraint.JsonObject, Map(new ChatOptions { ResponseFormat = ChatResponseFormat.Json }).Options.Constraint);
        var schema = JsonElement.Parse("""{"type": "integer"}""");
        Assert.Equal(Constraint.JsonSchema("""{"type": "integer"}"""), Map(new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(schema) }).Options.Constraint);
    }

    [Fact]
    public async Task The_callers_options_are_not_changed()
    {
        var options = new ChatOptions { Tools = [s_add], Instructions = "x", AdditionalProperties = new() { ["min_p"] = 0.1 } };
        var before = options.Clone();
        await AskAsync(options);
        Assert.Equal((before.Instructions, before.Tools!.Count, before.AdditionalProperties!.Count), (options.Instructions, options.Tools!.Count, options.AdditionalProperties!.Count));
    }

    private static ChatOptions With(AdditionalPropertiesDictionary properties) => new() { AdditionalProperties = properties };

    private static ChatTurnRequest Map(ChatOptions options)
    {
        using var client = Script.Client();
        return TurnMapping.Map(client, [new(ChatRole.User, "hi")], options, isElsewhere: false).Request;
    }

    // What the model is asked.
    private static async Task<GenerationRequest> AskAsync(ChatOptions options)
    {
        var model = Script.Model("ok");
        using var client = new HearthChatClient(model);
        await client.GetResponseAsync("hi", options);
        return Assert.Single(model.Requests);
    }
}
