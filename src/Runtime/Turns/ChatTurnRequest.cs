namespace Hearth.Runtime;

/// <summary>One turn of a chat to be answered: the messages and tools, and what the answer may be.</summary>
public sealed record ChatTurnRequest
{
    /// <summary>The messages, the tools and the template's variables.</summary>
    public required ChatPrompt Chat { get; init; }

    /// <summary>How to choose tokens and when to stop; a <see cref="GenerationOptions.Constraint"/> is of the answer's text, which may be a call of a tool instead.</summary>
    public GenerationOptions Options { get; init; } = GenerationOptions.Default;

    /// <summary>Whether the answer may, must or must not call the chat's tools.</summary>
    public ToolChoice ToolChoice { get; init; } = ToolChoice.Auto;

    /// <summary>Whether the answer may hold several calls.</summary>
    public bool ParallelToolCalls { get; init; } = true;

    /// <summary>Tokens of thoughts, at least 0; then they are ended and the answer begins. Null: as many as the model likes.</summary>
    /// <remarks>Of no effect for a model that marks no thoughts.</remarks>
    public int? ThinkingBudget { get; init; }

    /// <summary>Whether the model shall think before it answers, where its template knows that choice; null: as the template has it.</summary>
    public bool? Thinks { get; init; }

    /// <summary>How much the model shall think ("low", "medium", "high" or what its template knows); null: as the template has it.</summary>
    public string? ReasoningEffort { get; init; }

    /// <summary>Whether the last message, an assistant's, is the beginning of the answer: the model goes on from its last character, and what it writes is not told again.</summary>
    public bool ContinuesFinalMessage { get; init; }

    /// <inheritdoc cref="GenerationRequest.Priority"/>
    public int Priority { get; init; }

    /// <inheritdoc cref="GenerationRequest.Deadline"/>
    public DateTimeOffset? Deadline { get; init; }

    /// <inheritdoc cref="GenerationRequest.CacheScope"/>
    public string? CacheScope { get; init; }

    /// <inheritdoc cref="GenerationRequest.Client"/>
    public string? Client { get; init; }

    /// <inheritdoc cref="GenerationRequest.Admitted"/>
    public Action? Admitted { get; init; }
}
