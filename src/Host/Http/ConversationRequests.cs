using System.Text.Json;
using Hearth.Runtime.Conversations;

namespace Hearth.Host.Http;

/// <summary>What a chat request's <c>conversation</c> asks for: a new one, going on with one, going on behind one of its messages, or a fork of one.</summary>
/// <param name="Conversation">The one that answers.</param>
/// <param name="After">The message behind which it goes on; null with <paramref name="HasAfter"/>: before the first.</param>
/// <param name="HasAfter">Whether that was said; otherwise it goes on where it stands.</param>
/// <param name="IsNew">Whether it is kept only once it has an answer.</param>
/// <param name="Owner">Whose it is.</param>
internal sealed record ConversationRequest(Conversation Conversation, string? After, bool HasAfter, bool IsNew, string Owner)
{
    private const string Field = "conversation";

    /// <summary>Reads the field; null where it is not there.</summary>
    /// <exception cref="ApiException">It is malformed, or names a conversation that is not there.</exception>
    public static ConversationRequest? Read(JsonElement? field, ConversationStore store, ILanguageModel model, HttpContext context)
    {
        var owner = CacheScopes.ClientOf(context);
        try
        {
            return field switch
            {
                null or { ValueKind: JsonValueKind.Null } => null,
                { ValueKind: JsonValueKind.String } name when name.GetString() == "new" => New(new Conversation(model), owner),
                { ValueKind: JsonValueKind.String } name => new ConversationRequest(store.Find(name.GetString()!, model, owner), null, false, false, owner),
                { ValueKind: JsonValueKind.Object } asked => Read(asked, store, model, owner),
                _ => throw ApiException.BadRequest($"'{Field}' must be an id, \"new\" or an object", Field),
            };
        }
        catch (ConversationNotFoundException missing)
        {
            throw new ApiException(StatusCodes.Status404NotFound, missing.Message) { Param = Field, Code = "conversation_not_found" };
        }
        catch (InvalidRequestException other) when (other.Option is "Conversation" or "Id")
        {
            throw ApiException.BadRequest($"'{Field}' {other.Reason}", Field);
        }
    }

    /// <summary>Answers, and keeps the conversation once it has the answer.</summary>
    public async IAsyncEnumerable<ChatUpdate> AnswerAsync(ConversationStore store, ChatTurnRequest turn, string answerId, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var answer = HasAfter ? Conversation.AnswerAfterAsync(After, turn, answerId, cancellationToken) : Conversation.AnswerAsync(turn, answerId, cancellationToken);
        await foreach (var update in answer)
        {
            if (update.FinishReason is not null)
            {
                if (IsNew)
                {
                    store.Add(Conversation, Owner);
                }

                store.NoteAnswer(Conversation, answerId);
            }

            yield return update;
        }
    }

    private static ConversationRequest New(Conversation conversation, string owner) => new(conversation, null, false, true, owner);

    private static ConversationRequest Read(JsonElement asked, ConversationStore store, ILanguageModel model, string owner)
    {
        string? id = null, fork = null, after = null;
        var hasAfter = false;
        foreach (var member in asked.EnumerateObject())
        {
            var text = member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString() : null;
            switch (member.Name)
            {
                case "id" when text is not null:
                    id = text;
                    break;
                case "fork" when text is not null:
                    fork = text;
                    break;
                case "after" when text is not null || member.Value.ValueKind == JsonValueKind.Null:
                    (after, hasAfter) = (text, true);
                    break;
                case "id" or "fork" or "after":
                    throw ApiException.BadRequest($"'{Field}.{member.Name}' must be a string", $"{Field}.{member.Name}");
                default:
                    throw ApiException.BadRequest($"'{Field}.{member.Name}' is not known; there are id, fork and after", $"{Field}.{member.Name}", "unsupported_parameter");
            }
        }

        if (fork is not null)
        {
            return id is null && !hasAfter ? New(store.FindByAnswer(fork, model, owner).Fork(fork), owner)
                : throw ApiException.BadRequest($"'{Field}.fork' begins a new conversation: neither 'id' nor 'after' go with it", Field + ".fork");
        }

        if (id is null)
        {
            return hasAfter ? throw ApiException.BadRequest($"'{Field}.after' needs an 'id'", Field + ".after") : New(new Conversation(model), owner);
        }

        var found = store.Find(id, model, owner);
        if (after is not null)
        {
            _ = found[after];
        }

        return new ConversationRequest(found, after, hasAfter, false, owner);
    }
}
