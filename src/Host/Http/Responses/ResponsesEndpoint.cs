using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>OpenAI's responses: POST /v1/responses, and what is kept of them.</summary>
internal static class ResponsesEndpoint
{
    /// <summary>Items of a page, where nobody says how many.</summary>
    private const int PageItems = 20;

    public static void MapResponses(this IEndpointRouteBuilder routes)
    {
        foreach (var prefix in new[] { "/v1", "" })
        {
            routes.MapPost(prefix + "/responses", HandleAsync);
            routes.MapPost(prefix + "/responses/input_tokens", CountAsync);
            routes.MapMethods(prefix + "/responses/{id}", HealthEndpoint.ReadMethods, ReadOneAsync);
            routes.MapDelete(prefix + "/responses/{id}", DeleteAsync);
            routes.MapMethods(prefix + "/responses/{id}/input_items", HealthEndpoint.ReadMethods, ReadItemsAsync);
            routes.MapPost(prefix + "/responses/{id}/cancel", _ => throw ApiException.BadRequest("only responses that run in the background can be cancelled; here none does"));
        }
    }

    private static async Task HandleAsync(HttpContext context)
    {
        var asked = await ReadAsync(context);
        using var lifetime = new AnswerLifetime(context);
        var clock = new AnswerClock();
        var turn = await ModelAnswer.CompleteAsync(context, asked.Turn) with { Admitted = clock.Begin + (Action)lifetime.Begin };
        var answer = new ResponseAnswer(asked.Request, asked.Id, clock);
        if (asked.Request.Stream == true)
        {
            await EventStream.WriteAsync(context, lifetime, cancelled => StreamAsync(context, asked, turn, answer, clock, cancelled), new NamedEvents());
            return;
        }

        var whole = await lifetime.RunAsync(async cancelled =>
        {
            await foreach (var told in StreamAsync(context, asked, turn, answer, clock, cancelled))
            {
                // Events are for those who stream; here the response that they make counts.
            }

            return answer.Snapshot();
        });
        await WriteAsync(context, whole);
    }

    private static async Task CountAsync(HttpContext context)
    {
        var asked = await ReadAsync(context);
        var count = await ModelAnswer.CountAsync(asked.Model, await ModelAnswer.CompleteAsync(context, asked.Turn), context.RequestAborted);
        await WriteAsync(context, new JsonObject { ["object"] = "response.input_tokens", ["input_tokens"] = count });
    }

    private static async Task<Asked> ReadAsync(HttpContext context)
    {
        using var read = await RequestReader.ReadAsync(context, ResponseJson.Default.ResponseRequest);
        var request = read.Body;
        var store = context.RequestServices.GetRequiredService<ResponseStore>();
        var scope = ScopeOf(context);
        var before = request.PreviousResponseId is { } id ? store.Find(scope, id, "previous_response_id").Conversation : [];
        var input = ResponseMapping.InputOf(request).Select((item, i) => Resolve(item, store, scope, i)).ToList();
        IReadOnlyList<JsonObject> items = [.. before, .. input];
        var (name, model, _) = await ModelAnswer.FindChatAsync(context, request.Model);
        return new Asked(name, model, request, items, ResponseMapping.ToTurn(request, items, model.Information, context));
    }

    private static JsonObject Resolve(JsonObject item, ResponseStore store, string? scope, int index)
        => item["type"]!.GetValue<string>() != "item_reference" ? item
            : store.FindItem(scope, item["id"]!.GetValue<string>()) ?? throw ApiException.BadRequest(
                $"'input[{index.ToString(CultureInfo.InvariantCulture)}].id' names an item that is not kept here", $"input[{index.ToString(CultureInfo.InvariantCulture)}].id");

    private static async IAsyncEnumerable<JsonObject> StreamAsync(
        HttpContext context, Asked asked, ChatTurnRequest turn, ResponseAnswer answer, AnswerClock clock, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ChatUpdate? last = null;
        await foreach (var update in ModelAnswer.ChatAsync(context, asked.Model, turn, cancellationToken))
        {
            clock.Update();
            if (last is null)
            {
                yield return answer.Created();
                yield return answer.InProgress();
            }

            last = update;
            foreach (var told in answer.Add(update))
            {
                yield return told;
            }
        }

        foreach (var told in answer.End(last))
        {
            // Kept before it is told, so that whoever hears of it may go on from it.
            if (asked.Request.Store != false && told["response"] is JsonObject response)
            {
                context.RequestServices.GetRequiredService<ResponseStore>().Add(ScopeOf(context), answer.Id, (JsonObject)response.DeepClone(), asked.Items);
            }

            yield return told;
        }
    }

    private static Task ReadOneAsync(HttpContext context, ResponseStore store, string id)
        => context.Request.Query["stream"] == "true"
            ? throw ApiException.BadRequest("'stream' of a response that is kept is not supported", "stream", "unsupported_parameter")
            : WriteAsync(context, store.Find(ScopeOf(context), id).Response);

    private static Task DeleteAsync(HttpContext context, ResponseStore store, string id)
    {
        store.Remove(ScopeOf(context), id);
        return WriteAsync(context, new JsonObject { ["id"] = id, ["object"] = "response", ["deleted"] = true });
    }

    private static Task ReadItemsAsync(HttpContext context, ResponseStore store, string id)
    {
        var items = store.Find(ScopeOf(context), id).Items;
        var query = context.Request.Query;
        var limit = !query.ContainsKey("limit") ? PageItems
            : int.TryParse(query["limit"], NumberStyles.None, CultureInfo.InvariantCulture, out var asked) && asked is >= 1 and <= 100 ? asked
            : throw ApiException.BadRequest($"'limit' must be between 1 and 100, found '{query["limit"]}'", "limit");
        var ordered = (query["order"].ToString() switch
        {
            "" or "desc" => items.Reverse(),
            "asc" => items,
            var other => throw ApiException.BadRequest($"'order' must be asc or desc, found '{other}'", "order"),
        }).ToList();
        if (query["after"].ToString() is { Length: > 0 } after)
        {
            ordered = [.. ordered.SkipWhile(item => item["id"]!.GetValue<string>() != after).Skip(1)];
        }

        var page = ordered.Take(limit).ToList();
        return WriteAsync(context, new JsonObject
        {
            ["object"] = "list",
            ["data"] = new JsonArray([.. page.Select(item => item.DeepClone())]),
            ["first_id"] = page.Count > 0 ? page[0]["id"]!.DeepClone() : null,
            ["last_id"] = page.Count > 0 ? page[^1]["id"]!.DeepClone() : null,
            ["has_more"] = ordered.Count > limit,
        });
    }

    private static string? ScopeOf(HttpContext context) => CacheScopes.OwnerOf(context, context.RequestServices.GetRequiredService<ServiceConfiguration>());

    private static Task WriteAsync(HttpContext context, JsonObject body) => context.Response.WriteAsJsonAsync(body, ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);

    private sealed record Asked(string Id, ILanguageModel Model, ResponseRequest Request, IReadOnlyList<JsonObject> Items, ChatTurnRequest Turn);
}
