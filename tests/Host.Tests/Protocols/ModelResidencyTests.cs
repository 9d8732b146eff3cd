using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Microsoft.Extensions.DependencyInjection;

namespace Hearth.Host.Tests.Protocols;

/// <summary>Many models in one service: loaded when they are asked for, within one budget.</summary>
public sealed class ModelResidencyTests
{
    private const string Chat = "/v1/chat/completions";

    private static string Body(string model) => $"{{\"model\": \"{model}\", \"messages\": [{{\"role\": \"user\", \"content\": \"a\"}}]}}";

    private static string Json(TemporaryFolder folder, string more) => $"{{\"ModelFolders\": [{System.Text.Json.JsonSerializer.Serialize(folder.Path)}]{more}}}";

    // Files of 8000 bytes are counted with an eighth more each, and a mebibyte for the cache.
    private static TemporaryFolder Folder(int models)
    {
        var folder = new TemporaryFolder();
        for (var i = 0; i < models; i++)
        {
            File.WriteAllBytes(Path.Combine(folder.Path, $"m{i}.gguf"), new byte[8000]);
        }

        return folder;
    }

    private static async Task<TestServer> StartAsync(string configuration, LoadModel load)
    {
        using var folder = new TemporaryFolder();
        return await TestServer.StartAsync(load, folder.Write("hearth.json", configuration));
    }

