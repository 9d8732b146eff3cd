namespace Hearth.Runtime.Turns;

/// <summary>What the prompts of chats begin with.</summary>
internal static class ChatPinning
{
    /// <summary>The tokens that the prompts of all chats begin with that have these first messages and tools.</summary>
    /// <remarks>Found by rendering two chats that go on differently, so it is right for every template.</remarks>
    /// <exception cref="InvalidRequestException">There is nothing to begin with, or a tool is malformed.</exception>
    /// <exception cref="ChatTemplateFailureException">The model's template makes no prompt of it.</exception>
    public static int[] PrefixOf(ILanguageModel model, ChatPrompt beginning, CancellationToken cancellationToken)
    {
        if (beginning.Messages.Count == 0 && beginning.Tools.Count == 0)
            throw new InvalidRequestException(nameof(beginning), "needs a message or a tool");

        // Checks the tools as a turn does.
        _ = ToolSet.Read(new ChatTurnRequest { Chat = beginning }, cancellationToken);
        var (one, other) = (Rendered("A question"), Rendered("Whatever"));
        return [.. one.AsSpan(0, one.AsSpan().CommonPrefixLength(other))];

        int[] Rendered(string text)
            => [.. ChatTurn.Tokenize(model, beginning with { Messages = [.. beginning.Messages, new ChatMessage("user", text)] }, cancellationToken)];
    }
}
