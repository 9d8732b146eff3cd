using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Hearth.Runtime.Chat;
using Hearth.Runtime.Chat.Dialects;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Scheduling;

/// <summary>What stands between a caller's texts and a step loop: tokenizers, chat template, dialect, constraints.</summary>
/// <remarks>The same whatever engine computes the loop's steps. Safe to use from several threads.</remarks>
internal sealed class TextGenerator
{
    private const string EmptySource = "is empty: an encoder–decoder needs at least one token of text to read";

    private readonly StepLoop _loop;
    private readonly ModelTokenizers _tokenizers;
    private readonly ChatPromptRenderer? _chat;
    private readonly Lazy<ChatDialect> _dialect;
    private readonly ConstraintCompiler? _constraints;
    private readonly bool _hasEncoder;

    /// <summary>Stands before a loop.</summary>
    /// <param name="loop">Computes the tokens.</param>
    /// <param name="texts">How texts and chats become tokens and back.</param>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="hasEncoder">Whether prompts are what an encoder reads.</param>
    public TextGenerator(StepLoop loop, ModelTexts texts, GgufMetadata metadata, bool hasEncoder)
    {
        _loop = loop;
        _tokenizers = texts.Tokenizers;
        _chat = texts.Chat;
        _hasEncoder = hasEncoder;
        _constraints = _tokenizers.Output is { } written ? new ConstraintCompiler(written, loop.VocabularySize) : null;
        _dialect = new Lazy<ChatDialect>(() => _tokenizers.Output is not { } tokenizer ? ChatDialect.Plain
            : TemplateProbe.Read(texts.CanChat ? _chat : null, tokenizer, metadata.TryGet<string>(ModelTemplates.Key, out var template) ? template : null));
    }

    /// <summary>How the model writes calls of tools and thoughts.</summary>
    public ChatDialect Dialect => _dialect.Value;

    // Without a vocabulary there is none; why, the tokenizer says.
    private ChatPromptRenderer Chat => _chat ?? throw (_tokenizers.Missing ?? (Exception)new HearthException("the model takes no chats"));

    /// <summary>Whether a token ends a text by itself.</summary>
    public static bool EndsText(ModelTokenizers tokenizers, int id) => IsText(tokenizers.Output, id) && tokenizers.Output.IsEndOfGeneration(id);

    /// <summary>The tokens that a file forbids to generate.</summary>
    public static IReadOnlyList<int> Suppressed(ModelTokenizers tokenizers, int vocabularySize)
        => [.. (tokenizers.Output?.SuppressedIds ?? []).Where(id => id < vocabularySize)];

    /// <inheritdoc cref="IModel.LeastTokens"/>
    public long LeastTokens(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _hasEncoder ? 0 : _tokenizers.Input?.LeastTokens(text.Length) ?? 0;
    }

    /// <inheritdoc cref="ILanguageModel.Tokenize"/>
    public IReadOnlyList<int> Tokenize(string text, bool addSpecial, bool parseSpecial)
        => addSpecial && parseSpecial ? _tokenizers.RequiredInput.EncodePrompt(text) : _tokenizers.RequiredInput.Encode(text, addSpecial, parseSpecial);

    /// <inheritdoc cref="ILanguageModel.TokenizeChat"/>
    public IReadOnlyList<int> TokenizeChat(ChatPrompt chat, CancellationToken cancellationToken)
        => Chat.Tokenize(chat, _hasEncoder ? int.MaxValue : _loop.ContextLength, cancellationToken);

    /// <summary>Renders a chat with the model's own template, as text.</summary>
    public string RenderChat(ChatPrompt chat) => Chat.Render(chat);

