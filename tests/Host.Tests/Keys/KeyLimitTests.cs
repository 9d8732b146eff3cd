using Hearth.Host.Service;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Host.Tests.Keys;

/// <summary>How much a key's bearer may ask for.</summary>
public sealed class KeyLimitTests
{
    private const string Text = """{"prompt": "one two", "max_tokens": 3}""";

    [Fact]
    public async Task Who_asks_too_often_is_told_when_to_try_again_and_others_are_not_kept()
    {
        await using var service = new KeyedService();
        var alice = service.Add("alice", key => key with { Limits = new KeyLimits { RequestsPerMinute = 2 } });
        var bob = service.Add("bob");
        await service.StartAsync();
        Assert.Equal(200, await service.StatusAsync(alice, "/v1/completions", Text));
        Assert.Equal(200, await service.StatusAsync(alice, "/v1/completions", Text));
        var (response, body) = await service.AskAsync(alice, "/v1/completions", Text);
        Assert.Equal(429, (int)response.StatusCode);
        Assert.InRange(response.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        Assert.Equal(("rate_limit_error", "rate_limit_exceeded"), (body!["error"]!["type"]!.GetValue<string>(), body["error"]!["code"]!.GetValue<string>()));
        (_, body) = await service.AskAsync(alice, "/v1/messages", "{}");
        Assert.Equal("rate_limit_error", body!["error"]!["type"]!.GetValue<string>());

        // Whether the service is well, and which models there are, costs nothing.
        Assert.Equal(200, await service.StatusAsync(alice, "/health"));
        Assert.Equal(200, await service.StatusAsync(alice, "/v1/models"));
        Assert.Equal(200, await service.StatusAsync(bob, "/v1/completions", Text));
    }

    [Fact]
    public async Task Open_requests_are_limited_and_a_finished_one_makes_room()
    {
        var gate = new TaskCompletionSource();
        var model = new FakeLanguageModel { BeforeUpdate = (_, cancelled) => gate.Task.WaitAsync(cancelled) };
        await using var service = new KeyedService();
        var alice = service.Add("alice", key => key with { Limits = new KeyLimits { OpenRequests = 1 } });
        await service.StartAsync((_, _, _) => Task.FromResult<IModel>(model), ["fake"]);
        var first = service.StatusAsync(alice, "/v1/completions", Text);
        while (model.Requests.IsEmpty)
        {
            await Task.Delay(10);
        }

        Assert.Equal(429, await service.StatusAsync(alice, "/v1/completions", Text));
        gate.SetResult();
        Assert.Equal(200, await first);
        for (var i = 0; i < 500 && await service.StatusAsync(alice, "/v1/completions", Text) != 200; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal(200, await service.StatusAsync(alice, "/v1/completions", Text));
    }

    [Fact]
    public async Task A_days_tokens_are_counted_over_a_restart()
    {
        await using var service = new KeyedService();
        var alice = service.Add("alice", key => key with { Limits = new KeyLimits { TokensPerDay = 10 } });
        await service.StartAsync();
        Assert.Equal(200, await service.StatusAsync(alice, "/v1/completions", Text));
        var (response, body) = await service.AskAsync(alice, "/v1/completions", Text);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.True(body!["usage"]!["total_tokens"]!.GetValue<int>() >= 5);
        (response, body) = await service.AskAsync(alice, "/v1/completions", Text);
        Assert.Equal(429, (int)response.StatusCode);
        Assert.Equal("insufficient_quota", body!["error"]!["code"]!.GetValue<string>());
        await service.Server.App.StopAsync();
        await service.StartAsync();
        Assert.Equal(429, await service.StatusAsync(alice, "/v1/completions", Text));
    }

    [Fact]
    public async Task Who_leaves_before_the_end_has_used_what_came()
    {
        var gate = new TaskCompletionSource();
        var model = new FakeLanguageModel { BeforeUpdate = (i, cancelled) => i == 4 ? gate.Task.WaitAsync(cancelled) : Task.CompletedTask };
        await using var service = new KeyedService();
        var alice = service.Add("alice", key => key with { Limits = new KeyLimits { TokensPerDay = 4 } });
        await service.StartAsync((_, _, _) => Task.FromResult<IModel>(model), ["fake"]);
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/v1/completions"))
        {
            request.Content = new StringContent("""{"prompt": "a b c d e f g", "stream": true}""", System.Text.Encoding.UTF8, "application/json");
            request.Headers.Authorization = new("Bearer", alice);
            using var response = await service.Server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
            for (var seen = 0; seen < 4;)
            {
                seen += (await reader.ReadLineAsync())!.StartsWith("data:", StringComparison.Ordinal) ? 1 : 0;
            }
        }

        for (var i = 0; i < 500 && model.Ended == 0; i++)
        {
            await Task.Delay(10);
        }

        var status = 0;
        for (var i = 0; i < 500 && (status = await service.StatusAsync(alice, "/v1/completions", Text)) == 200; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal(429, status);
    }

    [Fact]
    public void A_minute_ends_and_a_clock_that_jumps_begins_another_day()
    {
        var time = new SettableTime();
        using var usage = new KeyUsage(Configuration(null), NullLogger<KeyUsage>.Instance, time);
        var key = new ApiKey { Id = "1", Name = "a", Digest = [], Limits = new KeyLimits { TokensPerMinute = 10, TokensPerDay = 15 } };
        Assert.Null(usage.WaitOf(key, out _));
        usage.Add(key, 10);
        Assert.Equal(TimeSpan.FromMinutes(1), usage.WaitOf(key, out _));
        time.Advance(TimeSpan.FromSeconds(61));
        Assert.Null(usage.WaitOf(key, out _));
        usage.Add(key, 5);
        Assert.Equal(TimeSpan.FromDays(1) - time.GetUtcNow().TimeOfDay, usage.WaitOf(key, out var limit));
        Assert.Contains("15 tokens of this day", limit, StringComparison.Ordinal);
        time.Jump(TimeSpan.FromDays(-400));
        Assert.Null(usage.WaitOf(key, out _));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_keeps_nobody_from_asking()
    {
        using var folder = new TemporaryFolder();
        var blocked = folder.Write("blocked", "a file where a folder should be");
        using var usage = new KeyUsage(Configuration(blocked), NullLogger<KeyUsage>.Instance);
        var key = new ApiKey { Id = "1", Name = "a", Digest = [], Limits = new KeyLimits { TokensPerDay = 15 } };
        usage.Add(key, 20);
        usage.Save();
        Assert.NotNull(usage.WaitOf(key, out _));
        Assert.Equal("a file where a folder should be", File.ReadAllText(blocked));
    }

    private static ServiceConfiguration Configuration(string? state) => new() { Models = [], StateFolder = state };

    private sealed class SettableTime : TimeProvider
    {
        private DateTimeOffset _now = new(2026, 11, 28, 12, 0, 0, TimeSpan.Zero);
        private long _ticks = 1;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => _now;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan time)
        {
            _now += time;
            _ticks += time.Ticks;
        }

        public void Jump(TimeSpan time) => _now += time;
    }
}
