using System.Diagnostics;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime;
using Hearth.Runtime.Protocol;

namespace Hearth.SemanticKernel;

/// <summary>What was said, as attributes of a span: messages of parts, as the conventions write them.</summary>
internal static class MessageContents
{
    private static readonly JsonSerializerOptions s_options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The messages and tools of a request.</summary>
    public static void TellInput(Activity activity, ChatTurnRequest? chat, string? prompt)
    {
        var messages = new JsonArray();
        foreach (var message in chat?.Chat.Messages ?? [])
        {
            var parts = new JsonArray();
            if (message.Reasoning is { Length: > 0 } reasoning)
                parts.Add(Part("reasoning", "content", reasoning));
            if (message.Role == "tool")
                parts.Add(new JsonObject { ["type"] = "tool_call_response", ["id"] = message.ToolCallId, ["response"] = message.Content });
            else if (message.Content is { Length: > 0 } text)
                parts.Add(Part("text", "content", text));
            foreach (var call in message.ToolCalls)
                parts.Add(Call(call.Id, call.Name, call.ArgumentsText is null ? call.Arguments.DeepClone() : call.ArgumentsText));
            messages.Add(new JsonObject { ["role"] = message.Role, ["parts"] = parts });
        }

        if (prompt is not null)
            messages.Add(new JsonObject { ["role"] = "user", ["parts"] = new JsonArray(Part("text", "content", prompt)) });
        activity.SetTag("gen_ai.input.messages", messages.ToJsonString(s_options));
        if (chat is { Chat.Tools.Count: > 0 })
            activity.SetTag("gen_ai.tool.definitions", new JsonArray([.. chat.Chat.Tools.Select(tool => tool.DeepClone())]).ToJsonString(s_options));
    }

    /// <summary>The answers of a request.</summary>
    public static void TellOutput(Activity activity, IEnumerable<CollectedText> answers)
    {
        var messages = new JsonArray();
        foreach (var answer in answers.Where(answer => answer.IsComplete))
        {
            var parts = new JsonArray();
            if (answer.Reasoning is { Length: > 0 } reasoning)
                parts.Add(Part("reasoning", "content", reasoning));
            if (answer.Result.Text is { Length: > 0 } text)
                parts.Add(Part("text", "content", text));
            foreach (var call in answer.Calls)
                parts.Add(Call(call.Id, call.Name, JsonNode.Parse(call.Arguments.ToString())));
            messages.Add(new JsonObject { ["role"] = "assistant", ["parts"] = parts, ["finish_reason"] = answer.Result.FinishReason.ToWire() });
        }

        activity.SetTag("gen_ai.output.messages", messages.ToJsonString(s_options));
    }

    private static JsonObject Part(string type, string name, string value) => new() { ["type"] = type, [name] = value };

    private static JsonObject Call(string id, string name, JsonNode? arguments) => new() { ["type"] = "tool_call", ["id"] = id, ["name"] = name, ["arguments"] = arguments };
}
