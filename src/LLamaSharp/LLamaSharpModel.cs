using System.Security.Cryptography;
using System.Text;
using Hearth.LLamaSharp.Native;
using Hearth.LLamaSharp.Steps;
using Hearth.Runtime;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Evaluation;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Scheduling;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.LLamaSharp;

/// <summary>A text model that LLamaSharp's engine (llama.cpp) computes, under Hearth's tokenizer, templates, tool calls, samplers, constraints and scheduling.</summary>
/// <remarks>All members are safe to call from several threads. Disposing ends the requests that still run. Snapshots and pins of a cache, the attention lens, encoder–decoders and diffusion models are Hearth's own engine's.</remarks>
/// <example>
/// <code>
/// await using var model = await LLamaSharpModel.LoadAsync("models/ember.gguf");
/// var prompt = model.TokenizeChat(new ChatPrompt { Messages = [new ChatMessage("user", "Hello!")] });
/// await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = prompt }))
///     Console.Write(update.Text);
/// </code>
/// </example>
public sealed class LLamaSharpModel : ILanguageModel, ILogitsSource, IAsyncDisposable
{
    // Sequences that are kept beside those that run, so that later prompts find them.
    private const int KeptSequences = 32;

    private const int MostSequences = 256;

    // llama.cpp's caches are multiples of it.
    private const int LeastCells = 256;

    private readonly LlamaWeights _weights;
    private readonly LlamaStepRunner _runner;
    private readonly StepLoop _loop;
    private readonly TextGenerator _texts;
    private readonly IDisposable _log;
    private readonly int? _threads;
    private readonly int _leastCells;
    private int _disposed;

