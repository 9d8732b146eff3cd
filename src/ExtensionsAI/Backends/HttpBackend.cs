using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Hearth.Runtime;
using Hearth.Runtime.Protocol;

namespace Hearth.Extensions.AI.Backends;

/// <summary>A model of a Hearth service, reached over its OpenAI-shaped HTTP API.</summary>
/// <remarks>Every answer is asked for as a stream, so that leaving it early reaches the service at once.</remarks>
internal sealed class HttpBackend(HttpClient client, Uri endpoint, string? modelId) : IHearthBackend
{
    private readonly ServiceClient _service = new(client, endpoint);

    public Uri? Endpoint => endpoint;

    public string? ModelId => modelId;

    public ILanguageModel? Model => null;

    public IHearthBackend For(string modelId) => modelId == ModelId ? this : new HttpBackend(client, endpoint, modelId);

    public async IAsyncEnumerable<BackendUpdate> ChatAsync(ChatTurnRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        WireRequests.RefuseUnspoken(request);
        var body = WireRequests.Chat(request, modelId);
        var chunks = StreamAsync(
            "v1/chat/completions", body, ProtocolJson.Wire.ChatCompletionRequest, ProtocolJson.Wire.ChatCompletionChunk, cancellationToken);
        var calls = new StreamedCalls();
        await foreach (var chunk in chunks.ConfigureAwait(false))
        {
            var choice = chunk.Choices.Count > 0 ? chunk.Choices[0] : null;
            yield return Update(chunk.Id, chunk.Model, chunk.Created, choice?.FinishReason, chunk.Usage, choice?.StopReason, new ChatUpdate
            {
                Choice = choice?.Index ?? 0,
                Text = choice?.Delta.Content ?? "",
                Reasoning = choice?.Delta.ReasoningContent ?? "",
                ToolCalls = choice is null ? [] : calls.Read(choice),
                LogProbabilities = choice?.Logprobs is { } scores ? [.. scores.Content.Select(token => token.ToRuntime())] : [],
                Warnings = chunk.Warnings ?? [],
            });
        }
    }

    public async IAsyncEnumerable<BackendUpdate> CompleteAsync(
        string prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var body = WireRequests.Completion(prompt, options, modelId);
        var chunks = StreamAsync(
            "v1/completions", body, ProtocolJson.Wire.CompletionRequest, ProtocolJson.Wire.CompletionResponse, cancellationToken);
        await foreach (var chunk in chunks.ConfigureAwait(false))
        {
            var choice = chunk.Choices.Count > 0 ? chunk.Choices[0] : null;
            yield return Update(chunk.Id, chunk.Model, chunk.Created, choice?.FinishReason, chunk.Usage, choice?.StopReason, new ChatUpdate
            {
                Choice = choice?.Index ?? 0,
                Text = choice?.Text ?? "",
                LogProbabilities = choice?.Logprobs is { } scores ? [.. scores.ToRuntime()] : [],
            });
        }
    }

    private static BackendUpdate Update(string id, string model, long created, string? finishReason, UsageFields? usage, JsonValue? stopReason, ChatUpdate update)
        => new(
            new ResponseIdentity(id, model, DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(created, 0, 253402300799))),
            update with
            {
                FinishReason = WireNames.ToFinishReason(finishReason),
                Usage = usage is null ? null : WireNames.ToUsage(usage),
                StopSequence = stopReason?.GetValueKind() == JsonValueKind.String ? stopReason.ToString() : null,
                StopTokenId = stopReason is not null && stopReason.TryGetValue<int>(out var token) ? token : null,
            });

    private async IAsyncEnumerable<TChunk> StreamAsync<TRequest, TChunk>(
        string path, TRequest body, JsonTypeInfo<TRequest> requestType, JsonTypeInfo<TChunk> chunkType,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var response = await _service.PostAsync(path, JsonSerializer.SerializeToUtf8Bytes(body, requestType), "text/event-stream", cancellationToken).ConfigureAwait(false);
        using var stream = await ReadAsync(response.Content.ReadAsStreamAsync(cancellationToken), path, cancellationToken).ConfigureAwait(false);
        var parser = SseParser.Create(stream, (_, data) => data.SequenceEqual("[DONE]"u8) ? null : data.ToArray());
        await using var events = parser.EnumerateAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
        while (await ReadAsync(events.MoveNextAsync().AsTask(), path, cancellationToken).ConfigureAwait(false))
        {
            // What came before the cancellation and was not read yet comes no more.
            cancellationToken.ThrowIfCancellationRequested();
            if (events.Current.Data is not { } data)
            {
                yield break;
            }

            yield return Parse(data, chunkType);
        }

        cancellationToken.ThrowIfCancellationRequested();
        throw new HearthServiceException($"the answer of {_service.Address(path)} ended before its end was announced");
    }

    // A connection that breaks is the service's failure, whatever the transport calls it; but one that breaks because of a cancellation is cancelled.
    private async Task<T> ReadAsync<T>(Task<T> reading, string path, CancellationToken cancellationToken)
    {
        try
        {
            return await reading.ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw ServiceClient.BrokenOff(_service.Address(path), exception);
        }
    }

    private static TChunk Parse<TChunk>(byte[] data, JsonTypeInfo<TChunk> type)
    {
        try
        {
            // A failure after the first chunk comes as an event of the error's shape.
            if (data.AsSpan().StartsWith("{\"error\""u8) && JsonSerializer.Deserialize(data, ProtocolJson.Wire.ErrorResponse)?.Error is { } error)
            {
                throw ServiceClient.Failure(error, null, null);
            }

            return JsonSerializer.Deserialize(data, type) ?? throw new JsonException("found null");
        }
        catch (JsonException exception)
        {
            throw new HearthServiceException($"the service sent an event that is not of OpenAI's shape: {exception.Message}", exception);
        }
    }
}
