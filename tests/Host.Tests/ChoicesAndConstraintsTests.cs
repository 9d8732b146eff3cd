using System.Text.Json.Nodes;
using Hearth.Runtime.Constraints;

namespace Hearth.Host.Tests;

/// <summary>n, log-probabilities, biases of texts and constraints over HTTP.</summary>
public sealed class ChoicesAndConstraintsTests
{
    private const string Chat = "/v1/chat/completions";
    private const string Completions = "/v1/completions";
    private const string Hello = "\"messages\": [{\"role\": \"user\", \"content\": \"a b\"}]";

    private static async Task<GenerationRequest> AskAsync(string fields, string path = Chat)
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync(path, path == Chat ? $"{{{Hello}, {fields}}}" : $"{{\"prompt\": \"a\", {fields}}}");
        Assert.True((int)response.StatusCode == 200, body.ToJsonString());
        Assert.True(model.Requests.TryDequeue(out var request));
        return request;
    }

    [Fact]
    public async Task A_chat_gives_as_many_choices_as_asked_for_and_its_prompt_counts_once()
    {
        await using var server = await TestServer.StartAsync();
        var (_, body) = await server.PostAsync(Chat, $"{{{Hello}, \"n\": 3}}");

        Assert.Equal([0, 1, 2], body["choices"]!.AsArray().Select(choice => choice!["index"]!.GetValue<int>()));
        Assert.All(body["choices"]!.AsArray(), choice => Assert.Equal("a b", choice!["message"]!["content"]!.GetValue<string>()));
        Assert.Equal((3, 6, 9), (Usage(body, "prompt_tokens"), Usage(body, "completion_tokens"), Usage(body, "total_tokens")));
    }

    [Fact]
    public async Task Choices_of_a_chat_stream_with_their_index()
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(Chat, $"{{{Hello}, \"n\": 2, \"stream\": true, \"stream_options\": {{\"include_usage\": true}}}}");

        foreach (var index in new[] { 0, 1 })
        {
            var choices = events.SelectMany(item => item["choices"]!.AsArray()).Where(choice => choice!["index"]!.GetValue<int>() == index).ToList();
            Assert.Equal("assistant", choices[0]!["delta"]!["role"]!.GetValue<string>());
            Assert.Equal("a b", string.Concat(choices.Select(choice => choice!["delta"]!["content"]?.GetValue<string>())));
            Assert.Equal("stop", choices[^1]!["finish_reason"]!.GetValue<string>());
        }

        Assert.Equal((3, 4), (Usage(events[^1], "prompt_tokens"), Usage(events[^1], "completion_tokens")));
        Assert.Single(events, item => item["usage"] is not null);
    }

    [Fact]
    public async Task Several_prompts_have_their_choices_side_by_side()
    {
        await using var server = await TestServer.StartAsync();
        var (_, body) = await server.PostAsync(Completions, """{"prompt": ["a b", "c"], "n": 2}""");

        Assert.Equal(["a b", "a b", "c", "c"], body["choices"]!.AsArray().Select(choice => choice!["text"]!.GetValue<string>()));
        Assert.Equal([0, 1, 2, 3], body["choices"]!.AsArray().Select(choice => choice!["index"]!.GetValue<int>()));
        Assert.Equal((4, 6), (Usage(body, "prompt_tokens"), Usage(body, "completion_tokens")));
    }

    [Fact]
    public async Task Log_probabilities_of_a_chat_have_OpenAIs_shape()
    {
        await using var server = await TestServer.StartAsync();
        var (_, body) = await server.PostAsync(Chat, $"{{{Hello}, \"logprobs\": true, \"top_logprobs\": 4}}");

        Assert.Equal(
            """{"token":"a ","logprob":-0.5,"bytes":[97,32],"top_logprobs":[{"token":"a ","logprob":-0.5,"bytes":[97,32]},{"token":"a 1","logprob":-1.5,"bytes":[97,32,49]},{"token":"a 2","logprob":-2.5,"bytes":[97,32,50]},{"token":"a 3","logprob":-9999,"bytes":[97,32,51]}]}""",
            body["choices"]![0]!["logprobs"]!["content"]![0]!.ToJsonString());
        Assert.Equal(2, body["choices"]![0]!["logprobs"]!["content"]!.AsArray().Count);
        Assert.True(body["choices"]![0]!["logprobs"]!.AsObject().ContainsKey("refusal"));
    }

    [Theory]
    [InlineData("\"logprobs\": true", 0)]
    [InlineData("\"logprobs\": true, \"top_logprobs\": 2", 2)]
    public async Task A_stream_tells_the_same_log_probabilities(string fields, int top)
    {
        await using var server = await TestServer.StartAsync();
        var events = await server.StreamAsync(Chat, $"{{{Hello}, \"stream\": true, {fields}}}");
        var told = events.SelectMany(item => item["choices"]!.AsArray()).SelectMany(choice => choice!["logprobs"]?["content"]?.AsArray() ?? []).ToList();

        Assert.Equal(["a ", "b"], told.Select(token => token!["token"]!.GetValue<string>()));
        Assert.All(told, token => Assert.Equal(top, token!["top_logprobs"]!.AsArray().Count));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Log_probabilities_of_a_completion_have_the_legacy_shape(bool streams)
    {
        await using var server = await TestServer.StartAsync();
        const string Request = """{"prompt": "one two", "logprobs": 2, "stream": false}""";
        var told = streams
            ? (await server.StreamAsync(Completions, Request.Replace("false", "true", StringComparison.Ordinal))).Select(item => item["choices"]![0]!["logprobs"]).OfType<JsonNode>().ToList()
            : [(await server.PostAsync(Completions, Request)).Body["choices"]![0]!["logprobs"]!];

        Assert.Equal(["one ", "two"], told.SelectMany(item => item["tokens"]!.AsArray()).Select(token => token!.GetValue<string>()));
        Assert.Equal([0, 4], told.SelectMany(item => item["text_offset"]!.AsArray()).Select(offset => offset!.GetValue<int>()));
        Assert.Equal([-0.5, -0.5], told.SelectMany(item => item["token_logprobs"]!.AsArray()).Select(value => value!.GetValue<double>()));
        Assert.Equal("""{"one ":-0.5,"one 1":-1.5}""", told[0]["top_logprobs"]![0]!.ToJsonString());
    }

    [Fact]
    public async Task What_ended_a_text_is_told()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { EndedBy = "END", ForcedTokens = 1 });
        var (_, body) = await server.PostAsync(Chat, $"{{{Hello}}}");
        Assert.Equal(("stop", "END"), (body["choices"]![0]!["finish_reason"]!.GetValue<string>(), body["choices"]![0]!["stop_reason"]!.GetValue<string>()));
        Assert.Equal(1, body["usage"]!["completion_tokens_details"]!["forced_tokens"]!.GetValue<int>());

        await using var other = await TestServer.StartAsync(new FakeLanguageModel { EndedBy = 7 });
        (_, body) = await other.PostAsync(Completions, """{"prompt": "a"}""");
        Assert.Equal(7, body["choices"]![0]!["stop_reason"]!.GetValue<int>());
    }

    [Theory]
    [InlineData("""{"5": -100, "ab": 2, "6": 1.5}""")]
    [InlineData("""[[5, false], ["ab", 2], [6, 1.5]]""")]
    public async Task Biases_name_tokens_and_texts_in_either_form(string biases)
    {
        var options = (await AskAsync($"\"logit_bias\": {biases}")).Options;
        Assert.Equal((float.NegativeInfinity, 1.5f), (options.LogitBias![5], options.LogitBias[6]));
        Assert.Equal(2, options.TextBias!["ab"]);
    }

    [Fact]
    public async Task The_other_options_reach_the_model()
    {
        foreach (var path in new[] { Chat, Completions })
        {
            var request = await AskAsync("\"min_tokens\": 3, \"stop_token_ids\": [4, 5], \"n\": 2", path);
            Assert.Equal((3, 2), (request.Options.MinTokens, request.Options.ChoiceCount));
            Assert.Equal([4, 5], request.Options.StopTokenIds);
            Assert.Equal(path == Chat, request.IsChat);
        }
    }

    [Theory]
    [InlineData("""  "response_format": {"type": "json_object"}  """, ConstraintKind.JsonSchema, """{"type":"object"}""")]
    [InlineData("""  "response_format": {"type": "json_object", "schema": {"type": "array"}}  """, ConstraintKind.JsonSchema, """{"type": "array"}""")]
    [InlineData("""  "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": true, "schema": {"type": "array"}}}  """, ConstraintKind.JsonSchema, """{"type": "array"}""")]
    [InlineData("""  "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array"}}}  """, ConstraintKind.JsonSchema, """{"type": "array"}""")]
    [InlineData("""  "response_format": {"type": "json_schema", "schema": {"type": "array"}}  """, ConstraintKind.JsonSchema, """{"type": "array"}""")]
    [InlineData("""  "json_schema": {"type": "array"}  """, ConstraintKind.JsonSchema, """{"type": "array"}""")]
    [InlineData("""  "guided_json": {"type": "array"}  """, ConstraintKind.JsonSchema, """{"type": "array"}""")]
    [InlineData("""  "guided_json": "{\"type\": \"array\"}"  """, ConstraintKind.JsonSchema, """{"type": "array"}""")]
    [InlineData("""  "structured_outputs": {"json": {"type": "array"}, "regex": null}  """, ConstraintKind.JsonSchema, """{"type": "array"}""")]
    [InlineData("""  "structured_outputs": {"json_object": true}  """, ConstraintKind.JsonSchema, """{"type":"object"}""")]
    [InlineData("""  "grammar": "root ::= [a]"  """, ConstraintKind.Grammar, "root ::= [a]")]
    [InlineData("""  "guided_grammar": "root ::= [a]"  """, ConstraintKind.Grammar, "root ::= [a]")]
    [InlineData("""  "structured_outputs": {"grammar": "root ::= [a]"}  """, ConstraintKind.Grammar, "root ::= [a]")]
    [InlineData("""  "guided_regex": "a+"  """, ConstraintKind.Regex, "a+")]
    [InlineData("""  "structured_outputs": {"regex": "a+"}  """, ConstraintKind.Regex, "a+")]
    [InlineData("""  "guided_choice": ["a", "b"]  """, ConstraintKind.Choices, """["a","b"]""")]
    [InlineData("""  "structured_outputs": {"choice": ["a", "b"]}  """, ConstraintKind.Choices, """["a","b"]""")]
    [InlineData("""  "guided_regex": "a+", "structured_outputs": {"regex": "a+"}, "response_format": {"type": "text"}  """, ConstraintKind.Regex, "a+")]
    public async Task Every_spelling_of_a_constraint_reaches_the_model(string fields, ConstraintKind kind, string source)
    {
        foreach (var path in new[] { Chat, Completions })
        {
            var constraint = (await AskAsync(fields, path)).Options.Constraint;
            Assert.Equal((kind, source), (constraint!.Kind, constraint.Source));
        }
    }

    [Theory]
    [InlineData("\"response_format\": null, \"grammar\": null, \"guided_choice\": null, \"structured_outputs\": {}")]
    [InlineData("\"response_format\": {\"type\": \"text\"}, \"best_of\": 1, \"echo\": false, \"bad_words\": [], \"mirostat\": 0, \"repeat_penalty\": 1.0, \"skip_special_tokens\": true")]
    public async Task What_asks_for_nothing_is_accepted(string fields) => Assert.Null((await AskAsync(fields)).Options.Constraint);

    private static int Usage(JsonNode body, string field) => body["usage"]![field]!.GetValue<int>();
}
