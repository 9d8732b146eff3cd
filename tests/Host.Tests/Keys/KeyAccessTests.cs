using System.Text.Json.Nodes;
using Hearth.Host.Http;
using Hearth.Host.Service;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Hearth.Host.Tests.Keys;

/// <summary>What a key opens, and what it does not.</summary>
public sealed class KeyAccessTests
{
    private const string Chat = """{"messages": [{"role": "user", "content": "one two"}]}""";
    private const string Text = """{"prompt": "one two"}""";

    [Theory]
    [InlineData("Authorization", "/v1/chat/completions", Chat)]
    [InlineData("x-api-key", "/v1/messages", """{"model": "fake", "max_tokens": 5, "messages": [{"role": "user", "content": "one two"}]}""")]
    [InlineData("Authorization", "/api/chat", """{"model": "fake", "stream": false, "messages": [{"role": "user", "content": "one two"}]}""")]
    [InlineData("api-key", "/v1/completions", Text)]
    public async Task Each_protocol_brings_a_key_in_its_own_header(string header, string path, string body)
    {
        await using var service = new KeyedService();
        var key = service.Add("alice");
        await service.StartAsync();
        var (response, _) = await service.AskAsync(key, path, body, header);
        Assert.Equal(200, (int)response.StatusCode);
        (response, _) = await service.AskAsync(key[..^1] + (key[^1] == 'A' ? 'B' : 'A'), path, body, header);
        Assert.Equal(401, (int)response.StatusCode);
        Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
    }

    [Theory]
    [InlineData("/v1/chat/completions", """{"error":{"message":"a key of this service is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}""")]
    [InlineData("/v1/messages", """{"type":"error","error":{"type":"authentication_error","message":"a key of this service is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'"},"request_id":"*"}""")]
    [InlineData("/api/chat", """{"error":"a key of this service is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'"}""")]
    [InlineData("/completion", """{"error":{"code":401,"message":"a key of this service is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'","type":"authentication_error","param":null}}""")]
    [InlineData("/nowhere", """{"error":{"message":"a key of this service is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}""")]
    public async Task Without_one_each_protocol_refuses_in_its_own_shape(string path, string expected)
    {
        await using var service = new KeyedService();
        service.Add("alice");
        await service.StartAsync();
        var (response, body) = await service.AskAsync(null, path, "{}");
        Assert.Equal(401, (int)response.StatusCode);
        if (body!["request_id"] is not null)
        {
            body["request_id"] = "*";
        }

        Assert.Equal(JsonNode.Parse(expected)!.ToJsonString(), body.ToJsonString());
    }

    [Fact]
    public async Task A_strangers_view_is_whether_the_service_is_well()
    {
        await using var service = new KeyedService();
        var key = service.Add("alice");
        await service.StartAsync();
        var (_, health) = await service.AskAsync(null, "/health");
        Assert.Equal("""{"status":"ok","models":[]}""", health!.ToJsonString());
        Assert.Equal("fake", (await service.AskAsync(key, "/health")).Body!["models"]![0]!["id"]!.GetValue<string>());
        foreach (var path in new[] { "/v1/models", "/models", "/api/tags", "/api/ps", "/metrics", "/props", "/hearth/cache", "/hearth/conversations", "/v1/models/fake" })
        {
            Assert.Equal(401, await service.StatusAsync(null, path));
            Assert.Equal(200, await service.StatusAsync(key, path));
        }

        foreach (var path in new[] { "/", "/live", "/ready", "/api/version" })
        {
            Assert.Equal(200, await service.StatusAsync(null, path));
        }
    }

    [Fact]
    public async Task A_revoked_or_expired_key_opens_nothing_though_the_service_runs()
    {
        await using var service = new KeyedService();
        var (alice, bob) = (service.Add("alice"), service.Add("bob"));
        var carol = service.Add("carol", key => key with { Expires = DateTimeOffset.UtcNow.AddSeconds(-1) });
        await service.StartAsync();
        Assert.Equal(200, await service.StatusAsync(alice, "/v1/completions", Text));
        Assert.Equal(401, await service.StatusAsync(carol, "/v1/completions", Text));
        service.Revoke("alice");
        var dave = service.Add("dave");
        service.Server.Services.GetRequiredService<KeyRing>().Reload();
        Assert.Equal(401, await service.StatusAsync(alice, "/v1/completions", Text));
        Assert.Equal(200, await service.StatusAsync(bob, "/v1/completions", Text));
        Assert.Equal(200, await service.StatusAsync(dave, "/v1/completions", Text));

        // What nobody can read leaves the keys before it; what is gone opens nothing to everybody.
        File.WriteAllText(service.File, "{\"keys\": [{}]}");
        service.Server.Services.GetRequiredService<KeyRing>().Reload();
        Assert.Equal(200, await service.StatusAsync(bob, "/v1/completions", Text));
        File.Delete(service.File);
        service.Server.Services.GetRequiredService<KeyRing>().Reload();
        Assert.Equal(401, await service.StatusAsync(bob, "/v1/completions", Text));
        Assert.Equal(401, await service.StatusAsync(null, "/v1/completions", Text));
    }

