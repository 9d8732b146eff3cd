using System.Runtime.CompilerServices;
using Hearth.Extensions.AI.Backends;

namespace Hearth.SemanticKernel.Tests;

/// <summary>Answers "ok" and keeps what it was asked.</summary>
internal sealed class RecordingBackend : IHearthBackend
{
    public List<ChatTurnRequest> Turns { get; } = [];

    public Uri? Endpoint => null;

    /// <summary>The model's name.</summary>
    public string Name { get; init; } = "recorder";

    /// <summary>What requests fail with; null: they do not.</summary>
    public Exception? Failure { get; set; }

    public string? ModelId => Name;

    public ILanguageModel? Model => null;

    public IHearthBackend For(string modelId) => this;

    public async IAsyncEnumerable<BackendUpdate> ChatAsync(ChatTurnRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Turns.Add(request);
        await Task.Yield();
        if (Failure is not null)
            throw Failure;
        yield return new BackendUpdate(new ResponseIdentity("1", Name, DateTimeOffset.UtcNow), new ChatUpdate { Text = "ok", FinishReason = FinishReason.Stop, Usage = new TokenUsage(5, 2, 1, CacheMissReason.None, 0) });
    }

    public IAsyncEnumerable<BackendUpdate> CompleteAsync(string prompt, GenerationOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();
}
