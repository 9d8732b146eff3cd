using Hearth.Runtime;

namespace Hearth.Extensions.AI.Backends;

/// <summary>An embedding model, wherever it runs.</summary>
/// <remarks>Safe to call from several threads at once.</remarks>
internal interface IEmbeddingBackend
{
    /// <summary>The service's address, or null in process.</summary>
    Uri? Endpoint { get; }

    /// <summary>The model asked for where a request names none, as far as it is known without asking.</summary>
    string? ModelId { get; }

    /// <summary>The model, where it is in this process and loaded.</summary>
    IEmbeddingModel? Model { get; }

    /// <summary>Computes a vector of length 1 for each text.</summary>
    /// <param name="texts">At least one; none is empty.</param>
    /// <param name="modelId">Null: <see cref="ModelId"/>.</param>
    /// <param name="dimensions">At least 1; null: the model's.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    Task<BackendVectors> EmbedAsync(IReadOnlyList<string> texts, string? modelId, int? dimensions, CancellationToken cancellationToken);
}

/// <summary>Vectors in the texts' order, the model that computed them, and how many tokens the texts had.</summary>
internal sealed record BackendVectors(string ModelId, IReadOnlyList<float[]> Vectors, long Tokens);
