using System.Globalization;
using System.Runtime.CompilerServices;
using Hearth.Runtime.Protocol;
using Hearth.Runtime.Scheduling;

namespace Hearth.Host.Http;

/// <summary>POST /v1/completions: one choice for each prompt.</summary>
internal static class CompletionsEndpoint
{
    public static void MapCompletions(this IEndpointRouteBuilder routes) => routes.MapPost("/v1/completions", HandleAsync);

    private static async Task HandleAsync(HttpContext context)
    {
        var asked = await ReadAsync(context);
        using var lifetime = new AnswerLifetime(context);
        var answer = new Answer($"cmpl-{Guid.NewGuid():N}", DateTimeOffset.UtcNow.ToUnixTimeSeconds(), asked.Id, new AnswerClock());
        Action admitted = answer.Clock.Begin + (Action)lifetime.Begin;
        asked = asked with { Requests = asked.Requests.ConvertAll(request => ModelAnswer.Complete(context, request) with { Admitted = admitted }) };
        if (asked.Streams)
        {
            await EventStream.WriteAsync(
                context, lifetime, cancelled => StreamAsync(context, asked, answer, cancelled), new DataEvents<CompletionResponse>(ChunkJson.For<CompletionResponse>(asked.IncludesUsage)));
            return;
        }

        var response = await lifetime.RunAsync(cancelled => CompleteAsync(context, asked, answer, cancelled));
        await context.Response.WriteAsJsonAsync(response, ProtocolJson.Wire.CompletionResponse, cancellationToken: context.RequestAborted);
    }

    private static async Task<Asked> ReadAsync(HttpContext context)
    {
        using var read = await RequestReader.ReadAsync(context, ProtocolJson.Wire.CompletionRequest);
        var body = read.Body;
        var (id, model, _) = await ModelLookup.FindTextAsync(context, body.Model);
        UnsupportedFields.RefuseInCompletion(body.Others);
        CheckCombinations(body);
        var prompts = RequestMapping.ToPrompts(body, id, model);
        var best = body.BestOf is { } candidates && candidates > (body.N ?? 1) ? candidates : (int?)null;
        var options = RequestMapping.ToOptions(body, model.Information, context);
        var told = options.LogProbabilities is not null;
        if (best is not null)
        {
            // Ranked by how likely each token was.
            options = options with { ChoiceCount = best, LogProbabilities = options.LogProbabilities ?? 0 };
            if (options.FindFault(model.Information.VocabularySize) is { } fault)
            {
                throw ApiException.BadRequest($"'best_of' {fault.Reason}", "best_of");
            }
        }

        return new Asked(id, model, [.. prompts.Select(prompt => new GenerationRequest { Prompt = prompt, Options = options })], body.Stream == true, body.StreamOptions?.IncludeUsage == true)
        {
            Echoes = body.Echo == true ? [.. body.Prompt!.Select(prompt => prompt.Text!)] : [],
            Best = best is null ? null : body.N ?? 1,
            TellsLogProbabilities = told,
        };
    }

    private static void CheckCombinations(CompletionRequest body)
    {
        if (body.BestOf < 1)
        {
            throw ApiException.BadRequest($"'best_of' must be at least 1, found {body.BestOf}", "best_of");
        }

        if (body.BestOf < (body.N ?? 1))
        {
            throw ApiException.BadRequest($"'best_of' must be at least 'n', {body.N ?? 1}, found {body.BestOf}", "best_of");
        }

        if (body.BestOf > (body.N ?? 1) && (body.Stream == true || body.Beams > 1))
        {
            throw ApiException.BadRequest($"'best_of' cannot be had beside '{(body.Stream == true ? "stream" : "beams")}': which texts are the best is known at the end", "best_of");
        }

        if (body.Echo == true && body.Logprobs is not null)
        {
            throw ApiException.BadRequest("'logprobs' beside 'echo' is not supported: only tokens that are generated have them", "logprobs", "unsupported_parameter");
        }

        if (body.Echo == true && (!string.IsNullOrEmpty(body.Suffix) || body.Prompt?.Any(prompt => prompt.Text is null) == true))
        {
            throw ApiException.BadRequest("'echo' gives texts back; neither token ids nor a 'suffix' go with it", "echo", "unsupported_parameter");
        }
    }

