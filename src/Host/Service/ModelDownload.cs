using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Hearth.Host.Service;

/// <summary>What is to be fetched, and what it shall be.</summary>
/// <param name="Source">An https address, or http where that is allowed.</param>
/// <param name="Target">The file that it becomes; beside it "TARGET.part" grows meanwhile.</param>
internal sealed record DownloadRequest(Uri Source, string Target)
{
    /// <summary>The SHA-256 that the file must have, in hex; null: nobody knows.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Whether addresses of this machine and of private networks may be asked, and plain http spoken.</summary>
    public bool AllowsPrivate { get; init; }

    /// <summary>The most bytes that are taken.</summary>
    public long MostBytes { get; init; } = 1L << 40;

    /// <summary>Sent to the source's own host, and to no other; null: none.</summary>
    public string? Token { get; init; }
}

/// <summary>Fetches a model's file: what was fetched before is gone on from, and what came is checked before it gets its name.</summary>
/// <remarks>
/// Addresses are looked up here and connected to as they were checked, at every redirection again: a name that leads into a
/// private network is refused wherever it comes up.
/// </remarks>
internal static class ModelDownload
{
    private const int MostRedirections = 5;

    private const int MostTries = 5;

    private static readonly TimeSpan SilenceTime = TimeSpan.FromSeconds(60);

