using System.Runtime.CompilerServices;
using Hearth.Runtime;

namespace Hearth.SemanticKernel.Backends;

/// <summary>A model in this process, loaded when it is first needed.</summary>
internal sealed class LocalBackend(Func<CancellationToken, Task<ILanguageModel>> getModel, string? modelId) : IHearthBackend
{
    public Uri? Endpoint => null;

    public string? ModelId => modelId;

    public async IAsyncEnumerable<BackendUpdate> ChatAsync(
        ChatPrompt chat, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var model = await getModel(cancellationToken).ConfigureAwait(false);

        // Not on the caller's thread: a template may take a while, and a caller's may be that of a user interface.
        var prompt = await Task.Run(() => model.TokenizeChat(chat, cancellationToken), cancellationToken).ConfigureAwait(false);
        var request = new GenerationRequest { Prompt = prompt, Options = options, IsChat = true };
        await foreach (var update in GenerateAsync("chatcmpl", model, request, cancellationToken).ConfigureAwait(false))
        {
            yield return update;
        }
    }

    public async IAsyncEnumerable<BackendUpdate> CompleteAsync(
        string prompt, GenerationOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var model = await getModel(cancellationToken).ConfigureAwait(false);
        await foreach (var update in GenerateAsync("cmpl", model, new GenerationRequest { Prompt = model.Tokenize(prompt), Options = options }, cancellationToken).ConfigureAwait(false))
        {
            yield return update;
        }
    }

    private async IAsyncEnumerable<BackendUpdate> GenerateAsync(
        string kind, ILanguageModel model, GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var identity = new ResponseIdentity($"{kind}-{Guid.NewGuid():N}", modelId ?? model.Information.Id, DateTimeOffset.UtcNow);
        await foreach (var update in model.GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            yield return new BackendUpdate(identity, update);
        }
    }
}
