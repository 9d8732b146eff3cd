using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>A refusal in OpenAI's error shape.</summary>
internal sealed class ApiException(int status, string message) : Exception(message)
{
    public int Status => status;

    /// <summary>The field at fault.</summary>
    public string? Param { get; init; }

    public string? Code { get; init; }

    /// <summary>Seconds after which to try again.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>Whether the connection ends with the answer.</summary>
    public bool ClosesConnection { get; init; }

    public (long Asked, long Possible)? Tokens { get; init; }

    public static ApiException BadRequest(string message, string? param = null, string? code = null)
        => new(StatusCodes.Status400BadRequest, message) { Param = param, Code = code };

    public ErrorResponse ToResponse() => new()
    {
        Error = new ErrorFields
        {
            Message = Message,
            Type = status switch
            {
                StatusCodes.Status429TooManyRequests => Code == "insufficient_quota" ? "insufficient_quota" : "rate_limit_error",
                StatusCodes.Status503ServiceUnavailable => "overloaded_error",
                >= 500 => "server_error",
                _ => "invalid_request_error",
            },
            Param = Param,
            Code = Code,
            TokensAsked = Tokens?.Asked,
            TokensPossible = Tokens?.Possible,
        },
    };
}
