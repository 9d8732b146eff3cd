using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hearth.Runtime.Chat;

namespace Hearth.Runtime.Conversations;

/// <summary>A chat that remembers: messages are appended, answered, answered again, edited; each of that is a branch, and none is lost.</summary>
/// <remarks>
/// <para>
/// What was read and written stays in the model's cache as long as there is room, and a new prompt takes over its tokens, so that
/// only what changed is computed. Each answer tells how many tokens came from the cache (<see cref="ConversationMessage.Usage"/>)
/// and, where the model's template writes the history otherwise than it was, from where on (<see cref="ConversationMessage.Departure"/>).
/// </para>
/// <para>All members are safe to call from several threads; answers that run at the same time are branches of each other.</para>
/// </remarks>
public sealed class Conversation
{
    // Templates are asked for what they write before a user's next message by two that have nothing in common.
    private static readonly string[] s_unlike = ["a", "5"];

    private static readonly ChatTurnRequest s_nothing = new() { Chat = new ChatPrompt { Messages = [] } };

    private readonly Lock _gate = new();
    private readonly Dictionary<string, ConversationMessage> _messages = new(StringComparer.Ordinal);
    private readonly HashSet<ConversationMessage> _leaves = [];
    private ConversationMessage? _last;

    /// <summary>Begins a conversation without messages.</summary>
    /// <param name="model">Answers.</param>
    /// <param name="id">Names it; null: a new name.</param>
    public Conversation(ILanguageModel model, string? id = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        Model = model;
        Id = id ?? $"conv_{Guid.NewGuid():N}";
    }

    /// <summary>Names the conversation.</summary>
    public string Id { get; }

    /// <summary>Who answers.</summary>
    public ILanguageModel Model { get; }

    /// <summary>The message from which the conversation goes on; null where there is none yet.</summary>
    public ConversationMessage? Last
    {
        get
        {
            lock (_gate)
                return _last;
        }
    }

    /// <summary>The current branch's messages, the first one first.</summary>
    public IReadOnlyList<ConversationMessage> Messages => Last?.Path() ?? [];

    /// <summary>Every branch, in no order.</summary>
    public IReadOnlyList<ConversationBranch> Branches
    {
        get
        {
            lock (_gate)
                return [.. _leaves.Select(leaf => new ConversationBranch(leaf, _last is not null && IsOn(leaf, _last)))];
        }
    }

