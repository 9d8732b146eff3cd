using Hearth.Runtime.Caching;
using Hearth.Runtime.Caching.Durable;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Evaluation;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Scheduling;
using Hearth.Runtime.Tokenizers;
using Hearth.Runtime.Turns;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime;

/// <summary>A text model loaded from a GGUF file, ready to serve many requests at once.</summary>
/// <remarks>All members are safe to call from several threads. Disposing ends the requests that still run.</remarks>
/// <example>
/// <code>
/// await using var model = await LanguageModel.LoadAsync("models/ember.gguf");
/// var prompt = model.TokenizeChat(new ChatPrompt { Messages = [new ChatMessage("user", "Hello!")] });
/// await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = prompt }))
///     Console.Write(update.Text);
/// </code>
/// </example>
public sealed class LanguageModel : ILanguageModel, ILogitsSource, IAsyncDisposable
{
    private readonly CompiledProgram _program;
    private readonly CompiledProgram? _encoder;
    private readonly EnginePageStore _store;
    private readonly EnginePageStore? _sources; // what the encoder writes of each source
    private readonly StepLoop _loop;
    private readonly ModelTokenizers _tokenizers;
    private readonly DurablePrefixes? _durable;
    private readonly TextGenerator _texts;
    private int _disposed;

    private LanguageModel(LoadedModel loaded, ModelOptions options, ILogger logger)
    {
        _program = loaded.Program;
        _encoder = loaded.Encoder;
        Metadata = loaded.Metadata;
        _tokenizers = loaded.Texts.Tokenizers;
        var maxSequences = ModelLoader.Checked(options.MaxSequences ?? 16, 1, ModelLoader.MaxOutputRows, nameof(ModelOptions.MaxSequences));
        maxSequences = Math.Min(maxSequences, _program.Program.Limits.MaxOutputRows);
        var sizing = CacheSizing.Decide(options, loaded.Information, _program.Program, maxSequences);
        var (keyType, valueType) = (options.KeyType ?? CacheType.F16, options.ValueType ?? CacheType.F16);
        Information = loaded.Information with { ContextLength = sizing.ContextLength };
        DecoderStartId = _encoder is null ? null : ModelChecks.RequireDecoderStart(loaded.Metadata, _program.Program);
        var fingerprint = $"{loaded.Fingerprint}/{keyType}/{valueType}";
        var steps = new StepLoopOptions
        {
            MaxConcurrentSequences = maxSequences,
            TokenBudget = _program.Program.Limits.MaxRows,
            QueueCapacity = ModelLoader.Checked(options.QueueCapacity ?? 256, 1, 1 << 20, nameof(ModelOptions.QueueCapacity)),
            ContextLength = sizing.ContextLength,
            CachePrefixes = options.PrefixCaching ?? true,
            DraftTokens = ModelLoader.Checked(options.DraftTokens ?? 0, 0, GenerationOptions.MostDraftTokens, nameof(ModelOptions.DraftTokens)),
            ModelId = Information.Id,
            ModelFingerprint = fingerprint,
            Recurrence = _program.Program.Recurrence,
            Suppressed = TextGenerator.Suppressed(_tokenizers, _program.Program.OutputWidth),
            DecoderStart = DecoderStartId ?? 0,
        };
        try
        {
            _store = new EnginePageStore(_program.Engine, _program.Program.CacheLayers, CacheSizing.PageTokens, sizing.PageCount, keyType, valueType, _program.Program.StateWidths, CacheSizing.States(_program.Program, maxSequences));
            _sources = _encoder is null ? null : CreateSourceStore(_encoder, maxSequences, keyType, valueType);
            var encoder = _encoder is null ? null : new SourceEncoder(new StepRunner(_encoder, _sources!.Handle), new KvCache(_sources, fingerprint), steps.CachePrefixes);
            _loop = new StepLoop(new StepRunner(_program, _store.Handle, _sources?.Handle), _store, steps, id => TextGenerator.EndsText(_tokenizers, id), TimeProvider.System, logger, encoder);
            _texts = new TextGenerator(_loop, loaded.Texts, Metadata, hasEncoder: _encoder is not null);
        }
        catch
        {
            _sources?.Dispose();
            _store?.Dispose();
            throw;
        }

        _durable = _loop.Durable = OpenFolder(options, logger);
    }

