using System.Diagnostics.Metrics;

namespace Hearth.Runtime.Scheduling;

/// <summary>The meter "Hearth": what all step loops of the process do.</summary>
internal static class HearthMetrics
{
    private static readonly Meter s_meter = new("Hearth");

    public static UpDownCounter<int> Waiting { get; } = s_meter.CreateUpDownCounter<int>("hearth.requests.waiting", "{request}", "Requests in queues");

    public static UpDownCounter<int> Running { get; } = s_meter.CreateUpDownCounter<int>("hearth.requests.running", "{request}", "Requests that own pages");

    public static Counter<long> PromptTokens { get; } = s_meter.CreateCounter<long>("hearth.tokens.prompt", "{token}", "Prompt tokens of admitted requests");

    public static Counter<long> CachedTokens { get; } = s_meter.CreateCounter<long>("hearth.tokens.cached", "{token}", "Prompt tokens that came from the cache");

    public static Counter<long> GeneratedTokens { get; } = s_meter.CreateCounter<long>("hearth.tokens.generated", "{token}", "Tokens chosen");

    public static Counter<long> ForcedTokens { get; } = s_meter.CreateCounter<long>("hearth.tokens.forced", "{token}", "Tokens taken without a choice, because a constraint allows nothing else");

    public static Counter<long> DraftedTokens { get; } = s_meter.CreateCounter<long>("hearth.tokens.drafted", "{token}", "Tokens guessed and computed beside those that were chosen");

    public static Counter<long> AcceptedTokens { get; } = s_meter.CreateCounter<long>("hearth.tokens.accepted", "{token}", "Guessed tokens that were chosen");

    public static Counter<long> DroppedTokens { get; } = s_meter.CreateCounter<long>("hearth.tokens.dropped", "{token}", "Tokens left out of full contexts that went on");

    public static Counter<long> Preemptions { get; } = s_meter.CreateCounter<long>("hearth.requests.preempted", "{request}", "Requests whose pages were taken for others");

    /// <summary>The tag that tells models apart.</summary>
    public static KeyValuePair<string, object?> Model(string id) => new("hearth.model", id);
}
