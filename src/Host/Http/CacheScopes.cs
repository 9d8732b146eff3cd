using System.Security.Cryptography;
using System.Text;
using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>Whose cached prefixes, responses and conversations a request may use.</summary>
internal static class CacheScopes
{
    /// <summary>Whose cached prefixes the request may start from; null where all clients share.</summary>
    public static string? Of(HttpContext context, ServiceConfiguration configuration)
    {
        // Where keys are needed, nothing of one bearer tells another, unless the configuration says otherwise.
        var sharing = configuration.PrefixSharing
            ?? (context.RequestServices.GetRequiredService<KeyRing>().IsRequired ? PrefixSharing.Client : PrefixSharing.All);
        return sharing == PrefixSharing.All ? null : ClientOf(context);
    }

    /// <summary>Whose responses the request finds: a key's bearer its own, whatever prefixes are shared; null where all clients share.</summary>
    public static string? OwnerOf(HttpContext context, ServiceConfiguration configuration)
        => KeyAuthentication.Of(context) is null ? Of(context, configuration) : ClientOf(context);

    /// <summary>Who asks, so that clients take turns and find their own: the key, or what was sent in its place, or else the address.</summary>
    public static string ClientOf(HttpContext context)
    {
        if (KeyAuthentication.Of(context) is { } key)
        {
            return "key " + key.Id;
        }

        // What may be a key of another service is kept as what cannot be turned back into it.
        var sent = KeyAuthentication.SentBy(context.Request);
        return sent.Length > 0
            ? "sent " + Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(sent)))
            : "address " + (context.Connection.RemoteIpAddress is { } address ? (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString() : "local");
    }
}