    /// <inheritdoc/>
    public ModelInformation Information { get; }

    /// <summary>The metadata of the model's file.</summary>
    public Gguf.GgufMetadata Metadata { get; }

    /// <summary>The model's tokenizer.</summary>
    /// <exception cref="UnsupportedModelException">The file has no vocabulary, or one of an unknown kind.</exception>
    public Tokenizer Tokenizer => _tokenizers.RequiredInput;

    /// <summary>Spells what the model writes: the tokenizer, but for encoder–decoders that write other tokens than they read.</summary>
    /// <exception cref="UnsupportedModelException">The file has no vocabulary, or one of an unknown kind.</exception>
    public Tokenizer OutputTokenizer => _tokenizers.RequiredOutput;

    /// <inheritdoc/>
    public ChatDialect Dialect => _texts.Dialect;

    /// <inheritdoc/>
    public ModelLoad Load => _loop.Load;

    /// <inheritdoc/>
    public Exception? Fault => _loop.Fault;

    /// <summary>The cache in which requests live and prefixes are kept.</summary>
    public KvCache Cache => _loop.Cache;

    /// <summary>Memory held by weights and work space, and by the cache if it were full, in bytes.</summary>
    public (long Weights, long Scratch, long Cache) Memory
    {
        get
        {
            var memory = _program.Measure();
            var encoder = _encoder?.Measure() ?? default;
            var cache = (_store.PageBytes * _store.PageCount) + (_store.StateBytes * _store.StateCount) + (_sources is null ? 0 : _sources.PageBytes * _sources.PageCount);
            return (memory.Weights + encoder.Weights, memory.Scratch + encoder.Scratch, cache);
        }
    }

    /// <summary>Loads a model.</summary>
    /// <param name="path">A GGUF file; of a split model any part.</param>
    /// <param name="options">Sizes and names; null: every default.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="logger">Told of failures, never of contents; null: nobody.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ModelFormatException">The file breaks its format.</exception>
    /// <exception cref="UnsupportedModelException">Its architecture or a tensor's type is not built in.</exception>
    /// <exception cref="NativeLibraryException">The native library cannot be had.</exception>
    /// <exception cref="OutOfModelMemoryException">Weights or cache do not fit into memory.</exception>
    public static Task<LanguageModel> LoadAsync(
        string path, ModelOptions? options = null, IProgress<LoadProgress>? progress = null, ILogger? logger = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Task.Run(
            () =>
            {
                using var file = Gguf.GgufFile.Open(path);
                return Create(file, options ?? ModelOptions.Default, progress, logger ?? NullLogger.Instance, cancellationToken);
            },
            cancellationToken);
    }

    /// <summary>Loads a model from a file that is open already.</summary>
    /// <param name="file">Stays open, and must until the model is loaded; not needed afterwards.</param>
    /// <param name="options">Sizes and names; null: every default.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="logger">Told of failures, never of contents; null: nobody.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <remarks>Fails as loading from a path does.</remarks>
    public static Task<LanguageModel> LoadAsync(
        Gguf.GgufFile file, ModelOptions? options = null, IProgress<LoadProgress>? progress = null, ILogger? logger = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Task.Run(() => Create(file, options ?? ModelOptions.Default, progress, logger ?? NullLogger.Instance, cancellationToken), cancellationToken);
    }

    /// <inheritdoc/>
    public long LeastTokens(string text) => _texts.LeastTokens(text);

    /// <inheritdoc/>
    public IReadOnlyList<int> Tokenize(string text, bool addSpecial = true, bool parseSpecial = false) => _texts.Tokenize(text, addSpecial, parseSpecial);

    /// <inheritdoc/>
    public IReadOnlyList<int> TokenizeChat(ChatPrompt chat, CancellationToken cancellationToken = default) => _texts.TokenizeChat(chat, cancellationToken);

