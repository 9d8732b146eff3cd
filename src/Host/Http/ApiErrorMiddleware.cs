namespace Hearth.Host.Http;

/// <summary>Gives every failure the error shape of the protocol it is asked in: refusals, unknown routes, wrong methods, oversized bodies and faults.</summary>
internal sealed class ApiErrorMiddleware(RequestDelegate next, ApiFailures failures)
{
    public async Task InvokeAsync(HttpContext context)
    {
        try
        {
            await next(context);
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            if (context.RequestAborted.IsCancellationRequested)
            {
                return;
            }

            await WriteAsync(context, failures.Translate(exception, context));
            return;
        }

        // Whoever asks what a route takes is told; pages of other origins have been answered already.
        if (!context.Response.HasStarted && context.Response.StatusCode == StatusCodes.Status405MethodNotAllowed && HttpMethods.IsOptions(context.Request.Method))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        if (!context.Response.HasStarted && context.Response is { StatusCode: >= 400, ContentLength: null, ContentType: null })
        {
            await WriteAsync(context, ForStatus(context));
        }
    }

    private static ApiException ForStatus(HttpContext context)
    {
        var (status, path, method) = (context.Response.StatusCode, context.Request.Path, context.Request.Method);
        return status switch
        {
            StatusCodes.Status404NotFound => new ApiException(status, $"there is nothing at {path}") { Code = "unknown_url" },
            StatusCodes.Status405MethodNotAllowed => new ApiException(status, $"{path} does not answer {method}; allowed: {context.Response.Headers.Allow}")
            {
                Code = "method_not_allowed",
            },
            _ => new ApiException(status, $"the request was refused with status {status}"),
        };
    }

    private static async Task WriteAsync(HttpContext context, ApiException error)
    {
        var allow = context.Response.Headers.Allow;
        context.Response.Clear();
        var shape = ErrorShape.Of(context);
        context.Response.StatusCode = shape.StatusOf(error);
        if (error.Status == StatusCodes.Status405MethodNotAllowed)
        {
            context.Response.Headers.Allow = allow;
        }

        if (error.Status == StatusCodes.Status401Unauthorized)
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
        }

        if (error.RetryAfter is { } seconds)
        {
            context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        if (error.ClosesConnection)
        {
            context.Response.Headers.Connection = "close";
        }

        context.Response.ContentType = "application/json; charset=utf-8";
        await context.Response.Body.WriteAsync(shape.Body(error, context), context.RequestAborted);
    }
}