    /// <inheritdoc cref="ILanguageModel.GenerateAsync"/>
    public IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken)
    {
        RequireText(request);
        request = request with { Options = TextBiasSpelling.Spell(request.Options, _tokenizers.Output) };
        var startWalk = WalkOf(request);
        return request.Options switch
        {
            { SearchesBeams: true } => SearchBestAsync(_loop.PrepareSearch(request), request, startWalk, cancellationToken),
            { ChoiceCount: > 1 } => _loop.PrepareChoices(request, () => NewText(request), startWalk, cancellationToken),
            _ => _loop.Prepare(request, NewText(request), startWalk, cancellationToken),
        };
    }

    /// <summary>Searches the likeliest texts with <see cref="GenerationOptions.Beams"/> beams.</summary>
    public async Task<IReadOnlyList<Hypothesis>> SearchAsync(GenerationRequest request, CancellationToken cancellationToken)
    {
        RequireText(request);
        request = request with { Options = TextBiasSpelling.Spell(request.Options, _tokenizers.Output) };
        var outcome = await SearchAsync(_loop.PrepareSearch(request), WalkOf(request), cancellationToken).ConfigureAwait(false);
        return [.. outcome.Texts.Select(found =>
        {
            var (text, tokens, _, _) = FoundTextSpelling.Spell(found, NewText(request), request.Options);
            return new Hypothesis(text, [.. found.Tokens.Take(tokens)], found.LogProbability, found.Score, found.IsFinished);
        })];
    }

    // Compiled on a thread of the pool, whoever asks: a large schema must hold up neither the loop nor a caller's thread.
    private async Task<BeamOutcome> SearchAsync(BeamTask task, Func<CancellationToken, ITokenConstraint>? startWalk, CancellationToken cancellationToken)
    {
        var walk = startWalk is null ? null : await Task.Run(() => startWalk(cancellationToken), cancellationToken).ConfigureAwait(false);
        return await _loop.SearchAsync(task with { Walk = walk }, cancellationToken).ConfigureAwait(false);
    }

    private async IAsyncEnumerable<GenerationUpdate> SearchBestAsync(
        BeamTask task, GenerationRequest request, Func<CancellationToken, ITokenConstraint>? startWalk, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (texts, match) = await SearchAsync(task, startWalk, cancellationToken).ConfigureAwait(false);
        for (var choice = 0; choice < (request.Options.ChoiceCount ?? 1); choice++)
        {
            var (text, tokens, reason, stop) = choice < texts.Count
                ? FoundTextSpelling.Spell(texts[choice], NewText(request), request.Options)
                : ("", 0, FinishReason.DeadlineExceeded, null);
            var usage = new TokenUsage(task.PromptTokens, tokens, match.Length, match.Reason, match.Length);
            yield return new GenerationUpdate(text, choice < texts.Count ? [.. texts[choice].Tokens.Take(tokens)] : [], reason, usage)
            {
                Choice = choice,
                StopSequence = stop,
            };
        }
    }

    // How the request's constraint begins; null without one.
    private Func<CancellationToken, ITokenConstraint>? WalkOf(GenerationRequest request)
    {
        var thinking = request.IsChat && !request.ContinuesAnswer && !_hasEncoder ? _dialect.Value.Thinking : null;
        var channels = request is { IsChat: true, ContinuesAnswer: false, ThinkingBudget: not null } && _dialect.Value.IsHarmony ? HarmonyBudgetWalk.Marks.Find(_tokenizers.RequiredOutput) : null;
        if (request.Options.Constraint is not { } constraint)
        {
            if (channels is not null)
                return _ => new HarmonyBudgetWalk(answer: null, channels, request.ThinkingBudget!.Value);

            // Thoughts that must end are a constraint too, of a text that is free otherwise.
            return thinking is null || request.ThinkingBudget is null ? null : _ => thinking.Behind(new FreeWalk(thinking), request.Prompt, mayOpen: true, request.ThinkingBudget);
        }

        if (_constraints is not { } compiler)
            throw new InvalidRequestException(nameof(GenerationOptions.Constraint), "needs to know the model's tokens, but its file has no vocabulary");
        return cancellationToken =>
        {
            var walk = compiler.Compile(constraint, cancellationToken).Start(ContinuesText(request));
            if (channels is not null)
                return new HarmonyBudgetWalk(walk, channels, request.ThinkingBudget!.Value);
            return !_hasEncoder && !request.ContinuesAnswer && _dialect.Value.Thinking is { } marks ? marks.Behind(walk, request.Prompt, request.IsChat, request.ThinkingBudget) : walk;
        };
    }

    private void RequireText(GenerationRequest request)
    {
        if (IsEmptySource(request.Prompt))
            throw new InvalidRequestException(nameof(request.Prompt), EmptySource);
    }

    // What encoding puts around a text is no text yet; a model would answer it with an invention.
    private bool IsEmptySource(IReadOnlyList<int> tokens)
        => _hasEncoder && _tokenizers.Input is { } tokenizer && tokens.Count > 0 && tokens.All(id => (uint)id < (uint)tokenizer.VocabularySize && tokenizer.KindOf(id) == TokenKind.Control);

    // An encoder–decoder's text is one of its own: a space with which it begins is the tokenizer's.
    private bool ContinuesText(GenerationRequest request) => !_hasEncoder || request.DecoderPrompt is { Count: > 1 };

    private GeneratedText NewText(GenerationRequest request) => new(_tokenizers.Output, ContinuesText(request), request.ShowsMarks ? _dialect.Value.Shown : null);

    // Some models pad their output head beyond the vocabulary: such an id has no text and ends nothing.
    private static bool IsText([NotNullWhen(true)] Tokenizer? tokenizer, int id) => tokenizer is not null && id < tokenizer.VocabularySize;

    /// <summary>Turns generated ids into text; a model without vocabulary gives ids only.</summary>
    private sealed class GeneratedText(Tokenizer? tokenizer, bool continuesText, IReadOnlySet<int>? shown) : ITextDecoder
    {
        private readonly StreamingDecoder? _decoder = tokenizer?.CreateDecoder(includeControl: shown is not null, continuesText);

        public string Append(int token) => IsText(tokenizer, token) && !Hides(tokenizer, token) ? _decoder!.Append(token) : "";

        public ReadOnlyMemory<byte> BytesOf(int token) => IsText(tokenizer, token) ? tokenizer.TokenBytes(token).ToArray() : default;

        // Of all tokens that are no text those that mark calls and thoughts are told.
        private bool Hides(Tokenizer known, int token) => shown is not null && known.IsHidden(token) && !shown.Contains(token);

        public string Flush() => _decoder?.Flush() ?? "";
    }
}
