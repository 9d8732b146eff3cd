using System.Globalization;
using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>A line for each request: who, what, tokens, times, how it ended. Nothing of what was said.</summary>
/// <remarks>
/// The category is <c>Hearth.Audit</c>. A route is told by its pattern, so that no id and nothing that a caller made up stands in
/// the log; who asks whether the service is well is not told of.
/// </remarks>
internal sealed class Audit(RequestDelegate next, ILoggerFactory loggers, KeyUsage usage, ServiceMetrics metrics, KeyRing ring)
{
    public const string Category = "Hearth.Audit";

    private static readonly PathString[] Quiet = ["/", "/health", "/live", "/ready", "/metrics", "/favicon.ico"];

    private readonly ILogger _logger = loggers.CreateLogger(Category);

    public async Task InvokeAsync(HttpContext context)
    {
        var account = RequestAccount.Of(context);
        try
        {
            await next(context);
        }
        finally
        {
            Close(context, account);
        }
    }

    private void Close(HttpContext context, RequestAccount account)
    {
        var key = KeyAuthentication.Of(context);
        if (key is not null)
        {
            usage.Add(key, account.Tokens);
        }

        if ((Array.Exists(Quiet, path => context.Request.Path.Equals(path)) || context.Request.Path.StartsWithSegments("/page")) && context.Response.StatusCode < 400)
        {
            return;
        }

        var route = (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "-";
        var finish = context.RequestAborted.IsCancellationRequested && account.Finish is null ? "client_gone" : account.Finish ?? "-";
        var client = key?.Name ?? (ring.IsRequired ? "-" : "anonymous");
        metrics.Count(new RequestKind(client, route, context.Response.StatusCode, account.Model ?? "-"), account);
        if (_logger.IsEnabled(LogLevel.Information))
        {
            _logger.LogInformation(
                "key={Key} address={Address} request={Request} {Method} {Route} status={Status} model={Model} prompt={Prompt} cached={Cached} completion={Completion} unfinished={Unfinished} finish={Finish} queue={Queue} first={First} total={Total}",
                client, AddressOf(context), RequestIds.Of(context), Method(context.Request.Method), route, context.Response.StatusCode, account.Model ?? "-",
                account.PromptTokens, account.CachedTokens, account.CompletionTokens, account.UnfinishedTokens, finish, Seconds(account.Queue), Seconds(account.First), Seconds(account.Total));
        }
    }

    // A method may be whatever a client writes.
    private static string Method(string method) => method.Length <= 16 && method.All(char.IsAsciiLetter) ? method : "-";

    private static string AddressOf(HttpContext context)
        => context.Connection.RemoteIpAddress is { } address ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : "local";

    private static string Seconds(TimeSpan? time) => time is { } some ? some.TotalSeconds.ToString("0.000", CultureInfo.InvariantCulture) : "-";
}

/// <summary>Refuses a request whose key has used up its tokens.</summary>
internal sealed class KeyQuota(RequestDelegate next, KeyUsage usage)
{
    public Task InvokeAsync(HttpContext context)
        => KeyAuthentication.Of(context) is { Limits.CountsTokens: true } key && (RouteVerbs.Of(context) & (KeyVerbs.Generate | KeyVerbs.Embed)) != 0 && usage.WaitOf(key, out var limit) is { } wait
            ? throw KeyRates.TooMany($"the key '{key.Name}' has used {limit}", "insufficient_quota", wait)
            : next(context);
}
