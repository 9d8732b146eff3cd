using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>Streams an answer as its items come, in whatever framing the protocol has.</summary>
/// <remarks>
/// The status line goes out as soon as the prompt begins to be read; while nothing comes a comment (<c>: ping</c>) or what the
/// protocol has in its place says that the answer is alive. Source: https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.7.
/// </remarks>
internal static class EventStream
{
    /// <summary>How long a failed connection may take to accept its last event.</summary>
    private static readonly TimeSpan LastEventTime = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Sends the items as they come. A failure that is known before the prompt is read becomes an ordinary error; a later
    /// one an event, after which the stream ends.
    /// </summary>
    public static async Task WriteAsync<T>(HttpContext context, AnswerLifetime lifetime, Func<CancellationToken, IAsyncEnumerable<T>> generate, StreamFraming<T> framing)
    {
        var interval = TimeSpan.FromSeconds(context.RequestServices.GetRequiredService<ServiceConfiguration>().Limits.PingSeconds);
        await using var items = new PendingEnumerator<T>(generate(lifetime.Token).GetAsyncEnumerator(lifetime.Token), lifetime.Cancel);
        try
        {
            await items.UntilBegunAsync(lifetime.Began, interval);
        }
        catch (Exception exception)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(lifetime.Explain(exception));
        }

        context.Response.ContentType = framing.ContentType;
        context.Response.Headers.CacheControl = "no-cache";

        // Proxies such as nginx would otherwise hold the events back.
        context.Response.Headers["X-Accel-Buffering"] = "no";
        try
        {
            await SendAllAsync(context, items, framing, interval, lifetime);
        }
        catch (Exception exception) when (!context.RequestAborted.IsCancellationRequested)
        {
            var error = context.RequestServices.GetRequiredService<ApiFailures>().Translate(lifetime.Explain(exception), context);
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            patience.CancelAfter(LastEventTime);
            await SendAsync(context, framing.Failure(ErrorShape.Of(context).Body(error, context)), patience.Token);
        }
        catch (Exception) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client is gone; leaving the enumeration has ended its request.
        }
    }

    private static async Task SendAllAsync<T>(HttpContext context, PendingEnumerator<T> items, StreamFraming<T> framing, TimeSpan interval, AnswerLifetime lifetime)
    {
        if (!items.HasNext)
        {
            await SendAsync(context, framing.Ping, context.RequestAborted);
        }

        while (await items.NextAsync(interval, () => SendAsync(context, framing.Ping, context.RequestAborted)))
        {
            lifetime.Begin();
            await SendAsync(context, framing.Frame(items.Current), context.RequestAborted);
        }

        await SendAsync(context, framing.End, context.RequestAborted);
    }

    // Not cancelled by the answer's own end: a write that is given up takes the connection along, and the last event with it.
    // Nothing to write still sends the status line.
    private static async Task SendAsync(HttpContext context, byte[] frame, CancellationToken cancellationToken)
        => await context.Response.BodyWriter.WriteAsync(frame, cancellationToken);
}

/// <summary>An enumeration whose next item may be waited for in pieces.</summary>
/// <param name="source">Disposed with this.</param>
/// <param name="cancel">Ends the source's work, so that it can be left while an item is being waited for.</param>
internal sealed class PendingEnumerator<T>(IAsyncEnumerator<T> source, Action cancel) : IAsyncDisposable
{
    private Task<bool>? _next;

    public T Current => source.Current;

    /// <summary>Whether the next item, or the end, is there already.</summary>
    public bool HasNext => _next is { IsCompleted: true };

    /// <summary>Starts, and waits for the first item, for word that the work has begun, or for some time.</summary>
    /// <exception cref="Exception">What the source failed with meanwhile.</exception>
    public async Task UntilBegunAsync(Task begun, TimeSpan most)
    {
        _next = source.MoveNextAsync().AsTask();
        if (!_next.IsCompleted)
        {
            using var left = new CancellationTokenSource();
            await Task.WhenAny(_next, begun, Task.Delay(most, left.Token));
            await left.CancelAsync();
        }

        if (_next.IsFaulted || _next.IsCanceled)
        {
            await _next;
        }
    }

    /// <summary>Waits for the next item; false at the end.</summary>
    /// <param name="interval">After each such time without an item <paramref name="wait"/> is called.</param>
    /// <param name="wait">Says that the wait goes on.</param>
    public async ValueTask<bool> NextAsync(TimeSpan interval, Func<Task> wait)
    {
        var next = _next ?? source.MoveNextAsync().AsTask();
        _next = next;
        while (!next.IsCompleted)
        {
            using var left = new CancellationTokenSource();
            if (await Task.WhenAny(next, Task.Delay(interval, left.Token)) != next)
            {
                await wait();
            }

            await left.CancelAsync();
        }

        var more = await next;
        _next = null;
        return more;
    }

    public async ValueTask DisposeAsync()
    {
        if (_next is { IsCompleted: false })
        {
            cancel();
        }

        try
        {
            await (_next ?? Task.FromResult(false));
        }
        catch (Exception)
        {
            // Told to whoever waited for it; left alone, it matters to nobody.
        }

        await source.DisposeAsync();
    }
}
