using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Conversations;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /v1/chat/completions.</summary>
internal static class ChatCompletionsEndpoint
{
    public static void MapChatCompletions(this IEndpointRouteBuilder routes) => routes.MapPost("/v1/chat/completions", HandleAsync);

    private static async Task HandleAsync(HttpContext context, ModelCatalog catalog, ServiceConfiguration configuration, ApiFailures failures, ConversationStore store)
    {
        var asked = await ReadAsync(context, catalog, configuration, store);
        using var lifetime = new AnswerLifetime(context);
        var turn = asked.Turn with { Admitted = lifetime.Begin, CacheScope = CacheScopes.Of(context, configuration), Client = CacheScopes.ClientOf(context) };
        var answer = new Answer($"chatcmpl-{Guid.NewGuid():N}", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), asked.Id, asked.Conversation, store);
        if (asked.Streams)
        {
            await EventStream.WriteAsync(
                context, lifetime, cancelled => StreamAsync(asked.Model, turn, answer, asked.IncludesUsage, cancelled), ProtocolJson.Wire.ChatCompletionChunk,
                exception => failures.Translate(exception, context));
            return;
        }

        var response = await lifetime.RunAsync(cancelled => CompleteAsync(asked.Model, turn, answer, cancelled));
        await context.Response.WriteAsJsonAsync(response, ProtocolJson.Wire.ChatCompletionResponse, cancellationToken: context.RequestAborted);
    }

    private static async Task<Asked> ReadAsync(HttpContext context, ModelCatalog catalog, ServiceConfiguration configuration, ConversationStore store)
    {
        using var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.ChatCompletionRequest);
        var body = read.Body;
        var (id, model) = ModelLookup.FindText(catalog, body.Model);
        UnsupportedFields.RefuseInChat(body.Others);
        if (model.Information is { HasChatTemplate: false, ChatTemplateFault: null })
        {
            throw ApiException.BadRequest($"the model '{id}' has no chat template; use /v1/completions", "model");
        }

        if (model.Information.ChatTemplateFault is { } fault)
        {
            throw ApiException.BadRequest(fault, "model");
        }

        var turn = TurnMapping.ToTurn(body, RequestMapping.ToOptions(body, model.Information, context)) with
        {
            Deadline = DateTimeOffset.UtcNow.AddSeconds(configuration.Limits.RequestSeconds),
        };
        if (body.Conversation is not null && turn.Options.ChoiceCount > 1)
        {
            throw ApiException.BadRequest("'n' must be 1 with 'conversation', which goes on from one answer", "n");
        }

        return new Asked(id, model, turn, body.Stream == true, body.StreamOptions?.IncludeUsage == true, ConversationRequest.Read(body.Conversation, store, model, context));
    }

    private static async IAsyncEnumerable<ChatUpdate> AnswerAsync(ILanguageModel model, ChatTurnRequest turn, Answer answer, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var updates = (answer.Conversation?.AnswerAsync(answer.Store, turn, answer.Id, cancellationToken) ?? model.ChatAsync(turn, cancellationToken)).GetAsyncEnumerator(cancellationToken);
        while (await NextAsync(updates))
        {
            yield return updates.Current;
        }
    }

    private static async ValueTask<bool> NextAsync(IAsyncEnumerator<ChatUpdate> updates)
    {
        try
        {
            return await updates.MoveNextAsync();
        }
        catch (ChatTemplateFailureException failure)
        {
            // Where the template itself says no, other messages may do; else it is not made for them, or broken.
            throw ApiException.BadRequest(failure.Message, failure.IsRefusal ? "messages" : null);
        }
    }

    private static async IAsyncEnumerable<ChatCompletionChunk> StreamAsync(
        ILanguageModel model, ChatTurnRequest turn, Answer answer, bool includeUsage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var begun = new bool[turn.Options.ChoiceCount ?? 1];
        var calls = new int[begun.Length];
        TokenUsage? total = null;
        await foreach (var update in AnswerAsync(model, turn, answer, cancellationToken))
        {
            if (!begun[update.Choice])
            {
                begun[update.Choice] = true;
                yield return answer.Chunk(update.Choice, new ChatDelta { Role = "assistant", Content = "" }, warnings: update.Warnings);
            }
            else if (update.Warnings.Count > 0)
            {
                yield return answer.Chunk(update.Choice, new ChatDelta(), warnings: update.Warnings);
            }

            if (update.Reasoning.Length > 0)
            {
                yield return answer.Chunk(update.Choice, new ChatDelta { ReasoningContent = update.Reasoning });
            }

            if (update.Text.Length > 0 || update.LogProbabilities.Count > 0)
            {
                yield return answer.Chunk(update.Choice, new ChatDelta { Content = update.Text }, ChatLogprobs.Of(update.LogProbabilities));
            }

            foreach (var call in update.ToolCalls)
            {
                var isFirst = call.Index == calls[update.Choice];
                calls[update.Choice] += isFirst ? 1 : 0;
                if (isFirst || call.Arguments.Length > 0)
                {
                    yield return answer.Chunk(update.Choice, new ChatDelta { ToolCalls = [WireToolCalls.Piece(call, isFirst)] });
                }
            }

            if (update.FinishReason is { } reason)
            {
                yield return answer.Chunk(update.Choice, new ChatDelta(), finishReason: reason.ToWire(), stopReason: update.StopReason());
            }

            total = update.Usage is { } usage ? total?.WithChoice(usage) ?? usage : total;
        }

        if (includeUsage && total is { } whole)
        {
            yield return new ChatCompletionChunk { Id = answer.Id, Created = answer.Created, Model = answer.Model, Choices = [], Usage = whole.ToWire() };
        }
    }

    private static async Task<ChatCompletionResponse> CompleteAsync(ILanguageModel model, ChatTurnRequest turn, Answer answer, CancellationToken cancellationToken)
    {
        CollectedChat[] choices = [.. Enumerable.Range(0, turn.Options.ChoiceCount ?? 1).Select(_ => new CollectedChat())];
        var warnings = new List<string>();
        TokenUsage? total = null;
        await foreach (var update in AnswerAsync(model, turn, answer, cancellationToken))
        {
            choices[update.Choice].Add(update);
            warnings.AddRange(update.Warnings.Except(warnings));
            total = update.Usage is { } usage ? total?.WithChoice(usage) ?? usage : total;
        }

        return new ChatCompletionResponse
        {
            Id = answer.Id,
            Created = answer.Created,
            Model = answer.Model,
            Choices = [.. choices.Select((choice, index) => choice.ToWire(index))],
            Usage = (total ?? default).ToWire(),
            Warnings = warnings.Count > 0 ? warnings : null,
            Conversation = answer.ConversationFields,
        };
    }

    private sealed record Asked(string Id, ILanguageModel Model, ChatTurnRequest Turn, bool Streams, bool IncludesUsage, ConversationRequest? Conversation);

    private sealed record Answer(string Id, long Created, string Model, ConversationRequest? Conversation, ConversationStore Store)
    {
        public ConversationFields? ConversationFields { get; } = Conversation is null ? null : new ConversationFields { Id = Conversation.Conversation.Id };


        public ChatCompletionChunk Chunk(int choice, ChatDelta delta, ChatLogprobs? logprobs = null, string? finishReason = null, JsonValue? stopReason = null, IReadOnlyList<string>? warnings = null) => new()
        {
            Id = Id,
            Created = Created,
            Model = Model,
            Warnings = warnings is { Count: > 0 } ? warnings : null,
            Conversation = ConversationFields,
            Choices = [new ChatChunkChoice { Index = choice, Delta = delta, Logprobs = logprobs, FinishReason = finishReason, StopReason = stopReason }],
        };
    }
}
