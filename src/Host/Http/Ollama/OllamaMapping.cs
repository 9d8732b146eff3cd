using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Hearth.Runtime.Constraints;
using static Hearth.Host.Http.FieldRules;

namespace Hearth.Host.Http;

/// <summary>Ollama's requests as the runtime takes them.</summary>
internal static class OllamaMapping
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789");
    private static readonly SearchValues<char> Numbers = SearchValues.Create("0123456789.");

    /// <summary>Fields that change the answer and are not done; see docs/protocols.md.</summary>
    internal static readonly Dictionary<string, Func<JsonElement, bool>> Refused = new(StringComparer.Ordinal)
    {
        ["images"] = IsEmpty,
        ["context"] = IsEmpty,
        ["template"] = value => value.ValueEqualsAny(""),
        ["width"] = value => IsNumber(value, 0),
        ["height"] = value => IsNumber(value, 0),
        ["steps"] = value => IsNumber(value, 0),
    };

    /// <inheritdoc cref="Refused"/>
    internal static readonly Dictionary<string, Func<JsonElement, bool>> RefusedOptions = new(StringComparer.Ordinal)
    {
        ["typical_p"] = value => IsNumber(value, 1),
        ["tfs_z"] = value => IsNumber(value, 1),
        ["mirostat"] = value => IsNumber(value, 0),
        ["penalize_newline"] = IsTrue,
    };

    public static ChatTurnRequest ToTurn(OllamaChatRequest request, ModelInformation model, HttpContext context)
    {
        Refuse(request.Others, Refused);
        var messages = new List<ChatMessage>();
        var calls = new Queue<ToolCall>();
        for (var i = 0; i < request.Messages!.Count; i++)
        {
            messages.Add(ToMessage(request.Messages[i], i, calls));
        }

        return Turn(request, new ChatPrompt { Messages = messages, Tools = request.Tools ?? [] }, model, context) with
        {
            ContinuesFinalMessage = messages is [.., { Role: "assistant", ToolCalls.Count: 0, Content.Length: > 0 }],
        };
    }

    public static ChatTurnRequest ToTurn(OllamaGenerateRequest request, ModelInformation model, HttpContext context)
    {
        Refuse(request.Others, Refused);
        List<ChatMessage> messages = [new ChatMessage("user", request.Prompt ?? "")];
        if (!string.IsNullOrEmpty(request.System))
        {
            messages.Insert(0, new ChatMessage("system", request.System));
        }

        return Turn(request, new ChatPrompt { Messages = messages }, model, context);
    }

    /// <summary>What the options come to.</summary>
    /// <exception cref="InvalidRequestException">A value is out of its range.</exception>
    public static GenerationOptions ToOptions(OllamaTextRequest request, ModelInformation model, HttpContext context)
    {
        var options = request.Options ?? new OllamaOptions();
        Refuse(options.Others, RefusedOptions, "options.");
        NoteNames(SentFields.Of(context));
        var limit = options.NumPredict is -1 or -2 ? null : options.NumPredict;
        if (request.TopLogprobs is < 0 or > 20)
        {
            throw ApiException.BadRequest($"'top_logprobs' must be between 0 and 20, found {request.TopLogprobs}", "top_logprobs");
        }

        var mapped = new GenerationOptions
        {
            MaxTokens = limit,
            Temperature = options.Temperature,
            TopK = options.TopK,
            TopP = options.TopP,
            MinP = options.MinP,
            Seed = RequestMapping.ToSeed(options.Seed),
            StopSequences = [.. (options.Stop ?? []).Where(stop => stop.Length > 0)],
            RepetitionPenalty = options.RepeatPenalty,
            PenaltyWindow = options.RepeatLastN,
            PresencePenalty = options.PresencePenalty,
            FrequencyPenalty = options.FrequencyPenalty,
            LogProbabilities = request.Logprobs == true || request.TopLogprobs > 0 ? request.TopLogprobs ?? 0 : null,
            OnFull = options.OnFull ?? request.Shift switch { true => FullContext.Shift, false => FullContext.Stop, null => null },
            KeptTokens = options.NumKeep,
            Constraint = ToConstraint(request.Format),
        };
        return mapped.FindFault(model.VocabularySize) is { } fault ? throw fault : mapped;
    }

    /// <summary>How long a model shall stay loaded; null: as it is.</summary>
    /// <remarks>Seconds as a number, or numbers with the units h, m, s and ms in a text; negative: for good.</remarks>
    public static TimeSpan? ToKeepAlive(JsonElement? value)
    {
        const string Field = "keep_alive";
        switch (value)
        {
            case null or { ValueKind: JsonValueKind.Null }:
                return null;
            case { ValueKind: JsonValueKind.Number } number when number.TryGetDouble(out var seconds):
                return Time(seconds);
            case { ValueKind: JsonValueKind.String } text when Seconds(text.GetString()!) is { } seconds:
                return Time(seconds);
            default:
                throw ApiException.BadRequest($"'{Field}' must be a number of seconds or a text such as \"5m\", found {value.Value.GetRawText()}", Field);
        }

        static TimeSpan Time(double seconds) => seconds < 0 || seconds > TimeSpan.MaxValue.TotalSeconds / 2 ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(seconds);
    }

    private static double? Seconds(string text)
    {
        var sign = text.StartsWith('-') ? -1 : 1;
        var rest = text.AsSpan(sign < 0 ? 1 : 0);
        if (double.TryParse(rest, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var bare))
        {
            return sign * bare;
        }

        double? total = null;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept(Numbers);
            if (digits <= 0 || !double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                return null;
            }

            rest = rest[digits..];
            var letters = rest.IndexOfAny(Digits);
            var unit = letters < 0 ? rest : rest[..letters];
            double? seconds = unit switch { "h" => 3600, "m" => 60, "s" => 1, "ms" => 0.001, _ => null };
            if (seconds is null)
            {
                return null;
            }

            total = (total ?? 0) + (number * seconds);
            rest = rest[unit.Length..];
        }

        return sign * total;
    }

    private static ChatTurnRequest Turn(OllamaTextRequest request, ChatPrompt chat, ModelInformation model, HttpContext context)
    {
        var (thinks, effort) = ToThinking(request.Think);
        return new ChatTurnRequest { Chat = chat, Options = ToOptions(request, model, context), Thinks = thinks, ReasoningEffort = effort };
    }

    private static (bool? Thinks, string? Effort) ToThinking(JsonElement? think) => think switch
    {
        null or { ValueKind: JsonValueKind.Null } => (null, null),
        { ValueKind: JsonValueKind.True } => (true, null),
        { ValueKind: JsonValueKind.False } => (false, null),
        { ValueKind: JsonValueKind.String } word when word.ValueEqualsAny("low", "medium", "high") => (true, word.GetString()),
        _ => throw ApiException.BadRequest("'think' must be true, false, \"low\", \"medium\" or \"high\"", "think"),
    };

    private static Constraint? ToConstraint(JsonElement? format) => format switch
    {
        null or { ValueKind: JsonValueKind.Null } => null,
        { ValueKind: JsonValueKind.String } word when word.ValueEqualsAny("") => null,
        { ValueKind: JsonValueKind.String } word when word.ValueEqualsAny("json") => Constraint.JsonObject,
        { ValueKind: JsonValueKind.Object } schema => Constraint.JsonSchema(schema.GetRawText()),
        _ => throw ApiException.BadRequest("'format' must be \"json\" or a JSON schema", "format"),
    };

    // Calls have no names here: a result is of the oldest call that has none, or of the oldest of its tool.
    private static ChatMessage ToMessage(OllamaMessage? message, int index, Queue<ToolCall> calls)
    {
        var param = string.Create(CultureInfo.InvariantCulture, $"messages[{index}]");
        if (message is null || string.IsNullOrEmpty(message.Role))
        {
            throw ApiException.BadRequest($"'{param}.role' is missing", param + ".role");
        }

        if (message.Images is { Count: > 0 })
        {
            throw ApiException.BadRequest($"'{param}.images' is not supported: this model reads text", param + ".images", "unsupported_parameter");
        }

        var made = (message.ToolCalls ?? []).Select((call, i) => RequestMapping.ToCall(call, string.Create(CultureInfo.InvariantCulture, $"{param}.tool_calls[{i}]")))
            .Select((call, i) => call.Id.Length > 0 ? call : call with { Id = string.Create(CultureInfo.InvariantCulture, $"call{index:000}{i:00}") }).ToList();
        made.ForEach(calls.Enqueue);
        var answered = message.Role == "tool" && message.ToolCallId is null && calls.Count > 0 ? calls.Dequeue() : null;
        return new ChatMessage(message.Role, message.Content ?? "")
        {
            Reasoning = string.IsNullOrEmpty(message.Thinking) ? null : message.Thinking,
            ToolCalls = made,
            Name = message.ToolName,
            ToolCallId = message.ToolCallId ?? answered?.Id,
        };
    }

    private static void NoteNames(SentFields sent)
    {
        sent.Note(nameof(GenerationOptions.Constraint), "format");
        sent.Note(nameof(GenerationOptions.MaxTokens), "options.num_predict");
        sent.Note(nameof(GenerationOptions.KeptTokens), "options.num_keep");
        sent.Note(nameof(GenerationOptions.OnFull), "options.on_full");
        sent.Note(nameof(GenerationOptions.RepetitionPenalty), "options.repeat_penalty");
        sent.Note(nameof(GenerationOptions.PenaltyWindow), "options.repeat_last_n");
        foreach (var name in new[] { nameof(GenerationOptions.Temperature), nameof(GenerationOptions.TopK), nameof(GenerationOptions.TopP), nameof(GenerationOptions.MinP), nameof(GenerationOptions.PresencePenalty), nameof(GenerationOptions.FrequencyPenalty) })
        {
            sent.Note(name, "options." + GenerationOption.WireNameOf(name));
        }
    }
}
