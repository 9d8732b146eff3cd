using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>What a key must allow for each route. A route that is not listed wants <see cref="KeyVerbs.Manage"/>.</summary>
/// <remarks>A route that everybody may use says so itself (<c>AllowAnonymous</c>), or is one of <see cref="Open"/>.</remarks>
internal static class RouteVerbs
{
    // Whether the service is there and well, and the page that asks for a key.
    private static readonly PathString[] Open = ["/", "/health", "/live", "/ready", "/api/version"];

    // llama-server leaves these open beside its keys; here they are where no key has a name.
    private static readonly PathString[] Lists = ["/models", "/v1/models", "/api/tags"];

    private static readonly (string Path, KeyVerbs Verb)[] Verbs =
    [
        ("/v1/embeddings", KeyVerbs.Embed), ("/embeddings", KeyVerbs.Embed), ("/embedding", KeyVerbs.Embed),
        ("/v1/rerank", KeyVerbs.Embed), ("/v1/reranking", KeyVerbs.Embed), ("/rerank", KeyVerbs.Embed), ("/reranking", KeyVerbs.Embed),
        ("/api/embed", KeyVerbs.Embed), ("/api/embeddings", KeyVerbs.Embed),
        ("/v1/chat", KeyVerbs.Generate), ("/chat", KeyVerbs.Generate), ("/v1/completions", KeyVerbs.Generate), ("/completions", KeyVerbs.Generate),
        ("/completion", KeyVerbs.Generate), ("/infill", KeyVerbs.Generate), ("/apply-template", KeyVerbs.Generate),
        ("/v1/responses", KeyVerbs.Generate), ("/responses", KeyVerbs.Generate), ("/v1/messages", KeyVerbs.Generate),
        ("/api/chat", KeyVerbs.Generate), ("/api/generate", KeyVerbs.Generate),
        ("/hearth/estimate", KeyVerbs.Generate), ("/hearth/lens", KeyVerbs.Generate), ("/hearth/conversations", KeyVerbs.Generate),
        ("/props", KeyVerbs.Inspect), ("/slots", KeyVerbs.Inspect), ("/metrics", KeyVerbs.Inspect), ("/lora-adapters", KeyVerbs.Inspect),
        ("/hearth/cache", KeyVerbs.Inspect), ("/api/ps", KeyVerbs.Inspect),

        // Every bearer may know what its models are, and what their tokens.
        ("/models", KeyVerbs.None), ("/v1/models", KeyVerbs.None), ("/api/tags", KeyVerbs.None), ("/api/show", KeyVerbs.None),
        ("/tokenize", KeyVerbs.None), ("/detokenize", KeyVerbs.None), ("/hearth/status", KeyVerbs.None), ("/page", KeyVerbs.None),
    ];

    /// <summary>Whether a request needs no key.</summary>
    /// <param name="context">The request.</param>
    /// <param name="opensLists">Whether the lists of models are open.</param>
    public static bool IsOpen(HttpContext context, bool opensLists)
    {
        var (method, path) = (context.Request.Method, context.Request.Path);
        return HttpMethods.IsOptions(method)
            || ((HttpMethods.IsGet(method) || HttpMethods.IsHead(method)) && (Array.Exists(Open, open => path.Equals(open)) || (opensLists && Array.Exists(Lists, list => path.Equals(list)))));
    }

    /// <summary>What a key must allow for a request; the longest path that is listed decides.</summary>
    public static KeyVerbs Of(HttpContext context)
    {
        var path = context.Request.Path;

        // What is not there is told to every bearer.
        return context.GetEndpoint() is null || Array.Exists(Open, open => path.Equals(open)) ? KeyVerbs.None
            : Verbs.Where(entry => path.StartsWithSegments(entry.Path, StringComparison.OrdinalIgnoreCase)).OrderByDescending(entry => entry.Path.Length)
                .Select(entry => (KeyVerbs?)entry.Verb).FirstOrDefault() ?? KeyVerbs.Manage;
    }
}
