using System.Security.Cryptography;
using System.Text;
using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>Whose cached prefixes a request may start from.</summary>
internal static class CacheScopes
{
    /// <summary>The request's scope; null where all clients share.</summary>
    public static string? Of(HttpContext context, ServiceConfiguration configuration)
    {
        if (configuration.PrefixSharing == PrefixSharing.All)
        {
            return null;
        }

        return ClientOf(context);
    }

    /// <summary>Who asks, so that clients take turns: the key that was sent, or else the address.</summary>
    public static string ClientOf(HttpContext context)
    {
        // A key is kept as what cannot be turned back into it.
        var key = context.Request.Headers.Authorization.ToString();
        return key.Length > 0
            ? "key " + Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(key)))
            : "address " + (context.Connection.RemoteIpAddress is { } address ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : "local");
    }
}
