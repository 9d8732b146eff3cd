using System.Numerics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Protocol;
using Microsoft.Extensions.AI;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace Hearth.Extensions.AI;

/// <summary>A turn to be answered, and what of the answer is shown.</summary>
internal sealed record MappedTurn(ChatTurnRequest Request, bool ShowsReasoning, IReadOnlyList<string> Warnings);

/// <summary>Turns made of messages and options; what cannot be honoured is refused by its name.</summary>
internal static class TurnMapping
{
    /// <summary>Maps a request.</summary>
    /// <param name="client">Whose request it is.</param>
    /// <param name="messages">Oldest first.</param>
    /// <param name="options">Null: every default.</param>
    /// <param name="isElsewhere">Whether a service answers.</param>
    /// <exception cref="ArgumentException">There is no message, or something is no JSON that must be.</exception>
    /// <exception cref="NotSupportedException">An option or a content is of a kind that cannot be honoured.</exception>
    /// <exception cref="InvalidRequestException">A value is out of its range or given twice, or options contradict each other.</exception>
    public static MappedTurn Map(IChatClient client, IEnumerable<ChatMessage> messages, ChatOptions? options, bool isElsewhere)
    {
        var chat = MessageMapping.Map(messages, options?.Instructions);
        if (options is null)
            return new MappedTurn(new ChatTurnRequest { Chat = new ChatPrompt { Messages = chat } }, ShowsReasoning: true, []);
        RefuseUnsupported(options);
        var raw = Raw(client, options, isElsewhere);
        var request = raw with { Chat = raw.Chat with { Messages = chat }, Options = Fill(raw.Options, options) };
        var warnings = new List<string>();
        request = WithReasoning(request, options.Reasoning, warnings);
        request = AdditionalSettings.Apply(WithTools(request, options), options.AdditionalProperties, out var isStrict);
        if (isStrict is { } strict)
            request = request with { Chat = request.Chat with { Tools = [.. request.Chat.Tools.Select(tool => WithStrict(tool, strict))] } };
        if (request.Options.FindFault() is { } fault)
            throw options.MaxOutputTokens is not null && fault.Option == nameof(GenerationOptions.MaxTokens) ? new InvalidRequestException(nameof(options.MaxOutputTokens), fault.Reason) : fault;
        if (request.Options.ChoiceCount > 1)
            throw new NotSupportedException("a chat client gives one answer: 'n' (ChoiceCount) must not be more than 1");
        return new MappedTurn(request, options.Reasoning?.Output != ReasoningOutput.None, warnings);
    }

    /// <summary>A tool as templates take it.</summary>
    /// <exception cref="NotSupportedException">It is no function.</exception>
    /// <exception cref="ArgumentException">Its schema is no JSON object.</exception>
    public static JsonObject Definition(AITool tool)
    {
        // A function that wants approval is one that is wrapped; whoever invokes it asks.
        if (tool is not AIFunctionDeclaration function)
            throw Unsupported(nameof(ChatOptions.Tools), tool is null ? "one is null" : $"'{tool.Name}' is a {tool.GetType().Name}; only functions can be called");
        var definition = new JsonObject { ["name"] = function.Name };
        if (!string.IsNullOrEmpty(function.Description))
            definition["description"] = function.Description;
        if (function.JsonSchema.ValueKind == JsonValueKind.Object)
            definition["parameters"] = JsonObject.Create(function.JsonSchema)!.DeepClone();
        else if (function.JsonSchema.ValueKind is not (JsonValueKind.True or JsonValueKind.Undefined))
            throw new ArgumentException($"the schema of the tool '{function.Name}' must be a JSON object, found {function.JsonSchema.GetRawText()}");
        if (function.AdditionalProperties.TryGetValue("strict", out var strict) && strict is true)
            definition["strict"] = true;
        return new JsonObject { ["type"] = "function", ["function"] = definition };
    }

    private static void RefuseUnsupported(ChatOptions options)
    {
        if (options.ConversationId is not null)
            throw Unsupported(nameof(options.ConversationId), "Hearth keeps no conversations; send the whole history");
#pragma warning disable MEAI001 // Experimental there; a caller who sets one must hear of it all the same.
        if (options.ContinuationToken is not null)
            throw Unsupported(nameof(options.ContinuationToken), "an answer that broke off cannot be resumed");
        if (options.AllowBackgroundResponses == true)
            throw Unsupported(nameof(options.AllowBackgroundResponses), "answers end with the request that asked for them");
#pragma warning restore MEAI001
        if (options.Reasoning?.Output == ReasoningOutput.Summary)
            throw Unsupported("Reasoning.Output.Summary", "thoughts are told whole (Full) or not at all (None)");
    }

