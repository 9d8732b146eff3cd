namespace Hearth.Host.Tests;

public sealed class CompletionsTests
{
    private const string Path = "/v1/completions";

    [Fact]
    public async Task A_text_is_continued_without_a_template()
    {
        var model = new FakeLanguageModel { HasChatTemplate = false };
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync(Path, """{"model": "fake", "prompt": "one two", "max_tokens": 1}""");

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("text_completion", body["object"]!.GetValue<string>());
        Assert.Equal("""[{"text":"one ","index":0,"finish_reason":"length"}]""", body["choices"]!.ToJsonString());
        Assert.Equal(8, body["usage"]!["total_tokens"]!.GetValue<int>());
        Assert.Empty(model.Chats);
    }

    [Fact]
    public async Task Several_prompts_give_a_choice_each_in_their_order()
    {
        var model = new FakeLanguageModel { BeforeUpdate = (_, cancelled) => Task.Delay(Random.Shared.Next(3), cancelled) };
        await using var server = await TestServer.StartAsync(model);
        var (_, body) = await server.PostAsync(Path, """{"prompt": ["a b", "c", "d e f"]}""");

        Assert.Equal(["a b", "c", "d e f"], body["choices"]!.AsArray().Select(choice => choice!["text"]!.GetValue<string>()));
        Assert.Equal([0, 1, 2], body["choices"]!.AsArray().Select(choice => choice!["index"]!.GetValue<int>()));
        Assert.Equal(9, body["usage"]!["prompt_tokens"]!.GetValue<int>());
        Assert.Equal(6, body["usage"]!["completion_tokens"]!.GetValue<int>());
    }

    [Fact]
    public async Task Beams_reach_the_model()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        await server.PostAsync(Path, """{"prompt": "a", "beams": 4, "length_penalty": 0.5, "temperature": 0}""");

        Assert.True(model.Requests.TryDequeue(out var request));
        Assert.Equal((4, 0.5f), (request.Options.Beams, request.Options.LengthPenalty));
    }

    [Theory]
    [InlineData("\"beams\": 0", "beams")]
    [InlineData("\"beams\": 257", "beams")]
    [InlineData("\"beams\": 4, \"temperature\": 0.5", "temperature")]
    [InlineData("\"beams\": 4, \"top_k\": 5", "top_k")]
    [InlineData("\"length_penalty\": 2", "length_penalty")]
    [InlineData("\"use_beam_search\": true", "use_beam_search")]
    public async Task What_contradicts_beams_is_refused_by_its_name(string fields, string param)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync(Path, $$"""{"prompt": "a", {{fields}}}""");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(param, body["error"]!["param"]!.GetValue<string>());
    }

    [Fact]
    public async Task Several_prompts_stream_with_their_index()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(Path, """{"prompt": ["a b", "c d"], "stream": true, "stream_options": {"include_usage": true}}""");

        foreach (var (index, text) in new[] { (0, "a b"), (1, "c d") })
        {
            var choices = events.SelectMany(item => item["choices"]!.AsArray()).Where(choice => choice!["index"]!.GetValue<int>() == index).ToList();
            Assert.Equal(text, string.Concat(choices.Select(choice => choice!["text"]!.GetValue<string>())));
            Assert.Equal("stop", choices[^1]!["finish_reason"]!.GetValue<string>());
        }

        Assert.Empty(events[^1]["choices"]!.AsArray());
        Assert.Equal(6, events[^1]["usage"]!["prompt_tokens"]!.GetValue<int>());
    }

    [Theory]
    [InlineData("[97, 98]", "ab")]
    [InlineData("[[97], [98, 99]]", "a|bc")]
    public async Task Token_ids_are_taken_as_they_are(string prompt, string texts)
    {
        await using var server = await TestServer.StartAsync();
        var (_, body) = await server.PostAsync(Path, $$"""{"prompt": {{prompt}}}""");

        Assert.Equal(texts.Split('|'), body["choices"]!.AsArray().Select(choice => choice!["text"]!.GetValue<string>()));
    }

    [Fact]
    public async Task A_failing_prompt_fails_the_request_and_ends_the_others()
    {
        var model = new FakeLanguageModel { ContextLength = 5, BeforeUpdate = (_, cancelled) => Task.Delay(Timeout.Infinite, cancelled) };
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync(Path, """{"prompt": ["ok", "far too long"]}""");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("context_length_exceeded", body["error"]!["code"]!.GetValue<string>());
        Assert.Equal(0, model.Load.RunningRequests);
    }

    [Theory]
    [InlineData("""{"prompt": ""}""", "prompt")]
    [InlineData("""{}""", "prompt")]
    [InlineData("""{"prompt": []}""", "prompt")]
    [InlineData("""{"prompt": [[]]}""", "prompt")]
    [InlineData("""{"prompt": [1, "a"]}""", "prompt")]
    [InlineData("""{"prompt": {"a": 1}}""", "prompt")]
    [InlineData("""{"prompt": [-1]}""", "prompt")]
    [InlineData("""{"prompt": [65536]}""", "prompt")]
    [InlineData("""{"prompt": "a", "echo": true, "logprobs": 1}""", "logprobs")]
    [InlineData("""{"prompt": "a", "suffix": "b"}""", "suffix")]
    [InlineData("""{"prompt": "a", "best_of": 2, "stream": true}""", "best_of")]
    [InlineData("""{"prompt": "a", "logprobs": -1}""", "logprobs")]
    [InlineData("""{"prompt": "a", "logprobs": true}""", "logprobs")]
    [InlineData("""{"prompt": "a", "n": 0}""", "n")]
    public async Task Unusable_requests_name_the_field(string json, string param)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync(Path, json);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("invalid_request_error", body["error"]!["type"]!.GetValue<string>());
        Assert.Equal(param, body["error"]!["param"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("""{"prompt": "a", "echo": false, "suffix": null, "best_of": 1, "logprobs": null, "n": 1, "user": "u"}""")]
    [InlineData("""{"prompt": "a", "model": ""}""")]
    public async Task Fields_that_ask_for_nothing_are_accepted(string json)
    {
        await using var server = await TestServer.StartAsync();
        var (response, _) = await server.PostAsync(Path, json);
        Assert.Equal(200, (int)response.StatusCode);
    }
}
