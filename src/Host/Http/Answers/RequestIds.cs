namespace Hearth.Host.Http;

/// <summary>A name for each request, by which a client and the log may speak of it.</summary>
internal static class RequestIds
{
    /// <summary>OpenAI's header; Anthropic's is <c>request-id</c>. Both are sent.</summary>
    private const string Header = "x-request-id";

    private static readonly object Key = new();

    /// <summary>Gives each answer its name, whatever becomes of it.</summary>
    public static void UseRequestIds(this IApplicationBuilder app) => app.Use((context, next) =>
    {
        context.Response.OnStarting(static state =>
        {
            var started = (HttpContext)state;
            started.Response.Headers[Header] = Of(started);
            started.Response.Headers["request-id"] = Of(started);
            return Task.CompletedTask;
        }, context);
        return next(context);
    });

    /// <summary>The name of a request.</summary>
    public static string Of(HttpContext context)
    {
        if (context.Items.TryGetValue(Key, out var known))
        {
            return (string)known!;
        }

        var id = $"req_{Guid.NewGuid():N}";
        context.Items[Key] = id;
        return id;
    }
}
