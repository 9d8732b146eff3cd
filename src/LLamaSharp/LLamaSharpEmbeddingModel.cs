using System.Numerics.Tensors;
using Hearth.LLamaSharp.Native;
using Hearth.Runtime;
using Hearth.Runtime.Embedding;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;
using LLama.Native;
using Microsoft.Extensions.Logging;

namespace Hearth.LLamaSharp;

/// <summary>An embedding model that LLamaSharp's engine (llama.cpp) computes, under Hearth's tokenizer.</summary>
/// <remarks>All members are safe to call from several threads; callers take turns, and each call's texts share steps. Ranking heads are Hearth's own engine's.</remarks>
public sealed class LLamaSharpEmbeddingModel : IEmbeddingModel, IAsyncDisposable
{
    private const int TextsOfAStep = 32;

    private readonly LlamaWeights _weights;
    private readonly LlamaContext _context;
    private readonly ModelTokenizers _tokenizers;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly int _capacity;
    private readonly IDisposable? _log;
    private int _asked;
    private int _disposed;

    private LLamaSharpEmbeddingModel(GgufFile file, LlamaWeights weights, ModelTexts texts, ModelOptions options, PoolingKind pooling, ILogger? logger)
    {
        _weights = weights;
        _tokenizers = texts.Tokenizers;
        Pooling = pooling;
        var architecture = file.Metadata.Get("general.architecture", "");
        var trained = file.Metadata.Get($"{architecture}.context_length", weights.Handle.ContextSize);
        var context = Math.Min(ModelLoader.Checked(options.ContextLength ?? trained, 1, int.MaxValue, nameof(ModelOptions.ContextLength)), trained);
        var rows = ModelLoader.Checked(options.StepTokens ?? Math.Clamp(context, 512, 8192), 1, 8192, nameof(ModelOptions.StepTokens));
        _capacity = ModelLoader.Checked(options.QueueCapacity ?? 256, 1, 1 << 20, nameof(ModelOptions.QueueCapacity));
        _context = LlamaContext.Create(weights, new LlamaContextTerms(rows, rows, Math.Min(TextsOfAStep, rows))
        {
            KeyType = options.KeyType,
            ValueType = options.ValueType,
            FlashAttention = options.FlashAttention,
            Threads = options.Threads,
            RopeFrequencyBase = options.RopeFrequencyBase,
            RopeFrequencyScale = options.RopeFrequencyScale,
            Pooling = pooling switch
            {
                PoolingKind.Mean => LLamaPoolingType.Mean,
                PoolingKind.First => LLamaPoolingType.CLS,
                _ => LLamaPoolingType.Last,
            },
        });
        Information = new ModelInformation(
            options.Id ?? Path.GetFileNameWithoutExtension(file.Path), architecture, Math.Min(context, rows), weights.VocabularySize, (long)weights.Handle.ParameterCount, file.Length,
            texts.CanChat, new DateTimeOffset(File.GetLastWriteTimeUtc(file.Path), TimeSpan.Zero))
        {
            Warnings = [.. texts.Warnings, .. weights.Warnings.Select(line => $"llama.cpp: {line}")],
            Engine = LLamaSharpEngine.EngineName,
            Backend = LlamaLibrary.Describe(),
        };
        _log = logger is null ? null : LlamaLog.Tell(logger);
    }

    /// <inheritdoc/>
    public ModelInformation Information { get; }

    /// <inheritdoc/>
    public int Dimensions => _weights.Handle.EmbeddingSize;

    /// <inheritdoc/>
    public PoolingKind Pooling { get; }

    /// <inheritdoc/>
    public ClassifierTerms? Classifier => null;

    /// <inheritdoc/>
    public ModelLoad Load
    {
        get
        {
            var asked = Volatile.Read(ref _asked);
            return new ModelLoad(Math.Min(1, asked), Math.Max(0, asked - 1), 0, 0, 0);
        }
    }

    /// <summary>Loads a model from a file that is open already.</summary>
    /// <param name="file">Stays open, and must until the model is loaded; not needed afterwards.</param>
    /// <param name="options">Sizes, names and where the weights lie; null: every default.</param>
    /// <param name="pooling">How tokens become one vector; null: as the file says, else the mean for encoders and the last token for decoders.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="logger">Told of llama.cpp's warnings; null: nobody.</param>
    /// <param name="cancellationToken">Stops loading.</param>
    /// <remarks>Fails as <see cref="LLamaSharpModel.LoadAsync(GgufFile, ModelOptions, IProgress{LoadProgress}, ILogger, CancellationToken)"/> does, and refuses files with ranking heads.</remarks>
    public static Task<LLamaSharpEmbeddingModel> LoadAsync(
        GgufFile file, ModelOptions? options = null, PoolingKind? pooling = null, IProgress<LoadProgress>? progress = null, ILogger? logger = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Task.Run(() => Create(file, options ?? ModelOptions.Default, pooling, progress, logger, cancellationToken), cancellationToken);
    }