    /// <summary>Renders a chat with the model's own template, as text.</summary>
    /// <exception cref="HearthException">The model has no chat template, or the template refuses the messages.</exception>
    public string RenderChat(ChatPrompt chat) => _texts.RenderChat(chat);

    /// <inheritdoc/>
    public IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        CheckCanGenerate(request);
        return _texts.GenerateAsync(request, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<RequestEstimate?> EstimateAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        CheckCanGenerate(request);
        cancellationToken.ThrowIfCancellationRequested();
        return new ValueTask<RequestEstimate?>(_loop.Estimate(request));
    }

    /// <summary>Searches the likeliest texts with <see cref="GenerationOptions.Beams"/> beams.</summary>
    /// <remarks>A decoder's prompt is cached as that of any request; an encoder reads a source once for all beams.</remarks>
    /// <returns>At most as many texts as there are beams, the best first; none where the deadline passed before the end.</returns>
    /// <exception cref="InvalidRequestException">An option of sampling is set, the prompt is empty, or MaxTokens is missing where texts have no end (Transformer-XL).</exception>
    /// <exception cref="ConstraintException">The constraint cannot be enforced.</exception>
    /// <exception cref="ContextLengthExceededException">The prompt does not fit.</exception>
    /// <exception cref="QueueFullException">Too many searches are waiting.</exception>
    /// <exception cref="OutOfModelMemoryException">The cache has no pages left for the beams.</exception>
    public Task<IReadOnlyList<Hypothesis>> SearchAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        CheckCanGenerate(request);
        return _texts.SearchAsync(request, cancellationToken);
    }

    private void CheckCanGenerate(GenerationRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        if (_program.Program.NeedsWholeText)
            throw new UnsupportedModelException($"generating with the diffusion model '{Information.Architecture}', which fills in a text rather than continuing it,", ["its logits"]);
    }

    // A folder that cannot be used is no reason not to serve: everything is then computed.
    private DurablePrefixes? OpenFolder(ModelOptions options, ILogger logger)
    {
        if (options.CacheFolder is not { } folder)
            return null;
        var budget = options.CacheFolderBytes ?? 4L << 30;
        ArgumentOutOfRangeException.ThrowIfLessThan(budget, 1L << 20, nameof(ModelOptions.CacheFolderBytes));
        if (Cache.KeepsStates || HasEncoder || _program.Program.Recurrence is not null || _store.PageBytes == 0 || options.PrefixCaching == false)
        {
            logger.LogWarning("The model {Model} keeps nothing in the cache folder: {Reason}", Information.Id,
                options.PrefixCaching == false ? "its prefix caching is off" : "its layers keep states, it reads in segments, or it has an encoder");
            return null;
        }

        try
        {
            return new DurablePrefixes(Information.Id, Cache, folder, budget, () => _loop.Load.RunningRequests > 0, () => _loop.PromptTokensPerSecond, logger);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            logger.LogWarning("The cache folder {Folder} cannot be used: {Message}", folder, error.Message);
            return null;
        }
    }

    /// <summary>What the cache folder holds of this model; null where there is none.</summary>
    public DurableStatistics? Durable => _durable?.Statistics;

    /// <summary>Computes what the prompts of all chats begin with that have these first messages and tools, writes it to the cache folder and keeps it there, whatever else is written after it.</summary>
    /// <remarks>Pinned pages take at most half of <see cref="ModelOptions.CacheFolderBytes"/>; beyond that none is kept, and the log says so. <c>hearth cache unpin</c> lets them go.</remarks>
    /// <param name="beginning">As of <see cref="PinAsync"/>.</param>
    /// <param name="cacheScope">As of <see cref="PinAsync"/>.</param>
    /// <param name="cancellationToken">Ends the computation.</param>
    /// <returns>Tokens that are kept: whole pages.</returns>
    /// <exception cref="HearthException">The model keeps nothing on disk, or as <see cref="PinAsync"/>.</exception>
    /// <exception cref="IOException">The disk is full or fails.</exception>
    public async Task<int> PinOnDiskAsync(ChatPrompt beginning, string? cacheScope = null, CancellationToken cancellationToken = default)
    {
        if (_durable is not { } durable)
            throw new HearthException($"the model '{Information.Id}' keeps nothing on disk: it has no cache folder, or layers that keep states");
        using var sequence = await PinAsync(beginning, cacheScope, cancellationToken).ConfigureAwait(false);
        int[] tokens = [.. sequence.Tokens];
        return await Task.Run(() => durable.Pin(tokens, cacheScope), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Computes what the prompts of all chats begin with that have these first messages and tools, and keeps it from being evicted.</summary>
    /// <param name="beginning">The first messages, a system prompt mostly, tools and variables; at least a message or a tool.</param>
    /// <param name="cacheScope">Whose prompts begin so, see <see cref="GenerationRequest.CacheScope"/>; null: everybody's.</param>
    /// <param name="cancellationToken">Ends the computation.</param>
    /// <returns>Keeps the beginning until it is disposed; its length is that of the beginning.</returns>
    /// <exception cref="InvalidRequestException">There is nothing to begin with, or a tool is malformed.</exception>
    /// <exception cref="ChatTemplateFailureException">The model's template makes no prompt of it.</exception>
    /// <exception cref="ContextLengthExceededException">It does not fit.</exception>
    /// <exception cref="HearthException">The model keeps no prefixes, the cache has no room for it, or no two chats begin alike.</exception>
    public async Task<KvSequence> PinAsync(ChatPrompt beginning, string? cacheScope = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(beginning);
        var prefix = await Task.Run(() => ChatPinning.PrefixOf(this, beginning, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (prefix.Length == 0)
        {
            throw new HearthException($"the chat template of '{Information.Id}' begins no two chats alike, so nothing can be pinned");
        }

        var request = new GenerationRequest { Prompt = prefix, Options = new GenerationOptions { MaxTokens = 1, Temperature = 0 }, CacheScope = cacheScope };
        await foreach (var _ in GenerateAsync(request, cancellationToken).ConfigureAwait(false))
        {
            // The answer is nothing to anybody; its prompt is in the cache now.
        }

        var pinned = Cache.Pin(prefix, cacheScope);
        if (pinned.Length == prefix.Length)
        {
            return pinned;
        }

        var found = pinned.Length;
        pinned.Dispose();
        throw new HearthException($"{found} of {prefix.Length} tokens of the beginning are in the cache: the model keeps no prefixes, or the cache has no room for them");
    }

    /// <summary>Whether an encoder reads the prompt before a decoder writes.</summary>
    public bool HasEncoder => _encoder is not null;

    /// <summary>The token with which an encoder–decoder's decoder begins every text; null for a decoder alone.</summary>
    public int? DecoderStartId { get; }

    internal CompiledProgram Program => _program;

    internal CompiledProgram? Encoder => _encoder;

    /// <summary>Null where the file has no vocabulary of a known kind.</summary>
    internal Tokenizer? OptionalTokenizer => _tokenizers.Input;

    /// <summary>Of what the model writes; null likewise.</summary>
    internal Tokenizer? OptionalOutputTokenizer => _tokenizers.Output;

    /// <summary>Computes the logits of every position of a text, apart from the requests being served.</summary>
    /// <param name="tokens">The text; at least one token, at most the context. An encoder–decoder's decoder reads it.</param>
    /// <param name="receive">Called in order of position.</param>
    /// <param name="cacheType">How keys and values are kept meanwhile; F32 for comparisons.</param>
    /// <param name="source">What the encoder of an encoder–decoder reads; empty for a decoder alone.</param>
    /// <param name="cancellationToken">Stops between pieces.</param>
    /// <exception cref="ContextLengthExceededException">A text does not fit.</exception>
    /// <exception cref="ArgumentException">A token is not in the vocabulary, or a source is missing or one too many.</exception>
    public void ComputeLogits(
        ReadOnlySpan<int> tokens, LogitsReceiver receive, CacheType cacheType = CacheType.F32, ReadOnlySpan<int> source = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(receive);
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length);
        if (tokens.Length > Information.ContextLength)
            throw new ContextLengthExceededException(tokens.Length, Information.ContextLength);
        if (HasEncoder == source.IsEmpty)
            throw new ArgumentException(HasEncoder ? "an encoder–decoder needs a source" : "a decoder alone takes no source", nameof(source));
        if (_encoder is not null && source.Length > _encoder.Program.Limits.MaxRows)
            throw new ContextLengthExceededException(source.Length, _encoder.Program.Limits.MaxRows);
        LogitsEvaluator.Run(_program, tokens, cacheType, receive, cancellationToken, _encoder, source);
    }

    /// <summary>Measures the perplexity of a text, apart from the requests being served.</summary>
    /// <param name="text">The text; enough for two chunks.</param>
    /// <param name="options">Chunks and how they overlap; null: every default.</param>
    /// <param name="receive">Told after every chunk; null: nobody.</param>
    /// <param name="cancellationToken">Stops between steps.</param>
    /// <returns>The estimate over all chunks.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="ContextLengthExceededException">A chunk is longer than the context.</exception>
    /// <exception cref="UnsupportedModelException">The model is a diffusion model or an encoder–decoder.</exception>
    /// <exception cref="HearthException">The text is too short, or the model ends every text with a token of its own.</exception>
    public PerplexityEstimate MeasurePerplexity(string text, PerplexityOptions? options = null, Action<PerplexityEstimate>? receive = null, CancellationToken cancellationToken = default)
    {
        options ??= new PerplexityOptions();
        ModelLoader.Checked(options.Context, 4, 1 << 24, nameof(PerplexityOptions.Context));
        ModelLoader.Checked(options.Stride, 0, options.Context - 2, nameof(PerplexityOptions.Stride));
        ModelLoader.Checked(options.Chunks ?? 1, 1, int.MaxValue, nameof(PerplexityOptions.Chunks));
        if (_program.Program.NeedsWholeText)
            throw new UnsupportedModelException($"perplexity of the diffusion model '{Information.Architecture}', whose every row sees the text that it would be asked to predict,", ["models that read from left to right"]);
        if (HasEncoder)
            throw new UnsupportedModelException($"perplexity of the encoder–decoder '{Information.Architecture}', which needs a source for every text,", ["decoders alone"]);
        var length = PerplexityEvaluator.ChunkLength(options);
        if (length > Information.ContextLength)
            throw new ContextLengthExceededException(length, Information.ContextLength);
        if (Tokenizer.AddsEndOfText)
            throw new HearthException("perplexity is of models that go on; this one ends every text with a token of its own");
        int[] tokens = [.. Tokenizer.Encode(text)];
        return PerplexityEvaluator.Run(_program, tokens, options, Tokenizer.AddsBeginOfText ? Tokenizer.BeginOfTextId : null, receive, cancellationToken);
    }

    /// <summary>Ends all requests and frees the model's memory.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _loop.DisposeAsync().ConfigureAwait(false);
        _durable?.Flush();
        _durable?.Dispose();
        _sources?.Dispose();
        _store.Dispose();
        _encoder?.Dispose();
        _program.Dispose();
    }

    private static LanguageModel Create(Gguf.GgufFile file, ModelOptions options, IProgress<LoadProgress>? progress, ILogger logger, CancellationToken cancellationToken)
    {
        var loaded = ModelLoader.Load(file, options, embedding: null, progress, cancellationToken);
        try
        {
            return new LanguageModel(loaded, options, logger);
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    // Room for the sources of all requests that run at a time, as far as an eighth of the memory holds them.
    private static EnginePageStore CreateSourceStore(CompiledProgram encoder, int maxSequences, CacheType keyType, CacheType valueType)
    {
        var layers = encoder.Program.CacheLayers;
        long longest = encoder.Program.Limits.MaxRows;
        var affordable = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8 / Math.Max(1, EnginePageStore.BytesPerToken(layers, keyType, valueType));
        var tokens = Math.Max(longest, Math.Min(longest * maxSequences, affordable));
        var pages = (int)Math.Min((tokens + CacheSizing.PageTokens - 1) / CacheSizing.PageTokens, CacheSizing.MostPages);
        return new EnginePageStore(encoder.Engine, layers, CacheSizing.PageTokens, pages, keyType, valueType);
    }
}
