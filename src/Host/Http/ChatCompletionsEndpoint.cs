using System.Runtime.CompilerServices;
using System.Text;
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
                context, lifetime, cancelled => StreamAsync(asked.Model, request, answer, asked.IncludesUsage, cancelled), ProtocolJson.Wire.ChatCompletionChunk, failures.Translate);
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
        var options = RequestMapping.ToOptions(body, model.Information);
        var request = new GenerationRequest
        {
            Prompt = Tokenize(model, id, RequestMapping.ToPrompt(body)),
            Options = options,
            Deadline = DateTimeOffset.UtcNow.AddSeconds(configuration.Limits.RequestSeconds),
        };
        return new Asked(id, model, request, body.Stream == true, body.StreamOptions?.IncludeUsage == true);
    }

    private static IReadOnlyList<int> Tokenize(ILanguageModel model, string id, ChatPrompt prompt)
    {
        if (model.Information is { HasChatTemplate: false, ChatTemplateFault: null })
        {
            throw ApiException.BadRequest($"the model '{id}' has no chat template; use /v1/completions", "model");
        }

        try
        {
            return model.TokenizeChat(prompt);
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
        var first = true;
        await foreach (var update in model.GenerateAsync(request, cancellationToken))
        {
            if (first)
            {
                yield return answer.Chunk(new ChatDelta { Role = "assistant", Content = "" });
                first = false;
            }

            if (update.Text.Length > 0)
            {
                yield return answer.Chunk(new ChatDelta { Content = update.Text });
            }

            if (update.FinishReason is { } reason)
            {
                yield return answer.Chunk(new ChatDelta(), reason.ToWire());
            }

            if (includeUsage && update.Usage is { } usage)
            {
                yield return new ChatCompletionChunk { Id = answer.Id, Created = answer.Created, Model = answer.Model, Choices = [], Usage = usage.ToWire() };
            }
        }
    }

    private static async Task<ChatCompletionResponse> CompleteAsync(ILanguageModel model, GenerationRequest request, Answer answer, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        FinishReason? reason = null;
        TokenUsage usage = default;
        await foreach (var update in model.GenerateAsync(request, cancellationToken))
        {
            text.Append(update.Text);
            reason ??= update.FinishReason;
            usage = update.Usage ?? usage;
        }

        return new ChatCompletionResponse
        {
            Id = answer.Id,
            Created = answer.Created,
            Model = answer.Model,
            Choices = [new ChatChoice { Message = new ChatResponseMessage { Role = "assistant", Content = text.ToString() }, FinishReason = reason?.ToWire() }],
            Usage = usage.ToWire(),
        };
    }

    private sealed record Asked(string Id, ILanguageModel Model, GenerationRequest Request, bool Streams, bool IncludesUsage);

    private sealed record Answer(string Id, long Created, string Model)
    {
        public ChatCompletionChunk Chunk(ChatDelta delta, string? finishReason = null)
            => new() { Id = Id, Created = Created, Model = Model, Choices = [new ChatChunkChoice { Delta = delta, FinishReason = finishReason }] };
    }
}
