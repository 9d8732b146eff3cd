using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Anthropic's API: POST /v1/messages and /v1/messages/count_tokens.</summary>
internal static class AnthropicEndpoints
{
    private static readonly JsonObject Ping = new() { ["type"] = "ping" };

    public static void MapAnthropic(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/messages", HandleAsync);
        routes.MapPost("/v1/messages/count_tokens", CountAsync);
    }

    /// <summary>The models in Anthropic's shape, for clients that name its version.</summary>
    public static JsonObject Describe(IReadOnlyList<CatalogEntry> entries) => new()
    {
        ["data"] = new JsonArray([.. entries.Select(Describe)]),
        ["has_more"] = false,
        ["first_id"] = entries[0].Id,
        ["last_id"] = entries[^1].Id,
    };

    /// <summary>One model in Anthropic's shape.</summary>
    public static JsonObject Describe(CatalogEntry entry) => new()
    {
        ["type"] = "model",
        ["id"] = entry.Id,
        ["display_name"] = entry.Id,
        ["created_at"] = ModelFacts.Of(entry).Modified.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
    };

    private static async Task HandleAsync(HttpContext context)
    {
        var (id, model, turn, streams) = await ReadAsync(context);
        using var lifetime = new AnswerLifetime(context);
        turn = await ModelAnswer.CompleteAsync(context, turn) with { Admitted = lifetime.Begin };
        if (streams)
        {
            await EventStream.WriteAsync(context, lifetime, cancelled => StreamAsync(context, id, model, turn, cancelled), new NamedEvents(Ping));
            return;
        }

        var message = await lifetime.RunAsync(cancelled => CompleteAsync(context, id, model, turn, cancelled));
        await context.Response.WriteAsJsonAsync(message, ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);
    }

    private static async Task CountAsync(HttpContext context)
    {
        var (_, model, turn, _) = await ReadAsync(context);
        var count = await ModelAnswer.CountAsync(model, await ModelAnswer.CompleteAsync(context, turn), context.RequestAborted);
        await context.Response.WriteAsJsonAsync(new JsonObject { ["input_tokens"] = count }, ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);
    }

    private static async Task<(string Id, ILanguageModel Model, ChatTurnRequest Turn, bool Streams)> ReadAsync(HttpContext context)
    {
        using var read = await RequestReader.ReadAsync(context, AnthropicJson.Default.AnthropicRequest);
        var (id, model, _) = await ModelAnswer.FindChatAsync(context, read.Body.Model);
        return (id, model, AnthropicMapping.ToTurn(read.Body, model.Information, context), read.Body.Stream == true);
    }

    private static async Task<JsonObject> CompleteAsync(HttpContext context, string id, ILanguageModel model, ChatTurnRequest turn, CancellationToken cancellationToken)
    {
        var collected = new CollectedChat();
        ChatUpdate? last = null;
        await foreach (var update in ModelAnswer.ChatAsync(context, model, turn, cancellationToken))
        {
            collected.Add(update);
            last = update;
        }

        var content = new JsonArray();
        if (collected.Reasoning.Length > 0)
        {
            content.Add(new JsonObject { ["type"] = "thinking", ["thinking"] = collected.Reasoning, ["signature"] = "" });
        }

        if (collected.Text.Length > 0)
        {
            content.Add(new JsonObject { ["type"] = "text", ["text"] = collected.Text });
        }

        foreach (var call in collected.CompleteCalls)
        {
            content.Add(new JsonObject { ["type"] = "tool_use", ["id"] = call.Id, ["name"] = call.Function!.Name, ["input"] = RequestMapping.ParseObject(call.Function.Arguments ?? "{}") });
        }

        var message = Message(id, content);
        AddEnd(message, last);
        message["usage"] = Usage(last?.Usage ?? default);
        return message;
    }

    private static async IAsyncEnumerable<JsonObject> StreamAsync(
        HttpContext context, string id, ILanguageModel model, ChatTurnRequest turn, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // The first event tells what the prompt has; how much of it was cached is known at the end.
        var prompt = await ModelAnswer.CountAsync(model, turn, cancellationToken);
        var blocks = new AnthropicBlocks();
        ChatUpdate? last = null;
        await foreach (var update in ModelAnswer.ChatAsync(context, model, turn, cancellationToken))
        {
            if (last is null)
            {
                var message = Message(id, []);
                AddEnd(message, null);
                message["usage"] = Usage(new TokenUsage(prompt, 0, 0, CacheMissReason.None, 0));
                yield return new JsonObject { ["type"] = "message_start", ["message"] = message };
            }

            last = update;
            foreach (var told in blocks.Add(update))
            {
                yield return told;
            }
        }

        foreach (var told in blocks.End())
        {
            yield return told;
        }

        var delta = new JsonObject();
        AddEnd(delta, last);
        yield return new JsonObject { ["type"] = "message_delta", ["delta"] = delta, ["usage"] = Usage(last?.Usage ?? default) };
        yield return new JsonObject { ["type"] = "message_stop" };
    }

    private static JsonObject Message(string id, JsonArray content) => new()
    {
        ["id"] = $"msg_{Guid.NewGuid():N}",
        ["type"] = "message",
        ["role"] = "assistant",
        ["model"] = id,
        ["content"] = content,
    };

    private static void AddEnd(JsonObject target, ChatUpdate? last)
    {
        target["stop_reason"] = last?.FinishReason switch
        {
            null => null,
            FinishReason.ToolCalls => "tool_use",
            FinishReason.Length or FinishReason.DeadlineExceeded => "max_tokens",
            _ => last.StopSequence is null ? "end_turn" : "stop_sequence",
        };
        target["stop_sequence"] = last?.StopSequence;
    }

    private static JsonObject Usage(TokenUsage usage)
    {
        var wire = new JsonObject
        {
            ["input_tokens"] = usage.PromptTokens - usage.CachedPromptTokens,
            ["cache_creation_input_tokens"] = 0,
            ["cache_read_input_tokens"] = usage.CachedPromptTokens,
            ["output_tokens"] = usage.CompletionTokens,
        };
        if (usage.DroppedTokens > 0)
        {
            // Hearth's own: what a full context went on without.
            wire["dropped_tokens"] = usage.DroppedTokens;
        }

        return wire;
    }
}
