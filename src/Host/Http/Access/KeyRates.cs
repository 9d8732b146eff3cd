using System.Globalization;
using System.Threading.RateLimiting;
using Hearth.Host.Service;
using Microsoft.AspNetCore.RateLimiting;

namespace Hearth.Host.Http;

/// <summary>How many requests a key's bearer may begin within a minute, and have open at a time.</summary>
internal static class KeyRates
{
    public static void Configure(RateLimiterOptions options)
    {
        options.GlobalLimiter = PartitionedRateLimiter.CreateChained(
            PartitionedRateLimiter.Create<HttpContext, Share>(context => ShareOf(context) is { Limits.RequestsPerMinute: { } most } share
                ? RateLimitPartition.GetTokenBucketLimiter(share, _ => new TokenBucketRateLimiterOptions
                {
                    TokenLimit = most,
                    TokensPerPeriod = 1,
                    ReplenishmentPeriod = TimeSpan.FromMinutes(1) / most,
                    AutoReplenishment = true,
                })
                : RateLimitPartition.GetNoLimiter(Share.None)),
            PartitionedRateLimiter.Create<HttpContext, Share>(context => ShareOf(context) is { Limits.OpenRequests: { } most } share
                ? RateLimitPartition.GetConcurrencyLimiter(share, _ => new ConcurrencyLimiterOptions { PermitLimit = most })
                : RateLimitPartition.GetNoLimiter(Share.None)));
        options.OnRejected = (rejected, _) => throw Refusal(rejected);
    }

    // A key whose limits change begins anew. Who only reads or asks whether the service is well is not counted.
    private static Share? ShareOf(HttpContext context)
        => KeyAuthentication.Of(context) is { } key && (RouteVerbs.Of(context) & (KeyVerbs.Generate | KeyVerbs.Embed | KeyVerbs.Manage)) != 0 ? new Share(key.Id, key.Limits) : null;

    private static ApiException Refusal(OnRejectedContext rejected)
    {
        var key = KeyAuthentication.Of(rejected.HttpContext)!;
        var wait = rejected.Lease.TryGetMetadata(MetadataName.RetryAfter, out var time) ? time : (TimeSpan?)null;
        var what = wait is null ? $"{key.Limits.OpenRequests} requests open already" : $"asked {key.Limits.RequestsPerMinute} times within a minute";
        return TooMany($"the key '{key.Name}' has {what}", "rate_limit_exceeded", wait ?? TimeSpan.FromSeconds(1));
    }

    /// <summary>What who asks too often is told.</summary>
    public static ApiException TooMany(string message, string code, TimeSpan wait)
        => new(StatusCodes.Status429TooManyRequests, string.Create(CultureInfo.InvariantCulture, $"{message}; try again in {Math.Ceiling(wait.TotalSeconds)} s"))
        {
            Code = code,
            RetryAfter = (int)Math.Max(1, Math.Ceiling(wait.TotalSeconds)),
        };

    private sealed record Share(string Key, KeyLimits Limits)
    {
        public static Share None { get; } = new("", new KeyLimits());
    }
}
