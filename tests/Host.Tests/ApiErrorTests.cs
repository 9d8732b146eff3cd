using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Hearth.Host.Tests;

public sealed class ApiErrorTests
{
    private const string Path = "/v1/chat/completions";
    private const string Hello = "\"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]";

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("{\"messages\": [], }")]
    [InlineData("{\"model\": \"a\", \"model\": \"b\"}")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}")]
    public async Task A_body_that_is_no_JSON_object_is_refused(string json)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync(Path, json);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("invalid_request_error", body["error"]!["type"]!.GetValue<string>());
        Assert.Contains("body", body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_that_are_no_UTF8_are_refused()
    {
        await using var server = await TestServer.StartAsync();
        using var content = new ByteArrayContent([.. "{\"messages\": \""u8, 0xff, .. "\"}"u8]);
        content.Headers.ContentType = new("application/json");
        using var response = await server.Client.PostAsync(Path, content);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [Fact]
    public async Task Nesting_without_end_is_refused()
    {
        await using var server = await TestServer.StartAsync();
        var (response, _) = await server.PostAsync(Path, new string('[', 100_000));
        Assert.Equal(400, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("\"temperature\": \"hot\"", "temperature", "a number")]
    [InlineData("\"temperature\": -0.5", "temperature", "at least 0")]
    [InlineData("\"temperature\": 1e99", "temperature", "at least 0")]
    [InlineData("\"top_p\": 1.5", "top_p", "between 0 and 1")]
    [InlineData("\"top_k\": 1.5", "top_k", "an integer")]
    [InlineData("\"max_tokens\": -2", "max_tokens", "at least -1")]
    [InlineData("\"max_completion_tokens\": -2", "max_completion_tokens", "at least -1")]
    [InlineData("\"max_tokens\": \"ten\"", "max_tokens", "an integer")]
    [InlineData("\"max_completion_tokens\": []", "max_completion_tokens", "an integer")]
    [InlineData("\"repetition_penalty\": 0", "repetition_penalty", "greater than 0")]
    [InlineData("\"presence_penalty\": 3", "presence_penalty", "between -2 and 2")]
    [InlineData("\"stream\": \"yes\"", "stream", "true or false")]
    [InlineData("\"stream_options\": {\"include_usage\": true}", "stream_options", "stream")]
    [InlineData("\"stop\": 5", "stop", "a string or an array of strings")]
    [InlineData("\"stop\": [\"a\", 5]", "stop", "a string or an array of strings")]
    [InlineData("\"stop\": [\"a\", \"\"]", "stop", "empty")]
    [InlineData("\"seed\": 1.5", "seed", "an integer")]
    [InlineData("\"seed\": 99999999999999999999999", "seed", "64 bits")]
    [InlineData("\"logit_bias\": {\"1\": \"x\"}", "logit_bias", "numbers")]
    [InlineData("\"logit_bias\": {\"ab\": 101}", "logit_bias", "between -100 and 100")]
    [InlineData("\"logit_bias\": [[\"ab\"]]", "logit_bias", "pairs")]
    [InlineData("\"logit_bias\": [[1.5, 1]]", "logit_bias", "pairs")]
    [InlineData("\"logit_bias\": [[1, true]]", "logit_bias", "number or false")]
    [InlineData("\"logit_bias\": \"ab\"", "logit_bias", "an object")]
    [InlineData("\"logit_bias\": {\"1\": 101}", "logit_bias", "between -100 and 100")]
    [InlineData("\"logit_bias\": {\"65536\": 1}", "logit_bias", "vocabulary")]
    [InlineData("\"model\": 5", "model", "a string")]
    [InlineData("\"n\": 0", "n", "between 1 and 128")]
    [InlineData("\"n\": 129", "n", "between 1 and 128")]
    [InlineData("\"best_of\": 2", "best_of", "not supported")]
    [InlineData("\"logprobs\": 3", "logprobs", "true or false")]
    [InlineData("\"logprobs\": true, \"top_logprobs\": 21", "top_logprobs", "between 0 and 20")]
    [InlineData("\"top_logprobs\": 2", "top_logprobs", "only with 'logprobs'")]
    [InlineData("\"min_tokens\": -1", "min_tokens", "at least 0")]
    [InlineData("\"min_tokens\": 5, \"max_tokens\": 4", "min_tokens", "at most the token limit of 4")]
    [InlineData("\"stop_token_ids\": [65536]", "stop_token_ids", "vocabulary")]
    [InlineData("\"stop_token_ids\": 5", "stop_token_ids", "an array")]
    [InlineData("\"tool_choice\": \"required\"", "tool_choice", "offers no tools")]
    [InlineData("\"tool_choice\": \"sometimes\"", "tool_choice", "none, auto, required or an object")]
    [InlineData("\"tool_choice\": {\"type\": \"custom\"}", "tool_choice", "not supported")]
    [InlineData("\"tool_choice\": {\"type\": \"function\"}", "tool_choice", "must name a function")]
    [InlineData("\"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"x\"}}", "tool_choice", "none of the chat's tools")]
    [InlineData("\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a b\"}}]", "tools[0]", "letters, digits")]
    [InlineData("\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a\"}}, {\"type\": \"function\", \"function\": {\"name\": \"a\"}}]", "tools", "two tools named 'a'")]
    [InlineData("\"tools\": [{\"type\": \"web_search\"}]", "tools[0]", "only functions")]
    [InlineData("\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"a\", \"parameters\": {\"properties\": {\"x\": {\"type\": \"integer\", \"minimum\": 2, \"maximum\": 1}}, \"required\": [\"x\"]}}}]", "tools", "cannot be enforced")]
    [InlineData("\"functions\": [{\"name\": \"a\"}]", "functions", "not supported")]
    [InlineData("\"reasoning\": {\"effort\": 5}", "reasoning.effort", "not supported")]
    [InlineData("\"thinking_budget\": -2", "thinking_budget", "at least 0")]
    [InlineData("\"continue_final_message\": true", "continue_final_message", "the assistant's")]
    [InlineData("\"response_format\": \"json_object\"", "response_format", "an object with a 'type'")]
    [InlineData("\"response_format\": {\"type\": \"structural_tag\"}", "response_format", "not supported")]
    [InlineData("\"response_format\": {\"type\": \"json_schema\"}", "response_format.json_schema.schema", "missing")]
    [InlineData("\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": 5}}", "response_format.json_schema.schema", "a JSON schema")]
    [InlineData("\"grammar\": \"\"", "grammar", "empty")]
    [InlineData("\"grammar\": 5", "grammar", "a string")]
    [InlineData("\"guided_choice\": []", "guided_choice", "at least one")]
    [InlineData("\"guided_json\": 5", "guided_json", "a JSON schema")]
    [InlineData("\"structured_outputs\": {\"structural_tag\": \"x\"}", "structured_outputs.structural_tag", "not supported")]
    [InlineData("\"structured_outputs\": {\"regex\": 5}", "structured_outputs.regex", "a string")]
    [InlineData("\"structured_outputs\": {\"regex\": \"a\", \"choice\": [\"a\"]}", "structured_outputs.choice", "'structured_outputs.regex' and 'structured_outputs.choice'")]
    [InlineData("\"grammar\": \"root ::= [a]\", \"response_format\": {\"type\": \"json_object\"}", "grammar", "'response_format' and 'grammar'")]
    [InlineData("\"guided_regex\": \"a\", \"min_tokens\": 2", "min_tokens", "contradicts a constraint")]
    [InlineData("\"guided_regex\": \"a\", \"ignore_eos\": true", "ignore_eos", "contradicts a constraint")]
    [InlineData("\"guided_whitespace_pattern\": \" \"", "guided_whitespace_pattern", "not supported")]
    [InlineData("\"bad_words\": [\"a\"]", "bad_words", "not supported")]
    [InlineData("\"mirostat\": 2", "mirostat", "not supported")]
    [InlineData("\"n_probs\": 5", "n_probs", "not supported")]
    [InlineData("\"tools\": [{\"type\": \"function\"}]", "tools[0]", "function")]
    [InlineData("\"tools\": 7", "tools", "an array")]
    public async Task A_wrong_value_names_its_field(string field, string param, string message)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync(Path, $"{{{Hello}, {field}}}");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(param, body["error"]!["param"]!.GetValue<string>());
        Assert.Contains(message, body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "messages")]
    [InlineData("{\"messages\": []}", "messages")]
    [InlineData("{\"messages\": \"hi\"}", "messages")]
    [InlineData("{\"messages\": [null]}", "messages[0]")]
    [InlineData("{\"messages\": [\"hi\"]}", "messages[0]")]
    [InlineData("{\"messages\": [{\"content\": \"hi\"}]}", "messages[0].role")]
    [InlineData("{\"messages\": [{\"role\": \"user\"}]}", "messages[0].content")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": 5}]}", "messages[0].content")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {}}]}]}", "messages[0].content")]
    [InlineData("{\"messages\": [{\"role\": \"assistant\", \"tool_calls\": [{}]}]}", "messages[0].tool_calls[0].function.name")]
    [InlineData("{\"messages\": [{\"role\": \"assistant\", \"function_call\": {}, \"content\": \"a\"}]}", "messages[0].function_call")]
    [InlineData("{\"messages\": [{\"role\": \"alien\", \"content\": \"hi\"}]}", "messages")]
    public async Task An_unusable_message_is_named(string json, string param)
    {
        await using var server = await TestServer.StartAsync();
        var (response, body) = await server.PostAsync(Path, json);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(param, body["error"]!["param"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("/v1/chat/completions", "{\"model\": \"other\", \"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}")]
    [InlineData("/v1/completions", "{\"model\": \"other\", \"prompt\": \"a\"}")]
    public async Task An_unknown_model_is_not_found(string path, string json)
    {
        await using var server = await TestServer.StartAsync(configuration: """{"AnswerUnknownModels": false}""");
        var (response, body) = await server.PostAsync(path, json);

        Assert.Equal(404, (int)response.StatusCode);
        Assert.Equal("model_not_found", body["error"]!["code"]!.GetValue<string>());
        Assert.Equal("model", body["error"]!["param"]!.GetValue<string>());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_prompt_beyond_the_context_is_refused_with_both_numbers(bool stream)
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { ContextLength = 4 });
        var (response, body) = await server.PostAsync(Path, $"{{{Hello}, \"stream\": {(stream ? "true" : "false")}}}");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("context_length_exceeded", body["error"]!["code"]!.GetValue<string>());
        Assert.Equal(5, body["error"]!["tokens_asked"]!.GetValue<int>());
        Assert.Equal(4, body["error"]!["tokens_possible"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_full_queue_asks_to_come_again()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => throw new QueueFullException(8) });
        var (response, body) = await server.PostAsync(Path, $"{{{Hello}, \"stream\": true}}");

        Assert.Equal(503, (int)response.StatusCode);
        Assert.Equal("1", response.Headers.GetValues("Retry-After").Single());
        Assert.Equal("queue_full", body["error"]!["code"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_fault_of_the_service_keeps_its_details_to_itself()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => throw new InvalidOperationException("secret") });
        var (response, body) = await server.PostAsync(Path, $"{{{Hello}}}");

        Assert.Equal(500, (int)response.StatusCode);
        Assert.Equal("server_error", body["error"]!["type"]!.GetValue<string>());
        Assert.DoesNotContain("secret", body.ToJsonString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(nameof(GenerationOptions.MaxTokens), "max_tokens")]
    [InlineData(nameof(GenerationOptions.Beams), "beams")]
    [InlineData(nameof(GenerationOptions.StopSequences), "stop")]
    [InlineData(nameof(GenerationRequest.Prompt), "prompt")]
    public async Task What_the_model_refuses_of_a_request_is_the_callers_fault(string option, string param)
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => throw new InvalidRequestException(option, "is not possible") });
        var (response, body) = await server.PostAsync(Path, $"{{{Hello}}}");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal((param, $"'{param}' is not possible"), (body["error"]!["param"]!.GetValue<string>(), body["error"]!["message"]!.GetValue<string>()));
    }

    [Theory]
    [InlineData("\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"schema\": {}}}", "response_format")]
    [InlineData("\"guided_regex\": \"(\"", "guided_regex")]
    [InlineData("\"grammar\": \"root ::= x\", \"stream\": true", "grammar")]
    public async Task A_constraint_that_cannot_be_enforced_is_named_with_keyword_and_place(string field, string param)
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { Reply = _ => throw new Runtime.Constraints.ConstraintException("it cannot be", "/properties/a", "unevaluatedItems") });
        var (response, body) = await server.PostAsync(Path, $"{{{Hello}, {field}}}");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal(param, body["error"]!["param"]!.GetValue<string>());
        Assert.Equal($"'{param}' cannot be enforced: it cannot be (keyword 'unevaluatedItems' at /properties/a)", body["error"]!["message"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_model_without_template_cannot_chat()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { HasChatTemplate = false });
        var (response, body) = await server.PostAsync(Path, $"{{{Hello}}}");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("/v1/completions", body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broken_template_is_blamed_and_not_the_messages()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { HasChatTemplate = false, ChatTemplateFault = "the chat template cannot be read: line 3", Warnings = ["the chat template cannot be read"] });
        var (response, body) = await server.PostAsync(Path, $"{{{Hello}}}");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("model", body["error"]!["param"]!.GetValue<string>());
        Assert.Contains("line 3", body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);

        var model = JsonNode.Parse(await server.Client.GetStringAsync("/v1/models/fake"))!;
        Assert.False(model["chat"]!.GetValue<bool>());
        Assert.Equal("the chat template cannot be read", model["warnings"]![0]!.GetValue<string>());
    }

    [Fact]
    public async Task A_model_without_warnings_has_none()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Null(JsonNode.Parse(await server.Client.GetStringAsync("/v1/models/fake"))!["warnings"]);
    }

    [Fact]
    public async Task A_body_beyond_the_limit_is_refused()
    {
        await using var server = await TestServer.StartAsync(configuration: """{"Limits": {"BodyBytes": 2048}}""");
        using var content = new StringContent($"{{\"messages\": [{{\"role\": \"user\", \"content\": \"{new string('a', 4096)}\"}}]}}", Encoding.UTF8, "application/json");
        using var response = await server.Client.PostAsync(Path, content);

        Assert.Equal(413, (int)response.StatusCode);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal("request_too_large", body["error"]!["code"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("GET", "/nowhere", 404, "unknown_url")]
    [InlineData("GET", "/v1/chat/completions", 405, "method_not_allowed")]
    [InlineData("DELETE", "/v1/models", 405, "method_not_allowed")]
    [InlineData("GET", "/v1/models/other", 404, "model_not_found")]
    public async Task Unknown_routes_and_wrong_methods_have_the_same_shape(string method, string path, int status, string code)
    {
        await using var server = await TestServer.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var response = await server.Client.SendAsync(request);

        Assert.Equal(status, (int)response.StatusCode);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal(code, body["error"]!["code"]!.GetValue<string>());
    }
}
