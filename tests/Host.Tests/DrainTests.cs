using System.Text.Json.Nodes;
using Hearth.Host.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Hearth.Host.Tests;

/// <summary>How the service ends: 503 to those who wait, time and a last event to those who stream.</summary>
public sealed class DrainTests
{
    private const string Stream = """{"prompt": "a b c", "stream": true}""";
    private const string Whole = """{"prompt": "a b c"}""";

    [Fact]
    public async Task Those_who_wait_are_refused_at_once_and_those_who_stream_end_by_themselves()
    {
        var (queue, gate) = (new TaskCompletionSource(), new TaskCompletionSource());
        var admitted = 0;
        var model = new FakeLanguageModel
        {
            InQueue = cancelled => Interlocked.Increment(ref admitted) <= 2 ? Task.CompletedTask : queue.Task.WaitAsync(cancelled),
            BeforeUpdate = (i, cancelled) => i == 1 ? gate.Task.WaitAsync(cancelled) : Task.CompletedTask,
        };
        await using var server = await TestServer.StartAsync(model, configuration: """{"Limits": {"DrainSeconds": 600, "PingSeconds": 600}}""");
        using var streaming = await StreamStartTests.SendAsync(server, "/v1/completions", Stream);
        var whole = server.PostAsync("/v1/completions", Whole);
        await UntilAsync(() => model.Load.RunningRequests == 2);
        var waiting = new List<Task<(HttpResponseMessage Response, JsonNode Body)>>();
        foreach (var body in new[] { Stream, Whole, Stream, Whole })
        {
            waiting.Add(server.PostAsync("/v1/completions", body));
        }

        await UntilAsync(() => model.Requests.Count == 6);
        server.App.Lifetime.StopApplication();
        foreach (var (response, body) in await Task.WhenAll(waiting).WaitAsync(TimeSpan.FromSeconds(20)))
        {
            Assert.Equal(503, (int)response.StatusCode);
            Assert.Equal("service_stopping", body["error"]!["code"]!.GetValue<string>());
            Assert.True(response.Headers.Contains("Retry-After"));
        }

        Assert.Equal(2, model.Load.RunningRequests);
        gate.SetResult();
        Assert.Equal("data: [DONE]", TestServer.Events(await streaming.Content.ReadAsStringAsync())[^1]);
        Assert.Equal(200, (int)(await whole).Response.StatusCode);
    }

    [Fact]
    public async Task When_the_time_is_over_every_answer_ends_with_its_last_event()
    {
        var model = new FakeLanguageModel { BeforeUpdate = (i, cancelled) => i == 1 ? Task.Delay(Timeout.Infinite, cancelled) : Task.CompletedTask };
        await using var server = await TestServer.StartAsync(model, configuration: """{"Limits": {"DrainSeconds": 0.2}}""");
        var streaming = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => StreamStartTests.SendAsync(server, "/v1/completions", Stream)));
        var whole = server.PostAsync("/v1/completions", Whole);
        await UntilAsync(() => model.Load.RunningRequests == 13);
        var stopping = server.App.StopAsync();
        foreach (var response in streaming)
        {
            var events = TestServer.Events(await response.Content.ReadAsStringAsync().WaitAsync(TimeSpan.FromSeconds(20)));
            Assert.Equal(2, events.Length);
            Assert.Equal("service_stopping", JsonNode.Parse(events[^1]["data: ".Length..])!["error"]!["code"]!.GetValue<string>());
            response.Dispose();
        }

        var (answer, body) = await whole;
        Assert.Equal((503, "service_stopping"), ((int)answer.StatusCode, body["error"]!["code"]!.GetValue<string>()));
        await stopping.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(0, model.Load.RunningRequests);
    }

    [Fact]
    public async Task A_second_signal_waits_no_longer()
    {
        var model = new FakeLanguageModel { BeforeUpdate = (i, cancelled) => i == 1 ? Task.Delay(Timeout.Infinite, cancelled) : Task.CompletedTask };
        await using var server = await TestServer.StartAsync(model, configuration: """{"Limits": {"DrainSeconds": 600}}""");
        using var streaming = await StreamStartTests.SendAsync(server, "/v1/completions", Stream);
        await UntilAsync(() => model.Load.RunningRequests == 1);
        server.App.Lifetime.StopApplication();
        server.Services.GetRequiredService<Drain>().EndNow();
        Assert.Contains("service_stopping", await streaming.Content.ReadAsStringAsync().WaitAsync(TimeSpan.FromSeconds(20)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_asks_after_the_signal_is_refused_before_it_begins()
    {
        var model = new FakeLanguageModel();
        await using var server = await TestServer.StartAsync(model);
        server.App.Lifetime.StopApplication();
        var (response, body) = await server.PostAsync("/v1/completions", Whole);
        Assert.Equal((503, "service_stopping"), ((int)response.StatusCode, body["error"]!["code"]!.GetValue<string>()));
        Assert.Empty(model.Requests);
    }

    [Fact]
    public async Task A_load_under_way_is_left()
    {
        var cancelled = new TaskCompletionSource();
        await using var server = await TestServer.StartAsync(load: async (_, _, token) =>
        {
            using var registration = token.Register(cancelled.SetResult);
            await Task.Delay(Timeout.Infinite, token);
            throw new InvalidOperationException();
        });
        server.App.Lifetime.StopApplication();
        await cancelled.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (var i = 0; i < 2000 && !condition(); i++)
        {
            await Task.Delay(10);
        }

        Assert.True(condition());
    }
}
