using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Turns;

namespace Hearth.Runtime;

/// <summary>One turn of a chat: from messages, tools and options to a stream of text, thoughts, calls, usage and end.</summary>
/// <remarks>Whoever answers chats, over whatever protocol or connector, does it by this.</remarks>
public static class ChatTurn
{
    /// <summary>Answers a chat, piece by piece.</summary>
    /// <remarks>
    /// A call of a tool always has the name of one that may be called and arguments that fit its schema, whatever the model
    /// would rather write. What is wrong with the request is told by the first read, before anything is computed. Leaving the
    /// enumeration or cancelling frees what the request holds within one step. Where the context is full and may shift
    /// (<see cref="GenerationOptions.OnFull"/>), system messages, tools and the last question stay, and whole messages behind them
    /// go, the oldest first; <see cref="ChatUpdate.Warnings"/> and <see cref="TokenUsage.DroppedTokens"/> say so.
    /// </remarks>
    /// <param name="model">Answers.</param>
    /// <param name="request">The chat, and what the answer may be.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    /// <exception cref="InvalidRequestException">An option is out of its range, options contradict each other, or a tool is malformed or cannot be held to its schema.</exception>
    /// <exception cref="ConstraintException">The constraint cannot be enforced.</exception>
    /// <exception cref="ChatTemplateFailureException">The model's template makes no prompt of the messages.</exception>
    /// <exception cref="ContextLengthExceededException">The chat does not fit.</exception>
    /// <exception cref="QueueFullException">Too many requests are waiting.</exception>
    public static async IAsyncEnumerable<ChatUpdate> ChatAsync(this ILanguageModel model, ChatTurnRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(request);

        // Templates, schemas and tokenizing take their time; a caller's thread is not for that.
        var (generation, tools, left) = await Task.Run(() => Prepare(model, request, cancellationToken), cancellationToken).ConfigureAwait(false);
        var choices = new Choice?[request.Options.ChoiceCount ?? 1];
        await foreach (var update in model.GenerateAsync(generation, cancellationToken).ConfigureAwait(false))
        {
            var choice = choices[update.Choice] ??= new Choice(NewReader(model.Dialect, tools, request, generation.Prompt), left is null ? tools.Warnings : [left, .. tools.Warnings], generation.LeftOutTokens);
            yield return choice.Read(update) with { Prompt = generation.Prompt };
        }
    }

    /// <summary>The request that a turn comes to, to be estimated.</summary>
    /// <remarks>Fails as <see cref="ChatAsync"/> does.</remarks>
    public static GenerationRequest ToGeneration(ILanguageModel model, ChatTurnRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(request);
        return Prepare(model, request, cancellationToken).Request;
    }

    /// <summary>How many tokens the prompt of a turn has, by the same template and tools as its answer would; nothing is computed.</summary>
    /// <inheritdoc cref="ChatAsync" path="/exception"/>
    /// <param name="model">Would answer.</param>
    /// <param name="request">The chat.</param>
    /// <param name="cancellationToken">Stops a template that takes long.</param>
    public static async Task<int> CountPromptAsync(this ILanguageModel model, ChatTurnRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(request);
        var (generation, _, _) = await Task.Run(() => Prepare(model, request, cancellationToken), cancellationToken).ConfigureAwait(false);
        return generation.Prompt.Count;
    }

    /// <summary>The chat that a turn's prompt is rendered of: with its tools and switches as the model's template takes them.</summary>
    internal static ChatPrompt PromptOf(ILanguageModel model, ChatTurnRequest request) => ToolPrompt.Adapt(WithVariables(request), model.Dialect);

    private static (GenerationRequest Request, ToolSet Tools, string? LeftOut) Prepare(ILanguageModel model, ChatTurnRequest request, CancellationToken cancellationToken)
    {
        var fault = request.Options.FindFault(model.Information.VocabularySize);
        if (fault is not null)
            throw fault;
        if (request.ThinkingBudget < 0)
            throw new InvalidRequestException(nameof(request.ThinkingBudget), $"must be at least 0, found {request.ThinkingBudget}");
        if (request.ContinuesFinalMessage && request.Chat.Messages is not [.., { Role: "assistant", ToolCalls.Count: 0, Content: not null }])
            throw new InvalidRequestException("ContinueFinalMessage", "needs a last message that is the assistant's, with a text and without calls");
        var dialect = model.Dialect;
        var tools = ToolSet.Read(request, cancellationToken);
        var prompts = request.Options.OnFull == FullContext.Shift
            ? ShiftedChat.Prompts(model, request with { Chat = WithVariables(request) }, cancellationToken) : new ShiftedPrompts(Tokenize(model, request, cancellationToken));
        var form = dialect.IsHarmony ? Harmony.Answer(tools, request) : CallForms.Answer(dialect.Calls, tools, request, dialect.HasPythonTag);
        if (form is not null && request.Options.Constraint is null && (request.Options.MinTokens > 0 || request.Options.IgnoreEndOfText))
            throw new InvalidRequestException(request.Options.MinTokens > 0 ? nameof(GenerationOptions.MinTokens) : nameof(GenerationOptions.IgnoreEndOfText), "contradicts tools, whose calls say where the text ends");
        var constraint = form is null ? request.Options.Constraint : Constraint.Composed(form);
        return (new GenerationRequest
        {
            Prompt = prompts.Prompt,
            ShorterPrompts = prompts.Shorter,
            LeftOutTokens = prompts.LeftOutTokens,
            Options = request.Options with { Constraint = constraint },
            IsChat = true,
            ContinuesAnswer = request.ContinuesFinalMessage,
            ThinkingBudget = request.ThinkingBudget,
            ShowsMarks = true,
            Priority = request.Priority,
            Deadline = request.Deadline,
            CacheScope = request.CacheScope,
            Client = request.Client,
            Admitted = request.Admitted,
        }, tools, prompts.Warning);
    }

