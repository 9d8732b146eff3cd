using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Protocol;
using Microsoft.Extensions.AI;

namespace Hearth.Extensions.AI;

/// <summary>Options that <see cref="ChatOptions"/> has no member for, by their names over HTTP.</summary>
internal static class AdditionalSettings
{
    /// <summary>Names that others have for what Hearth has too.</summary>
    private static readonly Dictionary<string, string> s_aliases = new(StringComparer.Ordinal)
    {
        ["max_completion_tokens"] = "max_tokens",
        ["repeat_penalty"] = "repetition_penalty",
        ["stop_sequences"] = "stop",
        ["guided_grammar"] = "grammar",
        ["guided_regex"] = "regex",
        ["guided_choice"] = "choices",
        ["top_logprobs"] = "logprobs",
    };

    /// <summary>Applies them to a request; null values ask for nothing.</summary>
    /// <param name="request">What the other members of the options ask for.</param>
    /// <param name="properties">The settings.</param>
    /// <param name="isStrict">Whether schemas of tools must be enforced whole; null: nothing was said.</param>
    /// <exception cref="NotSupportedException">A name is unknown.</exception>
    /// <exception cref="InvalidRequestException">A value has the wrong type, or is given twice.</exception>
    public static ChatTurnRequest Apply(ChatTurnRequest request, AdditionalPropertiesDictionary? properties, out bool? isStrict)
    {
        isStrict = null;
        foreach (var (name, value) in properties ?? [])
        {
            var element = value is null ? default : Element(name, value);
            if (element.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null)
                continue;
            if (name == "strict")
                isStrict = Flag(name, element);
            else if (name == "logprobs" && element.ValueKind is JsonValueKind.True or JsonValueKind.False)
                request = AskScores(request, element.GetBoolean());
            else
                request = Apply(request, name, s_aliases.GetValueOrDefault(name, name), element);
        }

        return request;
    }

