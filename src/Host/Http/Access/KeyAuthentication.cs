using System.Security.Claims;
using System.Text.Encodings.Web;
using Hearth.Host.Service;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;

namespace Hearth.Host.Http;

/// <summary>Finds the key that a request brings, in whichever header its protocol has for it, and refuses in its protocol's words.</summary>
internal sealed class KeyAuthentication(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder, KeyRing ring)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Name = "Hearth";

    private static readonly object Key = new();

    /// <summary>The key of a request; null where it brought none that opens anything.</summary>
    public static ApiKey? Of(HttpContext context) => context.Items.TryGetValue(Key, out var key) ? (ApiKey?)key : null;

    /// <summary>What a request brings for a key, whether it is one or not; empty where it brings none.</summary>
    /// <remarks>OpenAI's and Ollama's clients send <c>Authorization: Bearer</c>, Anthropic's <c>x-api-key</c>, Azure's <c>api-key</c>.</remarks>
    public static string SentBy(HttpRequest request)
    {
        const string Scheme = "Bearer ";
        var authorization = request.Headers.Authorization.ToString();
        return authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) ? authorization[Scheme.Length..].Trim()
            : request.Headers["x-api-key"].ToString() is { Length: > 0 } key ? key
            : request.Headers["api-key"].ToString() is { Length: > 0 } other ? other : authorization;
    }

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var sent = SentBy(Request);
        if (sent.Length == 0 || ring.Find(sent) is not { } key)
        {
            return Task.FromResult(AuthenticateResult.NoResult());
        }

        Context.Items[Key] = key;
        var identity = new ClaimsIdentity([new Claim(ClaimTypes.Name, key.Name), new Claim(ClaimTypes.NameIdentifier, key.Id)], Name);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Name)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
        => throw new ApiException(StatusCodes.Status401Unauthorized, "a key of this service is needed: 'Authorization: Bearer KEY' or 'x-api-key: KEY'") { Code = "invalid_api_key" };

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
        => throw Refusal(Of(Context)!, RouteVerbs.Of(Context));

    /// <summary>What a bearer is told whose key does not allow what it asks for.</summary>
    public static ApiException Refusal(ApiKey key, KeyVerbs wanted)
        => new(StatusCodes.Status403Forbidden, $"the key '{key.Name}' does not allow {string.Join(", ", KeyNames.Of(wanted))}; it allows {string.Join(", ", KeyNames.Of(key.Verbs))}")
        {
            Code = "key_not_allowed",
        };
}

/// <summary>What every request must bring.</summary>
internal sealed class KeyRequirement : IAuthorizationRequirement;

/// <summary>Lets requests pass that need no key, or whose key allows what they ask for.</summary>
internal sealed class KeyAuthorization(KeyRing ring) : AuthorizationHandler<KeyRequirement>
{
    protected override Task HandleRequirementAsync(AuthorizationHandlerContext context, KeyRequirement requirement)
    {
        if (context.Resource is HttpContext http
            && (RouteVerbs.IsOpen(http, opensLists: !ring.HasNames)
                || (KeyAuthentication.Of(http) is { } key ? key.Verbs.HasFlag(RouteVerbs.Of(http)) : !ring.IsRequired)))
        {
            context.Succeed(requirement);
        }

        return Task.CompletedTask;
    }
}
