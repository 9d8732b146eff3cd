using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Hearth.Host.Http;

/// <summary>What requests are counted by: all four come from short lists.</summary>
/// <param name="Key">The bearer's name; "anonymous" where none is needed, "-" where none was brought.</param>
/// <param name="Route">The route's pattern; "-" where there is none.</param>
/// <param name="Status">The answer's.</param>
/// <param name="Model">The model's id; "-" where the request was for none.</param>
internal readonly record struct RequestKind(string Key, string Route, int Status, string Model);

/// <summary>Counters of the service, for OpenTelemetry (the meter <c>Hearth.Service</c>) and for Prometheus.</summary>
/// <remarks>Source of the names: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/, model server metrics.</remarks>
internal sealed class ServiceMetrics : IDisposable
{
    public const string MeterName = "Hearth.Service";

    /// <summary>Kinds of requests that are told apart; more make one of the rest.</summary>
    private const int MostKinds = 10_000;

    private static readonly double[] Bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250];

    private readonly ConcurrentDictionary<RequestKind, Sums> _sums = new();
    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _requests;
    private readonly Counter<long> _tokens;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _first;

    public ServiceMetrics()
    {
        _requests = _meter.CreateCounter<long>("hearth.requests", "{request}", "Requests that were answered.");
        _tokens = _meter.CreateCounter<long>("hearth.tokens", "{token}", "Tokens of prompts and answers.");
        var advice = new InstrumentAdvice<double> { HistogramBucketBoundaries = Bounds };
        _duration = _meter.CreateHistogram("gen_ai.server.request.duration", "s", "From a request to its end.", tags: null, advice);
        _first = _meter.CreateHistogram("gen_ai.server.time_to_first_token", "s", "From a request to the first piece of its answer.", tags: null, advice);
    }

    /// <summary>Counts a request that is over.</summary>
    public void Count(RequestKind kind, RequestAccount account)
    {
        kind = _sums.Count < MostKinds || _sums.ContainsKey(kind) ? kind : new RequestKind("other", "other", 0, "other");
        _sums.GetOrAdd(kind, _ => new Sums()).Add(account);
        var model = new KeyValuePair<string, object?>("gen_ai.request.model", kind.Model);
        var key = new KeyValuePair<string, object?>("hearth.key", kind.Key);
        var route = new KeyValuePair<string, object?>("http.route", kind.Route);
        _requests.Add(1, key, route, model, new("http.response.status_code", kind.Status));
        if (account.Tokens > 0)
        {
            _tokens.Add(account.PromptTokens, key, model, new("gen_ai.token.type", "input"));
            _tokens.Add(account.CompletionTokens + account.UnfinishedTokens, key, model, new("gen_ai.token.type", "output"));
            _duration.Record(account.Total.TotalSeconds, model, route);
        }

        if (account.First is { } first)
        {
            _first.Record(first.TotalSeconds, model, route);
        }
    }

    /// <summary>Writes the counters in Prometheus's text format.</summary>
    public void Write(StringBuilder text)
    {
        var all = _sums.OrderBy(pair => (pair.Key.Key, pair.Key.Route, pair.Key.Status, pair.Key.Model)).ToList();
        Head("hearth_requests_total", "counter", "Requests that were answered.");
        foreach (var (kind, sums) in all)
        {
            text.Append(CultureInfo.InvariantCulture, $"hearth_requests_total{{{Labels(kind)}}} {sums.Requests}\n");
        }

        Head("hearth_tokens_total", "counter", "Tokens of prompts (cached ones apart) and answers.");
        foreach (var (kind, sums) in all.Where(pair => pair.Value.Tokens > 0))
        {
            text.Append(CultureInfo.InvariantCulture, $"hearth_tokens_total{{{Labels(kind)},type=\"prompt\"}} {sums.Prompt - sums.Cached}\n");
            text.Append(CultureInfo.InvariantCulture, $"hearth_tokens_total{{{Labels(kind)},type=\"cached\"}} {sums.Cached}\n");
            text.Append(CultureInfo.InvariantCulture, $"hearth_tokens_total{{{Labels(kind)},type=\"completion\"}} {sums.Completion}\n");
        }

        WriteHistogram("hearth_request_duration_seconds", "From a request for tokens to its end.", sums => sums.Duration);
        WriteHistogram("hearth_time_to_first_token_seconds", "From a request to the first piece of its answer.", sums => sums.First);

        void WriteHistogram(string name, string help, Func<Sums, Buckets> of)
        {
            Head(name, "histogram", help);
            foreach (var group in all.GroupBy(pair => pair.Key.Model, StringComparer.Ordinal))
            {
                var buckets = Buckets.Joined(group.Select(pair => of(pair.Value)));
                if (buckets.Count > 0)
                {
                    var model = Escaped(group.Key);
                    for (var i = 0; i < Bounds.Length; i++)
                    {
                        text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{model=\"{model}\",le=\"{Bounds[i]}\"}} {buckets.UpTo(i)}\n");
                    }

                    text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{model=\"{model}\",le=\"+Inf\"}} {buckets.Count}\n");
                    text.Append(CultureInfo.InvariantCulture, $"{name}_sum{{model=\"{model}\"}} {buckets.Sum}\n{name}_count{{model=\"{model}\"}} {buckets.Count}\n");
                }
            }
        }

        void Head(string name, string type, string help) => text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");
    }

    public void Dispose() => _meter.Dispose();

    private static string Labels(RequestKind kind)
        => string.Create(CultureInfo.InvariantCulture, $"key=\"{Escaped(kind.Key)}\",route=\"{Escaped(kind.Route)}\",status=\"{kind.Status}\",model=\"{Escaped(kind.Model)}\"");

    private static string Escaped(string text)
        => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private sealed class Sums
    {
        private readonly Lock _lock = new();

        public long Requests { get; private set; }

        public long Prompt { get; private set; }

        public long Cached { get; private set; }

        public long Completion { get; private set; }

        public long Tokens => Prompt + Completion;

        public Buckets Duration { get; } = new();

        public Buckets First { get; } = new();

        public void Add(RequestAccount account)
        {
            lock (_lock)
            {
                Requests++;
                Prompt += account.PromptTokens;
                Cached += account.CachedTokens;
                Completion += account.CompletionTokens + account.UnfinishedTokens;
                if (account.Tokens > 0)
                {
                    Duration.Add(account.Total.TotalSeconds);
                }

                if (account.First is { } first)
                {
                    First.Add(first.TotalSeconds);
                }
            }
        }
    }

    private sealed class Buckets
    {
        private readonly long[] _counts = new long[Bounds.Length + 1];

        public double Sum { get; private set; }

        public long Count => _counts.Sum();

        public static Buckets Joined(IEnumerable<Buckets> parts)
        {
            var joined = new Buckets();
            foreach (var part in parts)
            {
                joined.Sum += part.Sum;
                for (var i = 0; i < joined._counts.Length; i++)
                {
                    joined._counts[i] += part._counts[i];
                }
            }

            return joined;
        }

        public void Add(double value)
        {
            var place = Array.BinarySearch(Bounds, value);
            _counts[place < 0 ? ~place : place]++;
            Sum += value;
        }

        public long UpTo(int bound) => _counts.Take(bound + 1).Sum();
    }
}
