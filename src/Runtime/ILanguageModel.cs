namespace Hearth.Runtime;

/// <summary>A loaded text model, in this process.</summary>
/// <remarks>All members are safe to call from several threads at once; requests of all callers are batched together.</remarks>
public interface ILanguageModel : IModel
{
    /// <summary>Turns text into token ids.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecial">Whether to add the beginning-of-text token and its like where the model wants them.</param>
    /// <param name="parseSpecial">Whether special tokens written in the text count as such; otherwise they are text. A text that writes its own beginning-of-text token gets no second one.</param>
    IReadOnlyList<int> Tokenize(string text, bool addSpecial = true, bool parseSpecial = false);

    /// <summary>Renders a chat with the model's own template and turns it into token ids.</summary>
    /// <remarks>Special tokens written by the template count as such; those inside messages, tools and variables stay text.</remarks>
    /// <param name="chat">The messages.</param>
    /// <param name="cancellationToken">Stops a template that takes long.</param>
    /// <exception cref="HearthException">The model has no chat template, or one that cannot be read.</exception>
    /// <exception cref="ChatTemplateFailureException">The template refuses the messages, fails on them, or writes nothing.</exception>
    /// <exception cref="ContextLengthExceededException">The chat's text is so long that it cannot fit; it was not tokenized.</exception>
    IReadOnlyList<int> TokenizeChat(ChatPrompt chat, CancellationToken cancellationToken = default);

    /// <summary>How the model writes calls of tools and thoughts.</summary>
    ChatDialect Dialect => ChatDialect.Plain;

    /// <summary>Continues a prompt, piece by piece.</summary>
    /// <remarks>
    /// The request begins with the first read and is read once; what is wrong with it is told here or by that read. Leaving the
    /// enumeration or cancelling frees its pages within one step.
    /// </remarks>
    /// <exception cref="InvalidRequestException">An option or a token id is out of its range, options contradict each other, or the prompt is empty.</exception>
    /// <exception cref="ContextLengthExceededException">The prompt does not fit.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken = default);
}

/// <summary>What a model is.</summary>
/// <param name="Id">The name by which services address it.</param>
/// <param name="Architecture">GGUF's general.architecture.</param>
/// <param name="ContextLength">Tokens that one sequence may hold here.</param>
/// <param name="VocabularySize">Tokens of the vocabulary.</param>
/// <param name="ParameterCount">Weights of the model.</param>
/// <param name="FileBytes">Size of the file or files.</param>
/// <param name="HasChatTemplate">Whether it can chat: its file has a template, and it works.</param>
/// <param name="Created">When the file was written.</param>
public sealed record ModelInformation(
    string Id, string Architecture, int ContextLength, int VocabularySize, long ParameterCount, long FileBytes,
    bool HasChatTemplate, DateTimeOffset Created)
{
    /// <summary>Why the file's chat template cannot be used, its key named; null where it can, or there is none.</summary>
    public string? ChatTemplateFault { get; init; }

    /// <summary>What in the file is odd and was taken all the same, a sentence each; empty for most. Services log them, <c>hearth inspect</c> and <c>/v1/models</c> show them.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The name of what computes it: Hearth's own engine, or one of <see cref="Engines.ModelEngines"/>.</summary>
    public string Engine { get; init; } = "hearth";

    /// <summary>Of another engine: its library, and the backend that computes, in words; null for Hearth's own.</summary>
    public string? Backend { get; init; }
}

/// <summary>The load of a model's loop. An embedding model keeps no pages between steps; its numbers of pages are 0.</summary>
/// <param name="RunningRequests">Requests that own pages, or have texts in the step that runs.</param>
/// <param name="WaitingRequests">Requests in the queue.</param>
/// <param name="UsedPages">Pages that running requests own.</param>
/// <param name="CachedPages">Pages kept only because a later prompt may start alike.</param>
/// <param name="TotalPages">Pages of the cache.</param>
public readonly record struct ModelLoad(int RunningRequests, int WaitingRequests, int UsedPages, int CachedPages, int TotalPages);
