using System.Net;

namespace Hearth.Extensions.AI;

/// <summary>A Hearth service could not be reached, refused a request, or broke off its answer.</summary>
/// <remarks>The message is the service's own where it sent one; <see cref="HttpRequestException.StatusCode"/> is null where no answer came, or its stream failed.</remarks>
public sealed class HearthServiceException : HttpRequestException
{
    /// <summary>Creates it.</summary>
    public HearthServiceException()
    {
    }

    /// <summary>Creates it with a message.</summary>
    public HearthServiceException(string? message)
        : base(message)
    {
    }

    /// <summary>Creates it with a message and its cause.</summary>
    public HearthServiceException(string? message, Exception? innerException)
        : base(message, innerException)
    {
    }

    internal HearthServiceException(string message, Exception? innerException, HttpStatusCode? statusCode, string? responseBody)
        : base(message, innerException, statusCode) => ResponseBody = responseBody;

    /// <summary>What the service sent; null where it sent no answer of its own.</summary>
    public string? ResponseBody { get; }
}
