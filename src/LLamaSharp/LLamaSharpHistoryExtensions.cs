using Hearth.Runtime;
using LLama.Common;

namespace Hearth.LLamaSharp;

/// <summary>Takes over what programs kept with LLamaSharp's own types.</summary>
public static class LLamaSharpHistoryExtensions
{
    /// <summary>The messages of a history, one read by <see cref="ChatHistory.FromJson"/> say, as a chat's.</summary>
    /// <param name="history">Of a <c>ChatSession</c>, or one of its own.</param>
    /// <returns>Messages of the roles system, user and assistant, in order; what is continued is rendered by the model's own template.</returns>
    /// <exception cref="InvalidRequestException">A message's role is unknown.</exception>
    public static IReadOnlyList<ChatMessage> ToChatMessages(this ChatHistory history)
    {
        ArgumentNullException.ThrowIfNull(history);
        return [.. history.Messages.Select(message => new ChatMessage(
            message.AuthorRole switch
            {
                AuthorRole.System => "system",
                AuthorRole.User => "user",
                AuthorRole.Assistant => "assistant",
                _ => throw new InvalidRequestException(nameof(ChatHistory), $"has a message of the role '{message.AuthorRole}'; known: system, user, assistant"),
            },
            message.Content))];
    }
}
