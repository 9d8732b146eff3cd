using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>POST /v1/completions: one choice for each prompt.</summary>
internal static class CompletionsEndpoint
{
    public static void MapCompletions(this IEndpointRouteBuilder routes) => routes.MapPost("/v1/completions", HandleAsync);

    private static async Task HandleAsync(HttpContext context, ModelCatalog catalog, ServiceConfiguration configuration, ApiFailures failures)
    {
        var asked = await ReadAsync(context, catalog, configuration);
        using var lifetime = new AnswerLifetime(context);
        var scope = CacheScopes.Of(context, configuration);
        var requests = asked.Requests.ConvertAll(request => request with { Admitted = lifetime.Begin, CacheScope = scope });
        var answer = new Answer($"cmpl-{Guid.NewGuid():N}", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), asked.Id);
        if (asked.Streams)
        {
            await EventStream.WriteAsync(
                context, lifetime, cancelled => StreamAsync(asked.Model, requests, answer, asked.IncludesUsage, cancelled), ProtocolJson.Wire.CompletionResponse, failures.Translate);
            return;
        }

        var response = await lifetime.RunAsync(cancelled => CompleteAsync(asked.Model, requests, answer, cancelled));
        await context.Response.WriteAsJsonAsync(response, ProtocolJson.Wire.CompletionResponse, cancellationToken: context.RequestAborted);
    }

    private static async Task<Asked> ReadAsync(HttpContext context, ModelCatalog catalog, ServiceConfiguration configuration)
    {
        using var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.CompletionRequest);
        var body = read.Body;
        var (id, model) = ModelLookup.FindText(catalog, body.Model);
        UnsupportedFields.RefuseInCompletion(body.Others);
        var options = RequestMapping.ToOptions(body, model.Information);
        var deadline = DateTimeOffset.UtcNow.AddSeconds(configuration.Limits.RequestSeconds);
        var requests = RequestMapping.ToPrompts(body, model)
            .Select(prompt => new GenerationRequest { Prompt = prompt, Options = options, Deadline = deadline })
            .ToList();
        return new Asked(id, model, requests, body.Stream == true, body.StreamOptions?.IncludeUsage == true);
    }

    private static async IAsyncEnumerable<CompletionResponse> StreamAsync(
        ILanguageModel model, List<GenerationRequest> requests, Answer answer, bool includeUsage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        TokenUsage total = default;
        await foreach (var (index, update) in GenerateAllAsync(model, requests, cancellationToken))
        {
            total = Add(total, update.Usage);
            if (update.Text.Length > 0 || update.FinishReason is not null)
            {
                yield return answer.With([new TextChoice { Text = update.Text, Index = index, FinishReason = update.FinishReason?.ToWire() }]);
            }
        }

        if (includeUsage)
        {
            yield return answer.With([], total);
        }
    }

    private static async Task<CompletionResponse> CompleteAsync(
        ILanguageModel model, List<GenerationRequest> requests, Answer answer, CancellationToken cancellationToken)
    {
        var texts = requests.ConvertAll(_ => new StringBuilder());
        var reasons = new FinishReason?[requests.Count];
        TokenUsage total = default;
        await foreach (var (index, update) in GenerateAllAsync(model, requests, cancellationToken))
        {
            texts[index].Append(update.Text);
            reasons[index] ??= update.FinishReason;
            total = Add(total, update.Usage);
        }

        return answer.With([.. texts.Select((text, i) => new TextChoice { Text = text.ToString(), Index = i, FinishReason = reasons[i]?.ToWire() })], total);
    }

    /// <summary>Runs all prompts at once; the first failure ends the others.</summary>
    private static async IAsyncEnumerable<(int Index, GenerationUpdate Update)> GenerateAllAsync(
        ILanguageModel model, List<GenerationRequest> requests, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (requests.Count == 1)
        {
            await foreach (var update in model.GenerateAsync(requests[0], cancellationToken))
            {
                yield return (0, update);
            }

            yield break;
        }

        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var channel = Channel.CreateBounded<(int, GenerationUpdate)>(requests.Count * 4);
        var producing = ProduceAsync();
        try
        {
            await foreach (var item in channel.Reader.ReadAllAsync(cancellationToken))
            {
                yield return item;
            }
        }
        finally
        {
            await linked.CancelAsync();
            await producing;
        }

        async Task ProduceAsync()
        {
            try
            {
                await Task.WhenAll(requests.Select((request, index) => PumpAsync(request, index)));
                channel.Writer.TryComplete();
            }
            catch (Exception exception)
            {
                channel.Writer.TryComplete(exception);
            }
        }

        async Task PumpAsync(GenerationRequest request, int index)
        {
            try
            {
                await foreach (var update in model.GenerateAsync(request, linked.Token))
                {
                    await channel.Writer.WriteAsync((index, update), linked.Token);
                }
            }
            catch (Exception exception)
            {
                channel.Writer.TryComplete(exception);
                await linked.CancelAsync();
                throw;
            }
        }
    }

    private static TokenUsage Add(TokenUsage total, TokenUsage? usage) => usage is not { } more ? total : new TokenUsage(
        total.PromptTokens + more.PromptTokens, total.CompletionTokens + more.CompletionTokens, total.CachedPromptTokens + more.CachedPromptTokens,
        total.PromptTokens == 0 ? more.CacheMiss : total.CacheMiss, total.PromptTokens == 0 ? more.FirstDifferentToken : total.FirstDifferentToken);

    private sealed record Asked(string Id, ILanguageModel Model, List<GenerationRequest> Requests, bool Streams, bool IncludesUsage);

    private sealed record Answer(string Id, long Created, string Model)
    {
        public CompletionResponse With(IReadOnlyList<TextChoice> choices, TokenUsage? usage = null)
            => new() { Id = Id, Created = Created, Model = Model, Choices = choices, Usage = usage?.ToWire() };
    }
}
