using System.Text.Json;

namespace Hearth.Host.Http;

/// <summary>Fields of OpenAI's API, and of vLLM's and llama-server's, that change the answer and that Hearth does not have: they are refused unless they say "not asked for".</summary>
/// <remarks>Fields that only label a request or say how it is kept or billed (user, metadata, safety_identifier, prompt_cache_key, store, service_tier), verbosity, which is advice, and unknown ones are accepted.</remarks>
internal static class UnsupportedFields
{
    private static readonly Dictionary<string, Func<JsonElement, bool>> Common = new(StringComparer.Ordinal)
    {
        ["best_of"] = value => IsNumber(value, 1),
        ["use_beam_search"] = IsFalse,
        ["echo"] = IsFalse,

        // vLLM's.
        ["guided_whitespace_pattern"] = Never,
        ["structural_tag"] = Never,
        ["guided_structural_tag"] = Never,
        ["bad_words"] = IsEmpty,
        ["allowed_token_ids"] = Never,
        ["prompt_logprobs"] = Never,
        ["include_stop_str_in_output"] = IsFalse,
        ["skip_special_tokens"] = IsTrue,
        ["spaces_between_special_tokens"] = IsTrue,
        ["return_tokens_as_token_ids"] = IsFalse,
        ["return_token_ids"] = IsFalse,
        ["truncate_prompt_tokens"] = Never,
        ["logits_processors"] = IsEmpty,
        ["early_stopping"] = IsFalse,

        // llama-server's.
        ["grammar_lazy"] = IsFalse,
        ["grammar_triggers"] = IsEmpty,
        ["n_probs"] = value => IsNumber(value, 0),
        ["typical_p"] = value => IsNumber(value, 1),
        ["xtc_probability"] = value => IsNumber(value, 0),
        ["dynatemp_range"] = value => IsNumber(value, 0),
        ["dry_multiplier"] = value => IsNumber(value, 0),
        ["mirostat"] = value => IsNumber(value, 0),
        ["top_n_sigma"] = value => value.ValueKind == JsonValueKind.Number && value.GetDouble() <= 0,
        ["samplers"] = Never,
    };

    private static readonly Dictionary<string, Func<JsonElement, bool>> Chat = new(Common, StringComparer.Ordinal)
    {
        ["functions"] = IsEmpty,
        ["function_call"] = value => value.ValueEqualsAny("none", "auto"),
        ["modalities"] = value => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueEqualsAny("text")),
        ["audio"] = Never,
        ["prediction"] = Never,
        ["web_search_options"] = Never,
    };

    private static readonly Dictionary<string, Func<JsonElement, bool>> Completion = new(Common, StringComparer.Ordinal)
    {
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

    private static bool IsTrue(JsonElement value) => value.ValueKind == JsonValueKind.True;

    private static bool IsEmpty(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() == 0;

    private static bool IsNumber(JsonElement value, int number) => value.ValueKind == JsonValueKind.Number && value.GetDouble() == number;

    private static bool ValueEqualsAny(this JsonElement value, params ReadOnlySpan<string> texts)
        => value.ValueKind == JsonValueKind.String && texts.Contains(value.GetString());
}
