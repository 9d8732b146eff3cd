using System.Net;
using System.Net.Sockets;
using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>Keeps pages of other sites from using the service through somebody's browser.</summary>
/// <remarks>
/// A page may send requests to any address, and a name under its owner's control may lead here (DNS rebinding). So the Host
/// must be a name of this machine's own or one that the configuration allows, and an Origin, which browsers add, must be
/// this machine's, the service's own or allowed. Programs that are no browsers send no Origin.
/// </remarks>
internal sealed class AccessGuard(RequestDelegate next, LiveConfiguration live)
{
    private static readonly string OwnName = Dns.GetHostName();

    public Task InvokeAsync(HttpContext context)
    {
        var configuration = live.Current;
        var host = context.Request.Host;
        if (!AllowsHost(configuration, host.Host, context.Connection.LocalIpAddress))
        {
            throw new ApiException(StatusCodes.Status403Forbidden, $"the host '{Shown(host.Value)}' is not one of this service's names; AllowedHosts in its configuration lists others")
            {
                Code = "host_not_allowed",
            };
        }

        var origin = context.Request.Headers.Origin.ToString();
        return origin.Length == 0 || IsOwn(origin, context.Request) || AllowsOrigin(configuration, origin)
            ? next(context)
            : throw new ApiException(StatusCodes.Status403Forbidden, $"pages of '{Shown(origin)}' may not use this service; AllowedOrigins in its configuration lists those that may")
            {
                Code = "origin_not_allowed",
            };
    }

    /// <summary>Whether requests may name the service so.</summary>
    /// <param name="configuration">Which further names there are.</param>
    /// <param name="host">The name or address, without the port; empty where an old client sends none.</param>
    /// <param name="local">The address at which the connection arrived; null on a Unix socket, which no browser reaches.</param>
    internal static bool AllowsHost(ServiceConfiguration configuration, string host, IPAddress? local)
        => host.Length == 0 || local is null || IsLoopback(host)
            || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && Plain(address).Equals(Plain(local)))
            || (!IPAddress.IsLoopback(local) && host.Equals(OwnName, StringComparison.OrdinalIgnoreCase))
            || configuration.AllowedHosts.Any(allowed => Matches(allowed, host));

    /// <summary>Whether pages of an origin may use the service.</summary>
    internal static bool AllowsOrigin(ServiceConfiguration configuration, string origin)
        => (Uri.TryCreate(origin, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && IsLoopback(uri!.Host))
            || configuration.AllowedOrigins.Any(allowed => allowed == "*" || allowed.TrimEnd('/').Equals(origin, StringComparison.OrdinalIgnoreCase));

    private static bool IsOwn(string origin, HttpRequest request)
        => origin.Equals($"{request.Scheme}://{request.Host.Value}", StringComparison.OrdinalIgnoreCase);

    private static bool IsLoopback(string host)
        => host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    private static bool Matches(string allowed, string host)
        => allowed == "*" || allowed.Equals(host, StringComparison.OrdinalIgnoreCase)
            || (allowed.StartsWith("*.", StringComparison.Ordinal) && host.EndsWith(allowed[1..], StringComparison.OrdinalIgnoreCase));

    private static IPAddress Plain(IPAddress address)
        => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address.AddressFamily == AddressFamily.InterNetworkV6 ? new IPAddress(address.GetAddressBytes()) : address;

    private static string Shown(string? text) => text is { Length: > 80 } ? text[..80] + "..." : text ?? "";
}
