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
    [InlineData("\"stop\": \"\"", "stop", "empty")]
    [InlineData("\"seed\": 1.5", "seed", "an integer")]
    [InlineData("\"seed\": 99999999999999999999999", "seed", "64 bits")]
    [InlineData("\"logit_bias\": {\"a\": 1}", "logit_bias", "ids")]
    [InlineData("\"logit_bias\": {\"1\": \"x\"}", "logit_bias.1", "a number")]
    [InlineData("\"logit_bias\": {\"1\": 101}", "logit_bias", "between -100 and 100")]
    [InlineData("\"logit_bias\": {\"65536\": 1}", "logit_bias", "vocabulary")]
    [InlineData("\"model\": 5", "model", "a string")]
    [InlineData("\"n\": 2", "n", "not supported")]
    [InlineData("\"logprobs\": true", "logprobs", "not supported")]
    [InlineData("\"tool_choice\": \"required\"", "tool_choice", "not supported")]
    [InlineData("\"response_format\": {\"type\": \"json_object\"}", "response_format", "not supported")]
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
        await using var server = await TestServer.StartAsync();
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

    [Fact]
    public async Task A_model_without_template_cannot_chat()
    {
        await using var server = await TestServer.StartAsync(new FakeLanguageModel { HasChatTemplate = false });
        var (response, body) = await server.PostAsync(Path, $"{{{Hello}}}");

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("/v1/completions", body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
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
