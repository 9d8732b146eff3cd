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
    /// <exception cref="InvalidRequestException">An option is out of its range, or options contradict each other.</exception>
    public static SamplingParameters Resolve(GenerationOptions options, int vocabularySize)
    {
        if (options.FindFault(vocabularySize) is { } fault)
            throw fault;
        return new SamplingParameters(
            GenerationOptions.TemperatureOption.ValueOf(options),
            GenerationOptions.TopKOption.ValueOf(options),
            GenerationOptions.TopPOption.ValueOf(options),
            GenerationOptions.MinPOption.ValueOf(options),
            GenerationOptions.RepetitionPenaltyOption.ValueOf(options),
            GenerationOptions.PresencePenaltyOption.ValueOf(options),
            GenerationOptions.FrequencyPenaltyOption.ValueOf(options),
            GenerationOptions.PenaltyWindowOption.ValueOf(options),
            options.LogitBias is null ? [] : [.. options.LogitBias],
            options.Seed ?? unchecked((ulong)Random.Shared.NextInt64(long.MinValue, long.MaxValue)));
    }
}
