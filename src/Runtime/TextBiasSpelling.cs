using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime;

/// <summary>Turns biases of texts into biases of the tokens that spell them.</summary>
internal static class TextBiasSpelling
{
    /// <summary>The options with <see cref="GenerationOptions.TextBias"/> in <see cref="GenerationOptions.LogitBias"/>.</summary>
    /// <param name="options">What a caller asked for.</param>
    /// <param name="tokenizer">The model's; null for one without a vocabulary.</param>
    /// <exception cref="InvalidRequestException">A text has no token, or the model no vocabulary.</exception>
    public static GenerationOptions Spell(GenerationOptions options, Tokenizer? tokenizer)
    {
        if (options.TextBias is not { Count: > 0 } texts)
            return options;
        if (tokenizer is null)
            throw new InvalidRequestException(nameof(options.TextBias), "names texts, but the model has no vocabulary: name token ids");
        if (options.FindFault() is { } fault)
            throw fault;
        var biases = new Dictionary<int, float>(options.LogitBias ?? new Dictionary<int, float>());
        foreach (var (text, bias) in texts)
        {
            var ids = tokenizer.Encode(text, addSpecial: false, parseSpecial: true);
            if (ids.Count == 0)
                throw new InvalidRequestException(nameof(options.TextBias), $"names '{text}', which the model spells without a token");
            foreach (var id in ids.Distinct())
                biases[id] = biases.GetValueOrDefault(id) + bias;
        }

        return options with { LogitBias = biases, TextBias = null };
    }
}
