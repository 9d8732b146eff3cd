using Hearth.Runtime;

namespace Hearth.SemanticKernel.Backends;

/// <summary>A model, wherever it runs; what both Semantic Kernel services speak to.</summary>
/// <remarks>Safe to call from several threads at once.</remarks>
internal interface IHearthBackend
{
    /// <summary>The service's address, or null in process.</summary>
    Uri? Endpoint { get; }

    /// <summary>The model asked for, as far as it is known without asking.</summary>
    string? ModelId { get; }

    IAsyncEnumerable<BackendUpdate> ChatAsync(ChatPrompt chat, GenerationOptions options, CancellationToken cancellationToken);

    IAsyncEnumerable<BackendUpdate> CompleteAsync(string prompt, GenerationOptions options, CancellationToken cancellationToken);
}

/// <summary>A piece of an answer and which answer it is of.</summary>
internal sealed record BackendUpdate(ResponseIdentity Response, GenerationUpdate Update);

/// <summary>Names one answer of one model.</summary>
internal sealed record ResponseIdentity(string Id, string ModelId, DateTimeOffset CreatedAt);