    /// <inheritdoc/>
    public long LeastTokens(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _tokenizers.Input?.LeastTokens(text.Length) ?? 0;
    }

    /// <inheritdoc/>
    public IReadOnlyList<int> Tokenize(string text) => _tokenizers.RequiredInput.Encode(text, addSpecial: true, parseSpecial: false);

    /// <inheritdoc/>
    public IReadOnlyList<int> TokenizePair(string query, string document)
        => throw new UnsupportedModelException("ranking on the engine llamasharp", ["embeddings; Hearth's own engine ranks"]);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<float[]>> EmbedAsync(IReadOnlyList<IReadOnlyList<int>> texts, bool normalize = true, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        if (texts.Count == 0)
            throw new ArgumentException("there is no text to embed", nameof(texts));
        int[][] asked = [.. texts.Select(Checked)];
        if (Interlocked.Increment(ref _asked) > _capacity + 1)
        {
            Interlocked.Decrement(ref _asked);
            throw new QueueFullException(_capacity);
        }

        try
        {
            await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                ObjectDisposedException.ThrowIf(_disposed != 0, this);
                return await Task.Run(() => Compute(asked, normalize, cancellationToken), cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                _turn.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _asked);
        }
    }

    /// <summary>Waits for the step in progress, then frees the model's memory.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _turn.WaitAsync().ConfigureAwait(false);
        _turn.Release();
        _log?.Dispose();
        _context.Dispose();
        _weights.Dispose();
    }

    private static LLamaSharpEmbeddingModel Create(
        GgufFile file, ModelOptions options, PoolingKind? pooling, IProgress<LoadProgress>? progress, ILogger? logger, CancellationToken cancellationToken)
    {
        LLamaSharpEngine.RequireKnownOptions(options);
        if (pooling is { } asked && !Enum.IsDefined(asked))
            throw new ArgumentOutOfRangeException(nameof(pooling), pooling, "there is no such pooling");
        var weights = LlamaWeights.Load(file, options, progress, cancellationToken);
        try
        {
            if (weights.Handle.HasEncoder && weights.Handle.HasDecoder)
                throw new UnsupportedModelException("embeddings of an encoder–decoder", ["encoders", "decoders"]);
            var kind = Runtime.Graphs.Pooling.Read(file.Metadata, pooling, weights.Handle.HasEncoder ? PoolingKind.Mean : PoolingKind.Last);
            return kind == PoolingKind.Rank
                ? throw new UnsupportedModelException("a ranking head on the engine llamasharp", ["embeddings; Hearth's own engine ranks"])
                : new LLamaSharpEmbeddingModel(file, weights, ModelTexts.Read(file.Metadata, options.TemplateControlTokens ?? false, chats: false, new LlamaVocabulary(weights.Handle)), options, kind, logger);
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    private float[][] Compute(int[][] texts, bool normalize, CancellationToken cancellationToken)
    {
        var vectors = new float[texts.Length][];
        for (var begin = 0; begin < texts.Length;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var count = 0;
            _context.Clear();
            _context.ForgetAll();
            while (begin + count < texts.Length && count < _context.MaxSequences && _context.RowCount + texts[begin + count].Length <= _context.MaxRows)
            {
                for (var position = 0; position < texts[begin + count].Length; position++)
                    _context.Add(texts[begin + count][position], position, count, wantsOutput: true);
                count++;
            }

            if (!_context.TryRun())
                throw new OutOfModelMemoryException($"llama.cpp's cache has no room for a step of {_context.RowCount} rows");
            for (var i = 0; i < count; i++)
                vectors[begin + i] = Finished(_context.Embedding(i).ToArray(), begin + i, normalize);
            begin += count;
        }

        return vectors;
    }

    private float[] Finished(float[] vector, int index, bool normalize)
    {
        if (!TensorPrimitives.IsFiniteAll<float>(vector))
            throw new HearthException($"the model '{Information.Id}' computes a value that is not finite for text {index}; its weights are damaged, or not made for such a text");
        if (normalize)
            EmbeddingVectors.Normalize(vector);
        return vector;
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
