using System.Text.Json;

namespace Hearth.Host.Http;

/// <summary>Fields of OpenAI's API that change the answer and that Hearth does not have: they are refused unless they say "not asked for".</summary>
/// <remarks>Fields that only label a request (user, metadata, safety_identifier, prompt_cache_key) and unknown ones are accepted.</remarks>
internal static class UnsupportedFields
{
    private static readonly Dictionary<string, Func<JsonElement, bool>> Common = new(StringComparer.Ordinal)
    {
        ["n"] = value => IsNumber(value, 1),
        ["use_beam_search"] = IsFalse,
        ["service_tier"] = value => value.ValueEqualsAny("auto", "default"),
        ["response_format"] = value => value.ValueKind == JsonValueKind.Object && value.TryGetProperty("type", out var type) && type.ValueEqualsAny("text"),
    };

    private static readonly Dictionary<string, Func<JsonElement, bool>> Chat = new(Common, StringComparer.Ordinal)
    {
        ["logprobs"] = IsFalse,
        ["top_logprobs"] = value => IsNumber(value, 0),
        ["tool_choice"] = value => value.ValueEqualsAny("auto", "none"),
        ["parallel_tool_calls"] = value => value.ValueKind == JsonValueKind.True,
        ["functions"] = Never,
        ["function_call"] = value => value.ValueEqualsAny("none"),
        ["modalities"] = value => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueEqualsAny("text")),
        ["audio"] = Never,
        ["prediction"] = Never,
        ["verbosity"] = Never,
        ["web_search_options"] = Never,
        ["store"] = IsFalse,
    };

    private static readonly Dictionary<string, Func<JsonElement, bool>> Completion = new(Common, StringComparer.Ordinal)
    {
        ["best_of"] = value => IsNumber(value, 1),
        ["echo"] = IsFalse,
        ["logprobs"] = Never,
        ["suffix"] = value => value.ValueEqualsAny(""),
    };

    private static readonly Dictionary<string, Func<JsonElement, bool>> Message = new(StringComparer.Ordinal)
    {
        ["audio"] = Never,
        ["function_call"] = Never,
    };

    public static void RefuseInChat(Dictionary<string, JsonElement>? fields) => Refuse(fields, Chat, "");

    public static void RefuseInCompletion(Dictionary<string, JsonElement>? fields) => Refuse(fields, Completion, "");

    public static void RefuseInMessage(Dictionary<string, JsonElement>? fields, string message) => Refuse(fields, Message, message + ".");

    private static void Refuse(Dictionary<string, JsonElement>? fields, Dictionary<string, Func<JsonElement, bool>> known, string prefix)
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

    private static bool Never(JsonElement value) => false;

    private static bool IsFalse(JsonElement value) => value.ValueKind == JsonValueKind.False;

    private static bool IsNumber(JsonElement value, int number) => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var found) && found == number;

    private static bool ValueEqualsAny(this JsonElement value, params ReadOnlySpan<string> texts)
        => value.ValueKind == JsonValueKind.String && texts.Contains(value.GetString());
}
