using System.Globalization;
using System.Text.Json;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Host.Http;

/// <summary>Prompts in every form that llama-server takes.</summary>
internal static class LlamaPrompts
{
    /// <summary>Prompts that one request may hold.</summary>
    private const int MostPrompts = 128;

    /// <summary>The prompts of a field.</summary>
    /// <returns>Their tokens, and whether there were several: the answer is then an array.</returns>
    /// <exception cref="ApiException">It is in none of the forms.</exception>
    public static (IReadOnlyList<IReadOnlyList<int>> Prompts, bool AreSeveral) Read(JsonElement? field, ILanguageModel model, string param)
    {
        if (field is not { ValueKind: JsonValueKind.Array } array)
        {
            return ([One(field ?? default, model, param)], false);
        }

        // Numbers among its elements say that the array is one prompt.
        if (array.GetArrayLength() > 0 && array.EnumerateArray().Any(item => item.ValueKind == JsonValueKind.Number))
        {
            return ([Mixed(array, model, addSpecial: true, parseSpecial: true, param)], false);
        }

        return array.GetArrayLength() is > 0 and <= MostPrompts
            ? ([.. array.EnumerateArray().Select((item, i) => One(item, model, string.Create(CultureInfo.InvariantCulture, $"{param}[{i}]")))], true)
            : throw ApiException.BadRequest($"'{param}' must hold 1 to {MostPrompts} prompts", param);
    }

    /// <summary>Texts and token ids one after the other.</summary>
    public static IReadOnlyList<int> Mixed(JsonElement parts, ILanguageModel model, bool addSpecial, bool parseSpecial, string param)
    {
        var ids = new List<int>();
        var isFirst = true;
        foreach (var part in parts.EnumerateArray())
        {
            if (part.ValueKind == JsonValueKind.String)
            {
                var text = part.GetString()!;
                CheckLength(text, model);
                ids.AddRange(model.Tokenize(text, addSpecial && isFirst, parseSpecial));
            }
            else
            {
                ids.Add(part.ValueKind == JsonValueKind.Number && part.TryGetInt32(out var id) ? id : throw Wrong(param));
            }

            isFirst = false;
        }

        return PromptText.Checked(ids, model, param);
    }

    /// <summary>The model's vocabulary.</summary>
    /// <exception cref="ApiException">It has none here.</exception>
    public static Tokenizer TokenizerOf(IModel model, string id) => model switch
    {
        LanguageModel { OptionalTokenizer: { } tokenizer } => tokenizer,
        EmbeddingModel embedding => embedding.Tokenizer,
        _ => throw new ApiException(StatusCodes.Status501NotImplemented, $"the model '{id}' has no vocabulary here"),
    };

    private static IReadOnlyList<int> One(JsonElement prompt, ILanguageModel model, string param) => prompt.ValueKind switch
    {
        JsonValueKind.String => PromptText.Tokenize(model, prompt.GetString()!, parseSpecial: true, param),
        JsonValueKind.Array => Mixed(prompt, model, addSpecial: true, parseSpecial: true, param),
        JsonValueKind.Object when prompt.TryGetProperty("multimodal_data", out var data) && !(data.ValueKind == JsonValueKind.Array && data.GetArrayLength() == 0)
            => throw ApiException.BadRequest($"'{param}.multimodal_data' is not supported: models here read text", param + ".multimodal_data", "unsupported_parameter"),
        JsonValueKind.Object when prompt.TryGetProperty("prompt_string", out var text) && text.ValueKind == JsonValueKind.String
            => PromptText.Tokenize(model, text.GetString()!, parseSpecial: true, param),
        _ => throw Wrong(param),
    };

    private static void CheckLength(string text, ILanguageModel model)
    {
        if (model.LeastTokens(text) is var least && least > model.Information.ContextLength)
        {
            throw new ContextLengthExceededException(least, model.Information.ContextLength, isLeast: true);
        }
    }

    private static ApiException Wrong(string param)
        => ApiException.BadRequest($"'{param}' must be a string, token ids, both mixed, an object with a 'prompt_string', or an array of such prompts", param);
}
