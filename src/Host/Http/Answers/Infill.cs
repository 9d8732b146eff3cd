using Hearth.Runtime.Tokenizers;

namespace Hearth.Host.Http;

/// <summary>Prompts that ask a model for the text between two others, for models with tokens for that.</summary>
/// <remarks>Source: arXiv 2207.14255, prefix-suffix-middle; files before them as arXiv 2409.12186 has it.</remarks>
internal static class Infill
{
    /// <summary>The prompt's tokens.</summary>
    /// <param name="id">The model's name.</param>
    /// <param name="model">Fills the hole.</param>
    /// <param name="before">What is before the hole.</param>
    /// <param name="after">What is behind it.</param>
    /// <param name="param">The field that asked for it.</param>
    /// <param name="files">Other files that the text may refer to, by name; null: none.</param>
    /// <exception cref="ApiException">The model has no such tokens.</exception>
    public static IReadOnlyList<int> Prompt(string id, ILanguageModel model, string before, string after, string param, IReadOnlyList<(string Name, string Text)>? files = null)
    {
        var tokenizer = (model as LanguageModel)?.Tokenizer;
        if (tokenizer?.Special is not { FillPrefix: { } prefix, FillSuffix: { } suffix, FillMiddle: { } middle } special)
        {
            throw ApiException.BadRequest($"'{param}' needs a model with tokens that fill a hole; '{id}' has none", param, "unsupported_parameter");
        }

        List<int> prompt = tokenizer is { AddsBeginOfText: true, BeginOfTextId: { } begin } ? [begin] : [];
        if (files is { Count: > 0 })
        {
            AddFiles(prompt, tokenizer, special, files);
        }

        prompt.Add(prefix);
        prompt.AddRange(tokenizer.Encode(before, addSpecial: false));
        prompt.Add(suffix);
        prompt.AddRange(tokenizer.Encode(after, addSpecial: false));
        prompt.Add(middle);
        return prompt;
    }

    private static void AddFiles(List<int> prompt, Tokenizer tokenizer, SpecialTokenIds special, IReadOnlyList<(string Name, string Text)> files)
    {
        if (special.FillRepository is { } repository)
        {
            prompt.Add(repository);
            prompt.AddRange(tokenizer.Encode("repository\n", addSpecial: false));
        }

        foreach (var (name, text) in files)
        {
            if (special.FillFileSeparator is { } separator)
            {
                prompt.Add(separator);
                prompt.AddRange(tokenizer.Encode(name + "\n", addSpecial: false));
            }

            prompt.AddRange(tokenizer.Encode(text, addSpecial: false));
        }
    }
}
