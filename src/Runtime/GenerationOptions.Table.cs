using System.Globalization;

namespace Hearth.Runtime;

/// <content>What each option is called and which values it takes.</content>
public sealed partial record GenerationOptions
{
    /// <summary>The most beams of a search.</summary>
    internal const int MostBeams = 256;

    /// <summary>The most texts of one prompt.</summary>
    internal const int MostChoices = 128;

    /// <summary>The most alternatives told of a token.</summary>
    internal const int MostLogProbabilities = 128;

    /// <summary>The most tokens guessed in a step.</summary>
    internal const int MostDraftTokens = 64;

    internal static readonly NumberOption<int> MaxTokensOption = new(nameof(MaxTokens), o => o.MaxTokens, (o, value) => o with { MaxTokens = value }, NoLimit, int.MaxValue)
    {
        Help = "At most this many tokens; -1: as many as fit (default).",
        HelpName = "N",
    };

    internal static readonly NumberOption<float> TemperatureOption = new(nameof(Temperature), o => o.Temperature, (o, value) => o with { Temperature = value }, 0, float.MaxValue)
    {
        Default = 0.8f,
        IsOfSampling = true,
        Neutral = 0,
        Help = "0 takes the likeliest token (default: 0.8; encoder–decoders: 0).",
        HelpName = "T",
    };

    internal static readonly NumberOption<int> TopKOption = new(nameof(TopK), o => o.TopK, (o, value) => o with { TopK = value }, 0, int.MaxValue)
    {
        Default = 40,
        IsOfSampling = true,
        Help = "Only the K likeliest tokens; 0: all (default: 40).",
        HelpName = "K",
    };

    internal static readonly NumberOption<float> TopPOption = new(nameof(TopP), o => o.TopP, (o, value) => o with { TopP = value }, 0, 1)
    {
        Default = 0.95f,
        IsOfSampling = true,
        Help = "Only the likeliest tokens that add up to P (default: 0.95).",
        HelpName = "P",
    };

    internal static readonly NumberOption<float> MinPOption = new(nameof(MinP), o => o.MinP, (o, value) => o with { MinP = value }, 0, 1)
    {
        Default = 0.05f,
        IsOfSampling = true,
        Help = "Only tokens P times as likely as the likeliest (default: 0.05).",
        HelpName = "P",
    };

    internal static readonly NumberOption<float> RepetitionPenaltyOption = new(
        nameof(RepetitionPenalty), o => o.RepetitionPenalty, (o, value) => o with { RepetitionPenalty = value }, 0, float.MaxValue, excludesLeast: true)
    {
        Default = 1,
        IsOfSampling = true,
        Neutral = 1,
        Help = "Makes recent tokens less likely; 1: not (default).",
        HelpName = "R",
    };

    internal static readonly NumberOption<float> PresencePenaltyOption = new(nameof(PresencePenalty), o => o.PresencePenalty, (o, value) => o with { PresencePenalty = value }, -2, 2)
    {
        Default = 0,
        IsOfSampling = true,
        Neutral = 0,
        Help = "Taken off every recent token's logit, -2 to 2 (default: 0).",
        HelpName = "R",
    };

    internal static readonly NumberOption<float> FrequencyPenaltyOption = new(nameof(FrequencyPenalty), o => o.FrequencyPenalty, (o, value) => o with { FrequencyPenalty = value }, -2, 2)
    {
        Default = 0,
        IsOfSampling = true,
        Neutral = 0,
        Help = "Taken off a recent token's logit each time it occurs, -2 to 2 (default: 0).",
        HelpName = "R",
    };

    internal static readonly NumberOption<int> PenaltyWindowOption = new(nameof(PenaltyWindow), o => o.PenaltyWindow, (o, value) => o with { PenaltyWindow = value }, -1, int.MaxValue)
    {
        Default = 64,
        IsOfSampling = true,
        Help = "Penalties look at the N latest tokens; -1: all (default: 64).",
        HelpName = "N",
    };

    internal static readonly NumberOption<int> BeamsOption = new(nameof(Beams), o => o.Beams, (o, value) => o with { Beams = value }, 1, MostBeams)
    {
        Default = 1,
        Help = "Search the likeliest text with N beams; nothing is drawn (default: 1).",
        HelpName = "N",
    };

    internal static readonly NumberOption<float> LengthPenaltyOption = new(nameof(LengthPenalty), o => o.LengthPenalty, (o, value) => o with { LengthPenalty = value }, -10, 10)
    {
        Default = 1,
        Help = "Beams are ranked by log-probability / length^X (default: 1).",
        HelpName = "X",
    };

    internal static readonly NumberOption<ulong> SeedOption = new(nameof(Seed), o => o.Seed, (o, value) => o with { Seed = value }, 0, ulong.MaxValue)
    {
        IsOfSampling = true,
        Help = "The same seed gives the same text; -1: a fresh one (default).",
        HelpName = "N",
    };

    internal static readonly NumberOption<int> ChoiceCountOption = new(nameof(ChoiceCount), o => o.ChoiceCount, (o, value) => o with { ChoiceCount = value }, 1, MostChoices, wireName: "n")
    {
        Default = 1,
    };

