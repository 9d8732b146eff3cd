using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Hearth.Runtime.Protocol;
using Microsoft.SemanticKernel;

namespace Hearth.SemanticKernel;

/// <summary>Turns settings made for any connector into Hearth's, and refuses what would otherwise be ignored.</summary>
internal static class SettingsConversion
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNameCaseInsensitive = true,
        NumberHandling = JsonNumberHandling.AllowReadingFromString,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { WithoutBehavior } },
    };

    /// <summary>Other connectors' names of what Hearth has too.</summary>
    private static readonly (string Theirs, string Ours)[] Aliases =
    [
        ("max_completion_tokens", "max_tokens"),
        ("stop", "stop_sequences"),
        ("token_selection_biases", "logit_bias"),
        ("results_per_prompt", "n"),
        ("guided_regex", "regex"),
        ("guided_choice", "choices"),
        ("guided_grammar", "grammar"),
        ("guided_json", "response_format"),
        ("json_schema", "response_format"),
        ("repeat_penalty", "repetition_penalty"),
        ("repeat_last_n", "penalty_window"),
        ("n_predict", "max_tokens"),
        ("num_predict", "max_tokens"),
    ];

    /// <summary>Settings that change the answer and that Hearth does not have, with the values that mean "not asked for".</summary>
    private static readonly Dictionary<string, string[]> Unsupported = new(StringComparer.OrdinalIgnoreCase)
    {
        ["tool_call_behavior"] = [],
        ["ToolCallBehavior"] = [],
        ["tools"] = [],
        ["tool_choice"] = ["\"none\""],
        ["functions"] = [],
        ["structured_outputs"] = [],
        ["use_beam_search"] = ["false"],
        ["chat_system_prompt"] = [],
        ["chat_developer_prompt"] = [],
        ["modalities"] = ["[\"text\"]"],
        ["audio"] = [],
        ["web_search_options"] = [],
    };

    private const string Behavior = "function_choice_behavior";

    public static HearthPromptExecutionSettings Convert(PromptExecutionSettings? settings)
    {
        if (settings is null)
        {
            return new HearthPromptExecutionSettings();
        }

        var converted = settings as HearthPromptExecutionSettings ?? Read(settings);
        RefuseUnsupported(converted);
        return converted;
    }

    private static HearthPromptExecutionSettings Read(PromptExecutionSettings settings)
    {
        try
        {
            var json = JsonSerializer.SerializeToNode(settings, settings.GetType(), Options)!.AsObject();
            foreach (var (theirs, ours) in Aliases)
            {
                if (json.Remove(theirs, out var value) && value is not null && !json.ContainsKey(ours))
                {
                    json[ours] = value;
                }
            }

            // OpenAI asks in two settings what is one here.
            if (json.Remove("logprobs", out var tells) && tells is not null)
            {
                if (tells.GetValueKind() == JsonValueKind.True)
                    json["top_logprobs"] ??= 0;
                else if (json["top_logprobs"] is { } count && count.ToString() == "0")
                    json.Remove("top_logprobs");
            }

            // A behavior may hold functions that no JSON does.
            json.Remove(Behavior);
            var converted = json.Deserialize<HearthPromptExecutionSettings>(Options)!;
            converted.FunctionChoiceBehavior = settings.FunctionChoiceBehavior;
            return converted;
        }
        catch (JsonException exception)
        {
            throw new ArgumentException(
                $"the execution settings hold a value of the wrong type at {exception.Path}: {exception.Message}", nameof(settings), exception);
        }
    }

    // One of a kind of its own has no JSON at all.
    private static void WithoutBehavior(JsonTypeInfo type)
    {
        if (typeof(PromptExecutionSettings).IsAssignableFrom(type.Type) && type.Properties.FirstOrDefault(property => property.Name == Behavior) is { } behavior)
            behavior.ShouldSerialize = static (_, _) => false;
    }

    private static void RefuseUnsupported(HearthPromptExecutionSettings settings)
    {
        foreach (var (name, value) in settings.ExtensionData ?? new Dictionary<string, object>())
        {
            if (Unsupported.TryGetValue(name, out var defaults)
                && JsonSerializer.Serialize(value, Options) is var json && json != "null" && !defaults.Contains(json))
            {
                throw new NotSupportedException($"the setting '{name}' is not supported by the Hearth connector");
            }
        }
    }
}

/// <summary>Seeds with and without sign; -1 asks for a fresh one, as does null.</summary>
internal sealed class SeedConverter : JsonConverter<ulong?>
{
    public override ulong? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var text = reader.TokenType switch
        {
            JsonTokenType.Null => SeedText.Fresh,
            JsonTokenType.Number => Encoding.ASCII.GetString(reader.HasValueSequence ? reader.ValueSequence.ToArray() : reader.ValueSpan),
            JsonTokenType.String => reader.GetString(),
            _ => null,
        };
        return text == SeedText.Fresh ? null : SeedText.TryParse(text, out var seed) ? seed : throw new JsonException("must be an integer of 64 bits");
    }

    public override void Write(Utf8JsonWriter writer, ulong? value, JsonSerializerOptions options)
    {
        if (value is { } seed)
        {
            writer.WriteNumberValue(seed);
        }
        else
        {
            writer.WriteNullValue();
        }
    }
}
