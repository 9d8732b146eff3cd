using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime;
using Microsoft.Extensions.AI;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using TemplateMessage = Hearth.Runtime.ChatMessage;

namespace Hearth.Extensions.AI;

/// <summary>Messages as models' templates see them.</summary>
internal static class MessageMapping
{
    private static readonly JsonSerializerOptions s_compact = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };

    /// <summary>Maps a history.</summary>
    /// <param name="messages">Oldest first.</param>
    /// <param name="instructions">What is to stand before them as the system's; null: nothing. A leading system message is joined to it, since few templates take two.</param>
    /// <exception cref="ArgumentException">There is no message, or a call's arguments or a result cannot be written as JSON.</exception>
    /// <exception cref="NotSupportedException">A content is of a kind that no template takes.</exception>
    public static IReadOnlyList<TemplateMessage> Map(IEnumerable<ChatMessage> messages, string? instructions)
    {
        var mapped = new List<TemplateMessage>();
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var message in messages)
        {
            if (message is null)
                throw new ArgumentException($"message {index} is null", nameof(messages));
            Map(message, index++, names, mapped);
        }

        if (!string.IsNullOrEmpty(instructions))
        {
            if (mapped is [{ Role: "system", Name: null } first, ..])
                mapped[0] = first with { Content = instructions + "\n\n" + first.Content };
            else
                mapped.Insert(0, new TemplateMessage("system", instructions));
        }

        return mapped.Count > 0 ? mapped : throw new ArgumentException("there must be at least one message", nameof(messages));
    }

    private static void Map(ChatMessage message, int index, Dictionary<string, string> names, List<TemplateMessage> mapped)
    {
        var role = message.Role.Value;
        var isAssistant = message.Role == ChatRole.Assistant;
        var (texts, thoughts, calls, results) = (new List<string>(), new List<string>(), new List<ToolCall>(), new List<TemplateMessage>());
        foreach (var content in message.Contents)
        {
            switch (content)
            {
                case TextContent text:
                    texts.Add(text.Text ?? "");
                    break;
                case TextReasoningContent thought when isAssistant:
                    thoughts.Add(thought.Text ?? "");
                    break;
                case FunctionCallContent call when isAssistant:
                    calls.Add(new ToolCall(call.CallId, call.Name, Arguments(call)));
                    names[call.CallId] = call.Name;
                    break;
                case FunctionResultContent result:
                    results.Add(new TemplateMessage("tool", ResultText(result)) { ToolCallId = result.CallId, Name = names.GetValueOrDefault(result.CallId) });
                    break;
                case UsageContent:
                    break;
                default:
                    throw new NotSupportedException($"message {index} ({role}) holds a {content?.GetType().Name ?? "null"}{Kind(content)}, which Hearth cannot give to a model");
            }
        }

        // An assistant's texts are pieces of one; those of others are parts, as of OpenAI's messages.
        if (texts.Count > 0 || thoughts.Count > 0 || calls.Count > 0 || results.Count == 0)
        {
            mapped.Add(new TemplateMessage(role, texts.Count == 0 && calls.Count > 0 ? null : string.Join(isAssistant ? "" : "\n", texts))
            {
                Name = message.AuthorName,
                Reasoning = thoughts.Count > 0 ? string.Concat(thoughts) : null,
                ToolCalls = calls,
            });
        }

        mapped.AddRange(results);
    }

    private static string Kind(AIContent? content) => content switch
    {
        DataContent data => $" ({data.MediaType})",
        UriContent uri => $" ({uri.MediaType})",
        _ => "",
    };

    private static JsonObject Arguments(FunctionCallContent call)
        => call.Arguments is null ? [] : Node(call.Arguments, $"the arguments of the call '{call.CallId}' of '{call.Name}'") as JsonObject ?? [];

    private static string ResultText(FunctionResultContent result) => result.Result switch
    {
        null => result.Exception is { } exception ? $"Error: {exception.Message}" : "null",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,
        JsonValue text when text.GetValueKind() == JsonValueKind.String => text.GetValue<string>(),
        AIContent content => ContentText(content, result),
        IEnumerable<AIContent> contents => string.Join('\n', contents.Select(content => ContentText(content, result))),
        var other => Node(other, $"the result of the call '{result.CallId}'")?.ToJsonString(s_compact) ?? "null",
    };

    private static string ContentText(AIContent content, FunctionResultContent result)
        => content is TextContent text ? text.Text ?? ""
            : throw new NotSupportedException($"the result of the call '{result.CallId}' holds a {content?.GetType().Name ?? "null"}{Kind(content)}, which Hearth cannot give to a model");

    private static JsonNode? Node(object value, string what)
    {
        try
        {
            return JsonSerializer.SerializeToNode(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType()));
        }
        catch (Exception exception) when (exception is NotSupportedException or JsonException or InvalidOperationException)
        {
            throw new ArgumentException($"{what} cannot be written as JSON: {exception.Message}", exception);
        }
    }
}
