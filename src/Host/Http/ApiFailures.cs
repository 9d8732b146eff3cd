using Hearth.Runtime.Constraints;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Says what a failure is to the caller.</summary>
internal sealed class ApiFailures(ILogger<ApiFailures> logger)
{
    /// <summary>What a failure is to the caller; faults of the service are logged, their details stay here.</summary>
    /// <param name="exception">The failure.</param>
    /// <param name="context">The request, whose own names of options are told; null: the usual ones.</param>
    public ApiException Translate(Exception exception, HttpContext? context = null)
    {
        var sent = context is null ? null : SentFields.Of(context);
        switch (exception)
        {
            case ApiException refusal:
                return refusal;
            case BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }:
                return new ApiException(StatusCodes.Status413PayloadTooLarge, "the request's body is larger than the service reads (Limits:BodyBytes)") { Code = "request_too_large" };
            case BadHttpRequestException bad:
                return new ApiException(bad.StatusCode, bad.Message);
            case ContextLengthExceededException exceeded:
                return new ApiException(StatusCodes.Status400BadRequest, exceeded.Message)
                {
                    Param = exceeded.TextIndex is { } index ? $"input[{index}]" : null,
                    Code = WireNames.ContextLengthExceeded,
                    Tokens = (exceeded.TokensAsked, exceeded.TokensPossible),
                };
            case InvalidRequestException invalid:
                var param = sent?.NameOf(invalid.Option) ?? GenerationOption.WireNameOf(invalid.Option);
                return ApiException.BadRequest($"'{param}' {invalid.Reason}", param);
            case ConstraintException constraint:
                var field = sent?.NameOf(nameof(GenerationOptions.Constraint)) ?? GenerationOption.WireNameOf(nameof(GenerationOptions.Constraint));
                return ApiException.BadRequest($"'{field}' cannot be enforced: {constraint.Describe()}", field);
            case QueueFullException full:
                return new ApiException(StatusCodes.Status503ServiceUnavailable, full.Message) { Code = WireNames.QueueFull, RetryAfter = (int)Math.Clamp(Math.Ceiling(full.RetryAfter?.TotalSeconds ?? 1), 1, 3600) };
            case OutOfModelMemoryException memory:
                return new ApiException(StatusCodes.Status503ServiceUnavailable, memory.Message) { Code = "out_of_memory", RetryAfter = 5 };
            case OutOfMemoryException:
                logger.LogError("a request took more memory than the process may have");
                return new ApiException(StatusCodes.Status503ServiceUnavailable, "the service has no memory left for this request") { Code = "out_of_memory", RetryAfter = 5 };
            case HearthException own:
                logger.LogError("{Message}", own.Message);
                return new ApiException(StatusCodes.Status500InternalServerError, own.Message);
            default:
                logger.LogError(exception, "a request failed");
                return new ApiException(StatusCodes.Status500InternalServerError, "the service failed to answer; its log says why");
        }
    }
}
