using System.Text;
using System.Text.RegularExpressions;
using Hearth.Runtime.Constraints;

namespace Hearth.Host.Tests;

public sealed partial class ChatCompletionsTests
{
    private const string Path = "/v1/chat/completions";

    [Fact]
    public async Task A_whole_answer_has_OpenAIs_shape()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { CachedTokens = 3 });
        var (response, body) = await server.PostAsync(Path, """{"model": "fake", "messages": [{"role": "user", "content": "two words"}]}""");

        Assert.Equal(200, (int)response.StatusCode);
        Assert.StartsWith("chatcmpl-", body["id"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("chat.completion", body["object"]!.GetValue<string>());
        Assert.Equal("fake", body["model"]!.GetValue<string>());
        Assert.Equal("assistant", body["choices"]![0]!["message"]!["role"]!.GetValue<string>());
        Assert.Equal("two words", body["choices"]![0]!["message"]!["content"]!.GetValue<string>());
        Assert.Equal("stop", body["choices"]![0]!["finish_reason"]!.GetValue<string>());
        Assert.Equal(
            """{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":3,"cache_miss":"differs","first_different_token":3}}""",
            body["usage"]!.ToJsonString());
    }

    [Fact]
    public async Task A_stream_is_framed_as_server_sent_events()
    {
        await using var server = await TestServer.StartAsync();
        using var content = new StringContent(
            """{"messages": [{"role": "user", "content": "é \"q\""}], "stream": true, "stream_options": {"include_usage": true}}""", Encoding.UTF8, "application/json");
        using var response = await server.Client.PostAsync(Path, content);
        var bytes = await response.Content.ReadAsByteArrayAsync();

        var text = Varying().Replace(Encoding.UTF8.GetString(bytes), "");
        Assert.Equal(
            """
            data: {"object":"chat.completion.chunk","model":"fake","choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}],"usage":null}

            data: {"object":"chat.completion.chunk","model":"fake","choices":[{"index":0,"delta":{"content":"é "},"finish_reason":null}],"usage":null}

            data: {"object":"chat.completion.chunk","model":"fake","choices":[{"index":0,"delta":{"content":"\"q\""},"finish_reason":null}],"usage":null}

            data: {"object":"chat.completion.chunk","model":"fake","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

            data: {"object":"chat.completion.chunk","model":"fake","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":0,"cache_miss":"nothing_cached","first_different_token":0}}}

            data: [DONE]


            """.ReplaceLineEndings("\n"),
            text);
        Assert.Equal("no-cache", response.Headers.CacheControl?.ToString());
    }

    [Fact]
    public async Task A_stream_without_include_usage_tells_none()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(Path, """{"messages": [{"role": "user", "content": "a b"}], "stream": true}""");

        Assert.All(events, item => Assert.Null(item["usage"]));
        Assert.Single(events.Select(item => item["id"]!.GetValue<string>()).Distinct());
    }

    [Fact]
    public async Task Every_option_reaches_the_model()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        await server.PostAsync(Path, """
            {"messages": [{"role": "user", "content": "a b c"}], "temperature": 0.25, "top_p": 0.5, "top_k": 7, "min_p": 0.125, "repetition_penalty": 1.5,
             "presence_penalty": -1, "frequency_penalty": 2, "penalty_window": 32, "seed": -2, "stop": ["x", "yy"], "logit_bias": {"5": -100, "6": 2.5},
             "max_completion_tokens": 2, "max_tokens": 9, "ignore_eos": true}
            """);

        Assert.True(model.Requests.TryDequeue(out var request));
        var options = request.Options;
        Assert.Equal(0.25f, options.Temperature);
        Assert.Equal(0.5f, options.TopP);
        Assert.Equal(7, options.TopK);
        Assert.Equal(0.125f, options.MinP);
        Assert.Equal(1.5f, options.RepetitionPenalty);
        Assert.Equal(-1, options.PresencePenalty);
        Assert.Equal(2, options.FrequencyPenalty);
        Assert.Equal(32, options.PenaltyWindow);
        Assert.Equal(ulong.MaxValue - 1, options.Seed);
        Assert.Equal(["x", "yy"], options.StopSequences);
        Assert.Equal(float.NegativeInfinity, options.LogitBias![5]);
        Assert.Equal(2.5f, options.LogitBias![6]);
        Assert.Equal(2, options.MaxTokens);
        Assert.True(options.IgnoreEndOfText);
        Assert.NotNull(request.Deadline);
    }

    [Theory]
    [InlineData("max_tokens")]
    [InlineData("max_completion_tokens")]
    public async Task Minus_one_asks_for_no_limit_and_a_fresh_seed(string field)
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync(Path, $$"""{"messages": [{"role": "user", "content": "a b c"}], "{{field}}": -1, "seed": -1}""");

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("a b c", body["choices"]![0]!["message"]!["content"]!.GetValue<string>());
        Assert.True(model.Requests.TryDequeue(out var request));
        Assert.Null(request.Options.Seed);
    }

    [Fact]
    public async Task An_answer_cut_by_max_tokens_ends_with_length()
    {
        await using var server = await TestServer.StartAsync();
        var (_, body) = await server.PostAsync(Path, """{"messages": [{"role": "user", "content": "a b c"}], "max_tokens": 2, "stop": "z"}""");

        Assert.Equal("a b ", body["choices"]![0]!["message"]!["content"]!.GetValue<string>());
        Assert.Equal("length", body["choices"]![0]!["finish_reason"]!.GetValue<string>());
    }

    [Fact]
    public async Task Messages_tools_and_variables_reach_the_template()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        await server.PostAsync(Path, """
            {"messages": [
               {"role": "developer", "content": "be brief"},
               {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}], "name": "Ada"},
               {"role": "assistant", "content": null, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{\"zone\": \"UTC\"}"}}]},
               {"role": "tool", "content": "12:00", "tool_call_id": "c1"}],
             "tools": [{"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}],
             "chat_template_kwargs": {"enable_thinking": false}, "reasoning_effort": "low", "some_future_field": {"a": 1}}
            """);

        Assert.True(model.Chats.TryDequeue(out var chat));
        Assert.Equal(["system", "user", "assistant", "tool"], chat.Messages.Select(message => message.Role));
        Assert.Equal("one\ntwo", chat.Messages[1].Content);
        Assert.Equal("Ada", chat.Messages[1].Name);
        Assert.Null(chat.Messages[2].Content);
        var call = Assert.Single(chat.Messages[2].ToolCalls);
        Assert.Equal(("c1", "clock", """{"zone":"UTC"}"""), (call.Id, call.Name, call.Arguments.ToJsonString()));
        Assert.Equal("c1", chat.Messages[3].ToolCallId);
        Assert.Equal("clock", Assert.Single(chat.Tools)["function"]!["name"]!.GetValue<string>());
        Assert.False(chat.Variables["enable_thinking"]!.GetValue<bool>());
        Assert.Equal("low", chat.Variables["reasoning_effort"]!.GetValue<string>());
    }

    [Fact]
    public async Task Tool_choice_none_leaves_the_prompt_as_it_is_and_forbids_calls()
    {
        var model = new FakeLanguageModel { Reply = _ => ["<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>"] };
        await using var server = await TestServer.StartAsync(model);
        var (_, body) = await server.PostAsync(Path, """{"messages": [{"role": "user", "content": "a"}], "tool_choice": "none", "tools": [{"type": "function", "function": {"name": "clock"}}]}""");

        Assert.True(model.Chats.TryDequeue(out var chat));
        Assert.Single(chat.Tools);
        Assert.True(model.Requests.TryDequeue(out var request));
        Assert.Equal(ConstraintKind.Composed, request.Options.Constraint?.Kind);

        // What comes all the same is text.
        Assert.Contains("<tool_call>", body["choices"]![0]!["message"]!["content"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("stop", body["choices"]![0]!["finish_reason"]!.GetValue<string>());
    }

    [Fact]
    public async Task Sixteen_streams_at_once_do_not_mix()
    {
        var model = new FakeLanguageModel { BeforeUpdate = (_, cancelled) => Task.Delay(Random.Shared.Next(3), cancelled) };
        await using var server = await TestServer.StartAsync(model);
        var texts = Enumerable.Range(0, 16).Select(i => string.Join(' ', Enumerable.Range(0, 40).Select(j => $"{i}:{j}"))).ToList();
        var answers = await Task.WhenAll(texts.Select(text => server.StreamAsync(
            Path, $$"""{"messages": [{"role": "user", "content": "{{text}}"}], "stream": true}""")));

        for (var i = 0; i < texts.Count; i++)
        {
            Assert.Equal(texts[i], string.Concat(answers[i].Select(item => item["choices"]![0]!["delta"]!["content"]?.GetValue<string>())));
        }

        Assert.Equal(16, answers.Select(events => events[0]["id"]!.GetValue<string>()).Distinct().Count());
    }

    [GeneratedRegex("\"id\":\"[^\"]*\",|\"created\":[0-9]*,|,\"system_fingerprint\":\"[^\"]*\"|,\"timings\":\\{[^}]*\\}")]
    private static partial Regex Varying();
}