    /// <summary>Messages of all branches.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _messages.Count;
        }
    }

    /// <summary>The message of a name.</summary>
    /// <exception cref="InvalidRequestException">The conversation has none of that name.</exception>
    public ConversationMessage this[string id]
    {
        get
        {
            lock (_gate)
                return Find(id);
        }
    }

    /// <summary>Appends a message to the current branch.</summary>
    /// <param name="message">What was said.</param>
    /// <param name="id">Names it; null: a new name.</param>
    /// <exception cref="InvalidRequestException">The name is taken.</exception>
    public ConversationMessage Append(ChatMessage message, string? id = null)
    {
        ArgumentNullException.ThrowIfNull(message);
        lock (_gate)
            return _last = Add(NewMessage(_last, message, id));
    }

    /// <summary>Goes back, or over to another branch: the conversation goes on behind a message. What followed it stays a branch.</summary>
    /// <param name="id">The message; null: before the first.</param>
    /// <exception cref="InvalidRequestException">The conversation has none of that name.</exception>
    public void RollBack(string? id)
    {
        lock (_gate)
            _last = id is null ? null : Find(id);
    }

    /// <summary>Puts another message in the place of one: the conversation goes on behind it. The old one and what followed it stay a branch.</summary>
    /// <param name="id">The message whose place it takes.</param>
    /// <param name="message">What is said instead.</param>
    /// <exception cref="InvalidRequestException">The conversation has none of that name.</exception>
    public ConversationMessage Edit(string id, ChatMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        lock (_gate)
            return _last = Add(NewMessage(Find(id).Parent, message));
    }

    /// <summary>A conversation of its own that begins with the messages up to one, which both share; it takes no memory for them.</summary>
    /// <param name="id">The last message of both; null: the current branch's last.</param>
    /// <exception cref="InvalidRequestException">The conversation has none of that name.</exception>
    public Conversation Fork(string? id = null)
    {
        var fork = new Conversation(Model);
        lock (_gate)
            fork._last = id is null ? _last : Find(id);
        for (var at = fork._last; at is not null; at = at.Parent)
            fork._messages.Add(at.Id, at);
        if (fork._last is not null)
            fork._leaves.Add(fork._last);
        return fork;
    }

    /// <summary>The conversation as it is now, with all branches: for <see cref="ConversationSnapshot.Save"/>, or to be restored.</summary>
    public ConversationSnapshot Snapshot()
    {
        lock (_gate)
            return new ConversationSnapshot(Id, Model.Information.Id, [.. _messages.Values.OrderBy(message => message.Depth)], _last);
    }

    /// <summary>A conversation as a snapshot has it.</summary>
    /// <param name="model">Answers from now on. Where it is another than before, the messages hold and their tokens do not.</param>
    /// <param name="snapshot">What it begins with.</param>
    public static Conversation Restore(ILanguageModel model, ConversationSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var conversation = new Conversation(model, snapshot.Id) { _last = snapshot.Last };
        foreach (var message in snapshot.Messages)
            conversation.Add(message);
        return conversation;
    }

    /// <summary>Answers the current branch, piece by piece.</summary>
    /// <remarks>
    /// The answer, and the messages that come with the request, are part of the conversation once its last piece was read. Where it
    /// fails, is cancelled or left early, the conversation is as it was. The conversation then goes on behind the answer unless it
    /// was moved meanwhile.
    /// </remarks>
    /// <param name="request">The messages to append before, none or more, the tools, and what the answer may be.</param>
    /// <param name="answerId">Names the answer; null: a new name.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <exception cref="InvalidRequestException">There is no message to answer, several choices are asked for, the name is taken, or as <see cref="ChatTurn.ChatAsync"/>.</exception>
    public IAsyncEnumerable<ChatUpdate> AnswerAsync(ChatTurnRequest? request = null, string? answerId = null, CancellationToken cancellationToken = default)
    {
        var last = Last;
        return AnswerAsync(last, last, request ?? s_nothing, answerId, cancellationToken);
    }

    /// <summary>Answers once more what the last answer of the current branch answered. The old answer stays a branch.</summary>
    /// <param name="request">Tools, and what the answer may be; without messages.</param>
    /// <param name="answerId">Names the answer; null: a new name.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <exception cref="InvalidRequestException">The branch has no answer, or as <see cref="AnswerAsync(ChatTurnRequest, string, CancellationToken)"/>.</exception>
    public IAsyncEnumerable<ChatUpdate> RegenerateAsync(ChatTurnRequest? request = null, string? answerId = null, CancellationToken cancellationToken = default)
    {
        if (request is { Chat.Messages.Count: > 0 })
            throw new InvalidRequestException(nameof(request.Chat.Messages), "must be empty where an answer is made again");
        var last = Last;
        var answer = last;
        while (answer is { Message.Role: not "assistant" })
            answer = answer.Parent;
        return answer is null ? throw new InvalidRequestException(nameof(Messages), "hold no answer that could be made again")
            : AnswerAsync(last, answer.Parent, request ?? s_nothing, answerId, cancellationToken);
    }

    /// <summary>Computes what the next prompt will begin with where the template writes history otherwise than it was read and written: while nobody waits for it.</summary>
    /// <param name="request">Tools and variables, as of the next answer.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Tokens that were computed; 0 where all was cached, or the template takes no user's message here.</returns>
    public async Task<int> WarmAsync(ChatTurnRequest? request = null, CancellationToken cancellationToken = default)
    {
        if (Last is not { } last)
            return 0;
        request ??= s_nothing;
        var prompts = await Task.Run(() => Render(last, request, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (prompts is null)
            return 0;
        var shared = CollectionsMarshal.AsSpan(prompts[0]).CommonPrefixLength(CollectionsMarshal.AsSpan(prompts[1]));
        if (shared == 0)
            return 0;
        var options = new GenerationOptions { MaxTokens = 0 };
        var warm = new GenerationRequest { Prompt = prompts[0][..shared], Options = options, Priority = request.Priority, Deadline = request.Deadline, CacheScope = request.CacheScope };
        var computed = 0;
        await foreach (var update in Model.GenerateAsync(warm, cancellationToken).ConfigureAwait(false))
            computed = update.Usage is { } usage ? usage.PromptTokens - usage.CachedPromptTokens : computed;
        return computed;
    }

    private List<int>[]? Render(ConversationMessage last, ChatTurnRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return [.. s_unlike.Select(text => ChatTurn.Tokenize(Model, Turn([.. last.Path(), NewMessage(last, new ChatMessage("user", text))], request), cancellationToken).ToList())];
        }
        catch (ChatTemplateFailureException)
        {
            return null;
        }
    }

    // Answers what follows one message; the conversation goes on behind the answer where it still stands where it stood.
    private async IAsyncEnumerable<ChatUpdate> AnswerAsync(
        ConversationMessage? stood, ConversationMessage? begin, ChatTurnRequest request, string? answerId, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        if (request.Options.ChoiceCount > 1)
            throw new InvalidRequestException(nameof(GenerationOptions.ChoiceCount), "must be 1 in a conversation, which goes on from one answer; fork it for more");
        var added = new List<ConversationMessage>();
        foreach (var message in request.Chat.Messages)
            added.Add(NewMessage(added.Count > 0 ? added[^1] : begin, message));
        var asked = added.Count > 0 ? added[^1] : begin;
        if (asked is null)
            throw new InvalidRequestException(nameof(request.Chat.Messages), "must hold at least one where the conversation has none");
        if (answerId is not null)
            RequireFree(answerId);
        var path = asked.Path();
        var turn = Turn(path, request);
        var answer = new AnswerBuilder();
        await foreach (var update in Model.ChatAsync(turn, cancellationToken).ConfigureAwait(false))
        {
            answer.Add(update);
            if (update.FinishReason is null)
            {
                yield return update;
                continue;
            }

            // Before its last piece is handed over, so that whoever has it finds the answer in the conversation.
            Complete(stood, added, asked, answer, answerId, turn.Chat.History!, path);
            yield return update;
        }
    }

    private void Complete(ConversationMessage? stood, List<ConversationMessage> added, ConversationMessage asked, AnswerBuilder answer, string? answerId, WrittenHistory history, IReadOnlyList<ConversationMessage> path)
    {
        var before = WrittenBefore(path).FirstOrDefault();
        var tokens = answer.Tokens is { } written ? WrittenTokens.Of(before?.Written, written) : null;
        lock (_gate)
        {
            if (answerId is not null)
                RequireFree(answerId);
            foreach (var message in added)
                Add(message);
            var said = Add(new ConversationMessage(answerId ?? NewId(), asked, answer.ToMessage())
            {
                FinishReason = answer.FinishReason,
                Usage = answer.Usage,
                Departure = DepartureFinder.Find(path, before, history, answer.Prompt),
                Written = tokens,
            });
            if (_last == stood)
                _last = said;
        }
    }

    // The whole branch as a request, with the tokens that were read and written for its beginnings.
    private static ChatTurnRequest Turn(IReadOnlyList<ConversationMessage> path, ChatTurnRequest request)
    {
        var history = new WrittenHistory { Texts = [.. WrittenBefore(path).Select(message => message.Written!.ToArray())] };
        return request with { Chat = request.Chat with { Messages = [.. path.Select(message => message.Message)], History = history } };
    }

    // Answers of the branch whose tokens are known, the last first. Two are enough: a template that rewrites older ones does so for good.
    private static IEnumerable<ConversationMessage> WrittenBefore(IReadOnlyList<ConversationMessage> path)
        => path.Reverse().Where(message => message.Written is not null).Take(2);

    private static bool IsOn(ConversationMessage leaf, ConversationMessage message)
    {
        var at = leaf;
        while (at is not null && at.Depth > message.Depth)
            at = at.Parent;
        return at == message;
    }

    private static string NewId() => $"msg_{Guid.NewGuid():N}";

    private static ConversationMessage NewMessage(ConversationMessage? parent, ChatMessage message, string? id = null) => new(id ?? NewId(), parent, message);

    private void RequireFree(string id)
    {
        lock (_gate)
        {
            if (_messages.ContainsKey(id))
                throw new InvalidRequestException("Id", $"'{id}' names another message of the conversation");
        }
    }

    private ConversationMessage Find(string id)
    {
        ArgumentNullException.ThrowIfNull(id);
        return _messages.TryGetValue(id, out var message) ? message : throw new InvalidRequestException("Id", $"'{id}' names no message of the conversation '{Id}'");
    }

    private ConversationMessage Add(ConversationMessage message)
    {
        RequireFree(message.Id);
        _messages.Add(message.Id, message);
        if (message.Parent is not null)
            _leaves.Remove(message.Parent);
        _leaves.Add(message);
        return message;
    }
}
