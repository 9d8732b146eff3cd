using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Microsoft.Extensions.AI;

namespace Hearth.Extensions.AI;

/// <summary>Turns texts into vectors of length 1 with a Hearth model, in this process or over HTTP.</summary>
/// <remarks>
/// Of <see cref="EmbeddingGenerationOptions"/> it reads ModelId (in process only the generator's own will do) and Dimensions:
/// the first values of a vector, scaled to length 1, which means something for models trained for it only. Usage counts
/// tokens, special ones included. <see cref="GetService"/> gives the <see cref="EmbeddingGeneratorMetadata"/> and, in process
/// once it is loaded, the <see cref="IEmbeddingModel"/>. Safe to call from several threads at once; disposing does nothing,
/// since the model belongs to the caller or to the container.
/// </remarks>
public sealed class HearthEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    private const string Provider = "hearth";

    private readonly IEmbeddingBackend _backend;
    private readonly IDisposable? _lease;

    /// <summary>Embeds with a model in this process, which stays the caller's to dispose.</summary>
    public HearthEmbeddingGenerator(IEmbeddingModel model)
        : this(BackendRegistration.Of(model))
    {
    }

    /// <summary>Embeds with a model of a Hearth service.</summary>
    /// <param name="httpClient">Sends the requests; stays the caller's to dispose.</param>
    /// <param name="endpoint">The service's address, without the <c>/v1</c>.</param>
    /// <param name="modelId">Which of the service's models; null: the first one that embeds.</param>
    public HearthEmbeddingGenerator(HttpClient httpClient, Uri endpoint, string? modelId = null)
        : this(BackendRegistration.ForEmbedding(httpClient, endpoint, modelId))
    {
    }

    /// <summary>Embeds with the model of a file, loaded at the first request and shared with whoever names it too, or with a model of a Hearth service.</summary>
    /// <param name="options">Where the model is.</param>
    /// <exception cref="ArgumentException">The options name neither or both sources, or hold an unusable value.</exception>
    public HearthEmbeddingGenerator(HearthClientOptions options)
        : this(BackendRegistration.ForEmbedding(options, out var lease)) => _lease = lease;

    internal HearthEmbeddingGenerator(IEmbeddingBackend backend) => _backend = backend;

    /// <inheritdoc/>
    /// <returns>A vector for each text, in their order; none for no texts.</returns>
    /// <exception cref="ArgumentException">A text is null or empty, or Dimensions is not between 1 and the model's.</exception>
    /// <exception cref="ContextLengthExceededException">A text does not fit, see <see cref="ContextLengthExceededException.TextIndex"/>; nothing is cut off.</exception>
    /// <exception cref="HearthException">The model cannot be loaded, or refuses the request.</exception>
    /// <exception cref="HearthServiceException">The service cannot be reached, or refuses the request.</exception>
    /// <exception cref="NotSupportedException">Another model is asked for, or the model computes no embeddings.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (options?.Dimensions < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(options), options.Dimensions, "Dimensions must be at least 1");
        }

        var texts = values.ToList();
        if (texts.FindIndex(string.IsNullOrEmpty) is >= 0 and var empty)
        {
            throw new ArgumentException($"text {empty} is empty", nameof(values));
        }

        if (texts.Count == 0)
        {
            return new GeneratedEmbeddings<Embedding<float>>();
        }

        var result = await _backend.EmbedAsync(texts, options?.ModelId, options?.Dimensions, cancellationToken).ConfigureAwait(false);
        var createdAt = DateTimeOffset.UtcNow;
        return new GeneratedEmbeddings<Embedding<float>>(result.Vectors.Select(vector => new Embedding<float>(vector) { CreatedAt = createdAt, ModelId = result.ModelId }))
        {
            Usage = new UsageDetails { InputTokenCount = result.Tokens, TotalTokenCount = result.Tokens },
        };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? new EmbeddingGeneratorMetadata(Provider, _backend.Endpoint, _backend.ModelId, _backend.Model?.Dimensions)
            : serviceType.IsInstanceOfType(this) ? this
            : serviceType.IsInstanceOfType(_backend.Model) ? _backend.Model
            : null;
    }

    /// <summary>Lets the model of a file go where this generator was made for the file; a model or a client that was handed in stays the caller's.</summary>
    public void Dispose() => _lease?.Dispose();
}
