using System.Security.Cryptography;
using System.Text;
using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>Asks requests for one of the configured keys, where there are any.</summary>
/// <remarks>What everybody may see: the status page, whether the service is well, and which models there are.</remarks>
internal sealed class KeyGuard(RequestDelegate next, ServiceConfiguration configuration)
{
    private static readonly PathString[] Open = ["/", "/health", "/models", "/v1/models", "/api/tags", "/api/version"];

    private readonly byte[][] _keys = [.. configuration.ApiKeys.Select(Digest)];

    public Task InvokeAsync(HttpContext context)
        => _keys.Length == 0 || HttpMethods.IsOptions(context.Request.Method) || (IsRead(context.Request.Method) && Array.Exists(Open, path => context.Request.Path.Equals(path))) || HasKey(context.Request)
            ? next(context)
            : throw new ApiException(StatusCodes.Status401Unauthorized, "a key is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY' with one of the service's ApiKeys") { Code = "invalid_api_key" };

    private static bool IsRead(string method) => HttpMethods.IsGet(method) || HttpMethods.IsHead(method);

    // Of equal length whatever was sent, so that the time tells nothing of a key.
    private static byte[] Digest(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private bool HasKey(HttpRequest request)
    {
        const string Scheme = "Bearer ";
        var authorization = request.Headers.Authorization.ToString();
        var sent = authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? authorization[Scheme.Length..].Trim()
            : request.Headers["x-api-key"].ToString() is { Length: > 0 } key ? key : request.Headers["api-key"].ToString();
        var digest = Digest(sent);
        return sent.Length > 0 && _keys.Aggregate(false, (found, known) => found | CryptographicOperations.FixedTimeEquals(known, digest));
    }
}
