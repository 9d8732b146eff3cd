using System.Text.Json.Nodes;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /hearth/estimate: what a chat or a completion would cost if it were sent now. The body is theirs; nothing runs.</summary>
internal static class EstimateEndpoint
{
    public static void MapEstimate(this IEndpointRouteBuilder routes) => routes.MapPost("/hearth/estimate", HandleAsync);

    private static async Task HandleAsync(HttpContext context)
    {
        using var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.JsonObject);
        var bytes = System.Text.Encoding.UTF8.GetBytes(read.Body.ToJsonString());
        var (id, estimate) = read.Body.ContainsKey("messages")
            ? await EstimateChatAsync(context, RequestReader.Parse(bytes, ProtocolJson.Wire.ChatCompletionRequest))
            : await EstimateTextAsync(context, RequestReader.Parse(bytes, ProtocolJson.Wire.CompletionRequest));
        if (estimate is null)
        {
            throw ApiException.BadRequest($"the model '{id}' tells no estimates", "model");
        }

        await context.Response.WriteAsJsonAsync(ToWire(id, estimate), ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);
    }

    private static async Task<(string, RequestEstimate?)> EstimateChatAsync(HttpContext context, ChatCompletionRequest body)
    {
        var (id, model, _) = await ModelAnswer.FindChatAsync(context, body.Model);
        UnsupportedFields.RefuseInChat(body.Others);
        var turn = await ModelAnswer.CompleteAsync(context, TurnMapping.ToTurn(body, RequestMapping.ToOptions(body, model.Information, context)));
        try
        {
            var request = await Task.Run(() => ChatTurn.ToGeneration(model, turn, context.RequestAborted), context.RequestAborted);
            return (id, await model.EstimateAsync(request, context.RequestAborted));
        }
        catch (ChatTemplateFailureException failure)
        {
            throw ApiException.BadRequest(failure.Message, failure.IsRefusal ? "messages" : null);
        }
    }

    private static async Task<(string, RequestEstimate?)> EstimateTextAsync(HttpContext context, CompletionRequest body)
    {
        var (id, model, _) = await ModelLookup.FindTextAsync(context, body.Model);
        UnsupportedFields.RefuseInCompletion(body.Others);
        var prompts = RequestMapping.ToPrompts(body, id, model);
        if (prompts.Count != 1)
        {
            throw ApiException.BadRequest($"an estimate is of one prompt, found {prompts.Count}", "prompt");
        }

        var request = ModelAnswer.Complete(context, new GenerationRequest { Prompt = prompts[0], Options = RequestMapping.ToOptions(body, model.Information, context) });
        return (id, await model.EstimateAsync(request, context.RequestAborted));
    }

    private static JsonObject ToWire(string id, RequestEstimate estimate) => new()
    {
        ["object"] = "hearth.estimate",
        ["model"] = id,
        ["prompt_tokens"] = estimate.PromptTokens,
        ["cached_tokens"] = estimate.CachedPromptTokens,
        ["cache_miss"] = estimate.CacheMiss == CacheMissReason.None ? null : System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(estimate.CacheMiss.ToString()),
        ["cache_bytes"] = estimate.CacheBytes,
        ["most_cache_bytes"] = estimate.MostCacheBytes,
        ["queue_place"] = estimate.QueuePlace,
        ["seconds_to_first_token"] = estimate.TimeToFirstToken is { } time ? Math.Round(time.TotalSeconds, 4) : null,
    };
}
