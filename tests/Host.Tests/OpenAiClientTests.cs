using System.ClientModel;
using System.Text;
using System.Text.Json;
using OpenAI;
using OpenAI.Chat;

namespace Hearth.Host.Tests;

/// <summary>OpenAI's own client for .NET against the service: tool loops, typed output, streams.</summary>
public sealed class OpenAiClientTests
{
    private static readonly ChatTool s_weather = ChatTool.CreateFunctionTool(
        "get_weather", "The weather of a city", BinaryData.FromString("""{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false}"""), functionSchemaIsStrict: true);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static ChatClient Client(TestServer server)
        => new("fake", new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri(server.Client.BaseAddress!, "/v1") });

    // Calls first; once the result is there it tells it.
    private static FakeLanguageModel Model() => new()
    {
        Reply = line => line.Contains("sunny", StringComparison.Ordinal) ? ["It is ", "sunny."]
            : ["<tool_call>\n{\"name\": \"get_weather\", ", "\"arguments\": {\"city\": ", "\"Bern\"}}\n</tool_call>"],
    };

    [Fact]
    public async Task A_tool_loop_ends_with_the_answer()
    {
        await using var server = await TestServer.StartAsync(Model());
        var client = Client(server);
        List<OpenAI.Chat.ChatMessage> messages = [new SystemChatMessage("Be brief."), new UserChatMessage("The weather in Bern?")];
        var options = new ChatCompletionOptions { Tools = { s_weather }, ToolChoice = ChatToolChoice.CreateAutoChoice(), AllowParallelToolCalls = false };

        ChatCompletion first = await client.CompleteChatAsync(messages, options, Token);
        Assert.Equal(ChatFinishReason.ToolCalls, first.FinishReason);
        var call = Assert.Single(first.ToolCalls);
        Assert.Equal("Bern", JsonElement.Parse(call.FunctionArguments).GetProperty("city").GetString());
        messages.Add(new AssistantChatMessage(first));
        messages.Add(new ToolChatMessage(call.Id, "{\"sky\": \"sunny\"}"));

        ChatCompletion second = await client.CompleteChatAsync(messages, options, Token);
        Assert.Equal(ChatFinishReason.Stop, second.FinishReason);
        Assert.Equal("It is sunny.", Assert.Single(second.Content).Text);
        Assert.True(second.Usage.TotalTokenCount > 0);
    }

    [Fact]
    public async Task A_stream_of_a_call_joins_to_its_arguments()
    {
        await using var server = await TestServer.StartAsync(Model());
        var arguments = new StringBuilder();
        var (id, name) = ("", "");
        ChatFinishReason? reason = null;
        await foreach (var update in Client(server).CompleteChatStreamingAsync([new UserChatMessage("The weather in Bern?")], new ChatCompletionOptions { Tools = { s_weather } }, Token))
        {
            foreach (var piece in update.ToolCallUpdates)
            {
                id = piece.ToolCallId ?? id;
                name = piece.FunctionName ?? name;
                arguments.Append(piece.FunctionArgumentsUpdate);
            }

            reason = update.FinishReason ?? reason;
        }

        Assert.Equal(("get_weather", ChatFinishReason.ToolCalls), (name, reason));
        Assert.NotEqual("", id);
        Assert.Equal("""{"city": "Bern"}""", arguments.ToString());
    }

    [Fact]
    public async Task Choices_formats_and_labels_are_taken()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => ["{\"a\": 1}"] });
        var options = new ChatCompletionOptions
        {
            Tools = { s_weather },
            ToolChoice = ChatToolChoice.CreateNoneChoice(),
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("a", BinaryData.FromString("""{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}"""), jsonSchemaIsStrict: true),
            StoredOutputEnabled = true,
            Metadata = { ["a"] = "b" },
            EndUserId = "someone",
            MaxOutputTokenCount = 20,
            Temperature = 0,
        };
        ChatCompletion answer = await Client(server).CompleteChatAsync([new UserChatMessage("A number?")], options, Token);
        Assert.Equal("""{"a": 1}""", Assert.Single(answer.Content).Text);

        options.ResponseFormat = ChatResponseFormat.CreateTextFormat();
        options.ToolChoice = ChatToolChoice.CreateFunctionChoice("get_weather");
        answer = await Client(server).CompleteChatAsync([new UserChatMessage("A number?")], options, Token);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
    }

    [Fact]
    public async Task What_is_refused_is_an_error_with_its_field()
    {
        await using var server = await TestServer.StartAsync(Model());
        var options = new ChatCompletionOptions { Tools = { ChatTool.CreateFunctionTool("not allowed", "x") } };
        var fault = await Assert.ThrowsAsync<ClientResultException>(() => Client(server).CompleteChatAsync([new UserChatMessage("a")], options, Token));
        Assert.Equal(400, fault.Status);
        Assert.Contains("tools[0]", fault.Message, StringComparison.Ordinal);
    }
}