    private LLamaSharpModel(GgufFile file, LlamaWeights weights, ModelTexts texts, ModelOptions options, ILogger logger)
    {
        _weights = weights;
        Metadata = file.Metadata;
        _threads = options.Threads;
        var maxSequences = ModelLoader.Checked(options.MaxSequences ?? 16, 1, MostSequences, nameof(ModelOptions.MaxSequences));
        var trained = file.Metadata.Get($"{file.Metadata.Get("general.architecture", "")}.context_length", weights.Handle.ContextSize);
        var sizing = CellSizing.Decide(options, file.Metadata, trained, maxSequences, LlamaLibrary.UsesGpu && options.GpuLayers != 0);
        var learned = LearnedBeforeStretching(file);
        if (sizing.ContextLength <= learned)
        {
            // Two tables of rotary factors: llama.cpp takes that of long texts where its cache, not a text, holds more than was learned.
            sizing = sizing with { PageCount = Math.Clamp(learned / CacheSizing.PageTokens, 1, sizing.PageCount) };
        }

        _leastCells = sizing.ContextLength > learned && learned > 0 ? learned + LeastCells : LeastCells;
        var rows = Math.Max(ModelLoader.Checked(options.StepTokens ?? 512, 1, 8192, nameof(ModelOptions.StepTokens)), 2);
        var terms = new LlamaContextTerms(sizing.PageCount * CacheSizing.PageTokens, rows, SequencesFor(file.Metadata, maxSequences))
        {
            KeyType = options.KeyType,
            ValueType = options.ValueType,
            FlashAttention = options.FlashAttention,
            Threads = options.Threads,
            RopeFrequencyBase = options.RopeFrequencyBase,
            RopeFrequencyScale = options.RopeFrequencyScale,
        };
        _runner = new LlamaStepRunner(LlamaContext.Create(weights, terms));
        var id = options.Id ?? Path.GetFileNameWithoutExtension(file.Path);
        Information = new ModelInformation(
            id, file.Metadata.Get("general.architecture", ""), sizing.ContextLength, weights.VocabularySize, (long)weights.Handle.ParameterCount, file.Length,
            texts.CanChat, new DateTimeOffset(File.GetLastWriteTimeUtc(file.Path), TimeSpan.Zero))
        {
            ChatTemplateFault = texts.ChatFault,
            Warnings = [.. texts.Warnings, .. weights.Warnings.Select(line => $"llama.cpp: {line}")],
            Engine = LLamaSharpEngine.EngineName,
            Backend = LlamaLibrary.Describe(),
        };
        var steps = new StepLoopOptions
        {
            MaxConcurrentSequences = maxSequences,
            TokenBudget = rows,
            QueueCapacity = ModelLoader.Checked(options.QueueCapacity ?? 256, 1, 1 << 20, nameof(ModelOptions.QueueCapacity)),
            ContextLength = sizing.ContextLength,
            CachePrefixes = options.PrefixCaching ?? true,
            ModelId = id,
            ModelFingerprint = $"llamasharp/{Fingerprint(file)}",
            Suppressed = TextGenerator.Suppressed(texts.Tokenizers, weights.VocabularySize),
        };
        try
        {
            _loop = new StepLoop(
                _runner, new TokenPageStore(_runner, CacheSizing.PageTokens, sizing.PageCount), steps, token => TextGenerator.EndsText(texts.Tokenizers, token), TimeProvider.System, logger);
            _texts = new TextGenerator(_loop, texts, Metadata, hasEncoder: false);
            _log = LlamaLog.Tell(logger);
        }
        catch
        {
            _runner.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public ModelInformation Information { get; }

    /// <summary>The metadata of the model's file.</summary>
    public GgufMetadata Metadata { get; }

    /// <inheritdoc/>
    public ModelLoad Load => _loop.Load;

    /// <inheritdoc/>
    public Exception? Fault => _loop.Fault;

    /// <inheritdoc/>
    public ChatDialect Dialect => _texts.Dialect;

    /// <summary>Tokens that had been computed, had to make room, and were computed again, since the model was loaded.</summary>
    public long TokensReadAgain => _runner.TokensReadAgain;

    /// <summary>Loads a model.</summary>
    /// <param name="path">A GGUF file; of a split model any part.</param>
    /// <param name="options">Sizes, names and where the weights lie; null: every default.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="logger">Told of failures and of llama.cpp's warnings, never of contents; null: nobody.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ModelFormatException">The file breaks its format, or llama.cpp refuses it.</exception>
    /// <exception cref="UnsupportedModelException">llama.cpp does not know the architecture, or the model is no decoder.</exception>
    /// <exception cref="NativeLibraryException">No LLamaSharp.Backend package is there, or one of another version.</exception>
    /// <exception cref="OutOfModelMemoryException">Weights or cache do not fit into memory.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range, or the engine has none such.</exception>
    public static Task<LLamaSharpModel> LoadAsync(
        string path, ModelOptions? options = null, IProgress<LoadProgress>? progress = null, ILogger? logger = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Task.Run(
            () =>
            {
                using var file = GgufFile.Open(path);
                return Create(file, options ?? ModelOptions.Default, progress, logger ?? NullLogger.Instance, cancellationToken);
            },
            cancellationToken);
    }

    /// <summary>Loads a model from a file that is open already.</summary>
    /// <param name="file">Stays open, and must until the model is loaded; not needed afterwards.</param>
    /// <param name="options">Sizes, names and where the weights lie; null: every default.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="logger">Told of failures and of llama.cpp's warnings, never of contents; null: nobody.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <remarks>Fails as loading from a path does.</remarks>
    public static Task<LLamaSharpModel> LoadAsync(
        GgufFile file, ModelOptions? options = null, IProgress<LoadProgress>? progress = null, ILogger? logger = null, CancellationToken cancellationToken = default)
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

    /// <inheritdoc/>
    public IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        return _texts.GenerateAsync(request, cancellationToken);
    }

    /// <summary>Searches the likeliest texts with <see cref="GenerationOptions.Beams"/> beams.</summary>
    /// <returns>At most as many texts as there are beams, the best first; none where the deadline passed before the end.</returns>
    /// <exception cref="InvalidRequestException">An option of sampling is set, or the prompt is empty.</exception>
    /// <exception cref="ContextLengthExceededException">The prompt does not fit.</exception>
    /// <exception cref="QueueFullException">Too many searches are waiting.</exception>
    /// <exception cref="OutOfModelMemoryException">The cache has no room for the beams.</exception>
    public Task<IReadOnlyList<Hypothesis>> SearchAsync(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(request);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        return _texts.SearchAsync(request, cancellationToken);
    }

    /// <summary>Computes the logits of every position of a text, apart from the requests being served.</summary>
    /// <param name="tokens">The text; at least one token, at most the context.</param>
    /// <param name="receive">Called in order of position.</param>
    /// <param name="cacheType">How keys and values are kept meanwhile; F32 for comparisons, without flash attention then.</param>
    /// <param name="cancellationToken">Stops between pieces.</param>
    /// <exception cref="ContextLengthExceededException">The text does not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A token is not in the vocabulary.</exception>
    public void ComputeLogits(ReadOnlySpan<int> tokens, LogitsReceiver receive, CacheType cacheType = CacheType.F32, CancellationToken cancellationToken = default)
    {
        const int Piece = 64;
        ArgumentNullException.ThrowIfNull(receive);
        ArgumentOutOfRangeException.ThrowIfZero(tokens.Length);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        if (tokens.Length > Information.ContextLength)
            throw new ContextLengthExceededException(tokens.Length, Information.ContextLength);
        var terms = new LlamaContextTerms(Math.Max(_leastCells, tokens.Length), Piece, 1)
        {
            KeyType = cacheType,
            ValueType = cacheType,
            FlashAttention = cacheType == CacheType.F32 ? false : null,
            Threads = _threads,
        };
        using var context = LlamaContext.Create(_weights, terms);
        var logits = new float[Piece * context.VocabularySize];
        for (var begin = 0; begin < tokens.Length; begin += Piece)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var rows = Math.Min(Piece, tokens.Length - begin);
            context.Clear();
            for (var row = 0; row < rows; row++)
                context.Add(tokens[begin + row], begin + row, sequence: 0, wantsOutput: true);
            if (!context.TryRun())
                throw new OutOfModelMemoryException($"llama.cpp's cache has no room for the {tokens.Length} tokens");
            var found = logits.AsSpan(0, rows * context.VocabularySize);
            context.CopyLogits(found);
            receive(begin, found);
        }
    }

