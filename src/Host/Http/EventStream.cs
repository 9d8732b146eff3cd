using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Server-sent events as OpenAI frames them: <c>data: JSON</c> and an empty line each, <c>data: [DONE]</c> last.</summary>
internal static class EventStream
{
    /// <summary>Sends the chunks as they come. A failure before the first becomes an ordinary error; a later one an event, after which the stream ends.</summary>
    public static async Task WriteAsync<T>(HttpContext context, IAsyncEnumerable<T> chunks, JsonTypeInfo<T> type, Func<Exception, ApiException> translate)
    {
        var cancelled = context.RequestAborted;
        await using var enumerator = chunks.GetAsyncEnumerator(cancelled);
        var more = await enumerator.MoveNextAsync();
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-cache";

        // Proxies such as nginx would otherwise hold the events back.
        context.Response.Headers["X-Accel-Buffering"] = "no";
        try
        {
            for (; more; more = await enumerator.MoveNextAsync())
            {
                await WriteEventAsync(context, JsonSerializer.SerializeToUtf8Bytes(enumerator.Current, type), cancelled);
            }

            await WriteEventAsync(context, "[DONE]"u8.ToArray(), cancelled);
        }
        catch (Exception exception) when (!cancelled.IsCancellationRequested)
        {
            var error = translate(exception).ToResponse();
            await WriteEventAsync(context, JsonSerializer.SerializeToUtf8Bytes(error, ProtocolJson.Wire.ErrorResponse), cancelled);
        }
        catch (Exception) when (cancelled.IsCancellationRequested)
        {
            // The client is gone; leaving the enumeration has ended its request.
        }
    }

    private static async Task WriteEventAsync(HttpContext context, byte[] data, CancellationToken cancellationToken)
    {
        var writer = context.Response.BodyWriter;
        var target = writer.GetSpan(data.Length + 8);
        "data: "u8.CopyTo(target);
        data.CopyTo(target[6..]);
        "\n\n"u8.CopyTo(target[(6 + data.Length)..]);
        writer.Advance(data.Length + 8);
        await writer.FlushAsync(cancellationToken);
    }
}
