using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>How a protocol tells its callers of a failure: the status and the body.</summary>
/// <remarks>The path alone says which protocol a caller speaks, so that an unknown route, too, is answered in its shape.</remarks>
internal abstract class ErrorShape
{
    private static readonly ErrorShape OpenAi = new OpenAiErrors();
    private static readonly ErrorShape Ollama = new OllamaErrors();
    private static readonly ErrorShape Anthropic = new AnthropicErrors();
    private static readonly ErrorShape Llama = new LlamaErrors();

    // llama-server's own routes; what else is at the root is this service's.
    private static readonly PathString[] LlamaRoutes =
    [
        "/completion", "/completions", "/chat/completions", "/tokenize", "/detokenize", "/apply-template", "/infill", "/props", "/slots", "/metrics",
        "/rerank", "/reranking", "/lora-adapters", "/embedding", "/embeddings", "/models", "/responses",
    ];

    /// <summary>The shape of the protocol that a request speaks.</summary>
    public static ErrorShape Of(HttpContext context)
    {
        var path = context.Request.Path;
        return path.StartsWithSegments("/v1/messages") || context.Request.Headers.ContainsKey("anthropic-version") ? Anthropic
            : path.StartsWithSegments("/api") ? Ollama
            : Array.Exists(LlamaRoutes, route => path.StartsWithSegments(route)) ? Llama
            : OpenAi;
    }

    /// <summary>The status of a refusal; most protocols have the one that it has.</summary>
    public virtual int StatusOf(ApiException error) => error.Status;

    /// <summary>The body, JSON in UTF-8.</summary>
    public abstract byte[] Body(ApiException error, HttpContext context);

    private static byte[] Write(JsonObject body) => JsonSerializer.SerializeToUtf8Bytes(body, ProtocolJson.Wire.JsonObject);

    private sealed class OpenAiErrors : ErrorShape
    {
        public override byte[] Body(ApiException error, HttpContext context) => JsonSerializer.SerializeToUtf8Bytes(error.ToResponse(), ProtocolJson.Wire.ErrorResponse);
    }

    private sealed class OllamaErrors : ErrorShape
    {
        public override byte[] Body(ApiException error, HttpContext context) => Write(new JsonObject { ["error"] = error.Message });
    }

    // Source: https://docs.anthropic.com/en/api/errors
    private sealed class AnthropicErrors : ErrorShape
    {
        private const int Overloaded = 529;

        public override int StatusOf(ApiException error) => error.Status == StatusCodes.Status503ServiceUnavailable ? Overloaded : error.Status;

        public override byte[] Body(ApiException error, HttpContext context) => Write(new JsonObject
        {
            ["type"] = "error",
            ["error"] = new JsonObject { ["type"] = TypeOf(error.Status), ["message"] = error.Message },
            ["request_id"] = RequestIds.Of(context),
        });

        private static string TypeOf(int status) => status switch
        {
            StatusCodes.Status401Unauthorized => "authentication_error",
            StatusCodes.Status403Forbidden => "permission_error",
            StatusCodes.Status404NotFound => "not_found_error",
            StatusCodes.Status413PayloadTooLarge => "request_too_large",
            StatusCodes.Status429TooManyRequests => "rate_limit_error",
            StatusCodes.Status503ServiceUnavailable => "overloaded_error",
            >= 500 => "api_error",
            _ => "invalid_request_error",
        };
    }

    /// <summary>llama-server's: the status as a number for a code.</summary>
    private sealed class LlamaErrors : ErrorShape
    {
        public override byte[] Body(ApiException error, HttpContext context)
        {
            var fields = new JsonObject { ["code"] = error.Status, ["message"] = error.Message, ["type"] = TypeOf(error), ["param"] = error.Param };
            if (error.Tokens is { } tokens)
            {
                fields["n_prompt_tokens"] = tokens.Asked;
                fields["n_ctx"] = tokens.Possible;
            }

            return Write(new JsonObject { ["error"] = fields });
        }

        private static string TypeOf(ApiException error) => error.Status switch
        {
            _ when error.Code == WireNames.ContextLengthExceeded => "exceed_context_size_error",
            StatusCodes.Status401Unauthorized => "authentication_error",
            StatusCodes.Status403Forbidden => "permission_error",
            StatusCodes.Status404NotFound => "not_found_error",
            StatusCodes.Status429TooManyRequests => "rate_limit_error",
            StatusCodes.Status501NotImplemented => "not_supported_error",
            StatusCodes.Status503ServiceUnavailable => "unavailable_error",
            >= 500 => "server_error",
            _ => "invalid_request_error",
        };
    }
}