    bool ILogitsSource.HasEncoder => false;

    void ILogitsSource.ComputeLogits(ReadOnlySpan<int> tokens, LogitsReceiver receive, CacheType cacheType, ReadOnlySpan<int> source, CancellationToken cancellationToken)
        => ComputeLogits(tokens, receive, cacheType, cancellationToken);

    /// <summary>Ends all requests and frees the model's memory.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _loop.DisposeAsync().ConfigureAwait(false);
        _log.Dispose();
        _runner.Dispose();
        _weights.Dispose();
    }

    private static LLamaSharpModel Create(GgufFile file, ModelOptions options, IProgress<LoadProgress>? progress, ILogger logger, CancellationToken cancellationToken)
    {
        LLamaSharpEngine.RequireKnownOptions(options);
        var weights = LlamaWeights.Load(file, options, progress, cancellationToken);
        try
        {
            RequireDecoder(file, weights);
            var texts = ModelTexts.Read(file.Metadata, options.TemplateControlTokens ?? false, chats: true, new LlamaVocabulary(weights.Handle));
            return new LLamaSharpModel(file, weights, texts, options, logger);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private static void RequireDecoder(GgufFile file, LlamaWeights weights)
    {
        var architecture = file.Metadata.Get("general.architecture", "");
        if (weights.Handle.IsDiffusion)
            throw new UnsupportedModelException($"generating with the diffusion model '{architecture}', which fills in a text rather than continuing it,", ["its logits"]);
        if (weights.Handle.HasEncoder && weights.Handle.HasDecoder)
            throw new UnsupportedModelException($"the encoder–decoder '{architecture}' on the engine llamasharp", ["decoders; Hearth's own engine runs encoder–decoders"]);
        if (weights.Handle.HasEncoder || !weights.Handle.HasDecoder)
            throw new UnsupportedModelException($"generating text with '{architecture}', which computes embeddings,", ["embeddings"]);
    }

    // Positions up to which a model with factors for long texts uses those for short ones; 0 for others.
    private static int LearnedBeforeStretching(GgufFile file)
        => file.FindTensor("rope_factors_short.weight") is null ? 0
            : (int)Math.Clamp(file.Metadata.Get($"{file.Metadata.Get("general.architecture", "")}.rope.scaling.original_context_length", 0L), 0, 1 << 28);

    // Of a model that keeps states each has memory of its own, used or not.
    private static int SequencesFor(GgufMetadata metadata, int maxSequences)
    {
        var keepsStates = metadata.Any(pair => pair.Key.Contains(".ssm.", StringComparison.Ordinal) || pair.Key.Contains(".wkv.", StringComparison.Ordinal)
            || pair.Key.Contains(".shortconv.", StringComparison.Ordinal) || pair.Key.Contains(".kda.", StringComparison.Ordinal));
        return Math.Min(MostSequences, maxSequences + (keepsStates ? Math.Min(maxSequences, 4) : KeptSequences));
    }

    private static string Fingerprint(GgufFile file)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in file.Tensors)
            hash.AppendData(Encoding.UTF8.GetBytes(tensor.ToString()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
