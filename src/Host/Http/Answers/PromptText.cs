namespace Hearth.Host.Http;

/// <summary>Prompts that go to a model as they are, without a template.</summary>
internal static class PromptText
{
    /// <summary>A text's tokens.</summary>
    /// <param name="model">Reads it.</param>
    /// <param name="text">Any text.</param>
    /// <param name="parseSpecial">Whether special tokens written in it count as such.</param>
    /// <param name="param">Its field.</param>
    /// <param name="mayShift">Whether what does not fit may be left out of it.</param>
    /// <exception cref="ContextLengthExceededException">It is far too long; it was not tokenized.</exception>
    /// <exception cref="ApiException">It makes no token.</exception>
    public static IReadOnlyList<int> Tokenize(ILanguageModel model, string text, bool parseSpecial, string param, bool mayShift = false)
    {
        // What is far too long is told so without the time and memory that tokenizing it would take.
        if (!mayShift && model.LeastTokens(text) is var least && least > model.Information.ContextLength)
        {
            throw new ContextLengthExceededException(least, model.Information.ContextLength, isLeast: true);
        }

        return model.Tokenize(text, addSpecial: true, parseSpecial) is { Count: > 0 } ids
            ? ids
            : throw ApiException.BadRequest($"'{param}' must not be empty: this model has no token that begins a text", param);
    }

    /// <summary>Token ids that a caller sent.</summary>
    /// <exception cref="ApiException">There is none, or one that the model does not know.</exception>
    public static IReadOnlyList<int> Checked(IReadOnlyList<int> ids, ILanguageModel model, string param)
    {
        if (ids.Count == 0)
        {
            throw ApiException.BadRequest($"'{param}' must not hold an empty array of token ids", param);
        }

        foreach (var id in ids)
        {
            if (id < 0 || id >= model.Information.VocabularySize)
            {
                throw ApiException.BadRequest($"'{param}' names token {id}, but the vocabulary has the tokens 0 to {model.Information.VocabularySize - 1}", param);
            }
        }

        return ids;
    }
}
