using System.Globalization;
using System.Text.Json.Nodes;
using Hearth.Runtime;
using Hearth.Runtime.Protocol;

namespace Hearth.SemanticKernel.Backends;

/// <summary>Requests as the service reads them.</summary>
internal static class WireRequests
{
    private static readonly StreamOptions WithUsage = new() { IncludeUsage = true };

    public static ChatCompletionRequest Chat(ChatPrompt chat, GenerationOptions options, string? modelId)
    {
        var request = new ChatCompletionRequest
        {
            Messages = [.. chat.Messages.Select(ToWire)],
            Tools = chat.Tools.Count > 0 ? chat.Tools : null,
            ChatTemplateKwargs = chat.Variables.Count > 0 ? new JsonObject(chat.Variables.Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))) : null,
        };
        Fill(request, options, modelId);
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

    private static Dictionary<string, float>? Biases(GenerationOptions options) => options.LogitBias?.ToDictionary(
        pair => pair.Key.ToString(CultureInfo.InvariantCulture),
        pair => float.IsNegativeInfinity(pair.Value) ? WireNames.ForbiddingBias : pair.Value);
}
