using System.Runtime.CompilerServices;
using Hearth.Runtime;

namespace Hearth.Extensions.AI.Backends;

/// <summary>A model in this process, loaded when it is first needed.</summary>
internal sealed class LocalBackend(IModelSource<ILanguageModel> source, string? modelId) : IHearthBackend
{
    public Uri? Endpoint => null;

    public string? ModelId => modelId;

    public ILanguageModel? Model => source.Loaded;

    public IHearthBackend For(string modelId)
        => modelId == ModelId ? this : throw new NotSupportedException($"the model '{modelId}' is asked for, but the model here is '{ModelId}'");

    public async IAsyncEnumerable<BackendUpdate> ChatAsync(ChatTurnRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var use = await source.UseAsync(cancellationToken).ConfigureAwait(false);
        var identity = NewIdentity("chatcmpl", use.Model);
        await foreach (var update in use.Model.ChatAsync(request, cancellationToken).ConfigureAwait(false))
            yield return new BackendUpdate(identity, update);
    }

    public async IAsyncEnumerable<BackendUpdate> CompleteAsync(string prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var use = await source.UseAsync(cancellationToken).ConfigureAwait(false);
        var identity = NewIdentity("cmpl", use.Model);

        // Not on the caller's thread: a long text takes a while, and a caller's may be that of a user interface.
        var tokens = await Task.Run(() => use.Model.Tokenize(prompt), cancellationToken).ConfigureAwait(false);
        await foreach (var update in use.Model.GenerateAsync(new GenerationRequest { Prompt = tokens, Options = options }, cancellationToken).ConfigureAwait(false))
        {
            yield return new BackendUpdate(identity, new ChatUpdate
            {
                Choice = update.Choice,
                Text = update.Text,
                TokenIds = update.TokenIds,
                LogProbabilities = update.LogProbabilities,
                FinishReason = update.FinishReason,
                Usage = update.Usage,
                StopSequence = update.StopSequence,
                StopTokenId = update.StopTokenId,
            });
        }
    }

    private ResponseIdentity NewIdentity(string kind, ILanguageModel model) => new($"{kind}-{Guid.NewGuid():N}", modelId ?? model.Information.Id, DateTimeOffset.UtcNow);
}
