using System.Text.Json.Nodes;
using Hearth.Host.Service;

namespace Hearth.Host.Tests;

/// <summary>What the page shows: /hearth/status and /hearth/lens.</summary>
public sealed class StatusAndLensTests
{
    private const string Chat = """[{"role": "user", "content": "Hello there"}, {"role": "assistant", "content": "Hello! How are you?"}]""";

    private static Task<TestServer> EmberAsync() => TestServer.StartAsync(
        [new ModelConfiguration { Id = "ember", Path = Ember.Path, ContextLength = 256, MaxSequences = 2 }],
        async (model, _, cancelled) => await LanguageModel.LoadAsync(model.Path, model.ToOptions(), cancellationToken: cancelled));

    [Fact]
    public async Task Status_tells_what_a_model_does_and_has_done()
    {
        await using var server = await TestServer.StartAsync();
        await server.PostAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "one two three"}]}""");
        var status = JsonNode.Parse(await server.Client.GetStringAsync("/hearth/status"))!;

        Assert.Equal("fake", status["default"]!.GetValue<string>());
        var model = Assert.Single(status["models"]!.AsArray())!;
        Assert.Equal("ready", model["status"]!.GetValue<string>());
        Assert.Equal("text", model["kind"]!.GetValue<string>());
        Assert.True(model["chat"]!.GetValue<bool>());
        Assert.Equal(0, model["running_requests"]!.GetValue<int>());
        Assert.Equal(1, model["counters"]!["texts"]!.GetValue<int>());
        Assert.Equal(model["counters"]!["completion_tokens"]!.GetValue<int>(), model["counters"]!["streamed_tokens"]!.GetValue<int>());
        Assert.True(model["counters"]!["completion_tokens"]!.GetValue<int>() > 0);
    }

    [Fact]
    public async Task Tokens_count_as_they_come()
    {
        var gate = new TaskCompletionSource();
        var model = new FakeLanguageModel { BeforeUpdate = (index, cancelled) => index == 2 ? gate.Task.WaitAsync(cancelled) : Task.CompletedTask };
        await using var server = await TestServer.StartAsync(model);
        var answer = server.PostAsync("/v1/chat/completions", """{"messages": [{"role": "user", "content": "one two three four"}]}""");
        JsonNode counters;
        do
        {
            await Task.Delay(10);
            counters = JsonNode.Parse(await server.Client.GetStringAsync("/hearth/status"))!["models"]![0]!["counters"]!;
        }
        while (counters["streamed_tokens"]!.GetValue<int>() == 0);

        Assert.Equal(0, counters["texts"]!.GetValue<int>());
        gate.SetResult();
        await answer;
    }

    [Fact]
    public async Task The_map_has_a_cell_for_each_page_and_agrees_with_the_counts()
    {
        await using var server = await EmberAsync();
        await server.PostAsync("/v1/chat/completions", $$"""{"messages": {{Chat.Replace("""{"role": "assistant", "content": "Hello! How are you?"}""", """{"role": "user", "content": "Tell me of the sea, the hills, the rain, the fire and the snow of long ago, and then once more of all of them."}""", StringComparison.Ordinal)}}, "max_tokens": 40, "temperature": 0}""");
        var cache = JsonNode.Parse(await server.Client.GetStringAsync("/hearth/status"))!["models"]![0]!["cache"]!;
        var cells = cache["cells"]!.GetValue<string>();

        Assert.Equal(1, cache["pages_per_cell"]!.GetValue<int>());
        Assert.Equal(cache["total_pages"]!.GetValue<int>(), cells.Length);
        Assert.Equal(cache["free_pages"]!.GetValue<int>(), cells.Count(cell => cell == '0'));
        Assert.Equal(cache["cached_pages"]!.GetValue<int>(), cells.Count(cell => cell == '1'));
        Assert.True(cache["cached_pages"]!.GetValue<int>() > 0);
    }

    [Fact]
    public async Task The_lens_tells_what_each_token_of_an_answer_gives_those_before_it()
    {
        await using var server = await EmberAsync();
        var (response, body) = await server.PostAsync("/hearth/lens", $$"""{"messages": {{Chat}}, "layer": 1}""");

        Assert.Equal(200, (int)response.StatusCode);
        var lens = body["lens"]!;
        var layer = Assert.Single(lens["layers"]!.AsArray())!;
        var tokens = lens["tokens"]!.AsArray().Count;
        var (heads, rows, keys) = (layer["heads"]!.GetValue<int>(), layer["rows"]!.GetValue<int>(), layer["keys"]!.GetValue<int>());
        Assert.Equal((1, tokens, tokens), (layer["layer"]!.GetValue<int>(), rows, keys));
        var start = body["answer_start"]!.GetValue<int>();
        Assert.InRange(start, 1, tokens - 1);
        var answered = string.Concat(lens["tokens"]!.AsArray().Skip(start).Select(token => token!.GetValue<string>()));
        Assert.StartsWith("Hello!", answered, StringComparison.Ordinal);

        var bytes = Convert.FromBase64String(layer["weights"]!.GetValue<string>());
        Assert.Equal(heads * rows * keys * sizeof(ushort), bytes.Length);
        for (var row = 0; row < rows; row++)
        {
            var weights = Enumerable.Range(0, keys).Select(key => BitConverter.ToUInt16(bytes, ((row * keys) + key) * sizeof(ushort)) / 65535.0).ToArray();
            Assert.Equal(1, weights.Sum(), 0.01);
            Assert.All(weights[(row + 1)..], weight => Assert.Equal(0, weight));
        }
    }

    [Theory]
    [InlineData("""{"messages": [], "layer": -1}""", "layer")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "layer": "first"}""", "layer")]
    [InlineData("""{"messages": [{"role": "user", "content": "a"}], "layer": 400}""", "layer")]
    [InlineData("""{"layer": 0}""", "messages")]
    [InlineData("""{"messages": 7}""", "messages")]
    public async Task What_the_lens_cannot_show_is_refused_by_name(string body, string param)
    {
        await using var server = await EmberAsync();
        var (response, error) = await server.PostAsync("/hearth/lens", body);
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(param, error["error"]!["param"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_model_of_another_engine_has_no_lens()
    {
        await using var server = await TestServer.StartAsync();
        var (response, error) = await server.PostAsync("/hearth/lens", $$"""{"messages": {{Chat}}}""");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("wrong_model_kind", error["error"]!["code"]!.GetValue<string>());
    }
}