    private static ChatTurnRequest Raw(IChatClient client, ChatOptions options, bool isElsewhere)
    {
        var raw = options.RawRepresentationFactory?.Invoke(client) switch
        {
            null => new ChatTurnRequest { Chat = new ChatPrompt { Messages = [] } },
            ChatTurnRequest turn => turn,
            GenerationOptions generation => new ChatTurnRequest { Chat = new ChatPrompt { Messages = [] }, Options = generation },
            var other => throw Unsupported(nameof(options.RawRepresentationFactory), $"it must make a {nameof(ChatTurnRequest)} or {nameof(GenerationOptions)}, made a {other.GetType().Name}"),
        };
        if (raw.Chat.Messages.Count > 0)
            throw Unsupported(nameof(options.RawRepresentationFactory), "the messages are those of the call; its chat must have none");
        var local = raw.Priority != 0 ? nameof(raw.Priority) : raw.Deadline is not null ? nameof(raw.Deadline)
            : raw.CacheScope is not null ? nameof(raw.CacheScope) : raw.Admitted is not null ? nameof(raw.Admitted) : null;
        return isElsewhere && local is not null ? throw Unsupported(local, "it has a meaning in this process only") : raw;
    }

    private static GenerationOptions Fill(GenerationOptions raw, ChatOptions options)
    {
        var filled = raw;
        Set(GenerationOptions.TemperatureOption, options.Temperature);
        Set(GenerationOptions.MaxTokensOption, options.MaxOutputTokens);
        Set(GenerationOptions.TopPOption, options.TopP);
        Set(GenerationOptions.TopKOption, options.TopK);
        Set(GenerationOptions.FrequencyPenaltyOption, options.FrequencyPenalty);
        Set(GenerationOptions.PresencePenaltyOption, options.PresencePenalty);
        if (options.Seed is { } seed && seed.ToString(System.Globalization.CultureInfo.InvariantCulture) != SeedText.Fresh)
            Set(GenerationOptions.SeedOption, unchecked((ulong)seed));
        if (filled.StopSequences.Count == 0 && options.StopSequences is { Count: > 0 } stops)
            filled = filled with { StopSequences = [.. stops] };
        return filled.Constraint is null ? filled with { Constraint = Constrain(options.ResponseFormat) } : filled;

        void Set<T>(NumberOption<T> option, T? value)
            where T : struct, INumber<T>, IMinMaxValue<T>
        {
            if (value is not null && option.Get(filled) is null)
                filled = option.With(filled, value);
        }
    }

    private static Constraint? Constrain(ChatResponseFormat? format) => format switch
    {
        null or ChatResponseFormatText => null,
        ChatResponseFormatJson { Schema: { } schema } => Constraint.JsonSchema(schema.GetRawText()),
        ChatResponseFormatJson => Constraint.JsonObject,
        _ => throw Unsupported(nameof(ChatOptions.ResponseFormat), $"it must be text or JSON, found a {format.GetType().Name}"),
    };

    private static ChatTurnRequest WithReasoning(ChatTurnRequest request, ReasoningOptions? reasoning, List<string> warnings)
    {
        if (reasoning?.Effort is not { } effort)
            return request;
        if (effort == ReasoningEffort.ExtraHigh)
            warnings.Add("Reasoning.Effort: ExtraHigh is asked for as \"high\", the most that models' templates know");
        return effort == ReasoningEffort.None ? request with { Thinks = request.Thinks ?? false } : request with
        {
            Thinks = request.Thinks ?? true,
            ReasoningEffort = request.ReasoningEffort ?? effort switch
            {
                ReasoningEffort.Low => "low",
                ReasoningEffort.Medium => "medium",
                ReasoningEffort.High or ReasoningEffort.ExtraHigh => "high",
                _ => throw Unsupported("Reasoning.Effort", $"{effort} is not known"),
            },
        };
    }

    private static ChatTurnRequest WithTools(ChatTurnRequest request, ChatOptions options)
    {
        JsonObject[] tools = [.. request.Chat.Tools, .. (options.Tools ?? []).Select(Definition)];
        return request with
        {
            Chat = request.Chat with { Tools = tools },
            ToolChoice = request.ToolChoice == ToolChoice.Auto ? Choice(options.ToolMode, tools.Length > 0) : request.ToolChoice,
            ParallelToolCalls = request.ParallelToolCalls && options.AllowMultipleToolCalls != false,
        };
    }

    private static ToolChoice Choice(ChatToolMode? mode, bool hasTools) => mode switch
    {
        null or AutoChatToolMode => ToolChoice.Auto,
        NoneChatToolMode => ToolChoice.None,
        RequiredChatToolMode when !hasTools => throw new InvalidRequestException(nameof(ChatOptions.ToolMode), "requires a call, but there are no tools"),
        RequiredChatToolMode { RequiredFunctionName: { } name } => ToolChoice.Named(name),
        RequiredChatToolMode => ToolChoice.Required,
        _ => throw Unsupported(nameof(ChatOptions.ToolMode), $"a {mode.GetType().Name} is not known"),
    };

    private static JsonObject WithStrict(JsonObject tool, bool strict)
    {
        if (tool["function"] is not JsonObject function || function.ContainsKey("strict"))
            return tool;
        var copy = (JsonObject)tool.DeepClone();
        copy["function"]!["strict"] = strict;
        return copy;
    }

    private static NotSupportedException Unsupported(string name, string reason) => new($"{name} is not supported so: {reason}");
}
