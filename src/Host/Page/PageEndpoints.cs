namespace Hearth.Host.Page;

/// <summary>GET / and /page/*: the page, for people. Its files lie in the assembly under "page/"; it needs no others.</summary>
internal static class PageEndpoints
{
    private const string Prefix = "page/";

    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Head];

    private static readonly PageFile[] Files = [.. typeof(PageEndpoints).Assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal)).Select(Read)];

    /// <summary>Sends the page's files to whoever asks, with a key or without: the page itself asks for the key. Before the guard of keys.</summary>
    public static void UsePage(this IApplicationBuilder app)
        => app.Use((context, next) => context.GetEndpoint()?.Metadata.GetMetadata<PageFile>() is { } file ? file.WriteAsync(context) : next(context));

    public static void MapPage(this IEndpointRouteBuilder routes)
    {
        foreach (var file in Files)
        {
            routes.MapMethods(file.Path, Methods, file.WriteAsync).WithMetadata(file);
        }
    }

    private static PageFile Read(string name)
    {
        using var stream = typeof(PageEndpoints).Assembly.GetManifestResourceStream(name)!;
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return new PageFile(name == Prefix + "index.html" ? "/" : "/" + name, content, TypeOf(name));
    }

    private static string TypeOf(string name) => System.IO.Path.GetExtension(name) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        ".txt" => "text/plain; charset=utf-8",
        var other => throw new InvalidOperationException($"no content type is known for {other} ({name})"),
    };
}
