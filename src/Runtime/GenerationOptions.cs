using Hearth.Runtime.Constraints;

namespace Hearth.Runtime;

/// <summary>How the next token is chosen and when to stop. A null member means the default its text names.</summary>
/// <remarks>Immutable; safe to share between requests.</remarks>
public sealed partial record GenerationOptions
{
    /// <summary>The value of <see cref="MaxTokens"/> that sets no limit.</summary>
    internal const int NoLimit = -1;

    /// <summary>Every default.</summary>
    public static GenerationOptions Default { get; } = new();

    /// <summary>At most this many tokens are generated, at least 0; null or -1: as many as fit into the context, and where <see cref="OnFull"/> lets it shift, as many as a context holds.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Divides the logits, at least 0; 0 takes the likeliest token (greedy). Null: 0.8; for an encoder–decoder 0, unless a choice is narrowed (TopK, TopP, MinP) or seeded.</summary>
    public float? Temperature { get; init; }

    /// <summary>Only the k likeliest tokens are kept; 0 keeps all. Null: 40.</summary>
    public int? TopK { get; init; }

    /// <summary>Only the likeliest tokens whose probabilities add up to p are kept, 0 to 1 (arXiv 1904.09751). Null: 0.95.</summary>
    public float? TopP { get; init; }

    /// <summary>Only tokens at least p times as likely as the likeliest are kept, 0 to 1 (arXiv 2407.01082). Null: 0.05.</summary>
    public float? MinP { get; init; }

    /// <summary>Logits of recent tokens are divided (if positive) or multiplied by it, above 0 (arXiv 1909.05858). Null: 1, none.</summary>
    public float? RepetitionPenalty { get; init; }

    /// <summary>Subtracted from the logit of every token among the recent ones, -2 to 2. Null: 0.</summary>
    public float? PresencePenalty { get; init; }

    /// <summary>Subtracted from a token's logit for each time it is among the recent ones, -2 to 2. Null: 0.</summary>
    public float? FrequencyPenalty { get; init; }

    /// <summary>How many of the latest tokens the penalties look at, prompt included; -1: all. Null: 64.</summary>
    public int? PenaltyWindow { get; init; }

    /// <summary>Added to the logits of the given token ids; negative infinity forbids a token.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>Added to the logits of every token of the given texts, as the model spells them without special tokens; negative infinity forbids them.</summary>
    /// <remarks>A token that <see cref="LogitBias"/> or another text names too gets the sum.</remarks>
    public IReadOnlyDictionary<string, float>? TextBias { get; init; }

    /// <summary>What the text must fit; null: anything.</summary>
    /// <remarks>
    /// Tokens that it forbids are never chosen, whatever other options say: it has the last word after bias and penalties, and
    /// top-k, top-p and min-p choose among what it leaves. Forced tokens are taken without a choice. It says where the text may
    /// end, so <see cref="MinTokens"/> and <see cref="IgnoreEndOfText"/> are refused beside it; stop sequences and
    /// <see cref="StopTokenIds"/> cut the text wherever they come, as does <see cref="MaxTokens"/>: what they leave is a beginning
    /// of a text that fits.
    /// </remarks>
    public Constraint? Constraint { get; init; }

    /// <summary>Texts that are made of the prompt, 1 to 128; null: 1. Each update says of which it is (<see cref="GenerationUpdate.Choice"/>).</summary>
    /// <remarks>The prompt is computed once. Choice 0 has the seed, the others seeds that follow from it. Of a beam search they are its best texts.</remarks>
    public int? ChoiceCount { get; init; }

    /// <summary>Whether updates tell the log-probability of each token, and of how many of the likeliest beside it, 0 to 128; null: none.</summary>
    /// <remarks>They are the model's own: of its logits as they are, before bias, penalties, temperature and <see cref="Constraint"/>.</remarks>
    public int? LogProbabilities { get; init; }

    /// <summary>The text does not end before so many tokens, at least 0; null: 0. Stop sequences are looked for behind them only.</summary>
    public int? MinTokens { get; init; }

    /// <summary>Tokens that end the text as the model's own end does, whatever <see cref="IgnoreEndOfText"/> says; they are not part of it.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>Tokens that are guessed and computed in a step beside the one that is wanted, 0 to 64: how the text went on where its last tokens stood before. Null: as <see cref="ModelOptions.DraftTokens"/> says.</summary>
    /// <remarks>The answer is the same, token for token, as far as a row gives the same bits in any step (docs/scheduling.md: not yet with weights in Q8_0); where guesses are right it comes sooner. Fewer are made where few are right. Texts under a constraint and models with states make none.</remarks>
    public int? DraftTokens { get; init; }

