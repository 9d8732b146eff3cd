using System.Text.Json;

namespace Hearth.Host.Http;

/// <summary>How fields that a protocol has and Hearth does not are told from those that ask for nothing.</summary>
internal static class FieldRules
{
    /// <summary>Refuses the fields that change the answer and are not done.</summary>
    /// <param name="fields">Those that the request has and nobody reads.</param>
    /// <param name="known">The names to refuse, each with what its value may be all the same.</param>
    /// <param name="prefix">What the caller's name of a field begins with.</param>
    /// <exception cref="ApiException">There is one.</exception>
    public static void Refuse(Dictionary<string, JsonElement>? fields, IReadOnlyDictionary<string, Func<JsonElement, bool>> known, string prefix = "")
    {
        foreach (var (name, value) in fields ?? [])
        {
            if (value.ValueKind != JsonValueKind.Null && known.TryGetValue(name, out var isDefault) && !isDefault(value))
            {
                var shown = value.GetRawText();
                throw ApiException.BadRequest(
                    $"'{prefix}{name}' with the value {(shown.Length > 80 ? shown[..80] + "..." : shown)} is not supported", prefix + name, "unsupported_parameter");
            }
        }
    }

    public static bool Never(JsonElement value) => false;

    public static bool IsFalse(JsonElement value) => value.ValueKind == JsonValueKind.False;

    public static bool IsTrue(JsonElement value) => value.ValueKind == JsonValueKind.True;

    public static bool IsEmpty(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0;

    public static bool IsNumber(JsonElement value, int number) => value.ValueKind == JsonValueKind.Number && value.GetDouble() == number;

    public static bool ValueEqualsAny(this JsonElement value, params ReadOnlySpan<string> texts)
        => value.ValueKind == JsonValueKind.String && texts.Contains(value.GetString());
}
