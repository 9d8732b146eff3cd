using System.Globalization;
using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /v1/rerank: documents by how well they fit a query, the best first.</summary>
internal static class RerankEndpoint
{
    private const int MaxDocuments = 2048;

    public static void MapRerank(this IEndpointRouteBuilder routes)
    {
        foreach (var path in new[] { "/v1/rerank", "/v1/reranking", "/rerank", "/reranking" })
        {
            routes.MapPost(path, HandleAsync);
        }
    }

    private static async Task HandleAsync(HttpContext context)
    {
        var (id, model, body, pairs) = await ReadAsync(context);
        using var lifetime = new AnswerLifetime(context);
        lifetime.Begin();
        var scores = await lifetime.RunAsync(cancelled => model.EmbedAsync(pairs, normalize: false, cancelled));
        RequestAccount.Of(context).AddPrompt(pairs.Sum(pair => pair.Count));
        if (body.Texts is not null)
        {
            await WriteTextsAsync(context, body, scores);
            return;
        }

        var tokens = pairs.Sum(pair => pair.Count);
        var best = Best(scores, body.TopN);
        var response = new RerankResponse
        {
            Model = id,
            Results = [.. best.Select(i => new RerankResult
            {
                Index = i,
                RelevanceScore = scores[i][0],
                Document = body.ReturnDocuments == true ? body.Documents![i] : null,
            })],
            Usage = new EmbeddingUsage { PromptTokens = tokens, TotalTokens = tokens },
        };
        await context.Response.WriteAsJsonAsync(response, ProtocolJson.Wire.RerankResponse, cancellationToken: context.RequestAborted);
    }

    private static IEnumerable<int> Best(IReadOnlyList<float[]> scores, int? most) => Enumerable.Range(0, scores.Count).OrderByDescending(i => scores[i][0]).Take(most ?? scores.Count);

    // Source: https://huggingface.github.io/text-embeddings-inference, rerank.
    private static Task WriteTextsAsync(HttpContext context, RerankRequest body, IReadOnlyList<float[]> scores)
    {
        var results = new JsonArray();
        foreach (var i in Best(scores, body.TopN))
        {
            var result = new JsonObject { ["index"] = i, ["score"] = scores[i][0] };
            if (body.ReturnText == true)
            {
                result["text"] = body.Texts![i];
            }

            results.Add(result);
        }

        return context.Response.WriteAsJsonAsync(results, ProtocolJson.Wire.JsonNode, cancellationToken: context.RequestAborted);
    }

    /// <summary>The documents, under whichever name they came.</summary>
    private static IReadOnlyList<RerankDocument>? DocumentsOf(RerankRequest body) => body.Documents ?? body.Texts?.Select(text => new RerankDocument(text)).ToList();

    private static async Task<(string Id, IEmbeddingModel Model, RerankRequest Body, List<IReadOnlyList<int>> Pairs)> ReadAsync(HttpContext context)
    {
        using var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.RerankRequest);
        var (id, model, _) = await ModelLookup.FindRankingAsync(context, read.Body.Model);
        Check(read.Body);
        return (id, model, read.Body, ToPairs(read.Body, model, context.RequestAborted));
    }

    private static void Check(RerankRequest body)
    {
        if (string.IsNullOrEmpty(body.Query))
        {
            throw ApiException.BadRequest("'query' must not be empty", "query");
        }

        var given = DocumentsOf(body);
        if (given is not { Count: > 0 and <= MaxDocuments } documents)
        {
            throw ApiException.BadRequest($"'documents' must hold 1 to {MaxDocuments} texts{(given is null ? "" : $", found {given.Count}")}", "documents");
        }

        for (var i = 0; i < documents.Count; i++)
        {
            if (string.IsNullOrEmpty(documents[i]?.Text))
            {
                throw ApiException.BadRequest($"'{Param(i)}' must not be empty", Param(i));
            }
        }

        if (body.TopN < 1)
        {
            throw ApiException.BadRequest($"'top_n' must be at least 1, found {body.TopN}", "top_n");
        }
    }

    private static List<IReadOnlyList<int>> ToPairs(RerankRequest body, IEmbeddingModel model, CancellationToken cancellationToken)
    {
        var documents = DocumentsOf(body)!;
        var pairs = new List<IReadOnlyList<int>>(documents.Count);
        foreach (var document in documents)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var least = model.LeastTokens(body.Query!) + model.LeastTokens(document.Text);
            var pair = least > model.Information.ContextLength ? [] : Tokenize(model, body.Query!, document.Text);
            if (Math.Max(least, pair.Count) > model.Information.ContextLength)
            {
                var error = new ContextLengthExceededException(Math.Max(least, pair.Count), model.Information.ContextLength, pairs.Count, isLeast: pair.Count == 0);
                throw new ApiException(StatusCodes.Status400BadRequest, error.Message)
                {
                    Param = Param(pairs.Count),
                    Code = WireNames.ContextLengthExceeded,
                    Tokens = (error.TokensAsked, error.TokensPossible),
                };
            }

            pairs.Add(pair);
        }

        return pairs;
    }

    private static IReadOnlyList<int> Tokenize(IEmbeddingModel model, string query, string document)
    {
        try
        {
            return model.TokenizePair(query, document);
        }
        catch (UnsupportedModelException exception)
        {
            throw ApiException.BadRequest(exception.Message, "model");
        }
    }

    private static string Param(int document) => string.Create(CultureInfo.InvariantCulture, $"documents[{document}]");
}
