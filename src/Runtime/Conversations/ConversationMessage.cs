namespace Hearth.Runtime.Conversations;

/// <summary>A message of a conversation, at its place in the tree of its branches. Immutable.</summary>
public sealed class ConversationMessage
{
    internal ConversationMessage(string id, ConversationMessage? parent, ChatMessage message)
    {
        Id = id;
        Parent = parent;
        Message = message;
        Depth = parent is null ? 1 : parent.Depth + 1;
    }

    /// <summary>Names the message; no other message of the conversation, nor of its forks, has the name unless it is the same.</summary>
    public string Id { get; }

    /// <summary>The message before it; null for the first.</summary>
    public ConversationMessage? Parent { get; }

    /// <summary>What was said.</summary>
    public ChatMessage Message { get; }

    /// <summary>Messages from the first to this one.</summary>
    public int Depth { get; }

    /// <summary>Of an answer, what ended it; null for other messages.</summary>
    public FinishReason? FinishReason { get; internal init; }

    /// <summary>Of an answer, what it cost, and how much of its prompt came from the cache and why not more; null for other messages.</summary>
    public TokenUsage? Usage { get; internal init; }

    /// <summary>Of an answer, where its prompt departed from what the conversation had read and written before it; null where it went on from there.</summary>
    public HistoryDeparture? Departure { get; internal init; }

    /// <summary>Of an answer, the tokens of its prompt and itself; null where the model did not tell.</summary>
    internal WrittenTokens? Written { get; init; }

    /// <summary>The messages from the first to this one.</summary>
    public IReadOnlyList<ConversationMessage> Path()
    {
        var path = new ConversationMessage[Depth];
        for (var at = this; at is not null; at = at.Parent)
            path[at.Depth - 1] = at;
        return path;
    }
}

/// <summary>Where a prompt departed from the tokens that were read and written for the messages before: what follows had to be computed anew.</summary>
/// <param name="Token">Index of the prompt's first token that is another.</param>
/// <param name="MessageId">The message whose text the template writes otherwise now; null where it is text between messages.</param>
/// <param name="Reason">A sentence that says what is written otherwise.</param>
public sealed record HistoryDeparture(int Token, string? MessageId, string Reason);

/// <summary>A branch of a conversation: a message that none follows, and those before it.</summary>
/// <param name="Last">The last message.</param>
/// <param name="IsCurrent">Whether the conversation goes on from it or from a message before it.</param>
public sealed record ConversationBranch(ConversationMessage Last, bool IsCurrent);

/// <summary>The tokens that a model read and wrote up to the end of an answer: those shared with an earlier answer once only.</summary>
/// <param name="before">The earlier answer's; null for none.</param>
/// <param name="shared">How many of its tokens come first.</param>
/// <param name="rest">What follows them.</param>
internal sealed class WrittenTokens(WrittenTokens? before, int shared, int[] rest)
{
    public WrittenTokens? Before { get; } = before;

    public int Shared { get; } = shared;

    public int[] Rest { get; } = rest;

    public int Count => Shared + Rest.Length;

    public static WrittenTokens Of(WrittenTokens? before, ReadOnlySpan<int> tokens)
    {
        var shared = before is null ? 0 : before.ToArray().AsSpan().CommonPrefixLength(tokens);
        return shared == 0 ? new WrittenTokens(null, 0, tokens.ToArray()) : new WrittenTokens(before, shared, tokens[shared..].ToArray());
    }

    public int[] ToArray()
    {
        var tokens = new int[Count];
        var (at, end) = (this, Count);
        while (at is not null)
        {
            var own = Math.Max(0, end - at.Shared);
            at.Rest.AsSpan(0, own).CopyTo(tokens.AsSpan(end - own));
            end -= own;
            at = at.Before;
        }

        return tokens;
    }
}
