using System.Runtime.InteropServices;
using Hearth.Runtime.Chat;

namespace Hearth.Runtime.Conversations;

/// <summary>Tells where and why a prompt does not go on from what was read and written before.</summary>
internal static class DepartureFinder
{
    /// <param name="path">The messages of the prompt.</param>
    /// <param name="before">The last answer among them whose tokens are known; null for none.</param>
    /// <param name="history">What rendering found.</param>
    /// <param name="prompt">The prompt's tokens; null where they are not told.</param>
    public static HistoryDeparture? Find(IReadOnlyList<ConversationMessage> path, ConversationMessage? before, WrittenHistory history, IReadOnlyList<int>? prompt)
    {
        if (before?.Written is null || prompt is null)
            return null;
        var written = before.Written.ToArray();
        var token = written.AsSpan().CommonPrefixLength(CollectionsMarshal.AsSpan(prompt.ToList()));
        if (token == written.Length)
            return null;
        if (history.IsShortened)
            return new HistoryDeparture(token, null, "the context was full: other messages are left out than before");
        if (history.Departure is not { } character || history.Prompt is not { } text)
            return new HistoryDeparture(token, null, "the same text is other tokens now: none ends where the answer ended");
        var changed = MessageAt(path, text, character);
        return changed is null ? new HistoryDeparture(token, null, "the model's template writes other text around the messages than before")
            : new HistoryDeparture(token, changed.Id, Reason(changed));
    }

    private static string Reason(ConversationMessage message) => message switch
    {
        { Message: { Role: "assistant", Reasoning: not null } } => "the model's template leaves out or rewrites the thoughts of an earlier answer",
        { Message: { Role: "assistant", ToolCalls.Count: > 0 } } => "the model's template writes calls of tools otherwise than the model does",
        { FinishReason: FinishReason.Stop, Message.Role: "assistant" } => "the model's template writes an answer otherwise than the model did, or a stop sequence was cut off it",
        { Message.Role: "assistant" } => "the model's template writes an answer otherwise than the model did",
        _ => $"the model's template writes an earlier message of the role '{message.Message.Role}' otherwise than before",
    };

    // The message in whose text, or behind whose text, a place of the prompt lies: its thoughts stand before its text, its calls behind it.
    private static ConversationMessage? MessageAt(IReadOnlyList<ConversationMessage> path, string text, int character)
    {
        ConversationMessage? last = null;
        var at = 0;
        foreach (var message in path)
        {
            var content = message.Message.Content?.Trim() ?? "";
            var begin = content.Length == 0 ? at : text.IndexOf(content, at, StringComparison.Ordinal);
            if (begin < 0 || begin > character)
                return message.Message.Role == "assistant" || last is null ? message : last;
            at = begin + content.Length;
            last = message;
            if (at > character)
                return message;
        }

        return last;
    }
}
