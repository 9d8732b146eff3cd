using System.Runtime.CompilerServices;
using Hearth.Extensions.AI;
using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel;

/// <summary>Chat completion by a Hearth model, in this process or over HTTP.</summary>
/// <remarks>
/// Answers carry "Id", "CreatedAt", "FinishReason" (a string) and "Usage" (<see cref="TokenUsage"/>) in their metadata, in a
/// stream the last two come with its last pieces; InnerContent is the <see cref="GenerationResult"/> or, in a stream, the
/// <see cref="ChatUpdate"/>, whose token ids are known in process only. Safe to call from several threads at once.
/// </remarks>
public sealed class HearthChatCompletionService : IChatCompletionService
{
    private readonly IHearthBackend _backend;

    /// <summary>Chats with a model in this process, which stays the caller's to dispose.</summary>
    public HearthChatCompletionService(ILanguageModel model)
        : this(BackendRegistration.Of(model))
    {
    }

    /// <summary>Chats with a model of a Hearth service.</summary>
    /// <param name="httpClient">Sends the requests; stays the caller's to dispose.</param>
    /// <param name="endpoint">The service's address, without the <c>/v1</c>.</param>
    /// <param name="modelId">Which of the service's models; null: its default.</param>
    public HearthChatCompletionService(HttpClient httpClient, Uri endpoint, string? modelId = null)
        : this(BackendRegistration.Of(httpClient, endpoint, modelId))
    {
    }

    internal HearthChatCompletionService(IHearthBackend backend)
    {
        _backend = backend;
        Attributes = ServiceConstruction.Attributes(backend);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, object?> Attributes { get; }

    /// <inheritdoc/>
    /// <returns>A message, or as many as the settings ask for.</returns>
    /// <exception cref="HearthException">The model cannot be loaded, or refuses the request.</exception>
    /// <exception cref="HttpOperationException">The service cannot be reached, or refuses the request.</exception>
    /// <exception cref="ContextLengthExceededException">The chat does not fit into the model's context.</exception>
    /// <exception cref="NotSupportedException">The settings or the messages ask for something that Hearth does not do.</exception>
    public async Task<IReadOnlyList<ChatMessageContent>> GetChatMessageContentsAsync(
        ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null,
        CancellationToken cancellationToken = default)
    {
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(executionSettings);
        var texts = await StartAsync(chatHistory, settings, cancellationToken).CollectAsync(settings.ChoiceCount ?? 1).ConfigureAwait(false);
        return [.. texts.Select(text => new ChatMessageContent(AuthorRole.Assistant, text.Result.Text, text.Response.ModelId, text.Result, metadata: text.Metadata))];
    }

    /// <inheritdoc/>
    /// <exception cref="HearthException">The model cannot be loaded, or refuses the request.</exception>
    /// <exception cref="HttpOperationException">The service cannot be reached, or refuses the request.</exception>
    /// <exception cref="ContextLengthExceededException">The chat does not fit into the model's context.</exception>
    /// <exception cref="NotSupportedException">The settings or the messages ask for something that Hearth does not do.</exception>
    public async IAsyncEnumerable<StreamingChatMessageContent> GetStreamingChatMessageContentsAsync(
        ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var (response, update) in StartAsync(chatHistory, executionSettings, cancellationToken).ConfigureAwait(false))
        {
            yield return new StreamingChatMessageContent(
                AuthorRole.Assistant, update.Text, update, update.Choice, response.ModelId,
                metadata: ResponseMetadata.Of(response, update.FinishReason, update.Usage, update.LogProbabilities));
        }
    }

    private IAsyncEnumerable<BackendUpdate> StartAsync(
        ChatHistory chatHistory, PromptExecutionSettings? executionSettings, CancellationToken cancellationToken)
    {
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(executionSettings);
        return _backend.ChatAsync(
            new ChatTurnRequest { Chat = ChatHistoryMapping.ToPrompt(chatHistory, settings), Options = settings.ToGenerationOptions() }, cancellationToken).WithKernelErrors(cancellationToken);
    }
}
