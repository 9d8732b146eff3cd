using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Gives every failure OpenAI's error shape: refusals, unknown routes, wrong methods, oversized bodies and faults.</summary>
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
        context.Response.StatusCode = error.Status;
        if (error.Status == StatusCodes.Status405MethodNotAllowed)
        {
            context.Response.Headers.Allow = allow;
        }

        if (error.RetryAfter is { } seconds)
        {
            context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        if (error.ClosesConnection)
        {
            context.Response.Headers.Connection = "close";
        }

        await context.Response.WriteAsJsonAsync(error.ToResponse(), ProtocolJson.Wire.ErrorResponse, cancellationToken: context.RequestAborted);
    }
}