    /// <summary>What happens where prompt and text fill the context. Null: <see cref="FullContext.Stop"/>.</summary>
    /// <remarks>
    /// A shift keeps the beginning (a chat's system messages and tools, <see cref="KeptTokens"/> of another prompt) and what came last.
    /// Of a chat whole messages go (<see cref="ChatTurn"/>), of other prompts half of what is not kept. Beam searches, encoder–decoders
    /// and models that read in segments do not shift, and say so.
    /// </remarks>
    public FullContext? OnFull { get; init; }

    /// <summary>Tokens of the prompt's beginning that stay where a full context shifts, at least 0, at most three quarters of the context; -1: the whole prompt. Null: 4, on which attention rests (arXiv 2309.17453).</summary>
    public int? KeptTokens { get; init; }

    /// <summary>Seeds the choice; the same seed and prompt give the same text. Null: a fresh seed for each request.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Generation stops where one of these appears; it is not part of the text.</summary>
    public IReadOnlyList<string> StopSequences { get; init; } = [];

    /// <summary>Texts that a beam search keeps at a time, 1 to 256; 1 chooses token by token. Null: 1.</summary>
    /// <remarks>
    /// A beam search looks for the likeliest text: it draws nothing, so options of sampling are refused beside it. Its text
    /// comes at its end, whole. Searches of a model run one after another, in order of arrival.
    /// </remarks>
    public int? Beams { get; init; }

    /// <summary>Beam search ranks texts by the sum of their tokens' log-probabilities divided by length^LengthPenalty, -10 to 10; more prefers longer texts. Null: 1, the mean.</summary>
    public float? LengthPenalty { get; init; }

    /// <summary>Whether to go on past the model's end-of-text tokens (for measurements).</summary>
    public bool IgnoreEndOfText { get; init; }

    internal bool SearchesBeams => Beams > 1;

    /// <summary><see cref="MaxTokens"/> as a number to compare with.</summary>
    internal int TokenLimit => MaxTokens is null or NoLimit ? int.MaxValue : MaxTokens.Value;

    /// <summary>The first value out of its range, or the first that contradicts another; null when all are fine.</summary>
    /// <param name="vocabularySize">The model's, or null where it is not known.</param>
    internal InvalidRequestException? FindFault(int? vocabularySize = null)
    {
        foreach (var option in Table)
        {
            if (option.FindFault(this, vocabularySize) is { } fault)
                return new InvalidRequestException(option.Name, fault);
        }

        return FindConflict();
    }

    /// <summary>The first option that contradicts the beams; null for none.</summary>
    /// <param name="searches">Whether a search is made, however many beams there are.</param>
    internal InvalidRequestException? FindBeamConflict(bool searches = false)
    {
        if (!SearchesBeams && !searches)
            return LengthPenalty is null ? null : new InvalidRequestException(nameof(LengthPenalty), "ranks the texts of a beam search and needs at least 2 beams");
        if (OnFull is not (null or FullContext.Stop))
            return new InvalidRequestException(nameof(OnFull), "must be stop beside beams: their texts end where the context does");
        return Table.FirstOrDefault(option => option.ContradictsBeams(this)) is { } conflict
            ? new InvalidRequestException(conflict.Name, "is of sampling; a beam search draws nothing") : null;
    }

    private InvalidRequestException? FindConflict()
    {
        const string SaysItself = "contradicts a constraint, which says where the text ends";
        return FindBeamConflict()
            ?? Conflict(SearchesBeams && ChoiceCount > Beams, nameof(ChoiceCount), $"must be at most the {Beams} beams, found {ChoiceCount}")
            ?? Conflict(SearchesBeams && LogProbabilities is not null, nameof(LogProbabilities), "are of texts that are drawn; a beam search ranks whole texts")
            ?? Conflict(MinTokens > TokenLimit, nameof(MinTokens), $"must be at most the token limit of {MaxTokens}, found {MinTokens}")
            ?? Conflict(Constraint is not null && MinTokens > 0, nameof(MinTokens), SaysItself)
            ?? Conflict(Constraint is not null && IgnoreEndOfText, nameof(IgnoreEndOfText), SaysItself);
    }

    private static InvalidRequestException? Conflict(bool holds, string option, string reason) => holds ? new InvalidRequestException(option, reason) : null;
}
