using System.Text.Json;
using Json.Schema;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>What JsonSchema.Net says of a text, where it reads it as the standard does.</summary>
internal static class SchemaVerdict
{
    /// <summary>Whether a text is valid JSON, no name in it twice, and valid under a schema; null where the validator is not exact.</summary>
    public static bool? Of(JsonSchema validator, string source, string text)
    {
        using var document = Parse(text);
        if (document is null)
        {
            return false;
        }

        try
        {
            return IsOdd(source, document.RootElement) ? null : validator.Evaluate(document.RootElement, new EvaluationOptions { OutputFormat = OutputFormat.Flag, RequireFormatValidation = true }).IsValid;
        }
        catch (KeyNotFoundException)
        {
            // The validator looks patterns up by another spelling than it keeps them under.
            return null;
        }
    }

    /// <summary>Whether a value is beyond the validator: it counts graphemes where the standard counts characters, matches patterns in UTF-16, and reads numbers as decimals.</summary>
    public static bool IsOdd(string source, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetRawText() is var raw && (raw.Length > 12 || raw.AsSpan().ContainsAny('e', 'E')),
        JsonValueKind.String => IsOdd(source, value.GetString()!),
        JsonValueKind.Array => value.EnumerateArray().Any(item => IsOdd(source, item)),
        JsonValueKind.Object => value.EnumerateObject().Any(member => IsOdd(source, member.Name) || IsOdd(source, member.Value)),
        _ => false,
    };

    private static bool IsOdd(string source, string text)
        => text.Any(character => character is < ' ' or > '~') && (source.Contains("Length", StringComparison.Ordinal) || source.Contains("pattern", StringComparison.Ordinal));

    private static JsonDocument? Parse(string text)
    {
        try
        {
            return JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 1000 });
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