    private static ChatTurnRequest Apply(ChatTurnRequest request, string name, string known, JsonElement value)
    {
        var option = GenerationOptions.Table.FirstOrDefault(option => option.WireName == known && option is NumberOption<int> or NumberOption<float> or NumberOption<ulong>);
        var options = request.Options;
        return option?.WireName == known ? request with
        {
            Options = option switch
            {
                NumberOption<ulong> seed => Seed(options, seed, name, value),
                NumberOption<int> number => Set(options, number, name, value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var whole) ? whole : throw Wrong(name, "an integer", value)),
                NumberOption<float> number => Set(options, number, name, value.ValueKind == JsonValueKind.Number && value.TryGetSingle(out var single) ? single : throw Wrong(name, "a number", value)),
                _ => throw new InvalidOperationException(known),
            },
        }
        : known switch
        {
            "stop" => request with { Options = Once(name, options.StopSequences.Count > 0, options with { StopSequences = Texts(name, value) }) },
            "stop_token_ids" => request with { Options = Once(name, options.StopTokenIds.Count > 0, options with { StopTokenIds = Ids(name, value) }) },
            "logit_bias" => request with { Options = Once(name, options is not { LogitBias: null, TextBias: null }, Biased(options, name, value)) },
            "on_full" => request with { Options = Once(name, options.OnFull is not null, Named(options, name, value)) },
            "ignore_eos" => request with { Options = options with { IgnoreEndOfText = Flag(name, value) } },
            "grammar" => Constrained(request, name, Constraint.Grammar(Text(name, value))),
            "regex" => Constrained(request, name, Constraint.Regex(Text(name, value))),
            "choices" => Constrained(request, name, Texts(name, value) is { Length: > 0 } texts ? Constraint.Choices(texts) : throw new InvalidRequestException(name, "must hold at least one text")),
            "thinking_budget" => Once(name, request.ThinkingBudget is not null, request with { ThinkingBudget = value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var tokens) ? tokens : throw Wrong(name, "an integer", value) }),
            "enable_thinking" => Once(name, request.Thinks is not null, request with { Thinks = Flag(name, value) }),
            "reasoning_effort" => Once(name, request.ReasoningEffort is not null, request with { ReasoningEffort = Text(name, value) }),
            "parallel_tool_calls" => request with { ParallelToolCalls = request.ParallelToolCalls && Flag(name, value) },
            "continue_final_message" => request with { ContinuesFinalMessage = Flag(name, value) },
            "chat_template_kwargs" => request with { Chat = request.Chat with { Variables = Variables(request.Chat.Variables, name, value) } },
            "response_format" or "json_schema" or "guided_json" => throw Unknown(name, "use ChatOptions.ResponseFormat"),
            "tools" or "tool_choice" or "functions" or "function_call" => throw Unknown(name, "use ChatOptions.Tools and ToolMode"),
            _ => throw Unknown(name, "Hearth knows no such option"),
        };
    }

    private static GenerationOptions Seed(GenerationOptions options, NumberOption<ulong> option, string name, JsonElement value)
    {
        var text = value.ValueKind switch
        {
            JsonValueKind.Number => value.GetRawText(),
            JsonValueKind.String => value.GetString(),
            _ => null,
        };
        return text == SeedText.Fresh ? options : SeedText.TryParse(text, out var seed) ? Set(options, option, name, seed) : throw Wrong(name, "an integer of 64 bits", value);
    }

    private static GenerationOptions Set<T>(GenerationOptions options, NumberOption<T> option, string name, T value)
        where T : struct, INumber<T>, IMinMaxValue<T>
        => Once(name, option.Get(options) is not null && option != (object)GenerationOptions.LogProbabilitiesOption, option.With(options, value));

    private static GenerationOptions Named(GenerationOptions options, string name, JsonElement value)
    {
        var text = Text(name, value);
        return GenerationOptions.OnFullOption.Names.Contains(text) ? GenerationOptions.OnFullOption.With(options, text)
            : throw new InvalidRequestException(name, GenerationOptions.OnFullOption.FaultOf(text));
    }

    // OpenAI asks in two settings, in whatever order, what is one here.
    private static ChatTurnRequest AskScores(ChatTurnRequest request, bool asks)
        => asks ? request with { Options = request.Options with { LogProbabilities = request.Options.LogProbabilities ?? 0 } } : request;

    private static ChatTurnRequest Constrained(ChatTurnRequest request, string name, Constraint constraint)
        => request.Options.Constraint is null ? request with { Options = request.Options with { Constraint = constraint } }
            : throw new InvalidRequestException(name, "and another response format ask for different things; set one of them");

    private static GenerationOptions Biased(GenerationOptions options, string name, JsonElement value)
    {
        try
        {
            var biases = value.Deserialize<WireBiases>()!;
            return biases.FindFault() is { } fault ? throw new InvalidRequestException(name, fault) : options with
            {
                LogitBias = biases.Tokens.Count == 0 ? null : biases.Tokens.ToDictionary(pair => pair.Key, pair => WireBiases.ToRuntime(pair.Value)),
                TextBias = biases.Texts.Count == 0 ? null : biases.Texts.ToDictionary(pair => pair.Key, pair => WireBiases.ToRuntime(pair.Value)),
            };
        }
        catch (Exception exception) when (exception is ProtocolException or JsonException or FormatException)
        {
            throw new InvalidRequestException(name, exception.Message, exception);
        }
    }

    private static Dictionary<string, JsonNode?> Variables(IReadOnlyDictionary<string, JsonNode?> variables, string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw Wrong(name, "an object", value);
        var all = new Dictionary<string, JsonNode?>(variables);
        foreach (var (key, variable) in JsonObject.Create(value)!)
            all[key] = variable?.DeepClone();
        return all;
    }

    private static string[] Texts(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => [value.GetString()!],
        JsonValueKind.Array => [.. value.EnumerateArray().Select(item => Text(name, item))],
        _ => throw Wrong(name, "a text or a list of texts", value),
    };

    private static int[] Ids(string name, JsonElement value)
        => value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out var id) ? id : throw Wrong(name, "a list of integers", value))]
            : throw Wrong(name, "a list of integers", value);

    private static string Text(string name, JsonElement value) => value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(name, "a text", value);

    private static bool Flag(string name, JsonElement value) => value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(name, "true or false", value);

    private static T Once<T>(string name, bool isSet, T then) => isSet ? throw new InvalidRequestException(name, "is given twice: by another option too") : then;

    private static JsonElement Element(string name, object value)
    {
        try
        {
            return value as JsonElement? ?? JsonSerializer.SerializeToElement(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType()));
        }
        catch (Exception exception) when (exception is NotSupportedException or JsonException or InvalidOperationException or ArgumentException)
        {
            throw new InvalidRequestException(name, $"cannot be written as JSON: {exception.Message}", exception);
        }
    }

    private static InvalidRequestException Wrong(string name, string expected, JsonElement found)
    {
        var text = found.GetRawText();
        return new InvalidRequestException(name, $"must be {expected}, found {(text.Length > 80 ? text[..80] + "..." : text)}");
    }

    private static NotSupportedException Unknown(string name, string reason) => new($"the additional property '{name}' is not supported: {reason}");
}
