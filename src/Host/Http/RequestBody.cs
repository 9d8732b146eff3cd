using System.IO.Compression;
using System.Net.Mime;
using Microsoft.Net.Http.Headers;

namespace Hearth.Host.Http;

/// <summary>Reads a request's body whole: JSON only, decompressed where it has to be, within the limits of one and of all.</summary>
internal static class RequestBody
{
    private const int BlockBytes = 16 * 1024;

    /// <summary>Reads the body, decompressed, and waits for its turn where it is large.</summary>
    /// <returns>Its bytes; they are the caller's.</returns>
    /// <exception cref="ApiException">The body is of another kind, broken, or too large.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext context, BodyBudget.Share share, long most)
    {
        CheckType(context.Request);
        using var stream = Open(context.Request);

        // In blocks, since an array that doubles leaves twice a large body behind for the collector.
        var (blocks, length) = (new List<byte[]>(), 0L);
        for (; ; )
        {
            var block = new byte[BlockBytes];
            var read = await ReadBlockAsync(stream, block, context);
            if (read == 0)
            {
                break;
            }

            length += read;
            if (length > most)
            {
                throw TooLarge(most);
            }

            share.GrowTo(length);
            blocks.Add(read == block.Length ? block : block[..read]);
        }

        await share.TakeTurnAsync(length, context.RequestAborted);
        return Joined(blocks, (int)length);
    }

    private static byte[] Joined(List<byte[]> blocks, int length)
    {
        var (bytes, at) = (new byte[length], 0);
        foreach (var block in blocks)
        {
            block.CopyTo(bytes, at);
            at += block.Length;
        }

        return bytes;
    }

    public static ApiException TooLarge(long most)
        => new(StatusCodes.Status413PayloadTooLarge, $"the request's body is larger than {most} bytes (Limits:BodyBytes)") { Code = "request_too_large" };

    // A page of another site can send every type but JSON without asking first; whoever means this API says so.
    private static void CheckType(HttpRequest request)
    {
        // Ollama's own examples name no type, and curl then says that it is a form's. A browser says of each POST where it comes from.
        if (request.Path.StartsWithSegments("/api") && !request.Headers.ContainsKey(HeaderNames.Origin) && !request.Headers.ContainsKey("Sec-Fetch-Site"))
        {
            return;
        }

        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type) || !IsJson(type) || type.Charset.Value?.Trim('"').ToUpperInvariant() is not (null or "" or "UTF-8" or "UTF8"))
        {
            throw new ApiException(
                StatusCodes.Status415UnsupportedMediaType,
                $"the body must be JSON in UTF-8: Content-Type must be application/json, found {(request.ContentType is { Length: > 0 } found ? $"'{Shown(found)}'" : "none")}")
            {
                Code = "unsupported_media_type",
            };
        }
    }

    private static bool IsJson(MediaTypeHeaderValue type)
        => type.MediaType.Equals(MediaTypeNames.Application.Json, StringComparison.OrdinalIgnoreCase)
            || (type.Type.Equals("application", StringComparison.OrdinalIgnoreCase) && type.Suffix.Equals("json", StringComparison.OrdinalIgnoreCase));

    private static Stream Open(HttpRequest request)
    {
        var encoding = request.Headers.ContentEncoding.ToString().Trim();
        return encoding.ToUpperInvariant() switch
        {
            "" or "IDENTITY" => request.Body,
            "GZIP" or "X-GZIP" => new GZipStream(request.Body, CompressionMode.Decompress),
            "DEFLATE" => new ZLibStream(request.Body, CompressionMode.Decompress),
            "BR" => new BrotliStream(request.Body, CompressionMode.Decompress),
            _ => throw new ApiException(StatusCodes.Status415UnsupportedMediaType, $"the body's Content-Encoding must be gzip, deflate or br, found '{Shown(encoding)}'")
            {
                Code = "unsupported_media_type",
            },
        };
    }

    private static async Task<int> ReadBlockAsync(Stream stream, byte[] block, HttpContext context)
    {
        try
        {
            return await stream.ReadAsync(block, context.RequestAborted);
        }
        catch (BadHttpRequestException)
        {
            throw;
        }
        catch (InvalidDataException exception)
        {
            throw ApiException.BadRequest($"the body is not what its Content-Encoding says: {exception.Message}");
        }
        catch (Exception exception) when (exception is IOException or InvalidOperationException or OverflowException && !context.RequestAborted.IsCancellationRequested)
        {
            // Kestrel tells a chunk's size beyond its range by an error that it has no status for.
            throw ApiException.BadRequest($"the body cannot be read: {exception.Message}");
        }
    }

    private static string Shown(string text) => text.Length > 80 ? text[..80] + "..." : text;
}
