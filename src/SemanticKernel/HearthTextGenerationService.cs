using System.Runtime.CompilerServices;
using Hearth.Extensions.AI;
using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.TextGeneration;

namespace Hearth.SemanticKernel;

/// <summary>Continues texts with a Hearth model, in this process or over HTTP; no chat template is applied.</summary>
/// <remarks>Metadata and InnerContent are those of <see cref="HearthChatCompletionService"/>. Safe to call from several threads at once.</remarks>
public sealed class HearthTextGenerationService : ITextGenerationService
{
    private readonly IHearthBackend _backend;

    /// <summary>Continues texts with a model in this process, which stays the caller's to dispose.</summary>
    public HearthTextGenerationService(ILanguageModel model)
        : this(new TracedBackend(BackendRegistration.Of(model)))
    {
    }

    /// <summary>Continues texts with a model of a Hearth service.</summary>
    /// <param name="httpClient">Sends the requests; stays the caller's to dispose.</param>
    /// <param name="endpoint">The service's address, without the <c>/v1</c>.</param>
    /// <param name="modelId">Which of the service's models; null: its default.</param>
    public HearthTextGenerationService(HttpClient httpClient, Uri endpoint, string? modelId = null)
        : this(new TracedBackend(BackendRegistration.Of(httpClient, endpoint, modelId)))
    {
    }

    internal HearthTextGenerationService(IHearthBackend backend)
    {
        _backend = backend;
        Attributes = ServiceConstruction.Attributes(backend);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, object?> Attributes { get; }

    /// <inheritdoc/>
    /// <returns>A text, or as many as the settings ask for, without the prompt.</returns>
    /// <exception cref="HearthException">The model cannot be loaded, or refuses the request.</exception>
    /// <exception cref="HttpOperationException">The service cannot be reached, or refuses the request.</exception>
    /// <exception cref="ContextLengthExceededException">The prompt does not fit into the model's context.</exception>
    /// <exception cref="NotSupportedException">The settings ask for something that Hearth does not do.</exception>
    public async Task<IReadOnlyList<TextContent>> GetTextContentsAsync(
        string prompt, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null, CancellationToken cancellationToken = default)
    {
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(executionSettings);
        var texts = await StartAsync(prompt, settings, cancellationToken).CollectAsync(settings.ChoiceCount ?? 1).ConfigureAwait(false);
        return [.. texts.Select(text => new TextContent(text.Result.Text, text.Response.ModelId, text.Result, metadata: text.Metadata))];
    }

    /// <inheritdoc/>
    /// <exception cref="HearthException">The model cannot be loaded, or refuses the request.</exception>
    /// <exception cref="HttpOperationException">The service cannot be reached, or refuses the request.</exception>
    /// <exception cref="ContextLengthExceededException">The prompt does not fit into the model's context.</exception>
    /// <exception cref="NotSupportedException">The settings ask for something that Hearth does not do.</exception>
    public async IAsyncEnumerable<StreamingTextContent> GetStreamingTextContentsAsync(
        string prompt, PromptExecutionSettings? executionSettings = null, Kernel? kernel = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var (response, update) in StartAsync(prompt, executionSettings, cancellationToken).ConfigureAwait(false))
        {
            yield return new StreamingTextContent(
                update.Text, update.Choice, response.ModelId, update, metadata: ResponseMetadata.Of(response, update.FinishReason, update.Usage, update.LogProbabilities, update.Warnings));
        }
    }

    private IAsyncEnumerable<BackendUpdate> StartAsync(string prompt, PromptExecutionSettings? executionSettings, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var settings = HearthPromptExecutionSettings.FromExecutionSettings(executionSettings);
        if (settings.FirstOfChats() is { } name)
            throw new NotSupportedException($"'{name}' is for chats; text generation applies no template and calls no functions");
        return _backend.CompleteAsync(prompt, settings.ToGenerationOptions(), cancellationToken).WithKernelErrors(cancellationToken);
    }
}
