using System.Net;
using System.Net.Sockets;

namespace Hearth.Host.Service;

/// <summary>An address to listen on, checked before anything listens: what the web server would read otherwise than it is written is refused.</summary>
internal static class ListenAddress
{
    /// <summary>The addresses of a list.</summary>
    /// <param name="list">Addresses, separated by semicolons.</param>
    /// <param name="source">Where it was found, for errors.</param>
    /// <exception cref="HearthException">There is none, or one cannot be listened on.</exception>
    public static IReadOnlyList<BindingAddress> ParseAll(string list, string source)
    {
        var addresses = list.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(url => Parse(url, source)).ToList();
        if (addresses.GroupBy(address => address).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw Refused(twice.Key.ToString(), source, "is there twice");
        }

        return addresses.Count > 0 ? addresses : throw new HearthException($"{source}: an address to listen on is expected, such as {ServiceConfiguration.DefaultUrls}, found '{list}'");
    }

    /// <summary>Whether only programs of this machine reach an address.</summary>
    public static bool IsLocal(BindingAddress address)
        => address.IsUnixPipe || address.IsNamedPipe || address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip));

    private static BindingAddress Parse(string url, string source)
    {
        BindingAddress address;
        try
        {
            address = BindingAddress.Parse(url);
        }
        catch (Exception exception) when (exception is FormatException or InvalidOperationException or ArgumentException)
        {
            throw Refused(url, source, "is no http or https address");
        }

        if (address.Scheme.ToUpperInvariant() is not ("HTTP" or "HTTPS"))
        {
            throw Refused(url, source, "is no http or https address");
        }

        if (address.IsUnixPipe || address.IsNamedPipe)
        {
            return address;
        }

        if (address.PathBase.Trim('/').Length > 0)
        {
            throw Refused(url, source, $"has a path, '{address.PathBase}'; the service answers at the root alone");
        }

        if (!IsListenable(address.Host))
        {
            throw Refused(url, source, $"names the host '{address.Host}': an IP address, localhost, or * for every address of this machine is expected");
        }

        if (address.Port is < 0 or > IPEndPoint.MaxPort)
        {
            throw Refused(url, source, $"has the port {address.Port}; ports go to {IPEndPoint.MaxPort}");
        }

        return address.Port == 0 && address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            ? throw Refused(url, source, "asks for any free port of localhost, which is two addresses; write 127.0.0.1:0")
            : address;
    }

    /// <summary>Why the web server cannot listen, with the address at fault.</summary>
    /// <param name="failure">What it said.</param>
    /// <param name="addresses">Where it was to listen.</param>
    public static HearthException Explain(Exception failure, IReadOnlyList<BindingAddress> addresses)
    {
        foreach (var address in addresses)
        {
            if (FindFault(address) is { } fault)
            {
                return new HearthException($"cannot listen on {address}: {fault}", failure);
            }
        }

        var all = string.Join(", ", addresses);
        return failure.Message.Contains("HTTPS", StringComparison.Ordinal)
            ? new HearthException($"cannot listen on {all}: https needs a certificate (Kestrel:Certificates:Default:Path in the configuration)", failure)
            : new HearthException($"cannot listen on {all}: {failure.GetBaseException().Message}", failure);
    }

    // The name of a host that is neither this would be listened for on every address, whatever it says.
    private static bool IsListenable(string host)
        => host is "*" or "+" || host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
            || (Uri.CheckHostName(host) is UriHostNameType.IPv4 or UriHostNameType.IPv6 && IPAddress.TryParse(host, out _));

    // The server's own error does not always say which of several addresses it means.
    private static string? FindFault(BindingAddress address)
    {
        if (address.IsUnixPipe)
        {
            return Path.GetDirectoryName(address.UnixPipePath) is { Length: > 0 } folder && !Directory.Exists(folder) ? $"there is no folder {folder}" : null;
        }

        if (address.IsNamedPipe)
        {
            return null;
        }

        var ip = address.Host is "*" or "+" ? IPAddress.IPv6Any : IPAddress.TryParse(address.Host, out var parsed) ? parsed : IPAddress.Loopback;
        try
        {
            using var socket = new Socket(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(ip, address.Port));
            socket.Listen();
            return null;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode switch
            {
                SocketError.AccessDenied => $"this user may not use the port {address.Port}",
                SocketError.AddressNotAvailable => "this machine has no such address",
                SocketError.AddressAlreadyInUse => "something else listens there already",
                _ => exception.Message,
            };
        }
    }

    private static HearthException Refused(string url, string source, string why) => new($"{source}: the address '{url}' {why}");
}
