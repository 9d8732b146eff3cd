using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Extensions.AI.Tests;

/// <summary>What Microsoft.Extensions.AI puts around a client.</summary>
public sealed class PipelineTests
{
    [Fact]
    public async Task Functions_are_invoked_until_the_model_answers()
    {
        var model = Script.Model(Script.Call("weather", """{"city": "Ulm"}"""), Script.Call("weather", """{"city": "Bonn"}"""), "sunny in both");
        var cities = new List<string>();
        var tool = AIFunctionFactory.Create(
            (string city) =>
            {
                cities.Add(city);
                return "sunny";
            },
            "weather");
        using var client = new ChatClientBuilder(new HearthChatClient(model)).UseFunctionInvocation().Build();
        var response = await client.GetResponseAsync("hi", new ChatOptions { Tools = [tool] });

        Assert.Equal("sunny in both", response.Text);
        Assert.Equal(["Ulm", "Bonn"], cities);
        Assert.Equal(5, response.Messages.Count);
        var results = model.Chats.Last().Messages.Where(message => message.Role == "tool");
        Assert.Equal(["sunny", "sunny"], results.Select(message => message.Content));
        Assert.Equal(3, model.Requests.Count);
        Assert.True(response.Usage!.CachedInputTokenCount >= 6);
    }

    [Fact]
    public async Task Functions_are_invoked_in_streams_and_their_failures_told()
    {
        var model = Script.Model(Script.Call("fail", "{}"), "sorry");
        using var client = new ChatClientBuilder(new HearthChatClient(model)).UseFunctionInvocation(null, invoker => invoker.IncludeDetailedErrors = true).Build();
        var tool = AIFunctionFactory.Create(string () => throw new InvalidOperationException("no bread"), "fail");
        var updates = await client.GetStreamingResponseAsync("hi", new ChatOptions { Tools = [tool] }).ToListAsync();
        Assert.Equal("sorry", updates.ToChatResponse().Text);
        Assert.Contains("no bread", model.Chats.Last().Messages[^1].Content, StringComparison.Ordinal);
        Assert.Equal(2, updates.Select(update => update.ResponseId).Where(id => id?.StartsWith("chatcmpl-", StringComparison.Ordinal) == true).Distinct().Count());
    }

    [Fact]
    public async Task A_call_that_is_required_is_required_once()
    {
        var model = Script.Model(Script.Call("now", "{}"), "noon");
        using var client = new ChatClientBuilder(new HearthChatClient(model)).UseFunctionInvocation().Build();
        var response = await client.GetResponseAsync("hi", new ChatOptions { Tools = [AIFunctionFactory.Create(() => "12:00", "now")], ToolMode = ChatToolMode.RequireAny });
        Assert.Equal("noon", response.Text);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Functions_that_want_approval_wait_for_it(bool isApproved)
    {
        var isCalled = false;
        var model = Script.Model(Script.Call("delete", """{"file": "a.txt"}"""), "as you wish");
        var tool = new ApprovalRequiredAIFunction(AIFunctionFactory.Create((string file) => isCalled = true, "delete"));
        using var client = new ChatClientBuilder(new HearthChatClient(model)).UseFunctionInvocation().Build();
        var options = new ChatOptions { Tools = [tool] };
        List<ChatMessage> history = [new(ChatRole.User, "hi")];
        var response = await client.GetResponseAsync(history, options);
        var request = Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<ToolApprovalRequestContent>());
        Assert.False(isCalled);

        history.AddRange(response.Messages);
        history.Add(new ChatMessage(ChatRole.User, [request.CreateResponse(isApproved)]));
        response = await client.GetResponseAsync(history, options);
        Assert.Equal("as you wish", response.Text);
        Assert.Equal(isApproved, isCalled);
    }

    [Fact]
    public async Task Answers_of_a_type_are_held_to_its_schema()
    {
        var model = Script.Model("""{"Name": "Ada", "Born": 1815}""", """{"data": [1, 2]}""");
        using var client = new HearthChatClient(model);
        var response = await client.GetResponseAsync<Person>("who?");
        Assert.Equal(new Person("Ada", 1815), response.Result);
        Assert.Contains("Born", model.Requests.Single().Options.Constraint!.Source, StringComparison.OrdinalIgnoreCase);
        var numbers = (await client.GetResponseAsync<int[]>("which?")).Result;
        Assert.Equal([1, 2], numbers);
    }

    [Fact]
    public async Task Spans_and_metrics_name_provider_model_and_address()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "hearth-test",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        using var client = new ChatClientBuilder(new HearthChatClient(Script.Model("hello"))).UseOpenTelemetry(sourceName: "hearth-test").UseLogging(NullLoggerFactory.Instance).Build();
        await client.GetResponseAsync("hi");
        var span = Assert.Single(spans);
        Assert.Equal("hearth", span.GetTagItem("gen_ai.provider.name"));
        Assert.Equal("fake", span.GetTagItem("gen_ai.response.model"));
        Assert.NotNull(span.GetTagItem("gen_ai.response.id"));
        Assert.Equal(2, Convert.ToInt32(span.GetTagItem("gen_ai.usage.input_tokens"), null));

