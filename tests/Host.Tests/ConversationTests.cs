using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Hearth.Host.Tests;

/// <summary>Conversations and estimates over HTTP, with the demo model.</summary>
public sealed class ConversationTests
{
    private const string Path = "/v1/chat/completions";

    private static Task<LanguageModel> Load(string id = "fake") => LanguageModel.LoadAsync(Ember.Path, new ModelOptions { Id = id, Threads = 1, ContextLength = 1024 });

    private static string Says(string text, string conversation) => $$"""{"messages": [{"role": "user", "content": "{{text}}"}], "max_tokens": 8, "temperature": 0, "conversation": {{conversation}}}""";

    private static async Task<JsonNode> Ask(TestServer server, string json)
    {
        var (response, body) = await server.PostAsync(Path, json);
        Assert.True(response.IsSuccessStatusCode, body.ToJsonString());
        return body;
    }

    private static (int Prompt, int Cached) Usage(JsonNode body)
        => (body["usage"]!["prompt_tokens"]!.GetValue<int>(), body["usage"]!["prompt_tokens_details"]!["cached_tokens"]!.GetValue<int>());

    [Fact]
    public async Task A_conversation_goes_on_is_forked_answered_again_and_forgotten()
    {
        await using var model = await Load();
        await using var server = await TestServer.StartAsync(model);
        var first = await Ask(server, Says("Hello there", "\"new\""));
        var id = first["conversation"]!["id"]!.GetValue<string>();
        var second = await Ask(server, Says("And now?", $"\"{id}\""));
        Assert.Equal(id, second["conversation"]!["id"]!.GetValue<string>());
        Assert.True(Usage(second).Prompt > Usage(first).Prompt + 8);
        Assert.True(Usage(second).Cached >= Usage(first).Prompt + 7, second.ToJsonString());

        // Answered again: behind the question, without messages.
        var whole = JsonNode.Parse(await server.Client.GetStringAsync($"/hearth/conversations/{id}"))!;
        Assert.Equal(["user", "assistant", "user", "assistant"], whole["messages"]!.AsArray().Select(message => message!["role"]!.GetValue<string>()));
        Assert.Equal(second["id"]!.GetValue<string>(), whole["last"]!.GetValue<string>());
        var question = whole["messages"]![2]!["id"]!.GetValue<string>();
        var again = await Ask(server, $$$"""{"max_tokens": 5, "temperature": 2, "seed": 1, "conversation": {"id": "{{{id}}}", "after": "{{{question}}}"}}""");
        Assert.Equal(Usage(second).Prompt, Usage(again).Prompt);
        Assert.Equal(Usage(again).Prompt - 1, Usage(again).Cached);

        // Forked from the first answer.
        var fork = await Ask(server, Says("Elsewhere?", "{\"fork\": \"" + first["id"] + "\"}"));
        Assert.NotEqual(id, fork["conversation"]!["id"]!.GetValue<string>());
        Assert.True(Usage(fork).Cached >= Usage(first).Prompt + 7);

        // Before the first message: another beginning in the same conversation.
        var anew = await Ask(server, Says("From the start", $$"""{"id": "{{id}}", "after": null}"""));
        Assert.True(Usage(anew).Prompt < Usage(second).Prompt);
        whole = JsonNode.Parse(await server.Client.GetStringAsync($"/hearth/conversations/{id}"))!;
        Assert.Equal(3, whole["branches"]!.AsArray().Count);
        Assert.Equal(2, JsonNode.Parse(await server.Client.GetStringAsync("/hearth/conversations"))!["data"]!.AsArray().Count);

        using var deleted = await server.Client.DeleteAsync($"/hearth/conversations/{id}");
        Assert.Equal(HttpStatusCode.OK, deleted.StatusCode);
        var (gone, error) = await server.PostAsync(Path, Says("x", $"\"{id}\""));
        Assert.Equal(HttpStatusCode.NotFound, gone.StatusCode);
        Assert.Equal("conversation_not_found", error["error"]!["code"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_streamed_answer_is_part_of_its_conversation()
    {
        await using var model = await Load();
        await using var server = await TestServer.StartAsync(model);
        var events = await server.StreamAsync(Path, """{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 6, "stream": true, "conversation": {}}""");
        var id = events[0]["conversation"]!["id"]!.GetValue<string>();
        var text = string.Concat(events.SelectMany(item => item["choices"]!.AsArray()).Select(choice => choice!["delta"]!["content"]?.GetValue<string>()));
        var whole = JsonNode.Parse(await server.Client.GetStringAsync($"/hearth/conversations/{id}"))!;
        Assert.Equal(text, whole["messages"]![1]!["content"]!.GetValue<string>());
    }

    [Fact]
    public async Task Another_client_and_another_model_do_not_find_it_and_bad_fields_are_named()
    {
        await using var model = await Load("one");
        await using var other = await Load("two");
        await using var server = await TestServer.StartAsync(
            [new() { Id = "one", Path = "one.gguf" }, new() { Id = "two", Path = "two.gguf" }], (configuration, _, _) => Task.FromResult<IModel>(configuration.Id == "one" ? model : other));
        var id = (await Ask(server, Says("Hello", "\"new\"")))["conversation"]!["id"]!.GetValue<string>();
        using var foreign = new HttpRequestMessage(HttpMethod.Post, Path) { Content = new StringContent(Says("x", $"\"{id}\""), Encoding.UTF8, "application/json") };
        foreign.Headers.TryAddWithoutValidation("Authorization", "Bearer other");
        using var refused = await server.Client.SendAsync(foreign);
        Assert.Equal(HttpStatusCode.NotFound, refused.StatusCode);
        foreach (var (fields, named) in new[]
        {
            ($$"""{"model": "two", "messages": [{"role": "user", "content": "x"}], "conversation": "{{id}}"}""", "model 'one'"),
            (Says("x", """{"id": 3}"""), "conversation.id"),
            (Says("x", """{"after": "y"}"""), "conversation.after"),
            (Says("x", $$"""{"id": "{{id}}", "after": "nothing"}"""), "nothing"),
            (Says("x", $$"""{"id": "{{id}}", "fork": "y"}"""), "conversation.fork"),
            (Says("x", """{"whose": "y"}"""), "conversation.whose"),
            (Says("x", "7"), "conversation"),
            ("""{"conversation": "new"}""", "messages"),
            ($$"""{"n": 2, "messages": [{"role": "user", "content": "x"}], "conversation": "{{id}}"}""", "'n'"),
        })
        {
            var (response, body) = await server.PostAsync(Path, fields);
            Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
            Assert.Contains(named, body["error"]!["message"]!.GetValue<string>());
        }
    }

    [Fact]
    public async Task An_estimate_tells_what_the_same_body_then_costs()
    {
        await using var model = await Load();
        await using var server = await TestServer.StartAsync(model);
        foreach (var (path, json) in new[]
        {
            (Path, """{"messages": [{"role": "user", "content": "Tell me of the sea."}], "max_tokens": 4}"""),
            (Path, """{"messages": [{"role": "user", "content": "Tell me of the sea and of the land."}], "max_tokens": 4}"""),
            ("/v1/completions", """{"prompt": "Once upon a time", "max_tokens": 4}"""),
            ("/v1/completions", """{"prompt": "Once upon a time", "max_tokens": 4}"""),
        })
        {
            var (_, estimate) = await server.PostAsync("/hearth/estimate", json);
            var (_, body) = await server.PostAsync(path, json);
            Assert.Equal(Usage(body), (estimate["prompt_tokens"]!.GetValue<int>(), estimate["cached_tokens"]!.GetValue<int>()));
            Assert.Equal(0, estimate["queue_place"]!.GetValue<int>());
            Assert.True(estimate["cache_bytes"]!.GetValue<long>() <= estimate["most_cache_bytes"]!.GetValue<long>());
        }

        var told = JsonNode.Parse(await server.Client.GetStringAsync("/hearth/cache"))!;
        Assert.True(told["memory"]!["resident_bytes"]!.GetValue<long>() > 1 << 20);
        Assert.Null(told["memory"]!["budget_bytes"]);
        var cache = told["data"]![0]!;
        Assert.Equal(model.Cache.PageCount, cache["used_pages"]!.GetValue<int>() + cache["cached_pages"]!.GetValue<int>() + cache["free_pages"]!.GetValue<int>());
        Assert.True(cache["cached_pages"]!.GetValue<int>() > 0);
        Assert.Null(cache["folder"]);

        var (_, known) = await server.PostAsync("/hearth/estimate", """{"prompt": "A long, long way to go", "max_tokens": 4}""");
        Assert.True(known["seconds_to_first_token"]!.GetValue<double>() > 0);
        var (bad, error) = await server.PostAsync("/hearth/estimate", """{"messages": [], "max_tokens": 4}""");
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
        Assert.Equal("messages", error["error"]!["param"]!.GetValue<string>());
    }
}
