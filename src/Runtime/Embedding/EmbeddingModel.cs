using System.Numerics.Tensors;
using Hearth.Runtime.Caching;
using Hearth.Runtime.Embedding;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Tokenizers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Hearth.Runtime;

/// <summary>An embedding model loaded from a GGUF file: an encoder, or a decoder whose hidden states are wanted.</summary>
/// <example>
/// <code>
/// await using var model = await EmbeddingModel.LoadAsync("bge-small-en.gguf");
/// var vectors = await model.EmbedAsync([model.Tokenize("a cat"), model.Tokenize("a kitten")]);
/// var similarity = TensorPrimitives.Dot(vectors[0], vectors[1]);
/// </code>
/// </example>
public sealed class EmbeddingModel : IEmbeddingModel, IAsyncDisposable
{
    private readonly CompiledProgram _program;
    private readonly EnginePageStore? _store;
    private readonly EmbeddingLoop _loop;
    private readonly Lazy<RankingPair> _pair;
    private readonly ModelTokenizers _tokenizers;
    private int _disposed;

    private EmbeddingModel(LoadedModel loaded, ModelOptions options, ILogger logger)
    {
        _program = loaded.Program;
        Metadata = loaded.Metadata;
        _tokenizers = loaded.Texts.Tokenizers;
        _pair = new Lazy<RankingPair>(() => new RankingPair(Tokenizer, Metadata));
        var program = _program.Program;
        var context = Math.Min(options.ContextLength ?? loaded.Information.ContextLength, loaded.Information.ContextLength);
        Information = loaded.Information with { ContextLength = Math.Min(ModelLoader.Checked(context, 1, int.MaxValue, nameof(ModelOptions.ContextLength)), program.Limits.MaxRows) };
        Pooling = program.Pooling!.Value;
        Classifier = Pooling == PoolingKind.Rank ? ClassifierTerms.Read(loaded.Metadata, program.OutputWidth, areProbabilities: program.Ranking is { AreProbabilities: true }) : null;
        if (Classifier is not null && _tokenizers.Input is not null)
            _ = _pair.Value; // a template that cannot be used is told of now
        var capacity = ModelLoader.Checked(options.QueueCapacity ?? 256, 1, 1 << 20, nameof(ModelOptions.QueueCapacity));
        if (program.CacheLayers.Count > 0 || program.StateWidths.Count > 0)
        {
            // A decoder's keys, values and states: those of one step's texts, each of which may leave a page partly filled.
            var pages = (program.Limits.MaxRows / CacheSizing.PageTokens) + program.Limits.MaxOutputRows;
            _store = new EnginePageStore(_program.Engine, program.CacheLayers, CacheSizing.PageTokens, pages, options.KeyType ?? CacheType.F16, options.ValueType ?? CacheType.F16, program.StateWidths, program.Limits.MaxOutputRows);
        }

        _loop = new EmbeddingLoop(new StepRunner(_program, _store?.Handle), program.Ranking?.Pooling ?? Pooling, _store, capacity, logger);
    }

    /// <inheritdoc/>
    public ModelInformation Information { get; }

    /// <inheritdoc/>
    public int Dimensions => _program.Program.OutputWidth;

    /// <inheritdoc/>
    public PoolingKind Pooling { get; }

    /// <inheritdoc/>
    public ClassifierTerms? Classifier { get; }

    /// <summary>The metadata of the model's file.</summary>
    public Gguf.GgufMetadata Metadata { get; }

    /// <summary>The model's tokenizer.</summary>
    /// <exception cref="UnsupportedModelException">The file has no vocabulary, or one of an unknown kind.</exception>
    public Tokenizer Tokenizer => _tokenizers.RequiredInput;

    internal CompiledProgram Program => _program;

    /// <summary>Null where the file has no vocabulary of a known kind.</summary>
    internal Tokenizer? OptionalTokenizer => _tokenizers.Input;

    /// <inheritdoc/>
    public ModelLoad Load => _loop.Load;

    /// <inheritdoc/>
    public Exception? Fault => _loop.Fault;

    /// <summary>Memory held by weights and work space, and by keys and values of a step, in bytes.</summary>
    public (long Weights, long Scratch, long Cache) Memory
    {
        get
        {
            var memory = _program.Measure();
            return (memory.Weights, memory.Scratch, _store is null ? 0 : (_store.PageBytes * _store.PageCount) + (_store.StateBytes * _store.StateCount));
        }
    }

