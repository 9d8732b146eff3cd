using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Hearth.Host.Tests.Keys;

/// <summary>The line that each request leaves, and the counters.</summary>
public sealed class AuditTests
{
    private const string Secret = "The-password-of-the-vault";

    [Fact]
    public async Task A_request_leaves_a_line_of_who_what_and_how_much_and_nothing_of_what_was_said()
    {
        await using var service = new KeyedService();
        var alice = service.Add("alice");
        var lines = await StartAsync(service);
        await service.AskAsync(alice, "/v1/completions", $$"""{"prompt": "{{Secret}}", "max_tokens": 4, "user": "{{Secret}}"}""");
        await service.AskAsync(alice, $"/v1/responses/{Secret}?q={Secret}");
        await service.AskAsync(null, $"/{Secret}%0Akey=forged");
        await service.AskAsync(alice, "/health");
        var audit = await UntilAsync(lines, 3);
        Assert.Matches(@"^key=alice address=127\.0\.0\.1 request=req_[0-9a-f]{32} POST /v1/completions status=200 model=fake prompt=25 cached=0 completion=1 unfinished=0 finish=stop queue=\d+\.\d{3} first=\d+\.\d{3} total=\d+\.\d{3}$", audit[0]);
        Assert.Matches(@"^key=alice .* GET /v1/responses/\{id\} status=404 model=- prompt=0 .* finish=- ", audit[1]);
        Assert.Matches(@"^key=- .* GET - status=401 model=- ", audit[2]);
        Assert.All(lines, line => Assert.DoesNotContain(Secret, line, StringComparison.Ordinal));
        Assert.All(lines, line => Assert.DoesNotContain(alice, line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Prometheus_counts_requests_and_tokens_by_key_route_and_model()
    {
        await using var service = new KeyedService();
        var alice = service.Add("alice");
        await service.StartAsync();
        await service.AskAsync(alice, "/v1/completions", """{"prompt": "abc", "max_tokens": 2}""");
        await service.AskAsync(null, "/v1/completions", "{}");
        var text = "";
        for (var i = 0; i < 500 && !text.Contains("status=\"401\"", StringComparison.Ordinal); i++)
        {
            var (response, _) = await service.AskAsync(alice, "/metrics");
            text = await response.Content.ReadAsStringAsync();
        }

        foreach (var line in new[]
        {
            "hearth_requests_total{key=\"alice\",route=\"/v1/completions\",status=\"200\",model=\"fake\"} 1",
            "hearth_requests_total{key=\"-\",route=\"/v1/completions\",status=\"401\",model=\"-\"} 1",
            "hearth_tokens_total{key=\"alice\",route=\"/v1/completions\",status=\"200\",model=\"fake\",type=\"prompt\"} 3",
            "hearth_tokens_total{key=\"alice\",route=\"/v1/completions\",status=\"200\",model=\"fake\",type=\"completion\"} 1",
            "hearth_request_duration_seconds_count{model=\"fake\"} 1",
            "hearth_time_to_first_token_seconds_bucket{model=\"fake\",le=\"+Inf\"} 1",
        })
        {
            Assert.Contains(line, text.Split('\n'));
        }
    }

    private static async Task<ConcurrentQueue<string>> StartAsync(KeyedService service)
    {
        await service.StartAsync((_, _, _) => Task.FromResult<IModel>(new FakeLanguageModel()), ["fake"], ", \"Logging\": {\"LogLevel\": {\"Hearth.Audit\": \"Information\"}}");
        var lines = new ConcurrentQueue<string>();
        service.Server.Services.GetRequiredService<ILoggerFactory>().AddProvider(new Lines(lines));
        return lines;
    }

    private static async Task<string[]> UntilAsync(ConcurrentQueue<string> lines, int count)
    {
        for (var i = 0; i < 500 && lines.Count < count; i++)
        {
            await Task.Delay(10);
        }

        Assert.Equal(count, lines.Count);
        return [.. lines];
    }

    private sealed class Lines(ConcurrentQueue<string> lines) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
