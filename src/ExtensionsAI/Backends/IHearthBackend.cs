using Hearth.Runtime;

namespace Hearth.Extensions.AI.Backends;

/// <summary>A model, wherever it runs; what every connector speaks to.</summary>
/// <remarks>Safe to call from several threads at once. Failures of a service are <see cref="HearthServiceException"/>s.</remarks>
internal interface IHearthBackend
{
    /// <summary>The service's address, or null in process.</summary>
    Uri? Endpoint { get; }

    /// <summary>The model asked for, as far as it is known without asking.</summary>
    string? ModelId { get; }

    /// <summary>The model, where it is in this process and loaded.</summary>
    ILanguageModel? Model { get; }

    /// <summary>The same with another of its models.</summary>
    /// <exception cref="NotSupportedException">It has but one, which is not that.</exception>
    IHearthBackend For(string modelId);

    /// <summary>Answers a chat, see <see cref="ChatTurn.ChatAsync"/>.</summary>
    IAsyncEnumerable<BackendUpdate> ChatAsync(ChatTurnRequest request, CancellationToken cancellationToken);

    /// <summary>Continues a text; the updates have text only.</summary>
    IAsyncEnumerable<BackendUpdate> CompleteAsync(string prompt, GenerationOptions options, CancellationToken cancellationToken);
}

/// <summary>A piece of an answer and which answer it is of.</summary>
internal sealed record BackendUpdate(ResponseIdentity Response, ChatUpdate Update);

/// <summary>Names one answer of one model.</summary>
internal sealed record ResponseIdentity(string Id, string ModelId, DateTimeOffset CreatedAt);