        using var http = new HttpClient();
        using var remote = new ChatClientBuilder(new HearthChatClient(http, new Uri("http://127.0.0.1:1"))).UseOpenTelemetry(sourceName: "hearth-test").Build();
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => remote.GetResponseAsync("hi"));
        Assert.Equal(("127.0.0.1", 1), ((string?)spans.Last().GetTagItem("server.address"), (int?)spans.Last().GetTagItem("server.port")));
    }

    [Fact]
    public async Task Answers_can_be_cached()
    {
        var model = Script.Model(Script.Call("now", "{}"), "other");
        var options = new ChatOptions { Tools = [AIFunctionFactory.Create(() => "12:00", "now")], Reasoning = new() { Effort = ReasoningEffort.ExtraHigh } };
        using var client = new ChatClientBuilder(new HearthChatClient(model)).UseDistributedCache(new DictionaryCache()).Build();
        var first = await client.GetResponseAsync("hi", options);
        var second = await client.GetResponseAsync("hi", options);
        Assert.Single(model.Requests);
        Assert.Equal(first.ResponseId, second.ResponseId);
        Assert.Equal("now", Assert.Single(second.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>()).Name);
        var streamed = await client.GetStreamingResponseAsync("ho", options).ToListAsync();
        Assert.Equal(streamed.ToChatResponse().Text, (await client.GetStreamingResponseAsync("ho", options).ToListAsync()).ToChatResponse().Text);
        Assert.Equal(2, model.Requests.Count);
    }

    [Fact]
    public async Task Histories_can_be_reduced()
    {
        var model = Script.Model("ok");
        using var client = new ChatClientBuilder(new HearthChatClient(model)).UseChatReducer(new MessageCountingChatReducer(2)).Build();
        await client.GetResponseAsync([new(ChatRole.System, "s"), new(ChatRole.User, "1"), new(ChatRole.Assistant, "2"), new(ChatRole.User, "3")]);
        Assert.Equal(["s", "2", "3"], model.Chats.Single().Messages.Select(message => message.Content));
    }

    [Fact]
    public async Task Containers_give_clients_and_generators_with_and_without_a_key()
    {
        var services = new ServiceCollection();
        services.AddHearthChatClient(new() { Endpoint = new Uri("http://one") }).UseFunctionInvocation();
        services.AddHearthChatClient(new() { Endpoint = new Uri("http://two"), ModelId = "m" }, "second");
        services.AddHearthEmbeddingGenerator(new() { Endpoint = new Uri("http://three") });
        services.AddHearthEmbeddingGenerator(new() { Endpoint = new Uri("http://four") }, "second");
        services.AddHearthChatClient(new() { ModelPath = "nowhere.gguf" }, "file");
        await using var provider = services.BuildServiceProvider();
        var client = provider.GetRequiredService<IChatClient>();
        Assert.NotNull(client.GetService<FunctionInvokingChatClient>());
        Assert.Equal(new Uri("http://one"), client.GetService<ChatClientMetadata>()!.ProviderUri);
        Assert.Equal("m", provider.GetRequiredKeyedService<IChatClient>("second").GetService<ChatClientMetadata>()!.DefaultModelId);
        Assert.Equal(new Uri("http://three"), provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>().GetService<EmbeddingGeneratorMetadata>()!.ProviderUri);
        Assert.Equal(new Uri("http://four"), provider.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("second").GetService<EmbeddingGeneratorMetadata>()!.ProviderUri);
        Assert.Equal("nowhere", provider.GetRequiredKeyedService<IChatClient>("file").GetService<ChatClientMetadata>()!.DefaultModelId);
        await Assert.ThrowsAnyAsync<Exception>(() => provider.GetRequiredKeyedService<IChatClient>("file").GetResponseAsync("hi"));
        Assert.Throws<ArgumentException>(() => services.AddHearthChatClient(new()));
        Assert.Throws<ArgumentException>(() => new HearthChatClient(new HearthClientOptions()));
    }

    [Description("A person.")]
    internal sealed record Person(string Name, int Born);

    private sealed class DictionaryCache : IDistributedCache
    {
        private readonly ConcurrentDictionary<string, byte[]> _entries = [];

        public byte[]? Get(string key) => _entries.GetValueOrDefault(key);

        public Task<byte[]?> GetAsync(string key, CancellationToken token = default) => Task.FromResult(Get(key));

        public void Set(string key, byte[] value, DistributedCacheEntryOptions options) => _entries[key] = value;

        public Task SetAsync(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token = default)
        {
            Set(key, value, options);
            return Task.CompletedTask;
        }

        public void Refresh(string key)
        {
        }

        public Task RefreshAsync(string key, CancellationToken token = default) => Task.CompletedTask;

        public void Remove(string key) => _entries.TryRemove(key, out _);

        public Task RemoveAsync(string key, CancellationToken token = default)
        {
            Remove(key);
            return Task.CompletedTask;
        }
    }
}
