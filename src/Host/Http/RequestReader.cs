using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Reads a request's JSON body and says in the caller's words what is wrong with it.</summary>
internal static class RequestReader
{
    /// <summary>Reads the body; what is returned holds its part of the budget until it is disposed, which is to be done once the request is tokenized.</summary>
    /// <exception cref="ApiException">The body is no JSON object, or a field has the wrong type.</exception>
    public static async Task<ReadRequest<T>> ReadAsync<T>(HttpContext context, JsonTypeInfo<T> type)
        where T : class
    {
        var configuration = context.RequestServices.GetRequiredService<ServiceConfiguration>();
        var share = context.RequestServices.GetRequiredService<BodyBudget>().Begin();
        try
        {
            var bytes = await RequestBody.ReadAsync(context, share, configuration.Limits.BodyBytes);
            return new ReadRequest<T>(Parse(bytes, type), share);
        }
        catch
        {
            share.Dispose();
            throw;
        }
    }

    internal static T Parse<T>(ReadOnlyMemory<byte> body, JsonTypeInfo<T> type)
        where T : class
    {
        CheckSyntax(body);
        try
        {
            return JsonSerializer.Deserialize(body.Span, type)!;
        }
        catch (JsonException exception)
        {
            var param = ParamOf(exception.Path);
            var problem = exception is ProtocolException ? exception.Message : $"must be {Expected(type, exception.Path)}";
            throw ApiException.BadRequest($"'{param}' {problem}", param);
        }
    }

    private static void CheckSyntax(ReadOnlyMemory<byte> body)
    {
        if (!Utf8.IsValid(body.Span))
        {
            throw ApiException.BadRequest("the body is not valid UTF-8");
        }

        try
        {
            using var document = JsonDocument.Parse(body, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw ApiException.BadRequest("the body must be a JSON object");
            }

            // Escapes can spell half a character, which no text can hold; they are found here, not deep inside a template.
            if (body.Span.IndexOf("\\u"u8) >= 0)
            {
                CheckTexts(document.RootElement);
            }
        }
        catch (JsonException exception)
        {
            throw ApiException.BadRequest($"the body is not valid JSON: {exception.Message}");
        }
        catch (InvalidOperationException)
        {
            throw ApiException.BadRequest("the body is not valid JSON: an escape sequence is half of a character");
        }
    }

    private static void CheckTexts(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                _ = element.GetString();
                break;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                {
                    CheckTexts(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (var property in element.EnumerateObject())
                {
                    _ = property.Name;
                    CheckTexts(property.Value);
                }

                break;
        }
    }

    /// <summary>"$.messages[0].content" is "messages[0].content" to the caller.</summary>
    private static string ParamOf(string? path) => path is { Length: > 2 } && path.StartsWith("$.", StringComparison.Ordinal) ? path[2..] : "body";

    /// <summary>What the field at the end of a path should have been.</summary>
    private static string Expected(JsonTypeInfo type, string? path)
    {
        var current = type;
        foreach (var segment in (path ?? "$").Split('.').Skip(1))
        {
            var bracket = segment.IndexOf('[', StringComparison.Ordinal);
            var name = bracket < 0 ? segment : segment[..bracket];
            var next = current.Kind == JsonTypeInfoKind.Dictionary
                ? current.ElementType
                : current.Properties.FirstOrDefault(property => property.Name == name)?.PropertyType;
            if (next is null)
            {
                return "of another type";
            }

            current = type.Options.GetTypeInfo(next);
            if (bracket >= 0 && current.ElementType is { } element)
            {
                current = type.Options.GetTypeInfo(element);
            }
        }

        return Describe(Nullable.GetUnderlyingType(current.Type) ?? current.Type, current.Kind);
    }

    private static string Describe(Type type, JsonTypeInfoKind kind)
    {
        if (type == typeof(string))
        {
            return "a string";
        }

        if (type == typeof(bool))
        {
            return "true or false";
        }

        if (type == typeof(float))
        {
            return "a number";
        }

        return type == typeof(int) ? "an integer of 32 bits"
            : type == typeof(Int128) ? "an integer of 64 bits"
            : kind == JsonTypeInfoKind.Enumerable ? "an array"
            : "an object";
    }
}

/// <summary>A request that was read, and its part of the memory for bodies.</summary>
internal sealed class ReadRequest<T>(T body, BodyBudget.Share share) : IDisposable
    where T : class
{
    public T Body => body;

    public void Dispose() => share.Dispose();
}
