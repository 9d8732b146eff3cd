namespace Hearth.Runtime.Sampling;

/// <summary>Checked generation options with every default filled in.</summary>
/// <param name="Temperature">At least 0; 0 is greedy.</param>
/// <param name="TopK">0 keeps all.</param>
/// <param name="TopP">0 to 1; 1 keeps all.</param>
/// <param name="MinP">0 to 1; 0 keeps all.</param>
/// <param name="RepetitionPenalty">Above 0; 1 is none.</param>
/// <param name="PresencePenalty">-2 to 2; 0 is none.</param>
/// <param name="FrequencyPenalty">-2 to 2; 0 is none.</param>
/// <param name="PenaltyWindow">Tokens that penalties look back at; -1: all.</param>
/// <param name="Bias">Token ids and what is added to their logits.</param>
/// <param name="Seed">Seeds the draw.</param>
internal sealed record SamplingParameters(
    float Temperature, int TopK, float TopP, float MinP, float RepetitionPenalty, float PresencePenalty,
    float FrequencyPenalty, int PenaltyWindow, KeyValuePair<int, float>[] Bias, ulong Seed)
{
    public bool IsGreedy => Temperature == 0;

    public bool HasPenalties
        => PenaltyWindow != 0 && (RepetitionPenalty != 1 || PresencePenalty != 0 || FrequencyPenalty != 0);

    /// <summary>Checks options and fills in defaults.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range; ParamName is the option's name.</exception>
    /// <exception cref="ArgumentException">Options contradict each other; ParamName is the one too many.</exception>
    public static SamplingParameters Resolve(GenerationOptions options, int vocabularySize)
    {
        Require(options.MaxTokens is null or >= 0, nameof(options.MaxTokens), options.MaxTokens, "at least 0");
        foreach (var stop in options.StopSequences)
        {
            Require(!string.IsNullOrEmpty(stop), nameof(options.StopSequences), stop, "at least one character long each");
        }

        Require(options.Beams is null or (>= 1 and <= GenerationOptions.MostBeams), nameof(options.Beams), options.Beams, $"1 to {GenerationOptions.MostBeams}");
        Require(options.LengthPenalty is null or (>= -10 and <= 10), nameof(options.LengthPenalty), options.LengthPenalty, "from -10 to 10");
        if (options.FindBeamConflict() is var (option, reason))
        {
            throw new ArgumentException($"{option} {reason}", option);
        }

        return new SamplingParameters(
            AtLeastZero(nameof(options.Temperature), options.Temperature ?? 0.8f),
            Checked(nameof(options.TopK), options.TopK ?? 40, options.TopK is null or >= 0, "at least 0"),
            Between(nameof(options.TopP), options.TopP ?? 0.95f, 0, 1),
            Between(nameof(options.MinP), options.MinP ?? 0.05f, 0, 1),
            Checked(nameof(options.RepetitionPenalty), options.RepetitionPenalty ?? 1, options.RepetitionPenalty is null or (> 0 and < float.PositiveInfinity), "above 0 and finite"),
            Between(nameof(options.PresencePenalty), options.PresencePenalty ?? 0, -2, 2),
            Between(nameof(options.FrequencyPenalty), options.FrequencyPenalty ?? 0, -2, 2),
            Checked(nameof(options.PenaltyWindow), options.PenaltyWindow ?? 64, options.PenaltyWindow is null or >= -1, "at least -1"),
            CheckedBias(options, vocabularySize),
            options.Seed ?? unchecked((ulong)Random.Shared.NextInt64(long.MinValue, long.MaxValue)));
    }

    private static KeyValuePair<int, float>[] CheckedBias(GenerationOptions options, int vocabularySize)
    {
        foreach (var (token, bias) in options.LogitBias ?? new Dictionary<int, float>())
        {
            Require((uint)token < (uint)vocabularySize, nameof(options.LogitBias), token, $"a token id from 0 to {vocabularySize - 1}");
            Require(bias < float.PositiveInfinity, nameof(options.LogitBias), bias, "finite or negative infinity");
        }

        return options.LogitBias is null ? [] : [.. options.LogitBias];
    }

    private static float AtLeastZero(string name, float value) => Checked(name, value, value is >= 0 and < float.PositiveInfinity, "at least 0 and finite");

    private static float Between(string name, float value, float low, float high)
        => Checked(name, value, value >= low && value <= high, $"from {low} to {high}");

    private static T Checked<T>(string name, T value, bool holds, string range)
    {
        Require(holds, name, value, range);
        return value;
    }

    private static void Require(bool holds, string name, object? value, string range)
    {
        if (!holds)
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be {range}");
        }
    }
}