    [Fact]
    public async Task Twenty_models_under_a_budget_of_three_answer_forty_clients()
    {
        const int Models = 20;
        using var folder = Folder(Models);
        var (loaded, most, twice, loads) = (new ConcurrentDictionary<string, int>(), 0, 0, 0);

        await using var server = await StartAsync(Json(folder, ", \"MemoryBytes\": 3500000, \"KeepAliveSeconds\": 60"), async (model, _, cancelled) =>
        {
            Interlocked.Increment(ref loads);
            if (loaded.AddOrUpdate(model.EffectiveId, 1, (_, count) => count + 1) > 1)
            {
                Interlocked.Increment(ref twice);
            }

            InterlockedMax(ref most, loaded.Values.Sum());
            await Task.Delay(5, cancelled);
            return new LoadedFake(() => loaded.AddOrUpdate(model.EffectiveId, 0, (_, count) => count - 1));
        });
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(async client =>
        {
            var statuses = new List<int>();
            for (var i = 0; i < 5; i++)
            {
                using var response = (await server.PostAsync(Chat, Body($"m{(client + (i * 7)) % Models}"))).Response;
                statuses.Add((int)response.StatusCode);
            }

            return statuses;
        }));
        Assert.All(answers.SelectMany(statuses => statuses), status => Assert.Equal(200, status));
        Assert.Equal(0, twice);
        Assert.InRange(most, 2, 3);
        Assert.True(loads >= Models);
        Assert.InRange(server.Services.GetRequiredService<ModelCatalog>().UsedBytes, 1, 3500000);
    }

    [Fact]
    public async Task Nobody_waits_behind_a_load_that_is_not_theirs()
    {
        using var folder = Folder(2);
        var (gate, begun) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var server = await StartAsync(Json(folder, ""), async (model, _, cancelled) =>
        {
            if (model.EffectiveId == "m0")
            {
                begun.TrySetResult();
                await gate.Task.WaitAsync(cancelled);
            }

            return new FakeLanguageModel();
        });
        var slow = server.PostAsync(Chat, Body("m0"));
        await begun.Task;
        Assert.Equal(200, (int)(await server.PostAsync(Chat, Body("m1"))).Response.StatusCode);
        Assert.False(slow.IsCompleted);
        var health = JsonNode.Parse(await server.Client.GetStringAsync("/health"))!;
        Assert.Equal(["loading", "ready"], health["models"]!.AsArray().Select(model => model!["status"]!.GetValue<string>()));
        gate.SetResult();
        Assert.Equal(200, (int)(await slow).Response.StatusCode);
    }

    [Fact]
    public async Task A_model_that_cannot_be_loaded_is_its_askers_error_alone()
    {
        using var folder = Folder(2);
        await using var server = await StartAsync(Json(folder, ""), (model, _, _)
            => model.EffectiveId == "m0" ? throw new ModelFormatException("no GGUF file", "m0.gguf") : Task.FromResult<IModel>(new FakeLanguageModel()));
        var (response, body) = await server.PostAsync(Chat, Body("m0"));
        Assert.Equal(500, (int)response.StatusCode);
        Assert.Contains("no GGUF file", body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
        (response, body) = await server.PostAsync("/api/chat", Body("m0"));
        Assert.Contains("no GGUF file", body["error"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal(200, (int)(await server.PostAsync(Chat, Body("m1"))).Response.StatusCode);
        Assert.Equal(200, (int)(await server.Client.GetAsync("/health")).StatusCode);
    }

    [Fact]
    public async Task A_model_that_no_budget_holds_is_refused_with_the_numbers()
    {
        using var folder = Folder(1);
        await using var server = await StartAsync(Json(folder, ", \"MemoryBytes\": 9000"), (_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()));
        var (response, body) = await server.PostAsync(Chat, Body("m0"));
        Assert.Equal((503, "out_of_memory"), ((int)response.StatusCode, body["error"]!["code"]!.GetValue<string>()));
        Assert.Contains("MemoryBytes", body["error"]!["message"]!.GetValue<string>(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_time_of_zero_unloads_and_the_next_request_loads_again()
    {
        using var folder = Folder(1);
        var loads = 0;
        await using var server = await StartAsync(Json(folder, ""), (_, _, _) =>
        {
            loads++;
            return Task.FromResult<IModel>(new FakeLanguageModel());
        });
        await server.PostAsync("/api/chat", """{"model": "m0", "keep_alive": 0, "stream": false, "messages": [{"role": "user", "content": "a"}]}""");
        await UnloadedAsync(server);
        await server.PostAsync("/api/chat", """{"model": "m0", "keep_alive": "10m", "stream": false, "messages": [{"role": "user", "content": "a"}]}""");
        Assert.Equal(2, loads);
        var (_, unloaded) = await server.PostAsync("/api/generate", """{"model": "m0", "keep_alive": 0}""");
        Assert.Equal("unload", unloaded["done_reason"]!.GetValue<string>());
        await UnloadedAsync(server);
    }

    [Fact]
    public async Task A_model_goes_when_its_time_is_over()
    {
        using var folder = Folder(1);
        await using var server = await StartAsync(Json(folder, ", \"KeepAliveSeconds\": 0.01"), (_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()));
        Assert.Equal(200, (int)(await server.PostAsync(Chat, Body("m0"))).Response.StatusCode);
        await UnloadedAsync(server);
    }

    [Fact]
    public async Task Presets_are_made_copied_and_deleted()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        var (_, made) = await server.PostAsync("/api/create", """{"model": "pirate", "from": "fake", "system": "Arr.", "parameters": {"temperature": 0.25}, "stream": false}""");
        Assert.Equal("success", made["status"]!.GetValue<string>());
        using (var copied = await server.Client.PostAsync("/api/copy", new StringContent("""{"source": "pirate", "destination": "twin"}""", System.Text.Encoding.UTF8, "application/json")))
        {
            Assert.Equal(200, (int)copied.StatusCode);
        }

        await server.PostAsync("/api/chat", """{"model": "twin", "stream": false, "messages": [{"role": "user", "content": "a"}]}""");
        Assert.Equal(("Arr.", 0.25f), (model.Chats.Single().Messages[0].Content, model.Requests.Single().Options.Temperature));
        async Task<int> DeleteAsync(string name)
        {
            using var response = await server.Client.SendAsync(new HttpRequestMessage(HttpMethod.Delete, "/api/delete") { Content = new StringContent($"{{\"model\": \"{name}\"}}", System.Text.Encoding.UTF8, "application/json") });
            return (int)response.StatusCode;
        }

        Assert.Equal((200, 200), (await DeleteAsync("twin"), await DeleteAsync("pirate")));
        Assert.Equal(403, await DeleteAsync("fake"));
        var (response, body) = await server.PostAsync("/api/create", """{"model": "x", "from": "fake", "template": "{{ .Prompt }}"}""");
        Assert.Equal((400, true), ((int)response.StatusCode, body["error"]!.GetValue<string>().Contains("'template'", StringComparison.Ordinal)));
    }

    private static async Task UnloadedAsync(TestServer server)
    {
        for (var i = 0; i < 500; i++)
        {
            if (JsonNode.Parse(await server.Client.GetStringAsync("/api/ps"))!["models"]!.AsArray().Count == 0)
            {
                return;
            }

            await Task.Delay(20);
        }

        Assert.Fail("the model stayed loaded");
    }

    private static void InterlockedMax(ref int target, int value)
    {
        for (var seen = Volatile.Read(ref target); value > seen; seen = Volatile.Read(ref target))
        {
            Interlocked.CompareExchange(ref target, value, seen);
        }
    }

    /// <summary>A fake that says when it is freed.</summary>
    private sealed class LoadedFake(Action freed) : ILanguageModel, IAsyncDisposable
    {
        private readonly FakeLanguageModel _model = new();

        public ModelInformation Information => _model.Information;

        public ModelLoad Load => _model.Load;

        public IReadOnlyList<int> Tokenize(string text, bool addSpecial = true, bool parseSpecial = false) => _model.Tokenize(text, addSpecial, parseSpecial);

        public IReadOnlyList<int> TokenizeChat(ChatPrompt chat, CancellationToken cancellationToken = default) => _model.TokenizeChat(chat, cancellationToken);

        public IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken = default) => _model.GenerateAsync(request, cancellationToken);

        public ValueTask DisposeAsync()
        {
            freed();
            return _model.DisposeAsync();
        }
    }
}
