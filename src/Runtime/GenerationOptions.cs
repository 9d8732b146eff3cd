namespace Hearth.Runtime;

/// <summary>How the next token is chosen and when to stop. A null member means the default its text names.</summary>
/// <remarks>Immutable; safe to share between requests.</remarks>
public sealed partial record GenerationOptions
{
    /// <summary>The value of <see cref="MaxTokens"/> that sets no limit.</summary>
    internal const int NoLimit = -1;

    /// <summary>Every default.</summary>
    public static GenerationOptions Default { get; } = new();

    /// <summary>At most this many tokens are generated, at least 0; null or -1: as many as fit into the context.</summary>
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
        return Table.FirstOrDefault(option => option.ContradictsBeams(this)) is { } conflict
            ? new InvalidRequestException(conflict.Name, "is of sampling; a beam search draws nothing") : null;
    }

    private InvalidRequestException? FindConflict() => FindBeamConflict();
}
