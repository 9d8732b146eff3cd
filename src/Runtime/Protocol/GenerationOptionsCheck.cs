using System.Globalization;
using System.Text.Json;

namespace Hearth.Runtime.Protocol;

/// <summary>The ranges that <see cref="GenerationOptions"/> documents, in the names that callers use.</summary>
internal static class GenerationOptionsCheck
{
    /// <summary>The first value out of its range: the wire name of its field and what is wrong with it; null when all are fine.</summary>
    /// <param name="options">What a caller asked for.</param>
    /// <param name="vocabularySize">The model's, or null where it is not known.</param>
    public static (string Field, string Message)? FindFault(GenerationOptions options, int? vocabularySize = null)
        => Range("max_tokens", options.MaxTokens, 0, int.MaxValue)
        ?? Range("temperature", options.Temperature, 0, float.MaxValue)
        ?? Range("top_k", options.TopK, 0, int.MaxValue)
        ?? Range("top_p", options.TopP, 0, 1)
        ?? Range("min_p", options.MinP, 0, 1)
        ?? Range("repetition_penalty", options.RepetitionPenalty, float.Epsilon, float.MaxValue)
        ?? Range("presence_penalty", options.PresencePenalty, -2, 2)
        ?? Range("frequency_penalty", options.FrequencyPenalty, -2, 2)
        ?? Range("penalty_window", options.PenaltyWindow, -1, int.MaxValue)
        ?? Range("beams", options.Beams, 1, GenerationOptions.MostBeams)
        ?? Range("length_penalty", options.LengthPenalty, -10, 10)
        ?? BeamConflict(options)
        ?? Biases(options.LogitBias, vocabularySize)
        ?? Stops(options.StopSequences);

    private static (string, string)? Range(string field, double? value, double least, double most)
    {
        if (value is not { } number || (number >= least && number <= most))
        {
            return null;
        }

        var range = (least, most) switch
        {
            (float.Epsilon, _) => "must be greater than 0",
            (_, > GenerationOptions.MostBeams) => string.Create(CultureInfo.InvariantCulture, $"must be at least {least}"),
            _ => string.Create(CultureInfo.InvariantCulture, $"must be between {least} and {most}"),
        };
        return (field, string.Create(CultureInfo.InvariantCulture, $"'{field}' {range}, found {number}"));
    }

    private static (string, string)? BeamConflict(GenerationOptions options)
        => options.FindBeamConflict() is var (option, reason) && JsonNamingPolicy.SnakeCaseLower.ConvertName(option) is var field ? (field, $"'{field}' {reason}") : null;

    private static (string, string)? Biases(IReadOnlyDictionary<int, float>? biases, int? vocabularySize)
    {
        foreach (var (id, bias) in biases ?? new Dictionary<int, float>())
        {
            if (id < 0 || id >= (vocabularySize ?? int.MaxValue))
            {
                return ("logit_bias", $"'logit_bias' names token {id}, but the vocabulary has the tokens 0 to {vocabularySize - 1}");
            }

            if (float.IsNaN(bias) || float.IsPositiveInfinity(bias))
            {
                return ("logit_bias", $"'logit_bias' of token {id} must be a number, found {bias}");
            }
        }

        return null;
    }

    private static (string, string)? Stops(IReadOnlyList<string> stops)
        => stops.Any(string.IsNullOrEmpty) ? ("stop", "'stop' must not hold an empty text") : null;
}
