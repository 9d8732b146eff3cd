using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /v1/chat/completions.</summary>
internal static class ChatCompletionsEndpoint
{
    public static void MapChatCompletions(this IEndpointRouteBuilder routes) => routes.MapPost("/v1/chat/completions", HandleAsync);

    private static async Task HandleAsync(HttpContext context, ModelCatalog catalog, ServiceConfiguration configuration, ApiFailures failures)
    {
        var asked = await ReadAsync(context, catalog, configuration);
        using var lifetime = new AnswerLifetime(context);
        var request = asked.Request with { Admitted = lifetime.Begin, CacheScope = CacheScopes.Of(context, configuration) };
        var answer = new Answer($"chatcmpl-{Guid.NewGuid():N}", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), asked.Id);
        if (asked.Streams)
        {
            await EventStream.WriteAsync(
                context, lifetime, cancelled => StreamAsync(asked.Model, request, answer, asked.IncludesUsage, cancelled), ProtocolJson.Wire.ChatCompletionChunk, exception => failures.Translate(exception, context));
            return;
        }

        var response = await lifetime.RunAsync(cancelled => CompleteAsync(asked.Model, request, answer, cancelled));
        await context.Response.WriteAsJsonAsync(response, ProtocolJson.Wire.ChatCompletionResponse, cancellationToken: context.RequestAborted);
    }

    private static async Task<Asked> ReadAsync(HttpContext context, ModelCatalog catalog, ServiceConfiguration configuration)
    {
        using var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.ChatCompletionRequest);
        var body = read.Body;
        var (id, model) = ModelLookup.FindText(catalog, body.Model);
        UnsupportedFields.RefuseInChat(body.Others);
        var options = RequestMapping.ToOptions(body, model.Information, context);
        var request = new GenerationRequest
        {
            Prompt = Tokenize(model, id, RequestMapping.ToPrompt(body), context.RequestAborted),
            Options = options,
            IsChat = true,
            Deadline = DateTimeOffset.UtcNow.AddSeconds(configuration.Limits.RequestSeconds),
        };
        return new Asked(id, model, request, body.Stream == true, body.StreamOptions?.IncludeUsage == true);
    }

    private static IReadOnlyList<int> Tokenize(ILanguageModel model, string id, ChatPrompt prompt, CancellationToken cancellationToken)
    {
        if (model.Information is { HasChatTemplate: false, ChatTemplateFault: null })
        {
            throw ApiException.BadRequest($"the model '{id}' has no chat template; use /v1/completions", "model");
        }

        try
        {
            return model.TokenizeChat(prompt, cancellationToken);
        }
        catch (ChatTemplateFailureException exception)
        {
            // Where the template itself says no, other messages may do; else it is not made for them, or broken.
            throw ApiException.BadRequest(exception.Message, exception.IsRefusal ? "messages" : null);
        }
        catch (HearthException exception) when (exception is not ContextLengthExceededException)
        {
            throw ApiException.BadRequest(exception.Message, "model");
        }
    }

    private static async IAsyncEnumerable<ChatCompletionChunk> StreamAsync(
        ILanguageModel model, GenerationRequest request, Answer answer, bool includeUsage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var begun = new bool[request.Options.ChoiceCount ?? 1];
        TokenUsage? total = null;
        await foreach (var update in model.GenerateAsync(request, cancellationToken))
        {
            if (!begun[update.Choice])
            {
                begun[update.Choice] = true;
                yield return answer.Chunk(update.Choice, new ChatDelta { Role = "assistant", Content = "" });
            }

            if (update.Text.Length > 0 || update.LogProbabilities.Count > 0)
            {
                yield return answer.Chunk(update.Choice, new ChatDelta { Content = update.Text }, ChatLogprobs.Of(update.LogProbabilities));
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

    private static async Task<ChatCompletionResponse> CompleteAsync(ILanguageModel model, GenerationRequest request, Answer answer, CancellationToken cancellationToken)
    {
        var choices = CollectedChoice.Several(request.Options.ChoiceCount ?? 1);
        TokenUsage? total = null;
        await foreach (var update in model.GenerateAsync(request, cancellationToken))
        {
            choices[update.Choice].Add(update);
            total = update.Usage is { } usage ? total?.WithChoice(usage) ?? usage : total;
        }

        return new ChatCompletionResponse
        {
            Id = answer.Id,
            Created = answer.Created,
            Model = answer.Model,
            Choices = [.. choices.Select((choice, index) => new ChatChoice
            {
                Index = index,
                Message = new ChatResponseMessage { Role = "assistant", Content = choice.Text },
                Logprobs = ChatLogprobs.Of(choice.LogProbabilities),
                FinishReason = choice.FinishReason?.ToWire(),
                StopReason = choice.StopReason,
            })],
            Usage = (total ?? default).ToWire(),
        };
    }

    private sealed record Asked(string Id, ILanguageModel Model, GenerationRequest Request, bool Streams, bool IncludesUsage);

    private sealed record Answer(string Id, long Created, string Model)
    {
        public ChatCompletionChunk Chunk(int choice, ChatDelta delta, ChatLogprobs? logprobs = null, string? finishReason = null, JsonValue? stopReason = null) => new()
        {
            Id = Id,
            Created = Created,
            Model = Model,
            Choices = [new ChatChunkChoice { Index = choice, Delta = delta, Logprobs = logprobs, FinishReason = finishReason, StopReason = stopReason }],
        };
    }
}
