using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Protocol;

namespace Hearth.Extensions.AI.Backends;

/// <summary>Requests as the service reads them.</summary>
internal static class WireRequests
{
    private static readonly StreamOptions WithUsage = new() { IncludeUsage = true };

    public static ChatCompletionRequest Chat(ChatTurnRequest turn, string? modelId)
    {
        var (chat, options) = (turn.Chat, turn.Options);
        var request = new ChatCompletionRequest
        {
            Messages = [.. chat.Messages.Select(ToWire)],
            Tools = chat.Tools.Count > 0 ? chat.Tools : null,
            ToolChoice = ToWire(turn.ToolChoice),
            ParallelToolCalls = turn.ParallelToolCalls ? null : false,
            ThinkingBudget = turn.ThinkingBudget,
            EnableThinking = turn.Thinks,
            ReasoningEffort = turn.ReasoningEffort,
            ContinueFinalMessage = turn.ContinuesFinalMessage ? true : null,
            ChatTemplateKwargs = chat.Variables.Count > 0 ? new JsonObject(chat.Variables.Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))) : null,
        };
        Fill(request, options, modelId);
        request.Logprobs = options.LogProbabilities is null ? null : true;
        request.TopLogprobs = options.LogProbabilities;
        return request;
    }

    public static CompletionRequest Completion(string prompt, GenerationOptions options, string? modelId)
    {
        var request = new CompletionRequest { Prompt = [new PromptInput(prompt, null)] };
        Fill(request, options, modelId);
        return request;
    }

    /// <exception cref="NotSupportedException">The service has no field for what the turn asks.</exception>
    public static void RefuseUnspoken(ChatTurnRequest turn)
    {
        (string Name, bool IsSet)[] unspoken =
        [
            (nameof(turn.Priority), turn.Priority != 0), (nameof(turn.Deadline), turn.Deadline is not null),
            (nameof(turn.CacheScope), turn.CacheScope is not null), (nameof(turn.Admitted), turn.Admitted is not null),
        ];
        if (Array.Find(unspoken, one => one.IsSet).Name is { } name)
            throw new NotSupportedException($"'{name}' is for models of this process; a Hearth service has no field for it");
    }

    private static void Fill(GenerationFields request, GenerationOptions options, string? modelId)
    {
        request.Model = modelId;
        request.Stream = true;
        request.StreamOptions = WithUsage;
        request.Options = options;
        request.LogitBias = Biases(options);
        request.Seed = options.Seed;
        Constrain(request, options.Constraint);
    }

    private static void Constrain(GenerationFields request, Constraint? constraint)
    {
        switch (constraint?.Kind)
        {
            case ConstraintKind.JsonSchema:
                request.JsonSchema = Parse(constraint.Source);
                break;
            case ConstraintKind.Grammar:
                request.Grammar = constraint.Source;
                break;
            case ConstraintKind.Regex:
                request.GuidedRegex = constraint.Source;
                break;
            case ConstraintKind.Choices:
                request.GuidedChoice = [.. Parse(constraint.Source).EnumerateArray().Select(choice => choice.GetString()!)];
                break;
        }
    }

    /// <summary>What the service takes for the same; null for its default.</summary>
    private static JsonElement? ToWire(ToolChoice choice)
    {
        if (choice == ToolChoice.Auto)
            return null;
        var mode = choice.Mode switch
        {
            ToolChoiceMode.None => "none",
            ToolChoiceMode.Required => "required",
            _ => "auto",
        };
        JsonNode wire = choice switch
        {
            { Mode: ToolChoiceMode.None } or { Allowed: null } => mode,
            { Mode: ToolChoiceMode.Required, Allowed: [var name] } => Named(name),
            _ => new JsonObject
            {
                ["type"] = "allowed_tools",
                ["allowed_tools"] = new JsonObject { ["mode"] = mode, ["tools"] = new JsonArray([.. choice.Allowed.Select(Named)]) },
            },
        };
        return JsonElement.Parse(wire.ToJsonString());
    }

    private static JsonObject Named(string name) => new() { ["type"] = "function", ["function"] = new JsonObject { ["name"] = name } };

    private static JsonElement Parse(string json)
    {
        try
        {
            return JsonElement.Parse(json);
        }
        catch (JsonException exception)
        {
            throw new ConstraintException($"the schema is not JSON: {exception.Message}");
        }
    }

    private static ChatRequestMessage ToWire(ChatMessage message) => new()
    {
        Role = message.Role,
        Content = message.Content,
        Name = message.Name,
        ReasoningContent = message.Reasoning,
        ToolCallId = message.ToolCallId,
        ToolCalls = message.ToolCalls.Count == 0 ? null : [.. message.ToolCalls.Select(call => new WireToolCall
        {
            Id = call.Id,
            Type = "function",
            Function = new WireFunctionCall { Name = call.Name, Arguments = call.ArgumentsText ?? call.Arguments.ToJsonString() },
        })],
    };

    private static WireBiases? Biases(GenerationOptions options)
    {
        if (options is { LogitBias: null, TextBias: null })
            return null;
        var biases = new WireBiases();
        foreach (var (id, bias) in options.LogitBias ?? new Dictionary<int, float>())
            biases.Tokens[id] = WireBiases.ToWire(bias);
        foreach (var (text, bias) in options.TextBias ?? new Dictionary<string, float>())
            biases.Texts[text] = WireBiases.ToWire(bias);
        return biases;
    }
}
