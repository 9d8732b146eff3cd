using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using Hearth.Runtime;
using Hearth.Runtime.Protocol;

namespace Hearth.Extensions.AI.Backends;

/// <summary>Posts to a Hearth service and turns its refusals into typed errors.</summary>
internal sealed class ServiceClient(HttpClient client, Uri endpoint)
{
    private readonly Uri _root = new(endpoint.AbsoluteUri.TrimEnd('/') + "/");

    public Uri Address(string path) => new(_root, path);

    /// <summary>Posts JSON and waits for the answer's headers.</summary>
    /// <exception cref="HearthServiceException">The service cannot be reached, or refuses the request.</exception>
    /// <exception cref="ContextLengthExceededException">A text does not fit into the model's context.</exception>
    public async Task<HttpResponseMessage> PostAsync(string path, byte[] body, string accept, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Address(path)) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(accept));
        HttpResponseMessage response;
        try
        {
            response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        }
        catch (TaskCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Nobody cancelled: HttpClient tells its own time limit so.
            throw new HearthServiceException($"the Hearth service at {endpoint} did not answer within the HttpClient's time limit of {client.Timeout.TotalSeconds:0.###} s", exception);
        }
        catch (Exception exception) when (exception is ObjectDisposedException or InvalidOperationException or NotSupportedException)
        {
            throw new HearthServiceException($"the HttpClient cannot send to {endpoint}: {exception.Message}", exception);
        }
        catch (HttpRequestException exception)
        {
            throw new HearthServiceException($"no Hearth service answers at {endpoint}: {exception.Message}", exception, exception.StatusCode, null);
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            string text;
            try
            {
                text = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (exception is HttpRequestException or IOException)
            {
                throw BrokenOff(Address(path), exception);
            }

            throw Failure(ReadError(text), response, text);
        }
    }

    /// <summary>The error that a broken connection is.</summary>
    public static HearthServiceException BrokenOff(Uri address, Exception cause)
        => new($"the answer of {address} broke off: {cause.Message}", cause);

    /// <summary>The error that a refusal means.</summary>
    public static Exception Failure(ErrorFields? error, HttpResponseMessage? response, string? body)
        => error is { Code: WireNames.ContextLengthExceeded, TokensAsked: { } asked, TokensPossible: { } possible }
            ? new ContextLengthExceededException(asked, possible, InputIndex(error.Param))
            : new HearthServiceException(
                error?.Message ?? $"the service answered {(int?)response?.StatusCode} {response?.ReasonPhrase}", null, response?.StatusCode, body);

    private static ErrorFields? ReadError(string body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, ProtocolJson.Wire.ErrorResponse)?.Error;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // "input[3]" is text 3.
    private static int? InputIndex(string? param)
        => param is not null && param.StartsWith("input[", StringComparison.Ordinal) && param.EndsWith(']')
            && int.TryParse(param.AsSpan(6, param.Length - 7), NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : null;
}
