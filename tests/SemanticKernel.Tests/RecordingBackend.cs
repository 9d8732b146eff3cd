using System.Runtime.CompilerServices;
using Hearth.Extensions.AI.Backends;

namespace Hearth.SemanticKernel.Tests;

/// <summary>Answers "ok" and keeps what it was asked.</summary>
internal sealed class RecordingBackend : IHearthBackend
{
    public List<ChatTurnRequest> Turns { get; } = [];

    public Uri? Endpoint => null;

    public string? ModelId => "recorder";

    public ILanguageModel? Model => null;

    public IHearthBackend For(string modelId) => this;

    public async IAsyncEnumerable<BackendUpdate> ChatAsync(ChatTurnRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Turns.Add(request);
        await Task.Yield();
        yield return new BackendUpdate(new ResponseIdentity("1", "recorder", DateTimeOffset.UtcNow), new ChatUpdate { Text = "ok", FinishReason = FinishReason.Stop, Usage = default(TokenUsage) });
    }

    public IAsyncEnumerable<BackendUpdate> CompleteAsync(string prompt, GenerationOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();
}
