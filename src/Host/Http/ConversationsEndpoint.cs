using System.Text.Json.Nodes;
using Hearth.Runtime.Conversations;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>/hearth/conversations: the caller's own, their messages and branches, and how to forget them.</summary>
internal static class ConversationsEndpoint
{
    public static void MapConversations(this IEndpointRouteBuilder routes)
    {
        routes.MapMethods("/hearth/conversations", HealthEndpoint.ReadMethods, (HttpContext context, ConversationStore store) =>
            Answer(context, new JsonObject { ["object"] = "list", ["data"] = new JsonArray([.. store.OwnedBy(CacheScopes.ClientOf(context)).Select(Describe)]) }));
        routes.MapMethods("/hearth/conversations/{id}", HealthEndpoint.ReadMethods, (HttpContext context, ConversationStore store, string id) => Answer(context, Whole(Find(context, store, id))));
        routes.MapDelete("/hearth/conversations/{id}", (HttpContext context, ConversationStore store, string id) =>
        {
            Find(context, store, id);
            store.Remove(id, CacheScopes.ClientOf(context));
            return Answer(context, new JsonObject { ["id"] = id, ["object"] = "hearth.conversation.deleted", ["deleted"] = true });
        });
    }

    private static Task Answer(HttpContext context, JsonObject body)
        => context.Response.WriteAsJsonAsync(body, ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);

    private static Conversation Find(HttpContext context, ConversationStore store, string id)
    {
        try
        {
            return store.Find(id, owner: CacheScopes.ClientOf(context));
        }
        catch (ConversationNotFoundException missing)
        {
            throw new ApiException(StatusCodes.Status404NotFound, missing.Message) { Param = "id", Code = "conversation_not_found" };
        }
    }

    private static JsonObject Describe(Conversation conversation) => new()
    {
        ["id"] = conversation.Id,
        ["object"] = "hearth.conversation",
        ["model"] = conversation.Model.Information.Id,
        ["last"] = conversation.Last?.Id,
        ["message_count"] = conversation.Count,
        ["branch_count"] = conversation.Branches.Count,
    };

    private static JsonObject Whole(Conversation conversation)
    {
        var whole = Describe(conversation);
        whole["messages"] = new JsonArray([.. conversation.Messages.Select(ToWire)]);
        whole["branches"] = new JsonArray([.. conversation.Branches.Select(branch => new JsonObject { ["last"] = branch.Last.Id, ["depth"] = branch.Last.Depth, ["is_current"] = branch.IsCurrent })]);
        return whole;
    }

    private static JsonObject ToWire(ConversationMessage message)
    {
        var said = message.Message;
        var wire = new JsonObject { ["id"] = message.Id, ["parent"] = message.Parent?.Id, ["role"] = said.Role, ["content"] = said.Content };
        if (said.Reasoning is not null)
        {
            wire["reasoning_content"] = said.Reasoning;
        }

        if (said.ToolCallId is not null)
        {
            wire["tool_call_id"] = said.ToolCallId;
        }

        if (said.ToolCalls.Count > 0)
        {
            wire["tool_calls"] = new JsonArray([.. said.ToolCalls.Select(call => new JsonObject
            {
                ["id"] = call.Id,
                ["type"] = "function",
                ["function"] = new JsonObject { ["name"] = call.Name, ["arguments"] = call.ArgumentsText ?? call.Arguments.ToJsonString() },
            })]);
        }

        if (message.Usage is { } usage)
        {
            wire["prompt_tokens"] = usage.PromptTokens;
            wire["cached_tokens"] = usage.CachedPromptTokens;
            wire["completion_tokens"] = usage.CompletionTokens;
        }

        if (message.Departure is { } departure)
        {
            wire["departure"] = new JsonObject { ["token"] = departure.Token, ["message"] = departure.MessageId, ["reason"] = departure.Reason };
        }

        return wire;
    }
}
