using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Hearth.Runtime.Conversations;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /v1/chat/completions.</summary>
internal static class ChatCompletionsEndpoint
{
    public static void MapChatCompletions(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/chat/completions", HandleAsync);

        // llama-server's, which leaves out the version.
        routes.MapPost("/chat/completions", HandleAsync);
        routes.MapPost("/v1/chat/completions/input_tokens", CountAsync);
        routes.MapPost("/chat/completions/input_tokens", CountAsync);
    }

    private static async Task HandleAsync(HttpContext context, ConversationStore store)
    {
        var asked = await ReadAsync(context, store);
        using var lifetime = new AnswerLifetime(context);
        var answer = new Answer($"chatcmpl-{Guid.NewGuid():N}", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), asked.Id, new AnswerClock(), asked.Conversation, store);
        var turn = await ModelAnswer.CompleteAsync(context, asked.Turn) with { Admitted = answer.Clock.Begin + (Action)lifetime.Begin };
        if (asked.Streams)
        {
            await EventStream.WriteAsync(
                context, lifetime, cancelled => StreamAsync(context, asked.Model, turn, answer, asked.IncludesUsage, cancelled), new DataEvents<ChatCompletionChunk>(ChunkJson.For<ChatCompletionChunk>(asked.IncludesUsage)));
            return;
        }

        var response = await lifetime.RunAsync(cancelled => CompleteAsync(context, asked.Model, turn, answer, cancelled));
        await context.Response.WriteAsJsonAsync(response, ProtocolJson.Wire.ChatCompletionResponse, cancellationToken: context.RequestAborted);
    }

    private static async Task CountAsync(HttpContext context)
    {
        var asked = await ReadAsync(context, context.RequestServices.GetRequiredService<ConversationStore>());
        var count = await ModelAnswer.CountAsync(asked.Model, await ModelAnswer.CompleteAsync(context, asked.Turn), context.RequestAborted);
        await context.Response.WriteAsJsonAsync(new JsonObject { ["object"] = "response.input_tokens", ["input_tokens"] = count }, ProtocolJson.Wire.JsonObject, cancellationToken: context.RequestAborted);
    }

    private static async Task<Asked> ReadAsync(HttpContext context, ConversationStore store)
    {
        using var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.ChatCompletionRequest);
        var body = read.Body;
        var (id, model, _) = await ModelAnswer.FindChatAsync(context, body.Model);
        UnsupportedFields.RefuseInChat(body.Others);
        if (body.Conversation is not null && ModelDefaults.PresetOf(context) is { ToolServers.Count: > 0 } preset)
        {
            throw ApiException.BadRequest($"'conversation' cannot be had with the preset '{preset.Id}', whose tools the service runs; send the messages", "conversation", "unsupported_parameter");
        }

        var turn = TurnMapping.ToTurn(body, RequestMapping.ToOptions(body, model.Information, context));
        if (body.Conversation is not null && turn.Options.ChoiceCount > 1)
        {
            throw ApiException.BadRequest("'n' must be 1 with 'conversation', which goes on from one answer", "n");
        }

        return new Asked(id, model, turn, body.Stream == true, body.StreamOptions?.IncludeUsage == true, ConversationRequest.Read(body.Conversation, store, model, context));
    }

    private static IAsyncEnumerable<ChatUpdate> AnswerAsync(HttpContext context, ILanguageModel model, ChatTurnRequest turn, Answer answer, CancellationToken cancellationToken)
        => answer.Conversation is { } conversation
            ? ModelAnswer.ExplainAsync(context, conversation.AnswerAsync(answer.Store, turn, answer.Id, cancellationToken), cancellationToken)
            : ModelAnswer.ChatAsync(context, model, turn, cancellationToken);

    private static async IAsyncEnumerable<ChatCompletionChunk> StreamAsync(
        HttpContext context, ILanguageModel model, ChatTurnRequest turn, Answer answer, bool includeUsage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var begun = new bool[turn.Options.ChoiceCount ?? 1];
        var calls = new int[begun.Length];
        TokenUsage? total = null;
        await foreach (var update in AnswerAsync(context, model, turn, answer, cancellationToken))
        {
            answer.Clock.Update();
            if (!begun[update.Choice])
            {
                begun[update.Choice] = true;
                yield return answer.Chunk(update.Choice, new ChatDelta { Role = "assistant" }, warnings: update.Warnings);
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
            yield return new ChatCompletionChunk { Id = answer.Id, Created = answer.Created, Model = answer.Model, Choices = [], Usage = whole.ToWire(), Timings = answer.Clock.Timings(whole) };
        }
    }

    private static async Task<ChatCompletionResponse> CompleteAsync(HttpContext context, ILanguageModel model, ChatTurnRequest turn, Answer answer, CancellationToken cancellationToken)
    {
        CollectedChat[] choices = [.. Enumerable.Range(0, turn.Options.ChoiceCount ?? 1).Select(_ => new CollectedChat())];
        var warnings = new List<string>();
        TokenUsage? total = null;
        await foreach (var update in AnswerAsync(context, model, turn, answer, cancellationToken))
        {
            answer.Clock.Update();
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
            Timings = answer.Clock.Timings(total ?? default),
            Warnings = warnings.Count > 0 ? warnings : null,
            Conversation = answer.ConversationFields,
        };
    }

    private sealed record Asked(string Id, ILanguageModel Model, ChatTurnRequest Turn, bool Streams, bool IncludesUsage, ConversationRequest? Conversation);

    private sealed record Answer(string Id, long Created, string Model, AnswerClock Clock, ConversationRequest? Conversation, ConversationStore Store)
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