    [Fact]
    public async Task A_key_of_one_model_knows_of_no_other()
    {
        await using var service = new KeyedService();
        var alice = service.Add("alice", key => key with { Models = ["a"] });
        var bob = service.Add("bob", key => key with { Models = ["pirate"] });
        await service.StartAsync((_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()), ["b", "a"], ", \"AnswerUnknownModels\": true, \"Presets\": [{\"Id\": \"pirate\", \"Model\": \"b\", \"System\": \"Talk.\"}]");

        string Ask(string model) => $$"""{"model": "{{model}}", "messages": [{"role": "user", "content": "x"}]}""";
        Assert.Equal("a", (await service.AskAsync(alice, "/v1/chat/completions", Ask("a"))).Body!["model"]!.GetValue<string>());
        Assert.Equal("a", (await service.AskAsync(alice, "/v1/chat/completions", Chat)).Body!["model"]!.GetValue<string>());
        Assert.Equal("a", (await service.AskAsync(alice, "/v1/chat/completions", Ask("gpt-4o"))).Body!["model"]!.GetValue<string>());
        foreach (var model in new[] { "b", "pirate", "B:latest" })
        {
            var (response, body) = await service.AskAsync(alice, "/v1/chat/completions", Ask(model));
            Assert.Equal(404, (int)response.StatusCode);
            Assert.Equal($"the model '{model}' does not exist for this key; there are: a", body!["error"]!["message"]!.GetValue<string>());
        }

        Assert.Equal("pirate", (await service.AskAsync(bob, "/v1/chat/completions", Ask("pirate"))).Body!["model"]!.GetValue<string>());
        Assert.Equal(404, await service.StatusAsync(bob, "/v1/chat/completions", Ask("b")));
        Assert.Equal(404, await service.StatusAsync(bob, "/v1/chat/completions", Chat));
        foreach (var (path, list, name) in new[] { ("/v1/models", "data", "id"), ("/models", "data", "id"), ("/api/tags", "models", "name"), ("/api/ps", "models", "name"), ("/health", "models", "id") })
        {
            var (_, body) = await service.AskAsync(alice, path);
            Assert.Equal(["a"], body![list]!.AsArray().Select(entry => entry![name]!.GetValue<string>()));
        }

        var (_, status) = await service.AskAsync(alice, "/hearth/status");
        Assert.Equal(["a"], status!["models"]!.AsArray().Select(entry => entry!["id"]!.GetValue<string>()));
        Assert.Equal(("a", 0), (status["default"]!.GetValue<string>(), status["presets"]!.AsArray().Count));
        Assert.Equal(404, await service.StatusAsync(alice, "/v1/models/b"));
        Assert.Equal(404, await service.StatusAsync(alice, "/api/show", """{"model": "b"}"""));
        Assert.Equal(404, await service.StatusAsync(alice, "/tokenize", """{"model": "b", "content": "x"}"""));
        Assert.Equal(404, await service.StatusAsync(alice, "/props?model=b"));
        var (metrics, _) = await service.AskAsync(alice, "/metrics");
        Assert.DoesNotContain("llamacpp:requests_total{model=\"b\"}", await metrics.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_does_what_its_verbs_say()
    {
        await using var service = new KeyedService();
        var writes = service.Add("writes", key => key with { Verbs = KeyVerbs.Generate });
        var embeds = service.Add("embeds", key => key with { Verbs = KeyVerbs.Embed });
        var looks = service.Add("looks", key => key with { Verbs = KeyVerbs.Inspect });
        await service.StartAsync();
        Assert.Equal((200, 403, 403), (await service.StatusAsync(writes, "/v1/completions", Text), await service.StatusAsync(embeds, "/v1/completions", Text), await service.StatusAsync(looks, "/v1/completions", Text)));
        Assert.Equal((403, 400, 403), (await service.StatusAsync(writes, "/v1/embeddings", "{}"), await service.StatusAsync(embeds, "/v1/embeddings", "{}"), await service.StatusAsync(looks, "/v1/embeddings", "{}")));
        Assert.Equal((403, 403, 200), (await service.StatusAsync(writes, "/metrics"), await service.StatusAsync(embeds, "/metrics"), await service.StatusAsync(looks, "/metrics")));
        foreach (var key in new[] { writes, embeds, looks })
        {
            Assert.Equal(403, await service.StatusAsync(key, "/api/delete", """{"model": "fake"}""", "DELETE"));
            Assert.Equal(403, await service.StatusAsync(key, "/api/pull", """{"model": "fake"}"""));
            Assert.Equal(200, await service.StatusAsync(key, "/v1/models"));
            Assert.Equal(404, await service.StatusAsync(key, "/nowhere"));
        }

        // How much others ask is told to those who may look.
        Assert.Null((await service.AskAsync(writes, "/hearth/status")).Body!["models"]![0]!["running_requests"]);
        Assert.NotNull((await service.AskAsync(looks, "/hearth/status")).Body!["models"]![0]!["running_requests"]);
        var (_, body) = await service.AskAsync(looks, "/api/chat", "{}");
        Assert.Equal("the key 'looks' does not allow generate; it allows inspect", body!["error"]!.GetValue<string>());
    }

    [Fact]
    public async Task Only_who_may_manage_takes_a_model_from_the_others()
    {
        await using var service = new KeyedService();
        var (writes, manages) = (service.Add("writes", key => key with { Verbs = ApiKey.UsualVerbs }), service.Add("manages"));
        var model = new FakeLanguageModel();
        await service.StartAsync((_, _, _) => Task.FromResult<IModel>(model), ["fake"], ", \"Presets\": []");
        var entry = service.Server.Services.GetRequiredService<ModelCatalog>();
        entry.Add(new ModelConfiguration { Id = "more", Path = "more.gguf", OnDemand = true });
        Assert.Equal(200, await service.StatusAsync(writes, "/api/generate", """{"model": "more", "keep_alive": "5m"}"""));
        Assert.Equal(403, await service.StatusAsync(writes, "/api/generate", """{"model": "more", "keep_alive": 0}"""));
        Assert.NotNull(entry.Find("more")!.Model);
        Assert.Equal(200, await service.StatusAsync(manages, "/api/generate", """{"model": "more", "keep_alive": 0}"""));
        Assert.Null(entry.Find("more")!.Model);
    }

    [Fact]
    public async Task Every_route_wants_a_verb_that_it_is_known_for()
    {
        await using var service = new KeyedService();
        service.Add("alice");
        await service.StartAsync();
        var wanted = service.Server.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>()
            .Select(endpoint =>
            {
                var context = new DefaultHttpContext();
                context.Request.Path = "/" + endpoint.RoutePattern.RawText!.TrimStart('/');
                context.SetEndpoint(endpoint);
                return (Path: context.Request.Path.Value!, Verb: RouteVerbs.Of(context));
            }).Where(route => route.Verb == KeyVerbs.Manage).Select(route => route.Path).Distinct().Order(StringComparer.Ordinal);

        // What changes the service for everybody.
        Assert.Equal(["/api/blobs/{digest}", "/api/copy", "/api/create", "/api/delete", "/api/pull", "/api/push"], wanted);
    }

    [Fact]
    public async Task Conversations_and_responses_are_their_bearers_own()
    {
        await using var service = new KeyedService();
        var (alice, bob) = (service.Add("alice"), service.Add("bob"));
        await service.StartAsync((_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()), ["fake"], ", \"PrefixSharing\": \"All\"");
        var (_, chat) = await service.AskAsync(alice, "/v1/chat/completions", """{"conversation": "new", "messages": [{"role": "user", "content": "x"}]}""");
        var conversation = chat!["conversation"]!["id"]!.GetValue<string>();
        Assert.Equal(200, await service.StatusAsync(alice, $"/hearth/conversations/{conversation}"));
        Assert.Equal(404, await service.StatusAsync(bob, $"/hearth/conversations/{conversation}"));
        Assert.Equal(404, await service.StatusAsync(bob, "/v1/chat/completions", $$"""{"conversation": "{{conversation}}", "messages": [{"role": "user", "content": "x"}]}"""));
        Assert.Empty((await service.AskAsync(bob, "/hearth/conversations")).Body!["data"]!.AsArray());
        var (_, response) = await service.AskAsync(alice, "/v1/responses", """{"model": "fake", "input": "x"}""");
        var id = response!["id"]!.GetValue<string>();
        Assert.Equal(200, await service.StatusAsync(alice, $"/v1/responses/{id}"));
        Assert.Equal(404, await service.StatusAsync(bob, $"/v1/responses/{id}"));
        Assert.Equal(404, await service.StatusAsync(bob, $"/v1/responses/{id}", method: "DELETE"));
        Assert.Equal(200, await service.StatusAsync(alice, $"/v1/responses/{id}"));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData(", \"PrefixSharing\": \"All\"", true)]
    public async Task What_one_bearer_asked_is_in_nobody_elses_cache(string sharing, bool shares)
    {
        await using var model = await LanguageModel.LoadAsync(Ember.Path, new ModelOptions { Threads = 1 });
        await using var service = new KeyedService();
        var (alice, bob) = (service.Add("alice"), service.Add("bob"));
        await service.StartAsync((_, _, _) => Task.FromResult<IModel>(model), ["ember"], sharing);
        Assert.Equal(0, await CachedAsync(alice));
        Assert.True(await CachedAsync(alice) > 0);
        Assert.Equal(shares, await CachedAsync(bob) > 0);
        Assert.True(await CachedAsync(bob) > 0);

        async Task<int> CachedAsync(string key)
        {
            var (_, body) = await service.AskAsync(key, "/v1/completions", """{"prompt": "The password of the vault is ember and ash, and nobody knows it but the two of us.", "max_tokens": 1, "temperature": 0}""");
            return body!["usage"]!["prompt_tokens_details"]!["cached_tokens"]!.GetValue<int>();
        }
    }

    [Fact]
    public void Beyond_this_machine_somebody_must_have_a_key_or_nobody_needs_one()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("hearth.json", """{"Urls": "http://127.0.0.1:0;http://0.0.0.0:0", "Models": [{"Id": "a", "Path": "a"}]}""");
        Task<IModel> Load(ModelConfiguration model, IProgress<double>? progress, CancellationToken cancelled) => Task.FromResult<IModel>(new FakeLanguageModel());
        var failure = Assert.Throws<HearthException>(() => HearthServer.Build(new ServeArguments { File = file }, Load, quiet: true));
        Assert.Equal(
            $"http://0.0.0.0:0 can be reached from other machines and nobody has a key ({Path.Combine(folder.Path, "keys.json")}): 'hearth keys add NAME' makes one, --no-keys (RequireKeys: false) lets everybody ask",
            failure.Message);
        using (HearthServer.Build(new ServeArguments { File = file, NoKeys = true }, Load, quiet: true))
        {
        }

        new KeyFile(Path.Combine(folder.Path, "keys.json")).Change(_ => [new ApiKey { Id = "1", Name = "a", Digest = new byte[32], Expires = DateTimeOffset.UtcNow.AddDays(-1) }]);
        Assert.Throws<HearthException>(() => HearthServer.Build(new ServeArguments { File = file }, Load, quiet: true));
        new KeyFile(Path.Combine(folder.Path, "keys.json")).Change(_ => [new ApiKey { Id = "1", Name = "a", Digest = new byte[32] }]);
        using (HearthServer.Build(new ServeArguments { File = file }, Load, quiet: true))
        {
        }
    }

    [Fact]
    public async Task Where_no_keys_are_needed_one_that_is_brought_still_says_who_asks()
    {
        await using var service = new KeyedService();
        var alice = service.Add("alice", key => key with { Models = ["b"] });
        await service.StartAsync((_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()), ["a", "b"], ", \"RequireKeys\": false");
        Assert.Equal("a", (await service.AskAsync(null, "/v1/chat/completions", Chat)).Body!["model"]!.GetValue<string>());
        Assert.Equal("a", (await service.AskAsync("none", "/v1/chat/completions", Chat)).Body!["model"]!.GetValue<string>());
        Assert.Equal("b", (await service.AskAsync(alice, "/v1/chat/completions", Chat)).Body!["model"]!.GetValue<string>());
    }
}
