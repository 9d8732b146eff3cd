using System.Globalization;
using Hearth.Runtime.Embedding;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /v1/embeddings: a vector for each input, all of length 1.</summary>
internal static class EmbeddingsEndpoint
{
    /// <summary>Inputs that one request may hold; OpenAI's own limit.</summary>
    private const int MaxInputs = 2048;

    public static void MapEmbeddings(this IEndpointRouteBuilder routes) => routes.MapPost("/v1/embeddings", HandleAsync);

    private static async Task HandleAsync(HttpContext context)
    {
        var (id, model, texts, isBase64, dimensions) = await ReadAsync(context);
        using var lifetime = new AnswerLifetime(context);
        lifetime.Begin();
        var vectors = await lifetime.RunAsync(cancelled => model.EmbedAsync(texts, normalize: true, cancelled));
        var tokens = texts.Sum(text => text.Count);
        RequestAccount.Of(context).AddPrompt(tokens);
        var response = new EmbeddingResponse
        {
            Data = [.. vectors.Select((vector, i) => new EmbeddingEntry { Index = i, Embedding = new WireVector(EmbeddingVectors.Shorten(vector, dimensions), isBase64) })],
            Model = id,
            Usage = new EmbeddingUsage { PromptTokens = tokens, TotalTokens = tokens },
        };
        await context.Response.WriteAsJsonAsync(response, ProtocolJson.Wire.EmbeddingResponse, cancellationToken: context.RequestAborted);
    }

    private static async Task<(string Id, IEmbeddingModel Model, List<IReadOnlyList<int>> Texts, bool IsBase64, int? Dimensions)> ReadAsync(HttpContext context)
    {
        using var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.EmbeddingRequest);
        var body = read.Body;
        var (id, model, _) = await ModelLookup.FindEmbeddingAsync(context, body.Model);
        var isBase64 = IsBase64(body.EncodingFormat);
        var dimensions = CheckedDimensions(body.Dimensions, model);
        return (id, model, ToTexts(body, model, context.RequestAborted), isBase64, dimensions);
    }

    private static bool IsBase64(string? format) => format switch
    {
        null or "float" => false,
        "base64" => true,
        _ => throw ApiException.BadRequest($"'encoding_format' must be \"float\" or \"base64\", found '{(format.Length > 80 ? format[..80] + "..." : format)}'", "encoding_format"),
    };

    internal static int? CheckedDimensions(int? dimensions, IEmbeddingModel model)
        => dimensions is null || (dimensions >= 1 && dimensions <= model.Dimensions)
            ? dimensions
            : throw ApiException.BadRequest($"'dimensions' must be between 1 and the model's {model.Dimensions}, found {dimensions}", "dimensions");

    /// <summary>The texts' tokens.</summary>
    /// <param name="body">The texts, or their tokens.</param>
    /// <param name="model">Embeds them.</param>
    /// <param name="cancellationToken">Stops between texts.</param>
    /// <param name="truncates">Whether a text that is too long loses its end rather than being refused.</param>
    internal static List<IReadOnlyList<int>> ToTexts(EmbeddingRequest body, IEmbeddingModel model, CancellationToken cancellationToken, bool truncates = false)
    {
        if (body.Input is not { Count: > 0 and <= MaxInputs } inputs)
        {
            throw ApiException.BadRequest($"'input' must hold 1 to {MaxInputs} texts{(body.Input is null ? "" : $", found {body.Input.Count}")}", "input");
        }

        var texts = new List<IReadOnlyList<int>>(inputs.Count);
        for (var i = 0; i < inputs.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var param = string.Create(CultureInfo.InvariantCulture, $"input[{i}]");
            if (!truncates && inputs[i].Text is { } text && model.LeastTokens(text) is var least && least > model.Information.ContextLength)
            {
                throw new ContextLengthExceededException(least, model.Information.ContextLength, i, isLeast: true);
            }

            var ids = inputs[i].TokenIds is { } given ? CheckedIds(given, model, param) : Tokenize(inputs[i].Text!, model, param);
            if (truncates && ids.Count > model.Information.ContextLength)
            {
                ids = Truncate(ids, model.Information.ContextLength);
            }

            if (ids.Count > model.Information.ContextLength)
            {
                throw new ContextLengthExceededException(ids.Count, model.Information.ContextLength, i);
            }

            texts.Add(ids);
        }

        return texts;
    }

    // The last token, which ends a text of such models, stays.
    private static IReadOnlyList<int> Truncate(IReadOnlyList<int> ids, int length) => [.. ids.Take(length - 1), ids[^1]];

    private static IReadOnlyList<int> Tokenize(string text, IEmbeddingModel model, string param)
    {
        try
        {
            return text.Length > 0 && model.Tokenize(text) is { Count: > 0 } ids ? ids : throw ApiException.BadRequest($"'{param}' must not be empty", param);
        }
        catch (UnsupportedModelException exception)
        {
            // The file brings no vocabulary: token ids it can still embed.
            throw ApiException.BadRequest($"{exception.Message}; this model takes token ids", param);
        }
    }

    private static IReadOnlyList<int> CheckedIds(IReadOnlyList<int> ids, IEmbeddingModel model, string param)
    {
        if (ids.Count == 0)
        {
            throw ApiException.BadRequest($"'{param}' must not be an empty array of token ids", param);
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