    /// <summary>Loads a model.</summary>
    /// <param name="path">A GGUF file; of a split model any part.</param>
    /// <param name="options">Sizes and names; null: every default. A step has at least as many rows as a text may have tokens.</param>
    /// <param name="pooling">How tokens become one vector; null: as the file says, else the mean for encoders and the last token for decoders.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="logger">Told of failures, never of contents; null: nobody.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option or the pooling is out of range.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ModelFormatException">The file breaks its format.</exception>
    /// <exception cref="UnsupportedModelException">Its architecture or a tensor's type is not built in.</exception>
    /// <exception cref="NativeLibraryException">The native library cannot be had.</exception>
    /// <exception cref="OutOfModelMemoryException">Weights or work space do not fit into memory.</exception>
    public static Task<EmbeddingModel> LoadAsync(
        string path, ModelOptions? options = null, PoolingKind? pooling = null, IProgress<LoadProgress>? progress = null, ILogger? logger = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        CheckPooling(pooling);
        return Task.Run(
            () =>
            {
                using var file = Gguf.GgufFile.Open(path);
                return Create(file, options ?? ModelOptions.Default, new EmbeddingTerms(pooling), progress, logger ?? NullLogger.Instance, cancellationToken);
            },
            cancellationToken);
    }

    /// <summary>Loads a model from a file that is open already.</summary>
    /// <param name="file">Stays open, and must until the model is loaded; not needed afterwards.</param>
    /// <param name="options">Sizes and names; null: every default.</param>
    /// <param name="pooling">How tokens become one vector; null: as the file says, else the mean for encoders and the last token for decoders.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="logger">Told of failures, never of contents; null: nobody.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <remarks>Fails as loading from a path does.</remarks>
    public static Task<EmbeddingModel> LoadAsync(
        Gguf.GgufFile file, ModelOptions? options = null, PoolingKind? pooling = null, IProgress<LoadProgress>? progress = null, ILogger? logger = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        CheckPooling(pooling);
        return Task.Run(() => Create(file, options ?? ModelOptions.Default, new EmbeddingTerms(pooling), progress, logger ?? NullLogger.Instance, cancellationToken), cancellationToken);
    }

    private static void CheckPooling(PoolingKind? pooling)
    {
        if (pooling is { } kind && !Enum.IsDefined(kind))
            throw new ArgumentOutOfRangeException(nameof(pooling), pooling, "there is no such pooling");
    }

    /// <inheritdoc/>
    public long LeastTokens(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _tokenizers.Input?.LeastTokens(text.Length) ?? 0;
    }

    /// <inheritdoc/>
    public IReadOnlyList<int> Tokenize(string text) => Tokenizer.Encode(text, addSpecial: true, parseSpecial: false);

    /// <inheritdoc/>
    public IReadOnlyList<int> TokenizePair(string query, string document) => _pair.Value.Encode(query, document);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<float[]>> EmbedAsync(IReadOnlyList<IReadOnlyList<int>> texts, bool normalize = true, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        if (texts.Count == 0)
            throw new ArgumentException("there is no text to embed", nameof(texts));
        var vectors = await _loop.SubmitAsync([.. texts.Select(Checked)], cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < vectors.Length; i++)
        {
            if (!TensorPrimitives.IsFiniteAll<float>(vectors[i]))
                throw new HearthException($"the model '{Information.Id}' computes a value that is not finite for text {i}; its weights are damaged, or not made for such a text");
            if (Classifier is { AreProbabilities: true })
                TensorPrimitives.SoftMax(vectors[i], vectors[i]);
            if (normalize && Pooling != PoolingKind.Rank)
                EmbeddingVectors.Normalize(vectors[i]);
        }

        return vectors;
    }

    /// <summary>Ends all requests and frees the model's memory.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _loop.DisposeAsync().ConfigureAwait(false);
        _store?.Dispose();
        _program.Dispose();
    }

    private static EmbeddingModel Create(
        Gguf.GgufFile file, ModelOptions options, EmbeddingTerms terms, IProgress<LoadProgress>? progress, ILogger logger, CancellationToken cancellationToken)
    {
        var loaded = ModelLoader.Load(file, options, terms, progress, cancellationToken);
        try
        {
            return new EmbeddingModel(loaded, options, logger);
        }
        catch
        {
            loaded.Dispose();
            throw;
        }
    }

    private int[] Checked(IReadOnlyList<int> text, int index)
    {
        if (text.Count == 0)
            throw new ArgumentException("a text to embed has at least one token", nameof(text));
        if (text.Count > Information.ContextLength)
            throw new ContextLengthExceededException(text.Count, Information.ContextLength, index);
        foreach (var token in text)
        {
            if ((uint)token >= (uint)Information.VocabularySize)
                throw new ArgumentOutOfRangeException(nameof(text), token, $"token ids go from 0 to {Information.VocabularySize - 1}");
        }

        return [.. text];
    }
}