    /// <summary>Fetches.</summary>
    /// <param name="request">What.</param>
    /// <param name="progress">Told of bytes that are there and in all; the latter is null where nobody says.</param>
    /// <param name="cancellationToken">Stops; what came so far stays for the next try.</param>
    /// <returns>The file's SHA-256, in hex.</returns>
    /// <exception cref="HearthException">The source is refused, does not answer, breaks off for good, or what it sent is not what it was to be.</exception>
    public static async Task<string> FetchAsync(DownloadRequest request, IProgress<(long Done, long? Total)>? progress, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(request.Target))!);
        var part = request.Target + ".part";
        using var client = new HttpClient(Handler(request.AllowsPrivate)) { Timeout = Timeout.InfiniteTimeSpan };
        for (var attempt = 1; ; attempt++)
        {
            var before = Length(part);
            try
            {
                if (await ReadAsync(client, request, part, progress, cancellationToken))
                {
                    break;
                }
            }
            catch (Exception exception) when (exception is IOException or HttpRequestException or TimeoutException && !cancellationToken.IsCancellationRequested)
            {
                // One that gets on may go on for ever; one that does not has its tries.
                attempt = Length(part) > before ? 0 : attempt;
                if (attempt >= MostTries || exception.InnerException is HearthException)
                {
                    throw exception.InnerException as HearthException ?? new HearthException($"{request.Source.Host} broke off after {Length(part)} bytes: {exception.Message}", exception);
                }

                await Task.Delay(TimeSpan.FromMilliseconds(200 << Math.Min(attempt, 5)), cancellationToken);
            }
        }

        var digest = await DigestAsync(part, cancellationToken);
        if (request.Sha256 is { } expected && !expected.Equals(digest, StringComparison.OrdinalIgnoreCase))
        {
            File.Delete(part);
            throw new HearthException($"what {request.Source.Host} sent has the SHA-256 {digest}, expected {expected}; it was thrown away");
        }

        CheckIsModel(part, request.Source);
        File.Move(part, request.Target, overwrite: true);
        return digest;
    }

    /// <summary>Reads a small JSON document, by the same rules.</summary>
    /// <exception cref="HearthException">The source is refused, does not answer, or sends no JSON.</exception>
    public static async Task<System.Text.Json.JsonDocument> ReadJsonAsync(Uri source, bool allowsPrivate, string? token, CancellationToken cancellationToken)
    {
        const int MostBytes = 16 << 20;
        using var client = new HttpClient(Handler(allowsPrivate)) { Timeout = SilenceTime, MaxResponseContentBufferSize = MostBytes };
        try
        {
            using var response = await AskAsync(client, new DownloadRequest(source, "") { AllowsPrivate = allowsPrivate, Token = token }, 0, cancellationToken);
            await response.Content.LoadIntoBufferAsync(MostBytes, cancellationToken);
            return System.Text.Json.JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken));
        }
        catch (Exception exception) when (exception is HttpRequestException or System.Text.Json.JsonException or IOException or TaskCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw exception.InnerException as HearthException ?? new HearthException($"{source.Host} does not tell what there is: {exception.Message}", exception);
        }
    }

    /// <summary>Whether an address is one that anybody on the Internet could ask: not this machine's, a private network's or another that leads nowhere else.</summary>
    /// <remarks>Source: RFC 6890 and the registries that it makes.</remarks>
    public static bool IsPublic(IPAddress address)
    {
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        var bytes = address.GetAddressBytes();
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            // Global unicast is 2000::/3; of it not the documentation's, 6to4's and Teredo's, which carry IPv4 addresses.
            return (bytes[0] & 0xE0) == 0x20 && !(bytes[0] == 0x20 && bytes[1] == 0x02) && !(bytes[0] == 0x20 && bytes[1] == 0x01 && (bytes[2] < 2 || (bytes[2] == 0x0D && bytes[3] == 0xB8)));
        }

        return bytes switch
        {
            [0 or 10 or 127 or >= 224, ..] => false,
            [100, >= 64 and < 128, ..] => false,
            [169, 254, ..] => false,
            [172, >= 16 and < 32, ..] => false,
            [192, 168, ..] or [192, 0, 0 or 2, ..] or [192, 88, 99, ..] => false,
            [198, 18 or 19, ..] or [198, 51, 100, ..] or [203, 0, 113, ..] => false,
            _ => true,
        };
    }

    private static SocketsHttpHandler Handler(bool allowsPrivate) => new()
    {
        AllowAutoRedirect = false,
        UseCookies = false,

        // A proxy would look the name up again.
        UseProxy = allowsPrivate,
        ConnectTimeout = TimeSpan.FromSeconds(30),
        ConnectCallback = async (context, cancellationToken) =>
        {
            var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellationToken);
            var allowed = addresses.Where(address => allowsPrivate || IsPublic(address)).ToArray();
            if (allowed.Length == 0)
            {
                throw new HearthException($"'{context.DnsEndPoint.Host}' leads to an address of this machine or of a private network, which is not asked");
            }

            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(allowed, context.DnsEndPoint.Port, cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        },
    };

    /// <summary>Reads until the end; false where the source begins anew.</summary>
    private static async Task<bool> ReadAsync(HttpClient client, DownloadRequest request, string part, IProgress<(long, long?)>? progress, CancellationToken cancellationToken)
    {
        var begin = Length(part);
        using var response = await AskAsync(client, request, begin, cancellationToken);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            if (response.Content.Headers.ContentRange?.Length == begin)
            {
                return true;
            }

            // What is there is none of what the source has now.
            File.Delete(part);
            return begin == 0 ? throw new HearthException($"{request.Source.Host} answers with status 416") : false;
        }

        var goesOn = response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == begin;
        if (!goesOn)
        {
            begin = 0;
        }

        var total = goesOn ? response.Content.Headers.ContentRange!.Length : response.Content.Headers.ContentLength;
        if (total > request.MostBytes)
        {
            throw new HearthException($"{request.Source.Host} has {total} bytes, more than the {request.MostBytes} that are taken");
        }

        await using var source = await response.Content.ReadAsStreamAsync(cancellationToken);
        await using var target = new FileStream(part, goesOn ? FileMode.Append : FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16);
        var (block, done) = (new byte[1 << 16], begin);
        for (; ; )
        {
            using var silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            silence.CancelAfter(SilenceTime);
            int read;
            try
            {
                read = await source.ReadAsync(block, silence.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new TimeoutException($"nothing came for {SilenceTime.TotalSeconds} seconds");
            }

            if (read == 0)
            {
                break;
            }

            done += read;
            if (done > request.MostBytes)
            {
                throw new HearthException($"{request.Source.Host} sends more than the {request.MostBytes} bytes that are taken");
            }

            await target.WriteAsync(block.AsMemory(0, read), cancellationToken);
            progress?.Report((done, total));
        }

        return total is null || done == total ? true : throw new IOException($"{total} bytes were announced, {done} came");
    }

    private static async Task<HttpResponseMessage> AskAsync(HttpClient client, DownloadRequest request, long begin, CancellationToken cancellationToken)
    {
        var address = request.Source;
        for (var redirections = 0; ; redirections++)
        {
            CheckScheme(address, request.AllowsPrivate);
            using var message = new HttpRequestMessage(HttpMethod.Get, address);
            if (begin > 0)
            {
                message.Headers.Range = new System.Net.Http.Headers.RangeHeaderValue(begin, null);
            }

            if (request.Token is { } token && address.Host == request.Source.Host)
            {
                message.Headers.Authorization = new System.Net.Http.Headers.AuthenticationHeaderValue("Bearer", token);
            }

            var response = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.StatusCode is HttpStatusCode.OK or HttpStatusCode.PartialContent or HttpStatusCode.RequestedRangeNotSatisfiable)
            {
                return response;
            }

            var (status, location) = ((int)response.StatusCode, response.Headers.Location);
            response.Dispose();
            if (status is not (301 or 302 or 303 or 307 or 308) || location is null)
            {
                throw status >= 500 || status == 429 ? new HttpRequestException($"status {status}") : new HearthException($"{address.Host} answers with status {status}{(status is 401 or 403 ? "; it wants a token (HF_TOKEN)" : status == 404 ? ": there is no such file" : "")}");
            }

            if (redirections == MostRedirections)
            {
                throw new HearthException($"{request.Source.Host} redirects more than {MostRedirections} times");
            }

            address = new Uri(address, location);
        }
    }

    private static void CheckScheme(Uri address, bool allowsPrivate)
    {
        if (address.Scheme != Uri.UriSchemeHttps && !(allowsPrivate && address.Scheme == Uri.UriSchemeHttp))
        {
            throw new HearthException($"'{address.Scheme}' addresses are not fetched{(address.Scheme == Uri.UriSchemeHttp ? ": https is, or with --insecure http too" : "")}");
        }

        if (!allowsPrivate && IPAddress.TryParse(address.Host.Trim('[', ']'), out var literal) && !IsPublic(literal))
        {
            throw new HearthException($"'{address.Host}' is an address of this machine or of a private network, which is not asked");
        }
    }

    private static void CheckIsModel(string path, Uri source)
    {
        var magic = new byte[4];
        using (var file = File.OpenRead(path))
        {
            if (file.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic.AsSpan().SequenceEqual("GGUF"u8))
            {
                return;
            }
        }

        File.Delete(path);
        throw new HearthException($"what {source.Host} sent is no GGUF file; it was thrown away");
    }

    private static async Task<string> DigestAsync(string path, CancellationToken cancellationToken)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken));
    }

    private static long Length(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : 0;
}
