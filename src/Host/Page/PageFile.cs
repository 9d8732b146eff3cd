using System.Security.Cryptography;

namespace Hearth.Host.Page;

/// <summary>A file of the page, out of the assembly.</summary>
/// <param name="path">Where it is asked for.</param>
/// <param name="content">Its bytes.</param>
/// <param name="contentType">What browsers are told it is.</param>
internal sealed class PageFile(string path, ReadOnlyMemory<byte> content, string contentType)
{
    // Nothing but what this service serves, no script or style inside the page, no way from a text to a script. What a model writes is
    // never parsed as HTML; were it to happen all the same, the browser would refuse to run or to load any of it.
    private const string ContentPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        + "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

    private readonly string _tag = $"\"{Convert.ToHexStringLower(SHA256.HashData(content.Span).AsSpan(0, 12))}\"";

    public string Path => path;

    /// <summary>Sends it, or 304 where the browser has it already.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        var response = context.Response;
        var headers = response.Headers;
        headers.ContentSecurityPolicy = ContentPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";

        // Asked for each time and sent only once: after an update no page is made of old and new files.
        headers.CacheControl = "no-cache";
        headers.ETag = _tag;
        if (context.Request.Headers.IfNoneMatch.SelectMany(list => (list ?? "").Split(',', StringSplitOptions.TrimEntries)).Any(known => known == "*" || known == _tag || known == "W/" + _tag))
        {
            response.StatusCode = StatusCodes.Status304NotModified;
            return;
        }

        response.ContentType = contentType;
        response.ContentLength = content.Length;
        if (!HttpMethods.IsHead(context.Request.Method))
        {
            await response.Body.WriteAsync(content, context.RequestAborted);
        }
    }
}