    /// <summary>The prompt's tokens.</summary>
    internal static IReadOnlyList<int> Tokenize(ILanguageModel model, ChatTurnRequest request, CancellationToken cancellationToken)
        => Tokenize(model, WithVariables(request), cancellationToken);

    internal static IReadOnlyList<int> Tokenize(ILanguageModel model, ChatPrompt chat, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var adapted = ToolPrompt.Adapt(chat, model.Dialect);
        try
        {
            return model.TokenizeChat(adapted, cancellationToken);
        }
        catch (ChatTemplateFailureException) when (adapted != chat && ToolPrompt.WithoutSystem(adapted) is var without && without != adapted)
        {
            return model.TokenizeChat(without, cancellationToken);
        }
    }

    // Switches of thinking by the names that templates know them by; one that a caller sets itself stays.
    private static ChatPrompt WithVariables(ChatTurnRequest request)
    {
        var variables = new Dictionary<string, JsonNode?>(request.Chat.Variables);
        if (request.Thinks is { } thinks)
        {
            variables.TryAdd("enable_thinking", thinks);
            variables.TryAdd("thinking", thinks);
        }

        if (request.ReasoningEffort is { } effort)
            variables.TryAdd("reasoning_effort", effort);
        return request.Chat with
        {
            Variables = variables,
            AddGenerationPrompt = request.Chat.AddGenerationPrompt && !request.ContinuesFinalMessage,
            ContinuesFinalMessage = request.ContinuesFinalMessage,
        };
    }

    private static TurnReader NewReader(ChatDialect dialect, ToolSet tools, ChatTurnRequest request, IReadOnlyList<int> prompt)
    {
        var ids = new CallIds(request.Chat);
        return dialect.IsHarmony ? new HarmonyReader(tools, ids, request.ContinuesFinalMessage)
            : new MarkedTurnReader(dialect, tools, ids, !request.ContinuesFinalMessage && dialect.Thinking?.IsBegunBy(prompt) == true, request.ContinuesFinalMessage);
    }

    /// <summary>One choice of an answer while it is read.</summary>
    private sealed class Choice(TurnReader reader, IReadOnlyList<string> warnings, int leftOutTokens)
    {
        private int _reasoningTokens;
        private bool _hasWarned;

        public ChatUpdate Read(GenerationUpdate update)
        {
            var pieces = new TurnPieces();
            var thought = reader.IsThinking;
            reader.Append(update.Text, pieces);
            if (thought || reader.IsThinking)
                _reasoningTokens += update.TokenIds.Count;
            if (update.FinishReason is not null)
                reader.End(pieces);
            if (update.Usage?.DroppedTokens > leftOutTokens)
                pieces.Warnings.Add(string.Create(CultureInfo.InvariantCulture, $"the context filled while the answer was written: it went on without {update.Usage.Value.DroppedTokens - leftOutTokens} of the tokens before it"));
            if (!_hasWarned)
                pieces.Warnings.InsertRange(0, warnings);
            _hasWarned = true;
            return new ChatUpdate
            {
                Choice = update.Choice,
                Text = pieces.Text.ToString(),
                Reasoning = pieces.Reasoning.ToString(),
                ToolCalls = pieces.Calls,
                TokenIds = update.TokenIds,
                LogProbabilities = update.LogProbabilities,
                FinishReason = update.FinishReason == FinishReason.Stop && reader.CompleteCalls > 0 ? FinishReason.ToolCalls : update.FinishReason,
                Usage = update.Usage is { } usage ? usage with { ReasoningTokens = _reasoningTokens } : null,
                StopSequence = update.StopSequence,
                StopTokenId = update.StopTokenId,
                Warnings = pieces.Warnings,
            };
        }
    }
}
