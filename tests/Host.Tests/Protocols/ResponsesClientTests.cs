#pragma warning disable OPENAI001 // The client marks responses as something that may change.
using System.ClientModel;
using System.Text;
using OpenAI.Responses;

namespace Hearth.Host.Tests.Protocols;

/// <summary>OpenAI's own client for responses against the service.</summary>
public sealed class ResponsesClientTests
{
    private static readonly FunctionTool s_weather = ResponseTool.CreateFunctionTool(
        "get_weather", BinaryData.FromString("""{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": false}"""), strictModeEnabled: true);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static ResponsesClient Client(TestServer server)
        => new(new ApiKeyCredential("none"), new ResponsesClientOptions { Endpoint = new Uri(server.Client.BaseAddress!, "/v1") });

    private static FakeLanguageModel Model() => new()
    {
        Reply = line => line.Contains("sunny", StringComparison.Ordinal) ? ["It is ", "sunny."]
            : ["<tool_call>\n{\"name\": \"get_weather\", ", "\"arguments\": {\"city\": ", "\"Bern\"}}\n</tool_call>"],
    };

    [Fact]
    public async Task A_tool_loop_goes_on_from_the_stored_response()
    {
        await using var server = await TestServer.StartAsync(Model());
        var client = Client(server);
        var first = (await client.CreateResponseAsync(new CreateResponseOptions("fake", [ResponseItem.CreateUserMessageItem("The weather in Bern?")]) { Tools = { s_weather } }, Token)).Value;
        var call = Assert.Single(first.OutputItems.OfType<FunctionCallResponseItem>());
        Assert.Equal(("get_weather", """{"city": "Bern"}"""), (call.FunctionName, call.FunctionArguments.ToString()));

        var second = (await client.CreateResponseAsync(
            new CreateResponseOptions("fake", [ResponseItem.CreateFunctionCallOutputItem(call.CallId, "sunny")]) { PreviousResponseId = first.Id, Tools = { s_weather } }, Token)).Value;
        Assert.Equal("It is sunny.", second.GetOutputText());
        Assert.Equal(second.Id, (await client.GetResponseAsync(second.Id, Token)).Value.Id);
        var items = new List<ResponseItem>();
        await foreach (var item in client.GetResponseInputItemsAsync(second.Id, Token))
        {
            items.Add(item);
        }

        Assert.Equal(3, items.Count);
        Assert.True((await client.DeleteResponseAsync(second.Id, Token)).Value.Deleted);
        var gone = await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync(second.Id, Token));
        Assert.Equal(404, gone.Status);
    }

    [Fact]
    public async Task A_stream_is_read_by_its_types()
    {
        await using var server = await TestServer.StartAsync();
        var (text, status) = (new StringBuilder(), (ResponseStatus?)null);
        await foreach (var update in await Client(server).CreateResponseStreamingAsync("fake", "one two", null, Token))
        {
            text.Append((update as StreamingResponseOutputTextDeltaUpdate)?.Delta);
            status = (update as StreamingResponseCompletedUpdate)?.Response.Status ?? status;
        }

        Assert.Equal(("one two", ResponseStatus.Completed), (text.ToString(), status));
    }
}
