using System.Runtime.CompilerServices;
using Hearth.Extensions.AI.Backends;
using Hearth.Runtime;
using Hearth.Runtime.Caching;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

namespace Hearth.Extensions.AI;

/// <summary>Answers chats with a Hearth model, in this process or over HTTP, with the same behaviour.</summary>
/// <remarks>
/// <para>
/// Calls of tools come as whole <see cref="FunctionCallContent"/>s whose arguments fit the function's schema; nothing is
/// invoked (<c>UseFunctionInvocation</c> does that). Thoughts come as <see cref="TextReasoningContent"/>, and go back to the
/// model's template from there. What of <see cref="ChatOptions"/> cannot be honoured is refused by its name before anything is
/// computed. <see cref="ChatOptions.RawRepresentationFactory"/> may make a <see cref="GenerationOptions"/> or a
/// <see cref="ChatTurnRequest"/> whose chat has no messages; what they set counts before the other members.
/// <see cref="ChatOptions.AdditionalProperties"/> takes the options' names over HTTP (<c>min_p</c>, <c>thinking_budget</c>, ...).
/// </para>
/// <para>
/// Whole answers and streams bear the response's id, the model and the time. The conversation id stays null: no history is
/// kept. What the caller should know of an answer is in <c>AdditionalProperties["warnings"]</c>, texts, and logged once.
/// <see cref="GetService"/> gives the <see cref="ChatClientMetadata"/> and, in process once it is loaded, the
/// <see cref="ILanguageModel"/> and its <see cref="KvCache"/>. Safe to call from several threads at once.
/// </para>
/// </remarks>
public sealed class HearthChatClient : IChatClient
{
    private const string Provider = "hearth";

    private readonly IHearthBackend _backend;
    private readonly AnswerWarnings _warnings;
    private readonly IDisposable? _lease;

    /// <summary>Answers with a model in this process, which stays the caller's to dispose.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loggerFactory">Told the warnings of answers; null: nobody.</param>
    public HearthChatClient(ILanguageModel model, ILoggerFactory? loggerFactory = null)
        : this(BackendRegistration.Of(model), loggerFactory)
    {
    }

    /// <summary>Answers with a model of a Hearth service.</summary>
    /// <param name="httpClient">Sends the requests; stays the caller's to dispose.</param>
    /// <param name="endpoint">The service's address, without the <c>/v1</c>.</param>
    /// <param name="modelId">Which of the service's models; null: the first one that generates text.</param>
    /// <param name="loggerFactory">Told the warnings of answers; null: nobody.</param>
    /// <exception cref="ArgumentException">The address is unusable.</exception>
    public HearthChatClient(HttpClient httpClient, Uri endpoint, string? modelId = null, ILoggerFactory? loggerFactory = null)
        : this(BackendRegistration.Of(httpClient, endpoint, modelId), loggerFactory)
    {
    }

    /// <summary>Answers with the model of a file, loaded at the first request and shared with whoever names it too, or with a model of a Hearth service.</summary>
    /// <param name="options">Where the model is.</param>
    /// <param name="loggerFactory">Told the warnings of answers; null: nobody.</param>
    /// <exception cref="ArgumentException">The options name neither or both sources, or hold an unusable value.</exception>
    public HearthChatClient(HearthClientOptions options, ILoggerFactory? loggerFactory = null)
        : this(BackendRegistration.Of(options, out var lease), loggerFactory) => _lease = lease;

    internal HearthChatClient(IHearthBackend backend, ILoggerFactory? loggerFactory)
    {
        _backend = backend;
        _warnings = new AnswerWarnings(loggerFactory?.CreateLogger<HearthChatClient>());
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">There is no message, or a tool's schema or a call's arguments are no JSON.</exception>
    /// <exception cref="NotSupportedException">An option or a message's content is of a kind that cannot be honoured.</exception>
    /// <exception cref="InvalidRequestException">An option is out of its range, or options contradict each other.</exception>
    /// <exception cref="ContextLengthExceededException">The chat does not fit.</exception>
    /// <exception cref="HearthException">The model cannot be loaded, or refuses the request.</exception>
    /// <exception cref="HearthServiceException">The service cannot be reached, or refuses the request.</exception>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in GetStreamingResponseAsync(messages, options, cancellationToken).ConfigureAwait(false))
            updates.Add(update);
        var response = updates.ToChatResponse();

        // What updates say of the answer becomes the message's there; callers of whole answers look at the response.
        foreach (var (name, value) in updates.SelectMany(update => update.AdditionalProperties ?? []))
            (response.AdditionalProperties ??= [])[name] = value;
        return response;
    }

    /// <inheritdoc/>
    /// <remarks>What is wrong with the request is told by the first read, before any update.</remarks>
    /// <inheritdoc cref="GetResponseAsync" path="/exception"/>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return AnswerAsync(messages, options, cancellationToken);
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata(Provider, _backend.Endpoint, _backend.ModelId)
            : serviceType.IsInstanceOfType(this) ? this
            : serviceType.IsInstanceOfType(_backend.Model) ? _backend.Model
            : serviceType == typeof(KvCache) ? (_backend.Model as LanguageModel)?.Cache
            : null;
    }

    /// <summary>Lets the model of a file go where this client was made for the file; a model or a client that was handed in stays the caller's.</summary>
    public void Dispose() => _lease?.Dispose();

    private async IAsyncEnumerable<ChatResponseUpdate> AnswerAsync(IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var turn = TurnMapping.Map(this, messages, options, isElsewhere: _backend.Endpoint is not null);
        var backend = options?.ModelId is { } modelId ? _backend.For(modelId) : _backend;
        var reader = new AnswerReader(turn, _warnings);
        await foreach (var (identity, update) in backend.ChatAsync(turn.Request, cancellationToken).ConfigureAwait(false))
        {
            if (reader.Read(identity, update) is { } piece)
                yield return piece;
        }

        if (!reader.HasEnded)
            throw new HearthException("the model's answer ended without a finish reason");
    }
}
