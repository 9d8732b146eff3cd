namespace Hearth.Runtime.Conversations;

/// <summary>Conversations by their names, for those who may go on with them: as many as fit, the one that was used longest ago goes first.</summary>
/// <remarks>Safe to use from several threads.</remarks>
public sealed class ConversationStore
{
    private readonly Lock _gate = new();
    private readonly int _capacity;
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Entry> _ofAnswer = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _byUse = []; // the one that was used last at the end

    /// <summary>Creates an empty store.</summary>
    /// <param name="capacity">Conversations that are kept, at least 1.</param>
    public ConversationStore(int capacity = 4096)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        _capacity = capacity;
    }

    /// <summary>Conversations that are kept now.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _entries.Count;
        }
    }

    /// <summary>Keeps a new conversation.</summary>
    /// <param name="conversation">Not kept yet.</param>
    /// <param name="owner">Who may go on with it; null: everybody.</param>
    public void Add(Conversation conversation, string? owner = null)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        lock (_gate)
        {
            var entry = new Entry(conversation, owner);
            if (!_entries.TryAdd(conversation.Id, entry))
                throw new InvalidRequestException("Id", $"'{conversation.Id}' names another conversation");
            entry.Place = _byUse.AddLast(entry);
            while (_entries.Count > _capacity)
                Forget(_byUse.First!.Value);
        }
    }

    /// <summary>The conversation of a name.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="model">Who is to answer.</param>
    /// <param name="owner">Who asks.</param>
    /// <exception cref="ConversationNotFoundException">None of that name is kept, or it is another owner's.</exception>
    /// <exception cref="InvalidRequestException">It is another model's.</exception>
    public Conversation Find(string id, ILanguageModel? model = null, string? owner = null)
    {
        ArgumentNullException.ThrowIfNull(id);
        lock (_gate)
            return Checked(Use(_entries, id, owner) ?? throw new ConversationNotFoundException($"there is no conversation '{id}'"), model).Conversation;
    }

    /// <summary>The conversation that holds an answer.</summary>
    /// <inheritdoc cref="Find"/>
    public Conversation FindByAnswer(string id, ILanguageModel? model = null, string? owner = null)
    {
        ArgumentNullException.ThrowIfNull(id);
        lock (_gate)
            return Checked(Use(_ofAnswer, id, owner) ?? throw new ConversationNotFoundException($"no conversation holds an answer '{id}'"), model).Conversation;
    }

    /// <summary>Takes note of an answer, so that its conversation is found by it.</summary>
    public void NoteAnswer(Conversation conversation, string answerId)
    {
        ArgumentNullException.ThrowIfNull(conversation);
        ArgumentNullException.ThrowIfNull(answerId);
        lock (_gate)
        {
            if (_entries.TryGetValue(conversation.Id, out var entry) && _ofAnswer.TryAdd(answerId, entry))
                entry.Answers.Add(answerId);
        }
    }

    /// <summary>Forgets a conversation; what of it is cached stays as long as there is room.</summary>
    /// <exception cref="ConversationNotFoundException">None of that name is kept, or it is another owner's.</exception>
    public void Remove(string id, string? owner = null)
    {
        ArgumentNullException.ThrowIfNull(id);
        lock (_gate)
            Forget(Use(_entries, id, owner) ?? throw new ConversationNotFoundException($"there is no conversation '{id}'"));
    }

    /// <summary>An owner's conversations, the one that was used last first.</summary>
    public IReadOnlyList<Conversation> OwnedBy(string? owner)
    {
        lock (_gate)
            return [.. _byUse.Reverse().Where(entry => entry.Owner == owner).Select(entry => entry.Conversation)];
    }

    private Entry? Use(Dictionary<string, Entry> entries, string id, string? owner)
    {
        if (!entries.TryGetValue(id, out var entry) || (entry.Owner is not null && entry.Owner != owner))
            return null;
        _byUse.Remove(entry.Place!);
        entry.Place = _byUse.AddLast(entry);
        return entry;
    }

    private static Entry Checked(Entry entry, ILanguageModel? model)
        => model is null || entry.Conversation.Model.Information.Id == model.Information.Id ? entry
            : throw new InvalidRequestException("Conversation", $"is one of the model '{entry.Conversation.Model.Information.Id}', not of '{model.Information.Id}'");

    private void Forget(Entry entry)
    {
        _entries.Remove(entry.Conversation.Id);
        _byUse.Remove(entry.Place!);
        foreach (var answer in entry.Answers)
            _ofAnswer.Remove(answer);
    }

    private sealed class Entry(Conversation conversation, string? owner)
    {
        public Conversation Conversation => conversation;

        public string? Owner => owner;

        public List<string> Answers { get; } = [];

        public LinkedListNode<Entry>? Place { get; set; }
    }
}

/// <summary>No conversation of that name is kept for whoever asks.</summary>
/// <param name="message">What was asked for.</param>
public sealed class ConversationNotFoundException(string message) : HearthException(message);
