using System.Globalization;
using System.Text.Json.Nodes;
using Hearth.Runtime;
using Hearth.Runtime.Protocol;

namespace Hearth.SemanticKernel.Backends;

/// <summary>Requests as the service reads them.</summary>
internal static class WireRequests
{
    private static readonly StreamOptions WithUsage = new() { IncludeUsage = true };

    public static ChatCompletionRequest Chat(ChatPrompt chat, GenerationOptions options, string? modelId) => new()
    {
        Model = modelId,
        Messages = [.. chat.Messages.Select(ToWire)],
        Tools = chat.Tools.Count > 0 ? chat.Tools : null,
        ChatTemplateKwargs = chat.Variables.Count > 0 ? new JsonObject(chat.Variables.Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))) : null,
        Stream = true,
        StreamOptions = WithUsage,
        Temperature = options.Temperature,
        TopP = options.TopP,
        TopK = options.TopK,
        MinP = options.MinP,
        RepetitionPenalty = options.RepetitionPenalty,
        PresencePenalty = options.PresencePenalty,
        FrequencyPenalty = options.FrequencyPenalty,
        PenaltyWindow = options.PenaltyWindow,
        Beams = options.Beams,
        LengthPenalty = options.LengthPenalty,
        LogitBias = Biases(options),
        MaxTokens = options.MaxTokens,
        Seed = options.Seed,
        Stop = Stops(options),
        IgnoreEos = options.IgnoreEndOfText ? true : null,
    };

    public static CompletionRequest Completion(string prompt, GenerationOptions options, string? modelId) => new()
    {
        Model = modelId,
        Prompt = [new PromptInput(prompt, null)],
        Stream = true,
        StreamOptions = WithUsage,
        Temperature = options.Temperature,
        TopP = options.TopP,
        TopK = options.TopK,
        MinP = options.MinP,
        RepetitionPenalty = options.RepetitionPenalty,
        PresencePenalty = options.PresencePenalty,
        FrequencyPenalty = options.FrequencyPenalty,
        PenaltyWindow = options.PenaltyWindow,
        Beams = options.Beams,
        LengthPenalty = options.LengthPenalty,
        LogitBias = Biases(options),
        MaxTokens = options.MaxTokens,
        Seed = options.Seed,
        Stop = Stops(options),
        IgnoreEos = options.IgnoreEndOfText ? true : null,
    };

    private static ChatRequestMessage ToWire(ChatMessage message) => new()
    {
        Role = message.Role,
        Content = message.Content,
        Name = message.Name,
        ToolCallId = message.ToolCallId,
        ToolCalls = message.ToolCalls.Count == 0 ? null : [.. message.ToolCalls.Select(call => new WireToolCall
        {
            Id = call.Id,
            Type = "function",
            Function = new WireFunctionCall { Name = call.Name, Arguments = call.Arguments.ToJsonString() },
        })],
    };

    private static Dictionary<string, float>? Biases(GenerationOptions options) => options.LogitBias?.ToDictionary(
        pair => pair.Key.ToString(CultureInfo.InvariantCulture),
        pair => float.IsNegativeInfinity(pair.Value) ? WireNames.ForbiddingBias : pair.Value);

    private static IReadOnlyList<string>? Stops(GenerationOptions options) => options.StopSequences.Count > 0 ? options.StopSequences : null;
}
