namespace Hearth.Runtime;

/// <summary>How the next token is chosen and when to stop. A null member means the default its text names.</summary>
/// <remarks>Immutable; safe to share between requests.</remarks>
public sealed record GenerationOptions
{
    /// <summary>Every default.</summary>
    public static GenerationOptions Default { get; } = new();

    /// <summary>At most this many tokens are generated, at least 0; null: as many as fit into the context.</summary>
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

    /// <summary>The most beams of a search.</summary>
    internal const int MostBeams = 256;

    internal bool SearchesBeams => Beams > 1;

    /// <summary>The first option that contradicts the beams: its name, by which to say so, and why; null for none.</summary>
    /// <param name="searches">Whether a search is made, however many beams there are.</param>
    internal (string Option, string Reason)? FindBeamConflict(bool searches = false)
    {
        if (!SearchesBeams && !searches)
            return LengthPenalty is null ? null : (nameof(LengthPenalty), "ranks the texts of a beam search and needs at least 2 beams");
        (string Option, bool IsSet)[] sampling =
        [
            (nameof(Temperature), Temperature is not (null or 0)),
            (nameof(TopK), TopK is not null),
            (nameof(TopP), TopP is not null),
            (nameof(MinP), MinP is not null),
            (nameof(Seed), Seed is not null),
            (nameof(RepetitionPenalty), RepetitionPenalty is not (null or 1)),
            (nameof(PresencePenalty), PresencePenalty is not (null or 0)),
            (nameof(FrequencyPenalty), FrequencyPenalty is not (null or 0)),
            (nameof(PenaltyWindow), PenaltyWindow is not null),
        ];
        return Array.Find(sampling, option => option.IsSet).Option is { } name ? (name, "is of sampling; a beam search draws nothing") : null;
    }
}
