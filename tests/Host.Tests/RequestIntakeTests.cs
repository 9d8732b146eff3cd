using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Hearth.Host.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Hearth.Host.Tests;

/// <summary>How requests arrive: methods, types, encodings, lengths, and what clients replay of a chat.</summary>
public sealed class RequestIntakeTests
{
    private const string Chat = "/v1/chat/completions";
    private const string Body = """{"messages": [{"role": "user", "content": "one two"}]}""";

    [Theory]
    [InlineData("/", 200)]
    [InlineData("/health", 200)]
    [InlineData("/v1/models", 200)]
    [InlineData("/v1/models/fake", 200)]
    [InlineData("/v1/models/other", 404)]
    [InlineData("/nowhere", 404)]
    [InlineData("/v1/completions", 405)]
    public async Task HEAD_is_GET_without_the_body(string path, int status)
    {
        await using var server = await TestServer.StartAsync();
        using var request = new HttpRequestMessage(HttpMethod.Head, path);
        using var response = await server.Client.SendAsync(request);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Empty(await response.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    [InlineData("br")]
    [InlineData("identity")]
    public async Task A_compressed_body_is_read(string encoding)
    {
        await using var server = await TestServer.StartAsync();
        using var response = await server.Client.PostAsync(Chat, Compressed(Body, encoding));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("one two", JsonNode.Parse(await response.Content.ReadAsStringAsync())!["choices"]![0]!["message"]!["content"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("zstd", 415, "zstd")]
    [InlineData("gzip, gzip", 415, "gzip, gzip")]
    [InlineData("gzip", 400, "Content-Encoding")]
    public async Task An_encoding_that_is_not_known_or_not_true_is_named(string encoding, int status, string named)
    {
        await using var server = await TestServer.StartAsync();
        using var content = new StringContent(Body, Encoding.UTF8, "application/json");
        content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        using var response = await server.Client.PostAsync(Chat, content);
        Assert.Equal(status, (int)response.StatusCode);
        Assert.Contains(named, await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_that_grows_beyond_the_limit_when_decompressed_is_refused()
    {
        await using var server = await TestServer.StartAsync(configuration: """{"Limits": {"BodyBytes": 4096}}""");
        using var response = await server.Client.PostAsync(Chat, Compressed($"{{\"a\": \"{new string('a', 1 << 20)}\"}}", "gzip"));
        Assert.Equal(413, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/json; charset=utf-16")]
    [InlineData("nonsense")]
    [InlineData(null)]
    public async Task A_body_that_is_not_called_JSON_is_refused(string? type)
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        using var content = new StringContent(Body);
        content.Headers.Remove("Content-Type");
        if (type is not null)
        {
            content.Headers.TryAddWithoutValidation("Content-Type", type);
        }

        using var response = await server.Client.PostAsync(Chat, content);
        Assert.Equal(415, (int)response.StatusCode);
        Assert.Equal("unsupported_media_type", JsonNode.Parse(await response.Content.ReadAsStringAsync())!["error"]!["code"]!.GetValue<string>());
        Assert.Empty(model.Requests);
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("Application/JSON; charset=\"UTF-8\"")]
    [InlineData("application/vnd.api+json")]
    public async Task JSON_has_several_names(string type)
    {
        await using var server = await TestServer.StartAsync();
        using var content = new StringContent(Body);
        content.Headers.Remove("Content-Type");
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        using var response = await server.Client.PostAsync(Chat, content);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Theory]
    [InlineData("80000000")]
    [InlineData("7FFFFFFFFFFFFFFF")]
    [InlineData("FFFFFFFFFFFFFFFFFFFF")]
    [InlineData("-1")]
    [InlineData("xyz")]
    public async Task A_chunk_of_an_impossible_size_is_the_clients_fault(string size)
    {
        await using var server = await TestServer.StartAsync();
        var answer = await server.SendRawAsync(
            $"POST {Chat} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n{Body}\r\n0\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 400 ", answer, StringComparison.Ordinal);
        Assert.Contains("invalid_request_error", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bodies_of_all_requests_share_a_budget()
    {
        var gate = new TaskCompletionSource();
        await using var server = await TestServer.StartAsync(configuration: """{"Limits": {"BodyBytes": 1048576, "AllBodiesBytes": 1048576}}""");
        var budget = server.Services.GetRequiredService<BodyBudget>();
        var text = $"{{\"prompt\": \"a\", \"padding\": \"{new string('a', 700_000)}\"}}";
        using var slow = new SlowContent(Encoding.UTF8.GetBytes(text), gate.Task);
        var first = server.Client.PostAsync("/v1/completions", slow);
        for (var i = 0; budget.Used < 600_000 && i < 1000; i++)
        {
            await Task.Delay(10);
        }

        var (refused, error) = await server.PostAsync("/v1/completions", text);
        Assert.Equal(503, (int)refused.StatusCode);
        Assert.Equal("too_many_bodies", error["error"]!["code"]!.GetValue<string>());
        Assert.True(refused.Headers.Contains("Retry-After"));

        // Small ones are not held up by large ones.
        var (small, _) = await server.PostAsync(Chat, Body);
        Assert.Equal(200, (int)small.StatusCode);

        gate.SetResult();
        using var answer = await first;
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var (again, _) = await server.PostAsync("/v1/completions", text);
        Assert.Equal(200, (int)again.StatusCode);
        Assert.Equal(0, budget.Used);
    }

    [Theory]
    [InlineData("/v1/completions", "\"prompt\": \"TEXT\"")]
    [InlineData("/v1/completions", "\"prompt\": [\"a\", \"TEXT\"], \"stream\": true")]
    public async Task A_text_that_cannot_fit_is_refused_before_it_is_tokenized(string path, string field)
    {
        var model = new FakeLanguageModel { ContextLength = 10, LongestToken = 4 };
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync(path, $"{{{field.Replace("TEXT", new string('x', 60), StringComparison.Ordinal)}}}");
        Assert.Equal(400, (int)response.StatusCode);
        Assert.Equal("context_length_exceeded", body["error"]!["code"]!.GetValue<string>());
        Assert.Equal((15, 10), (body["error"]!["tokens_asked"]!.GetValue<int>(), body["error"]!["tokens_possible"]!.GetValue<int>()));
        Assert.Contains("at least 15", body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.True(model.LongestTokenized < 60);
    }

    [Theory]
    [InlineData("""{"role": "assistant", "content": null, "tool_calls": []}""", "")]
    [InlineData("""{"role": "assistant"}""", "")]
    [InlineData("""{"role": "assistant", "content": null, "refusal": "I will not."}""", "I will not.")]
    [InlineData("""{"role": "assistant", "content": "", "refusal": null}""", "")]
    [InlineData("""{"role": "assistant", "content": [], "reasoning_content": "hm"}""", "", "hm")]
    [InlineData("""{"role": "assistant", "content": null, "reasoning": "hm"}""", "", "hm")]
    [InlineData("""{"role": "assistant", "content": "yes", "reasoning_content": [{"type": "text", "text": "hm"}], "annotations": [], "audio": null}""", "yes", "hm")]
    public async Task An_assistants_message_may_say_nothing(string message, string content, string? reasoning = null)
    {
        var read = (await ReadAsync(message)).Messages[1];
        Assert.Equal((content, reasoning), (read.Content, read.Reasoning));
        Assert.Empty(read.ToolCalls);
    }

    [Theory]
    [InlineData("\"{\\\"a\\\": 1}\"", "{\"a\":1}", null)]
    [InlineData("{\"a\": 1}", "{\"a\":1}", null)]
    [InlineData("\"\"", "{}", null)]
    [InlineData("null", "{}", null)]
    [InlineData("\"{\\\"a\\\": 1\"", "{}", "{\"a\": 1")]
    [InlineData("\"{\\\"a\\\": 1, \\\"a\\\": 2}\"", "{}", "{\"a\": 1, \"a\": 2}")]
    [InlineData("\"[1]\"", "{}", "[1]")]
    [InlineData("[1, 2]", "{}", "[1, 2]")]
    [InlineData("\"what?\"", "{}", "what?")]
    public async Task A_replayed_call_is_read_whatever_its_arguments_are(string arguments, string read, string? text)
    {
        var message = """{"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ARGUMENTS}}]}""".Replace("ARGUMENTS", arguments, StringComparison.Ordinal);
        var call = Assert.Single((await ReadAsync(message)).Messages[1].ToolCalls);
        Assert.Equal((read, text), (call.Arguments.ToJsonString(), call.ArgumentsText));
    }

    [Fact]
    public async Task A_bias_that_forbids_every_token_is_the_clients_fault()
    {
        await using var model = await LanguageModel.LoadAsync(Ember.Path, new ModelOptions { Threads = 1 });
        await using var server = await TestServer.StartAsync(model);
        var bias = string.Join(", ", Enumerable.Range(0, model.Information.VocabularySize).Select(id => $"\"{id}\": -100"));
        foreach (var stream in new[] { "false", "true" })
        {
            var (response, body) = await server.PostAsync("/v1/completions", $"{{\"prompt\": \"a\", \"max_tokens\": 2, \"stream\": {stream}, \"logit_bias\": {{{bias}}}}}");
            Assert.Equal(400, (int)response.StatusCode);
            Assert.Equal("logit_bias", body["error"]!["param"]!.GetValue<string>());
        }
    }

    private static async Task<ChatPrompt> ReadAsync(string message)
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (response, body) = await server.PostAsync(Chat, $$"""{"messages": [{"role": "user", "content": "a"}, {{message}}, {"role": "user", "content": "b"}]}""");
        Assert.True(response.IsSuccessStatusCode, body.ToJsonString());
        return model.Chats.Single();
    }

    private static ByteArrayContent Compressed(string text, string encoding)
    {
        using var buffer = new MemoryStream();
        using (Stream stream = encoding switch
        {
            "gzip" => new GZipStream(buffer, CompressionLevel.Fastest, leaveOpen: true),
            "deflate" => new ZLibStream(buffer, CompressionLevel.Fastest, leaveOpen: true),
            "br" => new BrotliStream(buffer, CompressionLevel.Fastest, leaveOpen: true),
            _ => buffer,
        })
        {
            stream.Write(Encoding.UTF8.GetBytes(text));
        }

        var content = new ByteArrayContent(buffer.ToArray());
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        content.Headers.ContentEncoding.Add(encoding);
        return content;
    }

    /// <summary>Sends all but the last byte at once, and that when it may.</summary>
    private sealed class SlowContent : HttpContent
    {
        private readonly byte[] _bytes;
        private readonly Task _last;

        public SlowContent(byte[] bytes, Task last)
        {
            (_bytes, _last) = (bytes, last);
            Headers.ContentType = new MediaTypeHeaderValue("application/json");
        }

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(_bytes.AsMemory(..^1));
            await stream.FlushAsync();
            await _last;
            await stream.WriteAsync(_bytes.AsMemory(^1..));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = _bytes.Length;
            return true;
        }
    }
}
