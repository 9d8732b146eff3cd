namespace Hearth.Runtime;

/// <summary>One prompt to continue.</summary>
public sealed record GenerationRequest
{
    /// <summary>The prompt's token ids, special tokens included; at least one. An encoder–decoder's encoder reads them.</summary>
    public required IReadOnlyList<int> Prompt { get; init; }

    /// <summary>What the output of an encoder–decoder begins with. Null: the model's own start token. A decoder alone takes none.</summary>
    public IReadOnlyList<int>? DecoderPrompt { get; init; }

    /// <summary>How to choose tokens and when to stop.</summary>
    public GenerationOptions Options { get; init; } = GenerationOptions.Default;

    /// <summary>Whether the prompt is a chat's, as <see cref="ILanguageModel.TokenizeChat"/> makes it: the answer may then begin with the model's thinking, and a constraint begins behind it.</summary>
    public bool IsChat { get; init; }

    /// <summary>Of a chat, whether the prompt ends within the answer's text: no thoughts come then.</summary>
    public bool ContinuesAnswer { get; init; }

    /// <summary>Of a chat, the most tokens of thoughts, at least 0; null: as many as the model likes.</summary>
    public int? ThinkingBudget { get; init; }

    /// <summary>
    /// The same prompt with more and more of its middle left out, each shorter than the one before: where the context is full and may
    /// shift (<see cref="GenerationOptions.OnFull"/>), the text goes on behind the first of them that leaves room. <see cref="ChatTurn"/>
    /// gives a chat's, with whole messages left out. Where none is left, half of what is not kept goes.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<int>> ShorterPrompts { get; init; } = [];

    /// <summary>Tokens that were left out of the prompt already because the context would have been full; <see cref="TokenUsage.DroppedTokens"/> begins with it.</summary>
    internal int LeftOutTokens { get; init; }

    /// <summary>Whether the text shows the control tokens that mark calls of tools and thoughts (<see cref="ILanguageModel.Dialect"/>) by their spellings.</summary>
    public bool ShowsMarks { get; init; }

    /// <summary>Requests of higher priority are admitted first; equal ones in order of arrival.</summary>
    public int Priority { get; init; }

    /// <summary>When it is no longer worth going on: the request then ends with <see cref="FinishReason.DeadlineExceeded"/>. Null: never.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>Whose cached prefixes the request starts from and adds to: requests of other scopes neither find them nor learn of them. Null: everybody's.</summary>
    public string? CacheScope { get; init; }

    /// <summary>Who asks. Clients whose requests wait take turns by the tokens these cost, however many each of them has. Null: nobody in particular; such requests are served in order of arrival.</summary>
    public string? Client { get; init; }

    /// <summary>
    /// Called once when the request leaves the queue and its prompt begins to be read, however long that takes. It runs on
    /// a thread that others wait for: it must return at once, and what it throws is lost. Null: nobody wants to know.
    /// </summary>
    public Action? Admitted { get; init; }
}

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>The model ended its text, a constraint's text is complete, or a stop sequence or stop token appeared.</summary>
    Stop,

    /// <summary>The token limit of the request or the end of the context was reached.</summary>
    Length,

    /// <summary>The request's deadline passed.</summary>
    DeadlineExceeded,

    /// <summary>The model called tools and waits for their results; of chat turns only (<see cref="ChatUpdate"/>).</summary>
    ToolCalls,
}

/// <summary>What a request cost.</summary>
/// <param name="PromptTokens">Tokens of the prompt.</param>
/// <param name="CompletionTokens">Tokens generated; the end-of-text token, which is not handed out, is not counted.</param>
/// <param name="CachedPromptTokens">Prompt tokens that came from the cache.</param>
/// <param name="CacheMiss">Why not more came from the cache.</param>
/// <param name="FirstDifferentToken">Index of the first prompt token that the cache did not hold.</param>
public readonly record struct TokenUsage(
    int PromptTokens, int CompletionTokens, int CachedPromptTokens, CacheMissReason CacheMiss, int FirstDifferentToken)
{
    /// <summary>Those of the generated tokens that a constraint forced: they were taken without a step each.</summary>
    public int ForcedTokens { get; init; }

    /// <summary>Tokens that were guessed and computed beside those that were chosen (<see cref="GenerationOptions.DraftTokens"/>).</summary>
    public int DraftedTokens { get; init; }

    /// <summary>Those of them that were right: they took no step of their own.</summary>
    public int AcceptedTokens { get; init; }

    /// <summary>Tokens of prompt and text that were left out because the context was full (<see cref="GenerationOptions.OnFull"/>); 0 where all was seen to the end.</summary>
    public int DroppedTokens { get; init; }

    /// <summary>Those of the generated tokens that are thoughts, their marks included; of chat turns only.</summary>
    public int ReasoningTokens { get; init; }

    /// <summary>Prompt and completion together.</summary>
    public int TotalTokens => PromptTokens + CompletionTokens;
}

/// <summary>A piece of a generation as it comes.</summary>
/// <param name="Text">Whole characters only; empty where a token completes none.</param>
/// <param name="TokenIds">The ids generated since the update before; empty in the last update where none is new.</param>
/// <param name="FinishReason">Set in the last update only.</param>
/// <param name="Usage">Set in the last update only.</param>
public sealed record GenerationUpdate(string Text, IReadOnlyList<int> TokenIds, FinishReason? FinishReason = null, TokenUsage? Usage = null)
{
    /// <summary>Which of the request's texts it is of, from 0; see <see cref="GenerationOptions.ChoiceCount"/>.</summary>
    public int Choice { get; init; }

    /// <summary>How likely the model held each of <see cref="TokenIds"/>; empty where that was not asked for.</summary>
    public IReadOnlyList<TokenLogProbabilities> LogProbabilities { get; init; } = [];

    /// <summary>The stop sequence that ended the text, in the last update; null where something else did.</summary>
    public string? StopSequence { get; init; }

    /// <summary>The one of <see cref="GenerationOptions.StopTokenIds"/> that ended the text, in the last update; null where something else did.</summary>
    public int? StopTokenId { get; init; }
}

/// <summary>A token and how likely the model held it at its place.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="Bytes">What it adds to the text, maybe a part of a character; empty where the model has no vocabulary.</param>
/// <param name="LogProbability">The natural logarithm of its probability; negative infinity for 0.</param>
public readonly record struct TokenLogProbability(int TokenId, ReadOnlyMemory<byte> Bytes, double LogProbability);

/// <summary>A generated token among those that were likely in its place.</summary>
/// <param name="Token">The token of the text.</param>
/// <param name="Likeliest">The likeliest, as many as were asked for, the likeliest first; the token itself may be among them.</param>
public sealed record TokenLogProbabilities(TokenLogProbability Token, IReadOnlyList<TokenLogProbability> Likeliest);

/// <summary>A whole generation.</summary>
/// <param name="Text">The text, without the stop sequence that ended it.</param>
/// <param name="TokenIds">The ids generated, without the end-of-text token.</param>
/// <param name="FinishReason">Why it ended.</param>
/// <param name="Usage">What it cost.</param>
public sealed record GenerationResult(string Text, IReadOnlyList<int> TokenIds, FinishReason FinishReason, TokenUsage Usage);
