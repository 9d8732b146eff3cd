using System.Runtime.CompilerServices;
using Hearth.Host.Service;
using Hearth.Runtime.Protocol;
using Hearth.Runtime.Scheduling;

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
        var requests = asked.Requests.ConvertAll(request => request with { Admitted = lifetime.Begin, CacheScope = scope, Client = CacheScopes.ClientOf(context) });
        var answer = new Answer($"cmpl-{Guid.NewGuid():N}", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), asked.Id);
        if (asked.Streams)
        {
            await EventStream.WriteAsync(
                context, lifetime, cancelled => StreamAsync(asked.Model, requests, answer, asked.IncludesUsage, cancelled), ProtocolJson.Wire.CompletionResponse, exception => failures.Translate(exception, context));
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
        var options = RequestMapping.ToOptions(body, model.Information, context);
        var deadline = DateTimeOffset.UtcNow.AddSeconds(configuration.Limits.RequestSeconds);
        var requests = RequestMapping.ToPrompts(body, model)
            .Select(prompt => new GenerationRequest { Prompt = prompt, Options = options, Deadline = deadline })
            .ToList();
        return new Asked(id, model, requests, body.Stream == true, body.StreamOptions?.IncludeUsage == true);
    }

    private static async IAsyncEnumerable<CompletionResponse> StreamAsync(
        ILanguageModel model, List<GenerationRequest> requests, Answer answer, bool includeUsage, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var total = new Total(requests.Count);
        var offsets = new int[requests.Count * ChoicesOf(requests)];
        await foreach (var (prompt, update) in GenerateAllAsync(model, requests, cancellationToken))
        {
            total.Add(prompt, update.Usage);
            if (update.Text.Length > 0 || update.FinishReason is not null || update.LogProbabilities.Count > 0)
            {
                var index = (prompt * ChoicesOf(requests)) + update.Choice;
                yield return answer.With([new TextChoice
                {
                    Text = update.Text,
                    Index = index,
                    Logprobs = TextLogprobs.Of(update.LogProbabilities, ref offsets[index]),
                    FinishReason = update.FinishReason?.ToWire(),
                    StopReason = update.StopReason(),
                }]);
            }
        }

        if (includeUsage)
        {
            yield return answer.With([], total.Usage);
        }
    }

    private static async Task<CompletionResponse> CompleteAsync(
        ILanguageModel model, List<GenerationRequest> requests, Answer answer, CancellationToken cancellationToken)
    {
        var choices = CollectedChoice.Several(requests.Count * ChoicesOf(requests));
        var total = new Total(requests.Count);
        await foreach (var (prompt, update) in GenerateAllAsync(model, requests, cancellationToken))
        {
            choices[(prompt * ChoicesOf(requests)) + update.Choice].Add(update);
            total.Add(prompt, update.Usage);
        }

        return answer.With([.. choices.Select(ToWire)], total.Usage);
    }

    private static TextChoice ToWire(CollectedChoice choice, int index)
    {
        var offset = 0;
        return new TextChoice
        {
            Text = choice.Text,
            Index = index,
            Logprobs = TextLogprobs.Of(choice.LogProbabilities, ref offset),
            FinishReason = choice.FinishReason?.ToWire(),
            StopReason = choice.StopReason,
        };
    }

    private static int ChoicesOf(List<GenerationRequest> requests) => requests[0].Options.ChoiceCount ?? 1;

    /// <summary>Runs all prompts at once; the first failure ends the others.</summary>
    private static IAsyncEnumerable<(int Index, GenerationUpdate Update)> GenerateAllAsync(
        ILanguageModel model, List<GenerationRequest> requests, CancellationToken cancellationToken)
        => UpdateMerge.MergeAsync(
            requests.ConvertAll(request => (Func<CancellationToken, IAsyncEnumerable<GenerationUpdate>>)(cancelled => model.GenerateAsync(request, cancelled))), cancellationToken);

    /// <summary>What all prompts and their texts cost together.</summary>
    private sealed class Total(int prompts)
    {
        private readonly TokenUsage?[] _usages = new TokenUsage?[prompts];

        public TokenUsage Usage => _usages.Aggregate(default(TokenUsage), CompletionsEndpoint.Add);

        public void Add(int prompt, TokenUsage? usage)
        {
            if (usage is { } more)
            {
                _usages[prompt] = _usages[prompt]?.WithChoice(more) ?? more;
            }
        }
    }

    private static TokenUsage Add(TokenUsage total, TokenUsage? usage) => usage is not { } more ? total : new TokenUsage(
        total.PromptTokens + more.PromptTokens, total.CompletionTokens + more.CompletionTokens, total.CachedPromptTokens + more.CachedPromptTokens,
        total.PromptTokens == 0 ? more.CacheMiss : total.CacheMiss, total.PromptTokens == 0 ? more.FirstDifferentToken : total.FirstDifferentToken)
    {
        ForcedTokens = total.ForcedTokens + more.ForcedTokens,
    };

    private sealed record Asked(string Id, ILanguageModel Model, List<GenerationRequest> Requests, bool Streams, bool IncludesUsage);

    private sealed record Answer(string Id, long Created, string Model)
    {
        public CompletionResponse With(IReadOnlyList<TextChoice> choices, TokenUsage? usage = null)
            => new() { Id = Id, Created = Created, Model = Model, Choices = choices, Usage = usage?.ToWire() };
    }
}
