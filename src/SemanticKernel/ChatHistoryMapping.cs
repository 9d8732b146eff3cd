using System.Text.Json;
using Hearth.Runtime;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel;

/// <summary>Semantic Kernel's chat history as the model's template takes it.</summary>
internal static class ChatHistoryMapping
{
    /// <exception cref="ArgumentException">The history is empty.</exception>
    /// <exception cref="NotSupportedException">A message holds content other than text, thoughts, function calls and their results.</exception>
    public static ChatPrompt ToPrompt(ChatHistory history, HearthPromptExecutionSettings settings)
    {
        ArgumentNullException.ThrowIfNull(history);
        if (history.Count == 0)
        {
            throw new ArgumentException("the chat history must hold at least one message", nameof(history));
        }

        return new ChatPrompt
        {
            Messages = [.. history.SelectMany(ToMessages)],
            Variables = settings.TemplateVariables?.ToDictionary(pair => pair.Key, pair => pair.Value?.DeepClone()) ?? [],
        };
    }

    /// <summary>One message each, but one for every function result: templates take a "tool" message a result.</summary>
    private static IEnumerable<ChatMessage> ToMessages(ChatMessageContent content)
    {
        var role = content.Role == AuthorRole.Developer ? "system" : content.Role.Label;
        var results = content.Items.OfType<FunctionResultContent>().ToList();
        foreach (var result in results)
        {
            yield return new ChatMessage(role, FunctionCalls.ResultText(result.Result))
            {
                Name = result.FunctionName is { } name ? FunctionOffer.FullName(result.PluginName, name) : null,
                ToolCallId = result.CallId,
            };
        }

        var calls = content.Items.OfType<FunctionCallContent>().Select(ToCall).ToList();
        var text = JoinTexts(content.Items);

        // A tool message's text only repeats its results.
        if (results.Count == 0)
        {
            var thoughts = string.Concat(content.Items.OfType<ReasoningContent>().Select(item => item.Text));
            yield return new ChatMessage(role, calls.Count > 0 && text.Length == 0 ? null : text)
            {
                Name = content.AuthorName,
                ToolCalls = calls,
                Reasoning = thoughts.Length > 0 ? thoughts : null,
            };
        }
    }

    private static string JoinTexts(ChatMessageContentItemCollection items)
    {
        var other = items.FirstOrDefault(item => item is not (TextContent or ReasoningContent or FunctionCallContent or FunctionResultContent));
        return other is null
            ? string.Join('\n', items.OfType<TextContent>().Select(item => item.Text ?? ""))
            : throw new NotSupportedException($"{other.GetType().Name} in a chat message is not supported by the Hearth connector; only text, thoughts, function calls and their results are");
    }

    private static ToolCall ToCall(FunctionCallContent call)
    {
        // What this connector read is told again as the model wrote it: its numbers are numbers there, and texts in the arguments.
        var name = FunctionOffer.FullName(call.PluginName, call.FunctionName);
        if (call.InnerContent is ToolCall written && written.Name == name && written.Id == call.Id)
            return written;
        var arguments = call.Arguments is null ? [] : JsonSerializer.SerializeToNode(call.Arguments.ToDictionary(pair => pair.Key, pair => pair.Value))!.AsObject();
        return new ToolCall(call.Id ?? name, name, arguments);
    }
}