    internal static readonly NumberOption<int> LogProbabilitiesOption = new(
        nameof(LogProbabilities), o => o.LogProbabilities, (o, value) => o with { LogProbabilities = value }, 0, MostLogProbabilities, wireName: "logprobs");

    internal static readonly NumberOption<int> MinTokensOption = new(nameof(MinTokens), o => o.MinTokens, (o, value) => o with { MinTokens = value }, 0, int.MaxValue)
    {
        Default = 0,
        Help = "The text does not end before N tokens (default: 0).",
        HelpName = "N",
    };

    internal static readonly NumberOption<int> DraftTokensOption = new(nameof(DraftTokens), o => o.DraftTokens, (o, value) => o with { DraftTokens = value }, 0, MostDraftTokens)
    {
        IsOfSampling = true,
        Neutral = 0,
        Help = "Guess up to N tokens a step from prompt and answer; the text is the same.",
        HelpName = "N",
    };

    internal static readonly NameOption OnFullOption = NameOption.Of<FullContext>(nameof(OnFull), o => o.OnFull, (o, value) => o with { OnFull = value },
        help: "Where the context is full: stop (default), shift (leave out what is in the middle) or error.");

    internal static readonly NumberOption<int> KeptTokensOption = new(nameof(KeptTokens), o => o.KeptTokens, (o, value) => o with { KeptTokens = value }, -1, int.MaxValue, wireName: "n_keep")
    {
        Default = 4,
        Help = "Tokens of the prompt's beginning that stay where the context shifts; -1: all (default: 4).",
        HelpName = "N",
    };

    internal static readonly OtherOption StopTokenIdsOption = new(
        nameof(StopTokenIds), (o, vocabulary) => o.StopTokenIds.Select(id => FindTokenFault(id, vocabulary)).FirstOrDefault(fault => fault is not null));

    internal static readonly OtherOption LogitBiasOption = new(nameof(LogitBias), (o, vocabulary) => FindBiasFault(o.LogitBias, vocabulary));

    internal static readonly OtherOption TextBiasOption = new(nameof(TextBias), (o, _) => FindBiasFault(o.TextBias), wireName: "logit_bias");

    internal static readonly OtherOption ConstraintOption = new(nameof(Constraint), (_, _) => null, wireName: "response_format");

    internal static readonly OtherOption StopSequencesOption = new(
        nameof(StopSequences), (o, _) => o.StopSequences.Any(string.IsNullOrEmpty) ? "must not hold an empty text" : null, wireName: "stop")
    {
        Help = "Ends before this text; may be given several times.",
        HelpName = "TEXT",
    };

    internal static readonly OtherOption IgnoreEndOfTextOption = new(nameof(IgnoreEndOfText), (_, _) => null, wireName: "ignore_eos")
    {
        Help = "Go on past the model's end of text.",
    };

    /// <summary>Every option, in the order in which they are checked.</summary>
    internal static IReadOnlyList<GenerationOption> Table { get; } =
    [
        MaxTokensOption, TemperatureOption, TopKOption, TopPOption, MinPOption, RepetitionPenaltyOption, PresencePenaltyOption, FrequencyPenaltyOption,
        PenaltyWindowOption, BeamsOption, LengthPenaltyOption, SeedOption, ChoiceCountOption, LogProbabilitiesOption, MinTokensOption, DraftTokensOption, OnFullOption, KeptTokensOption, StopTokenIdsOption,
        LogitBiasOption, TextBiasOption, StopSequencesOption, IgnoreEndOfTextOption, ConstraintOption,
    ];

    private static string? FindBiasFault(IReadOnlyDictionary<int, float>? biases, int? vocabularySize)
    {
        foreach (var (id, bias) in biases ?? new Dictionary<int, float>())
        {
            if (FindTokenFault(id, vocabularySize) is { } fault)
                return fault;
            if (float.IsNaN(bias) || float.IsPositiveInfinity(bias))
                return string.Create(CultureInfo.InvariantCulture, $"of token {id} must be a number, found {bias}");
        }

        return biases?.Count >= vocabularySize && biases.Values.All(float.IsNegativeInfinity) ? "forbids every token" : null;
    }

    private static string? FindBiasFault(IReadOnlyDictionary<string, float>? biases)
    {
        foreach (var (text, bias) in biases ?? new Dictionary<string, float>())
        {
            if (string.IsNullOrEmpty(text))
                return "must not name an empty text";
            if (float.IsNaN(bias) || float.IsPositiveInfinity(bias))
                return string.Create(CultureInfo.InvariantCulture, $"of '{text}' must be a number, found {bias}");
        }

        return null;
    }

    private static string? FindTokenFault(int id, int? vocabularySize)
        => id >= 0 && id < (vocabularySize ?? int.MaxValue) ? null
            : vocabularySize is { } size ? $"names token {id}, but the vocabulary has the tokens 0 to {size - 1}" : $"names token {id}; ids count from 0";
}
