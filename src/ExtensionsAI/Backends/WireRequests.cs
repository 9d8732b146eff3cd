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
