using System.Text.Json;
using static Hearth.Host.Http.FieldRules;

namespace Hearth.Host.Http;

/// <summary>Fields of OpenAI's API, and of vLLM's and llama-server's, that change the answer and that Hearth does not have: they are refused unless they say "not asked for".</summary>
/// <remarks>Fields that only label a request or say how it is kept or billed (user, metadata, safety_identifier, prompt_cache_key, store, service_tier), verbosity, which is advice, and unknown ones are accepted.</remarks>
internal static class UnsupportedFields
{
    internal static readonly Dictionary<string, Func<JsonElement, bool>> Common = new(StringComparer.Ordinal)
    {
        ["use_beam_search"] = IsFalse,

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
        ["best_of"] = value => IsNumber(value, 1),
        ["echo"] = IsFalse,
        ["functions"] = IsEmpty,
        ["function_call"] = value => value.ValueEqualsAny("none", "auto"),
        ["modalities"] = value => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueEqualsAny("text")),
        ["audio"] = Never,
        ["prediction"] = Never,
        ["web_search_options"] = Never,
    };


    private static readonly Dictionary<string, Func<JsonElement, bool>> Message = new(StringComparer.Ordinal)
    {
        ["audio"] = Never,
        ["function_call"] = Never,
    };

    public static void RefuseInChat(Dictionary<string, JsonElement>? fields) => FieldRules.Refuse(fields, Chat);

    public static void RefuseInCompletion(Dictionary<string, JsonElement>? fields) => FieldRules.Refuse(fields, Common);

    public static void RefuseInMessage(Dictionary<string, JsonElement>? fields, string message) => FieldRules.Refuse(fields, Message, message + ".");
}
