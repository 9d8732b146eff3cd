namespace Hearth.Runtime.Protocol;

/// <summary>A request to order documents by how well they fit a query, in the shape of Jina's and Cohere's APIs.</summary>
/// <remarks>Source: https://api.jina.ai/redoc, rerank.</remarks>
internal sealed class RerankRequest
{
    public string? Model { get; init; }

    public string? Query { get; init; }

    public IReadOnlyList<string>? Documents { get; init; }

    /// <summary>How many of the best to answer with; null: all.</summary>
    public int? TopN { get; init; }

    /// <summary>Whether results carry their texts; null: no.</summary>
    public bool? ReturnDocuments { get; init; }
}

internal sealed class RerankResponse
{
    public string Object { get; init; } = "list";

    public required string Model { get; init; }

    /// <summary>The best first.</summary>
    public required IReadOnlyList<RerankResult> Results { get; init; }

    public EmbeddingUsage? Usage { get; init; }
}

internal sealed class RerankResult
{
    /// <summary>Which of the request's documents.</summary>
    public int Index { get; init; }

    /// <summary>The model's score as it is: a logit, without bounds for most models.</summary>
    public float RelevanceScore { get; init; }

    public RerankDocument? Document { get; init; }
}

internal sealed class RerankDocument
{
    public required string Text { get; init; }
}
