using System.Globalization;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /v1/rerank: documents by how well they fit a query, the best first.</summary>
internal static class RerankEndpoint
{
    private const int MaxDocuments = 2048;

    public static void MapRerank(this IEndpointRouteBuilder routes) => routes.MapPost("/v1/rerank", HandleAsync);

    private static async Task HandleAsync(HttpContext context, ModelCatalog catalog)
    {
        var body = await RequestReader.ReadAsync(context, ProtocolJson.Wire.RerankRequest);
        var (id, model) = ModelLookup.FindRanking(catalog, body.Model);
        Check(body);
        var pairs = ToPairs(body, model, context.RequestAborted);
        var scores = await model.EmbedAsync(pairs, normalize: false, context.RequestAborted);
        var tokens = pairs.Sum(pair => pair.Count);
        var best = Enumerable.Range(0, pairs.Count).OrderByDescending(i => scores[i][0]).Take(body.TopN ?? pairs.Count);
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

    private static void Check(RerankRequest body)
    {
        if (string.IsNullOrEmpty(body.Query))
        {
            throw ApiException.BadRequest("'query' must not be empty", "query");
        }

        if (body.Documents is not { Count: > 0 and <= MaxDocuments } documents)
        {
            throw ApiException.BadRequest($"'documents' must hold 1 to {MaxDocuments} texts{(body.Documents is null ? "" : $", found {body.Documents.Count}")}", "documents");
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
        var pairs = new List<IReadOnlyList<int>>(body.Documents!.Count);
        foreach (var document in body.Documents)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var pair = Tokenize(model, body.Query!, document.Text);
            if (pair.Count > model.Information.ContextLength)
            {
                var error = new ContextLengthExceededException(pair.Count, model.Information.ContextLength, pairs.Count);
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
