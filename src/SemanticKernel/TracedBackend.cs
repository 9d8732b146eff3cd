using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Hearth.Runtime.Protocol;

namespace Hearth.SemanticKernel;

/// <summary>Tells OpenTelemetry of each request of a model: a span and metrics, of source and meter <see cref="SourceName"/>.</summary>
/// <remarks>
/// Names and attributes are those of OpenTelemetry's semantic conventions for generative AI
/// (https://opentelemetry.io/docs/specs/semconv/gen-ai/). Contents are told only where the environment says
/// <c>OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true</c>. Where nobody listens nothing is made.
/// </remarks>
internal sealed class TracedBackend(IHearthBackend inner, bool? tellsContent = null) : IHearthBackend
{
    /// <summary>The name of the activity source and of the meter.</summary>
    public const string SourceName = "Hearth.SemanticKernel";

    private static readonly ActivitySource s_source = new(SourceName);
    private static readonly Meter s_meter = new(SourceName);

    // The boundaries that the conventions advise.
    private static readonly Histogram<double> s_duration = s_meter.CreateHistogram(
        "gen_ai.client.operation.duration", "s", "How long a request took.", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92] });

    private static readonly Histogram<double> s_firstPiece = s_meter.CreateHistogram(
        "gen_ai.client.operation.time_to_first_chunk", "s", "How long the first piece of an answer took.", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] });

    private static readonly Histogram<long> s_tokens = s_meter.CreateHistogram(
        "gen_ai.client.token.usage", "{token}", "Tokens of a prompt or of an answer.", null, new InstrumentAdvice<long> { HistogramBucketBoundaries = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864] });

    private readonly bool _tellsContent = tellsContent ?? string.Equals(Environment.GetEnvironmentVariable("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"), "true", StringComparison.OrdinalIgnoreCase);

    public Uri? Endpoint => inner.Endpoint;

    public string? ModelId => inner.ModelId;

    public ILanguageModel? Model => inner.Model;

    public IHearthBackend For(string modelId) => new TracedBackend(inner.For(modelId), _tellsContent);

    public IAsyncEnumerable<BackendUpdate> ChatAsync(ChatTurnRequest request, CancellationToken cancellationToken)
        => TraceAsync("chat", request.Options, request, inner.ChatAsync(request, cancellationToken), cancellationToken);

    public IAsyncEnumerable<BackendUpdate> CompleteAsync(string prompt, GenerationOptions options, CancellationToken cancellationToken)
        => TraceAsync("text_completion", options, null, inner.CompleteAsync(prompt, options, cancellationToken), cancellationToken, prompt);

    private async IAsyncEnumerable<BackendUpdate> TraceAsync(
        string operation, GenerationOptions options, ChatTurnRequest? chat, IAsyncEnumerable<BackendUpdate> answer, [EnumeratorCancellation] CancellationToken cancellationToken, string? prompt = null)
    {
        using var activity = Begin(operation, options);
        var tellsContent = _tellsContent && activity is { IsAllDataRequested: true };
        if (tellsContent)
            MessageContents.TellInput(activity!, chat, prompt);
        var measured = s_duration.Enabled || s_tokens.Enabled || s_firstPiece.Enabled || activity is not null;
        SortedDictionary<int, CollectedText>? collected = tellsContent ? [] : null;
        var watch = Stopwatch.StartNew();
        var (model, reasons, hasBegun) = ((string?)null, new SortedDictionary<int, FinishReason>(), false);
        TokenUsage? usage = null;
        string? fault = nameof(OperationCanceledException); // what is left before its end
        try
        {
            await using var updates = answer.GetAsyncEnumerator(cancellationToken);
            while (true)
            {
                try
                {
                    if (!await updates.MoveNextAsync().ConfigureAwait(false))
                        break;
                }
                catch (Exception exception)
                {
                    fault = exception.GetType().FullName;
                    activity?.SetStatus(ActivityStatusCode.Error, exception.Message);
                    throw;
                }

                var (response, update) = updates.Current;
                if (measured)
                {
                    if (!hasBegun && (update.Text.Length > 0 || update.Reasoning.Length > 0 || update.ToolCalls.Count > 0))
                    {
                        hasBegun = true;
                        s_firstPiece.Record(watch.Elapsed.TotalSeconds, Tags(operation, response.ModelId));
                    }

                    model = response.ModelId;
                    usage = update.Usage ?? usage;
                    if (update.FinishReason is { } reason)
                        reasons[update.Choice] = reason;
                    if (collected is not null)
                    {
                        if (!collected.TryGetValue(update.Choice, out var one))
                            collected.Add(update.Choice, one = new CollectedText());
                        one.Add(response, update);
                    }

                    activity?.SetTag("gen_ai.response.id", response.Id);
                }

                yield return updates.Current;
            }

            fault = null;
        }
        finally
        {
            if (measured)
                End(activity, operation, model, usage, reasons, fault, watch.Elapsed, collected);
        }
    }

    private Activity? Begin(string operation, GenerationOptions options)
    {
        if (s_source.StartActivity(ModelId is null ? operation : $"{operation} {ModelId}", ActivityKind.Client) is not { IsAllDataRequested: true } activity)
            return null;
        activity.SetTag("gen_ai.operation.name", operation);
        activity.SetTag("gen_ai.provider.name", "hearth");
        Set("gen_ai.request.model", ModelId);
        Set("server.address", Endpoint?.Host);
        Set("server.port", Endpoint?.Port);
        Set("gen_ai.request.temperature", options.Temperature);
        Set("gen_ai.request.top_p", options.TopP);
        Set("gen_ai.request.top_k", options.TopK);
        Set("gen_ai.request.max_tokens", options.MaxTokens);
        Set("gen_ai.request.frequency_penalty", options.FrequencyPenalty);
        Set("gen_ai.request.presence_penalty", options.PresencePenalty);
        Set("gen_ai.request.seed", options.Seed is { } seed ? unchecked((long)seed) : null);
        Set("gen_ai.request.choice.count", options.ChoiceCount is > 1 ? options.ChoiceCount : null);
        Set("gen_ai.request.stop_sequences", options.StopSequences.Count > 0 ? options.StopSequences.ToArray() : null);
        return activity;

        void Set(string name, object? value)
        {
            if (value is not null)
                activity.SetTag(name, value);
        }
    }

    private void End(Activity? activity, string operation, string? model, TokenUsage? usage, SortedDictionary<int, FinishReason> reasons, string? fault, TimeSpan duration, SortedDictionary<int, CollectedText>? collected)
    {
        var tags = Tags(operation, model);
        if (fault is not null)
            tags.Add("error.type", fault);
        s_duration.Record(duration.TotalSeconds, tags);
        if (usage is { } counts)
        {
            foreach (var (type, tokens) in new[] { ("input", counts.PromptTokens), ("output", counts.CompletionTokens) })
            {
                var typed = Tags(operation, model);
                typed.Add("gen_ai.token.type", type);
                s_tokens.Record(tokens, typed);
            }
        }

        if (activity is null)
            return;
        if (model is not null)
            activity.SetTag("gen_ai.response.model", model);
        if (reasons.Count > 0)
            activity.SetTag("gen_ai.response.finish_reasons", reasons.Values.Select(reason => reason.ToWire()).ToArray());
        if (usage is { } used)
        {
            activity.SetTag("gen_ai.usage.input_tokens", used.PromptTokens);
            activity.SetTag("gen_ai.usage.output_tokens", used.CompletionTokens);
            activity.SetTag("gen_ai.usage.cache_read.input_tokens", used.CachedPromptTokens);
            activity.SetTag("gen_ai.usage.reasoning.output_tokens", used.ReasoningTokens);
        }

        if (fault is not null)
            activity.SetTag("error.type", fault);
        if (collected is not null && fault is null)
            MessageContents.TellOutput(activity, collected.Values);
    }

    private TagList Tags(string operation, string? model)
    {
        var tags = new TagList { { "gen_ai.operation.name", operation }, { "gen_ai.provider.name", "hearth" } };
        if (ModelId is not null)
            tags.Add("gen_ai.request.model", ModelId);
        if (model is not null)
            tags.Add("gen_ai.response.model", model);
        if (Endpoint is { } endpoint)
        {
            tags.Add("server.address", endpoint.Host);
            tags.Add("server.port", endpoint.Port);
        }

        return tags;
    }
}
