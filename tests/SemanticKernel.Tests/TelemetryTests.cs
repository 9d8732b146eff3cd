using System.Diagnostics;
using System.Diagnostics.Metrics;
using Hearth.Extensions.AI;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel.Tests;

/// <summary>Spans and metrics of requests, by the conventions for generative AI.</summary>
public sealed class TelemetryTests
{
    private static readonly ChatHistory s_history = [new ChatMessageContent(AuthorRole.User, "a secret")];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_request_is_a_span_and_two_counts_of_tokens(bool tellsContent)
    {
        var backend = new RecordingBackend { Name = $"spans-{tellsContent}" };
        using var heard = new Heard(backend.Name);
        var service = new HearthChatCompletionService(new TracedBackend(backend, tellsContent));
        await service.GetChatMessageContentsAsync(s_history, new HearthPromptExecutionSettings { Temperature = 0.5f, MaxTokens = 7 }, cancellationToken: TestContext.Current.CancellationToken);

        var span = Assert.Single(heard.Spans);
        Assert.Equal((ActivityKind.Client, $"chat {backend.Name}", ActivityStatusCode.Unset), (span.Kind, span.DisplayName, span.Status));
        Assert.Equal("chat", span.GetTagItem("gen_ai.operation.name"));
        Assert.Equal("hearth", span.GetTagItem("gen_ai.provider.name"));
        Assert.Equal(backend.Name, span.GetTagItem("gen_ai.request.model"));
        Assert.Equal(backend.Name, span.GetTagItem("gen_ai.response.model"));
        Assert.Equal("1", span.GetTagItem("gen_ai.response.id"));
        Assert.Equal(7, span.GetTagItem("gen_ai.request.max_tokens"));
        Assert.Equal(new[] { "stop" }, span.GetTagItem("gen_ai.response.finish_reasons"));
        Assert.Equal(5, span.GetTagItem("gen_ai.usage.input_tokens"));
        Assert.Equal(2, span.GetTagItem("gen_ai.usage.output_tokens"));
        Assert.Null(span.GetTagItem("error.type"));
        Assert.Equal(tellsContent ? """[{"role":"user","parts":[{"type":"text","content":"a secret"}]}]""" : null, span.GetTagItem("gen_ai.input.messages"));
        Assert.Equal(tellsContent ? """[{"role":"assistant","parts":[{"type":"text","content":"ok"}],"finish_reason":"stop"}]""" : null, span.GetTagItem("gen_ai.output.messages"));

        Assert.Equal([("input", 5), ("output", 2)], heard.Tokens.Order());
        Assert.Equal([(string?)null], heard.Durations);
    }

    [Fact]
    public async Task A_failure_and_what_is_left_early_say_so()
    {
        var backend = new RecordingBackend { Name = "spans-failing", Failure = new HearthServiceException("no service") };
        using var heard = new Heard(backend.Name);
        var service = new HearthChatCompletionService(new TracedBackend(backend));
        await Assert.ThrowsAsync<HttpOperationException>(() => service.GetChatMessageContentsAsync(s_history, cancellationToken: TestContext.Current.CancellationToken));
        backend.Failure = null;
        await foreach (var _ in service.GetStreamingChatMessageContentsAsync(s_history, cancellationToken: TestContext.Current.CancellationToken))
            break;

        Assert.Equal([typeof(HearthServiceException).FullName, nameof(OperationCanceledException)], heard.Durations);
        Assert.Equal([ActivityStatusCode.Error, ActivityStatusCode.Unset], heard.Spans.Select(span => span.Status));
        Assert.Equal(heard.Durations, heard.Spans.Select(span => span.GetTagItem("error.type")));
    }

    /// <summary>What is told of one model's requests.</summary>
    private sealed class Heard : IDisposable
    {
        private readonly ActivityListener _activities;
        private readonly MeterListener _meters = new();

        public Heard(string model)
        {
            _activities = new ActivityListener
            {
                ShouldListenTo = source => source.Name == TracedBackend.SourceName,
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = span =>
                {
                    if (model.Equals(span.GetTagItem("gen_ai.request.model")))
                        Spans.Add(span);
                },
            };
            ActivitySource.AddActivityListener(_activities);
            _meters.InstrumentPublished = (instrument, meters) =>
            {
                if (instrument.Meter.Name == TracedBackend.SourceName)
                    meters.EnableMeasurementEvents(instrument);
            };
            _meters.SetMeasurementEventCallback<long>((_, value, tags, _) =>
            {
                if (model.Equals(Of(tags, "gen_ai.request.model")))
                    Tokens.Add(((string)Of(tags, "gen_ai.token.type")!, value));
            });
            _meters.SetMeasurementEventCallback<double>((instrument, _, tags, _) =>
            {
                if (instrument.Name == "gen_ai.client.operation.duration" && model.Equals(Of(tags, "gen_ai.request.model")))
                    Durations.Add((string?)Of(tags, "error.type"));
            });
            _meters.Start();
        }

        public List<Activity> Spans { get; } = [];

        public List<(string Type, long Count)> Tokens { get; } = [];

        public List<string?> Durations { get; } = [];

        public void Dispose()
        {
            _activities.Dispose();
            _meters.Dispose();
        }

        private static object? Of(ReadOnlySpan<KeyValuePair<string, object?>> tags, string name)
        {
            foreach (var tag in tags)
            {
                if (tag.Key == name)
                    return tag.Value;
            }

            return null;
        }
    }
}
