using System.Text.Json;
using Hearth.Runtime;
using Hearth.Runtime.Protocol;

namespace Hearth.Extensions.AI.Backends;

/// <summary>An embedding model of a Hearth service, reached over its OpenAI-shaped HTTP API.</summary>
/// <remarks>Many texts go in several requests, one after the other: each is small enough for the service's limits, and leaving early spares the rest.</remarks>
internal sealed class HttpEmbeddingBackend(HttpClient client, Uri endpoint, string? modelId) : IEmbeddingBackend
{
    private const string Path = "v1/embeddings";
    private const int MaxTexts = 512;

    // UTF-16 units: at most six bytes each in JSON, so a request stays below half of the service's default limit of a body.
    private const int MaxUnits = 1 << 20;

    private readonly ServiceClient _service = new(client, endpoint);

    public Uri? Endpoint => endpoint;

    public string? ModelId => modelId;

    public IEmbeddingModel? Model => null;

    public async Task<BackendVectors> EmbedAsync(IReadOnlyList<string> texts, string? asked, int? dimensions, CancellationToken cancellationToken)
    {
        var vectors = new List<float[]>(texts.Count);
        var (tokens, answered) = (0L, "");
        while (vectors.Count < texts.Count)
        {
            var batch = NextBatch(texts, vectors.Count);
            var request = new EmbeddingRequest { Model = asked ?? modelId, Input = batch, Dimensions = dimensions, EncodingFormat = "base64" };
            var response = await SendAsync(request, vectors.Count, cancellationToken).ConfigureAwait(false);
            vectors.AddRange(InOrder(response.Data, batch.Count));
            (tokens, answered) = (tokens + (response.Usage?.PromptTokens ?? 0), response.Model);
        }

        return new BackendVectors(answered, vectors, tokens);
    }

    private static List<PromptInput> NextBatch(IReadOnlyList<string> texts, int first)
    {
        var batch = new List<PromptInput>();
        for (var (i, units) = (first, 0L); i < texts.Count && batch.Count < MaxTexts; i++)
        {
            units += texts[i].Length;
            if (units > MaxUnits && batch.Count > 0)
            {
                break;
            }

            batch.Add(new PromptInput(texts[i], null));
        }

        return batch;
    }

    private async Task<EmbeddingResponse> SendAsync(EmbeddingRequest request, int first, CancellationToken cancellationToken)
    {
        try
        {
            var body = JsonSerializer.SerializeToUtf8Bytes(request, ProtocolJson.Wire.EmbeddingRequest);
            using var response = await _service.PostAsync(Path, body, "application/json", cancellationToken).ConfigureAwait(false);
            using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            return await JsonSerializer.DeserializeAsync(stream, ProtocolJson.Wire.EmbeddingResponse, cancellationToken).ConfigureAwait(false)
                ?? throw new JsonException("found null");
        }
        catch (ContextLengthExceededException exception) when (first > 0 && exception.TextIndex is { } index)
        {
            throw new ContextLengthExceededException(exception.TokensAsked, exception.TokensPossible, first + index);
        }
        catch (JsonException exception)
        {
            throw NotOpenAIs(exception.Message, exception);
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException and not HearthServiceException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw ServiceClient.BrokenOff(_service.Address(Path), exception);
        }
    }

    private static float[][] InOrder(IReadOnlyList<EmbeddingEntry> entries, int count)
    {
        var vectors = new float[count][];
        foreach (var entry in entries ?? [])
        {
            if (entry is null || (uint)entry.Index >= (uint)count || vectors[entry.Index] is not null || entry.Embedding.Values is not { Length: > 0 })
            {
                throw NotOpenAIs("an entry of 'data' has an unusable index or no vector");
            }

            vectors[entry.Index] = entry.Embedding.Values;
        }

        return Array.IndexOf(vectors, null) < 0 ? vectors : throw NotOpenAIs($"'data' has {entries?.Count ?? 0} vectors for {count} texts");
    }

    private static HearthServiceException NotOpenAIs(string what, Exception? cause = null)
        => new($"the service sent an answer that is not of OpenAI's shape: {what}", cause);
}
