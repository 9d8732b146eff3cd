using System.Runtime.CompilerServices;
using Hearth.Extensions.AI;
using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Hearth.SemanticKernel;

/// <summary>Chat completion by a Hearth model, in this process or over HTTP.</summary>
/// <remarks>
/// Functions are offered by <see cref="PromptExecutionSettings.FunctionChoiceBehavior"/>, as "plugin-function"; a call always has
/// the name of one that was offered and arguments that fit its schema. Where they are invoked, calls and results are added to the
/// chat history, until the model answers without a call, a filter ends it, or it was asked 128 times.
/// Answers carry "Id", "CreatedAt", "FinishReason" (a string), "Usage" (<see cref="TokenUsage"/>) and, where there are some,
/// "Warnings" in their metadata, in a stream reason and usage come with its last pieces; InnerContent is the <see cref="GenerationResult"/> or, in a stream, the
/// <see cref="ChatUpdate"/>, whose token ids are known in process only. Safe to call from several threads at once.
/// </remarks>
public sealed class HearthChatCompletionService : IChatCompletionService
{
    private readonly IHearthBackend _backend;

    /// <summary>Chats with a model in this process, which stays the caller's to dispose.</summary>
    public HearthChatCompletionService(ILanguageModel model)
        : this(new TracedBackend(BackendRegistration.Of(model)))
    {
    }

    /// <summary>Chats with a model of a Hearth service.</summary>
    /// <param name="httpClient">Sends the requests; stays the caller's to dispose.</param>
    /// <param name="endpoint">The service's address, without the <c>/v1</c>.</param>
    /// <param name="modelId">Which of the service's models; null: its default.</param>
    public HearthChatCompletionService(HttpClient httpClient, Uri endpoint, string? modelId = null)
        : this(new TracedBackend(BackendRegistration.Of(httpClient, endpoint, modelId)))
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
    /// <exception cref="InvalidRequestException">Options contradict each other, or two functions have one name.</exception>
    /// <exception cref="KernelException">Functions are to be invoked without a kernel, or one is not in it.</exception>
    /// <exception cref="NotSupportedException">The settings or the messages ask for something that Hearth does not do.</exception>
    public async Task<IReadOnlyList<ChatMessageContent>> GetChatMessageContentsAsync(
        ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null,
        CancellationToken cancellationToken = default)
    {
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(executionSettings);
        FunctionOffer? offer = null;
        for (var round = 0; ; round++)
        {
            offer = Offer(settings, chatHistory, kernel, round, offer);
            var answers = await StartAsync(chatHistory, settings, offer, cancellationToken).CollectAsync(settings.ChoiceCount ?? 1).ConfigureAwait(false);
            ChatMessageContent[] messages = [.. answers.Select(answer => AnswerMapping.ToMessage(answer, offer))];
            if (!IsToInvoke(messages[0], offer, out var calls))
                return messages;
            var turn = new FunctionTurn(kernel!, offer, chatHistory, executionSettings, round, IsStreaming: false);
            if (await FunctionCalls.InvokeAsync(messages[0], calls, turn, cancellationToken).ConfigureAwait(false) is { } last)
                return [last];
        }
    }

    /// <inheritdoc/>
    /// <exception cref="HearthException">The model cannot be loaded, or refuses the request.</exception>
    /// <exception cref="HttpOperationException">The service cannot be reached, or refuses the request.</exception>
    /// <exception cref="ContextLengthExceededException">The chat does not fit into the model's context.</exception>
    /// <exception cref="InvalidRequestException">Options contradict each other, or two functions have one name.</exception>
    /// <exception cref="KernelException">Functions are to be invoked without a kernel, or one is not in it.</exception>
    /// <exception cref="NotSupportedException">The settings or the messages ask for something that Hearth does not do.</exception>
    public async IAsyncEnumerable<StreamingChatMessageContent> GetStreamingChatMessageContentsAsync(
        ChatHistory chatHistory, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(executionSettings);
        FunctionOffer? offer = null;
        for (var round = 0; ; round++)
        {
            offer = Offer(settings, chatHistory, kernel, round, offer);
            var (answer, pieces) = (new CollectedText(), new StreamedAnswer(round));
            await foreach (var update in StartAsync(chatHistory, settings, offer, cancellationToken).ConfigureAwait(false))
            {
                if (offer.Invokes)
                    answer.Add(update.Response, update.Update);
                yield return pieces.ToPiece(update);
            }

            if (!offer.Invokes || !answer.IsComplete)
                yield break;
            var message = AnswerMapping.ToMessage(answer, offer);
            if (!IsToInvoke(message, offer, out var calls))
                yield break;
            var turn = new FunctionTurn(kernel!, offer, chatHistory, executionSettings, round, IsStreaming: true);
            if (await FunctionCalls.InvokeAsync(message, calls, turn, cancellationToken).ConfigureAwait(false) is { } last)
            {
                yield return new StreamingChatMessageContent(last.Role, last.Content, modelId: answer.Response.ModelId);
                yield break;
            }
        }
    }

    private static FunctionOffer Offer(HearthPromptExecutionSettings settings, ChatHistory chatHistory, Kernel? kernel, int round, FunctionOffer? before)
    {
        ArgumentNullException.ThrowIfNull(chatHistory);
        var offer = FunctionOffer.Of(settings.FunctionChoiceBehavior, chatHistory, kernel, round, before);
        return !offer.Invokes || settings.ChoiceCount is null or 1 ? offer
            : throw new ArgumentException($"'n' must be 1 where functions are invoked, found {settings.ChoiceCount}: a chat goes on from one answer");
    }

    // An answer that a limit ended is the caller's to see.
    private static bool IsToInvoke(ChatMessageContent message, FunctionOffer offer, out IReadOnlyList<FunctionCallContent> calls)
    {
        calls = [.. message.Items.OfType<FunctionCallContent>()];
        return offer.Invokes && calls.Count > 0 && message.InnerContent is GenerationResult { FinishReason: FinishReason.ToolCalls };
    }

    private IAsyncEnumerable<BackendUpdate> StartAsync(ChatHistory chatHistory, HearthPromptExecutionSettings settings, FunctionOffer offer, CancellationToken cancellationToken)
        => _backend.ChatAsync(settings.ToTurn(ChatHistoryMapping.ToPrompt(chatHistory, settings), offer), cancellationToken).WithKernelErrors(cancellationToken);
}
