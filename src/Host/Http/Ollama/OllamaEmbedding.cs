using System.Text.Json;
using System.Text.Json.Nodes;
using Hearth.Runtime.Embedding;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /api/embed, and /api/embeddings, which takes one text and scales nothing.</summary>
internal static class OllamaEmbedding
{
    public static async Task HandleAsync(HttpContext context, bool isOld)
    {
        var clock = new AnswerClock();
        var (id, model, texts, dimensions) = await ReadAsync(context, isOld);
        using var lifetime = new AnswerLifetime(context);
        lifetime.Begin();
        var vectors = texts.Count == 0 ? [] : await lifetime.RunAsync(cancelled => model.EmbedAsync(texts, normalize: !isOld, cancelled));
        RequestAccount.Of(context).AddPrompt(texts.Sum(text => text.Count));
        var nodes = vectors.Select(vector => ToNode(EmbeddingVectors.Shorten(vector, dimensions))).ToArray();
        await OllamaEndpoints.WriteAsync(context, isOld ? new JsonObject { ["embedding"] = nodes.Length > 0 ? nodes[0] : new JsonArray() } : new JsonObject
        {
            ["model"] = id,
            ["embeddings"] = new JsonArray(nodes),
            ["total_duration"] = (long)clock.Total.TotalNanoseconds,
            ["load_duration"] = 0,
            ["prompt_eval_count"] = texts.Sum(text => text.Count),
        });
    }

    private static async Task<(string Id, IEmbeddingModel Model, List<IReadOnlyList<int>> Texts, int? Dimensions)> ReadAsync(HttpContext context, bool isOld)
    {
        using var read = await RequestReader.ReadAsync(context, OllamaJson.Default.OllamaEmbedRequest);
        var body = read.Body;
        if (string.IsNullOrEmpty(body.Model))
        {
            throw ApiException.BadRequest("model is required", "model");
        }

        var (id, model, entry) = await ModelLookup.FindEmbeddingAsync(context, body.Model);
        OllamaModels.KeepAlive(context, entry, body.KeepAlive);
        var dimensions = EmbeddingsEndpoint.CheckedDimensions(body.Dimensions is 0 ? null : body.Dimensions, model);
        var inputs = isOld ? body.Prompt is { Length: > 0 } prompt ? [prompt] : [] : body.Input ?? [];
        var request = new EmbeddingRequest { Input = [.. inputs.Select(text => new PromptInput(text, null))] };
        var texts = inputs.Count == 0 ? [] : EmbeddingsEndpoint.ToTexts(request, model, context.RequestAborted, truncates: body.Truncate != false);
        return (id, model, texts, dimensions);
    }

    private static JsonNode ToNode(float[] vector) => JsonSerializer.SerializeToNode(new WireVector(vector, false), ProtocolJson.Wire.WireVector)!;
}
