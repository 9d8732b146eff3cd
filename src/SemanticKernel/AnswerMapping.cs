using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel;

/// <summary>A model's answers as Semantic Kernel's messages.</summary>
internal static class AnswerMapping
{
    /// <summary>A whole answer: thoughts, text and calls, in this order.</summary>
    public static ChatMessageContent ToMessage(CollectedText answer, FunctionOffer offer)
    {
        var (result, modelId, metadata) = (answer.Result, answer.Response.ModelId, answer.Metadata);
        var items = new ChatMessageContentItemCollection();
        if (answer.Reasoning.Length > 0)
            items.Add(new ReasoningContent(answer.Reasoning));
        if (result.Text.Length > 0 || answer.Calls.Count == 0)
            items.Add(new TextContent(result.Text, modelId, result, metadata: metadata));
        foreach (var call in answer.Calls)
            items.Add(ToContent(call, offer));
        return new ChatMessageContent(AuthorRole.Assistant, items, modelId, result, metadata: metadata);
    }

    private static FunctionCallContent ToContent(CollectedCall call, FunctionOffer offer)
    {
        var (plugin, function) = offer.Parts(call.Name);
        var text = call.Arguments.ToString();
        var written = Parse(text);

        // The call as it was written goes with it, so that a later prompt has it as the model wrote it.
        return new FunctionCallContent(function, plugin, call.Id, written is null ? null : ToArguments(written, offer.Options.RetainArgumentTypes))
        {
            InnerContent = new ToolCall(call.Id, call.Name, written ?? []) { ArgumentsText = written is null ? text : null },
            Exception = written is null ? new KernelException("the arguments of the call are not complete") : null,
        };
    }

    private static JsonObject? Parse(string text)
    {
        try
        {
            return text.Length == 0 ? null : JsonNode.Parse(text) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static KernelArguments ToArguments(JsonObject written, bool retainsTypes)
    {
        var arguments = new KernelArguments();
        foreach (var (name, value) in written)
        {
            arguments[name] = value is null ? null
                : value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>()
                : retainsTypes ? JsonElement.Parse(value.ToJsonString()) : value.ToJsonString();
        }

        return arguments;
    }
}