    private static async IAsyncEnumerable<CompletionResponse> StreamAsync(
        HttpContext context, Asked asked, Answer answer, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (model, requests) = (asked.Model, asked.Requests);
        var total = new Total(requests.Count);
        var offsets = new int[requests.Count * ChoicesOf(requests)];
        for (var index = 0; asked.Echoes.Count > 0 && index < offsets.Length; index++)
        {
            yield return answer.With([new TextChoice { Text = asked.Echoes[index / ChoicesOf(requests)], Index = index }]);
        }

        await foreach (var (prompt, update) in GenerateAllAsync(model, requests, cancellationToken))
        {
            answer.Clock.Update();
            ModelAnswer.Count(context, update.TokenIds.Count, update.Usage, update.FinishReason, prompt);
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
                }], warnings: WarningsOf(update.Usage));
            }
        }

        if (asked.IncludesUsage)
        {
            yield return answer.With([], total.Usage);
        }
    }

    private static async Task<CompletionResponse> CompleteAsync(HttpContext context, Asked asked, Answer answer, CancellationToken cancellationToken)
    {
        var (model, requests) = (asked.Model, asked.Requests);
        var choices = CollectedChoice.Several(requests.Count * ChoicesOf(requests));
        var total = new Total(requests.Count);
        await foreach (var (prompt, update) in GenerateAllAsync(model, requests, cancellationToken))
        {
            answer.Clock.Update();
            ModelAnswer.Count(context, update.TokenIds.Count, update.Usage, update.FinishReason, prompt);
            choices[(prompt * ChoicesOf(requests)) + update.Choice].Add(update);
            total.Add(prompt, update.Usage);
        }

        var perPrompt = ChoicesOf(requests);
        var shown = asked.Best is not { } best ? choices : [.. choices.Chunk(perPrompt).SelectMany(candidates => candidates.OrderByDescending(Likelihood).Take(best))];
        return answer.With([.. shown.Select((choice, index) => ToWire(asked, choice, index, asked.Best ?? perPrompt))], total.Usage, WarningsOf(total.Usage));
    }

    /// <summary>The mean of a text's log-probabilities, by which the best of several is found.</summary>
    private static double Likelihood(CollectedChoice choice)
        => choice.LogProbabilities.Count == 0 ? double.NegativeInfinity : choice.LogProbabilities.Average(token => token.Token.LogProbability);

    private static TextChoice ToWire(Asked asked, CollectedChoice choice, int index, int perPrompt)
    {
        var offset = 0;
        return new TextChoice
        {
            Text = asked.Echoes.Count > 0 ? asked.Echoes[index / perPrompt] + choice.Text : choice.Text,
            Index = index,
            Logprobs = asked.TellsLogProbabilities ? TextLogprobs.Of(choice.LogProbabilities, ref offset) : null,
            FinishReason = choice.FinishReason?.ToWire(),
            StopReason = choice.StopReason,
        };
    }

    private static string[]? WarningsOf(TokenUsage? usage) => usage is { DroppedTokens: > 0 and var dropped }
        ? [string.Create(CultureInfo.InvariantCulture, $"the context was full: the text went on without {dropped} of its tokens")] : null;

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
        DroppedTokens = total.DroppedTokens + more.DroppedTokens,
    };

    private sealed record Asked(string Id, ILanguageModel Model, List<GenerationRequest> Requests, bool Streams, bool IncludesUsage)
    {
        /// <summary>The prompts, where the answer begins with them.</summary>
        public IReadOnlyList<string> Echoes { get; init; } = [];

        /// <summary>How many of a prompt's texts are answered with, the likeliest first; null: all.</summary>
        public int? Best { get; init; }

        public bool TellsLogProbabilities { get; init; }
    }

    private sealed record Answer(string Id, long Created, string Model, AnswerClock Clock)
    {
        public CompletionResponse With(IReadOnlyList<TextChoice> choices, TokenUsage? usage = null, IReadOnlyList<string>? warnings = null)
            => new() { Id = Id, Created = Created, Model = Model, Choices = choices, Usage = usage?.ToWire(), Timings = usage is { } cost ? Clock.Timings(cost) : null, Warnings = warnings };
    }
}
