using Hearth.Runtime;
using Hearth.Runtime.Caching;
using LLama.Native;

namespace Hearth.LLamaSharp.Native;

/// <summary>How a context is made.</summary>
/// <param name="Cells">Positions that all sequences hold together.</param>
/// <param name="MaxRows">Rows of a step.</param>
/// <param name="MaxSequences">Sequences that are told apart, 1 to 256.</param>
internal readonly record struct LlamaContextTerms(int Cells, int MaxRows, int MaxSequences)
{
    /// <summary>How keys are stored; null: F16.</summary>
    public CacheType? KeyType { get; init; }

    /// <summary>How values are stored; null: F16.</summary>
    public CacheType? ValueType { get; init; }

    /// <summary>Null: as llama.cpp chooses.</summary>
    public bool? FlashAttention { get; init; }

    /// <summary>Threads; null: one for each core.</summary>
    public int? Threads { get; init; }

    /// <summary>How texts become vectors; null: logits are wanted.</summary>
    public LLamaPoolingType? Pooling { get; init; }

    /// <summary>The base of rotary frequencies; null: the file's.</summary>
    public double? RopeFrequencyBase { get; init; }

    /// <summary>The factor on positions; null: the file's.</summary>
    public double? RopeFrequencyScale { get; init; }
}

/// <summary>llama.cpp's working memory for a model: keys and values of several sequences, and the step that is computed.</summary>
/// <remarks>
/// Everything that llama.cpp would end the process for is asked here: the rows of a step, numbers of sequences, token ids.
/// Not thread-safe.
/// </remarks>
internal sealed class LlamaContext : IDisposable
{
    private readonly SafeLLamaContextHandle _handle;
    private readonly LLamaBatch _batch = new();
    private readonly List<int> _outputs = [];

    private LlamaContext(SafeLLamaContextHandle handle, LlamaWeights weights, LlamaContextTerms terms)
    {
        _handle = handle;
        MaxRows = terms.MaxRows;
        MaxSequences = terms.MaxSequences;
        VocabularySize = weights.VocabularySize;
    }

    /// <summary>The most rows of a step.</summary>
    public int MaxRows { get; }

    /// <summary>Sequences are numbered below it.</summary>
    public int MaxSequences { get; }

    /// <summary>Logits of a row; token ids are below it.</summary>
    public int VocabularySize { get; }

    /// <summary>Rows added so far.</summary>
    public int RowCount => _batch.TokenCount;

    /// <summary>Makes a context.</summary>
    /// <exception cref="OutOfModelMemoryException">llama.cpp could not have the memory, or refuses the cache's types; its log tells.</exception>
    public static LlamaContext Create(LlamaWeights weights, LlamaContextTerms terms)
    {
        var threads = terms.Threads ?? DefaultThreads();
        var parameters = LLamaContextParams.Default();
        parameters.n_ctx = (uint)terms.Cells;
        parameters.n_batch = (uint)terms.MaxRows;
        parameters.n_ubatch = (uint)(terms.Pooling is null ? Math.Min(terms.MaxRows, 512) : terms.MaxRows);
        parameters.n_seq_max = (uint)terms.MaxSequences;
        parameters.n_threads = threads;
        parameters.n_threads_batch = threads;
        parameters.kv_unified = true;
        parameters.swa_full = true; // a sequence that is cut must still have what its window saw then
        parameters.embeddings = terms.Pooling is not null;
        parameters.llama_pooling_type = terms.Pooling ?? LLamaPoolingType.Unspecified;
        parameters.type_k = (GGMLType)(terms.KeyType ?? CacheType.F16);
        parameters.type_v = (GGMLType)(terms.ValueType ?? CacheType.F16);
        parameters.llama_flash_attn_type = terms.FlashAttention switch
        {
            null => LLamaFlashAttentionType.LLAMA_FLASH_ATTENTION_TYPE_AUTO,
            true => LLamaFlashAttentionType.LLAMA_FLASH_ATTENTION_TYPE_ENABLED,
            false => LLamaFlashAttentionType.LLAMA_FLASH_ATTENTION_TYPE_DISABLED,
        };
        parameters.rope_freq_base = Factor(terms.RopeFrequencyBase, nameof(ModelOptions.RopeFrequencyBase)) ?? parameters.rope_freq_base;
        parameters.rope_freq_scale = Factor(terms.RopeFrequencyScale, nameof(ModelOptions.RopeFrequencyScale)) ?? parameters.rope_freq_scale;
        using var capture = LlamaLog.Begin();
        try
        {
            return new LlamaContext(SafeLLamaContextHandle.Create(weights.Handle, parameters), weights, terms);
        }
        catch (LLama.Exceptions.RuntimeError exception)
        {
            throw new OutOfModelMemoryException($"llama.cpp makes no context of {terms.Cells} tokens for {terms.MaxSequences} sequences with keys in {terms.KeyType ?? CacheType.F16} and values in {terms.ValueType ?? CacheType.F16}: {(capture.Reason.Length > 0 ? capture.Reason : exception.Message)}");
        }
    }

    /// <summary>Empties the step.</summary>
    public void Clear()
    {
        _batch.Clear();
        _outputs.Clear();
    }

    /// <summary>Adds a row.</summary>
    /// <exception cref="ArgumentOutOfRangeException">llama.cpp would not survive it.</exception>
    public void Add(int token, int position, int sequence, bool wantsOutput)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(RowCount, MaxRows, nameof(token));
        ArgumentOutOfRangeException.ThrowIfNegative(token);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, VocabularySize);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        RequireSequence(sequence);
        if (wantsOutput)
            _outputs.Add(RowCount);
        _batch.Add(token, position, (LLamaSeqId)sequence, wantsOutput);
    }

    /// <summary>Computes the step.</summary>
    /// <returns>False where the cache has no room for it; nothing is changed then.</returns>
    /// <exception cref="HearthException">It failed; what is kept of its sequences is unknown then.</exception>
    public bool TryRun()
    {
        if (RowCount == 0)
            throw new InvalidOperationException("a step has at least one row");
        using var capture = LlamaLog.Begin();
        var result = _handle.Decode(_batch);
        return result switch
        {
            DecodeResult.Ok => true,
            DecodeResult.NoKvSlot => false,
            DecodeResult.AllocationFailed => throw new OutOfModelMemoryException($"llama.cpp found no memory for a step of {RowCount} rows: {capture.Reason}"),
            _ => throw new HearthException($"llama.cpp could not compute a step of {RowCount} rows: {result} {capture.Reason}".TrimEnd()),
        };
    }

    /// <summary>The logits of the wanted rows, in the order in which they were added.</summary>
    /// <param name="logits">[wanted rows, vocabulary], filled.</param>
    public void CopyLogits(Span<float> logits)
    {
        for (var i = 0; i < _outputs.Count; i++)
            _handle.GetLogitsIth(_outputs[i])[..VocabularySize].CopyTo(logits.Slice(i * VocabularySize, VocabularySize));
    }

    /// <summary>The vector of a sequence's text.</summary>
    public ReadOnlySpan<float> Embedding(int sequence)
    {
        RequireSequence(sequence);
        return _handle.GetEmbeddingsSeq((LLamaSeqId)sequence);
    }

    /// <summary>Gives a sequence the first positions of another, none of which is copied; it has to be empty.</summary>
    /// <param name="source">Another sequence.</param>
    /// <param name="destination">Empty.</param>
    /// <param name="length">Positions; a negative number: all, as a model that keeps states wants it.</param>
    public void CopySequence(int source, int destination, int length)
    {
        RequireSequence(source);
        RequireSequence(destination);
        ArgumentOutOfRangeException.ThrowIfEqual(source, destination);
        _handle.MemorySequenceCopy((LLamaSeqId)source, (LLamaSeqId)destination, length < 0 ? -1 : 0, length < 0 ? -1 : length);
    }

    /// <summary>Forgets the positions of a sequence from one on.</summary>
    public void RemoveFrom(int sequence, int position)
    {
        RequireSequence(sequence);
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        _handle.MemorySequenceRemove((LLamaSeqId)sequence, position == 0 ? -1 : position, -1);
    }

    /// <summary>Forgets every sequence.</summary>
    public void ForgetAll() => _handle.MemoryClear(data: false);

    /// <summary>Whether a sequence can be cut anywhere, as one of keys and values can; where a model keeps states it has only its end.</summary>
    /// <remarks>Tried with two tokens, since llama.cpp does not tell it of models that have both.</remarks>
    public bool CanCut()
    {
        Clear();
        Add(0, 0, 0, wantsOutput: false);
        Add(0, 1, 0, wantsOutput: true);
        if (!TryRun())
            return false;
        RemoveFrom(0, 1);
        var cut = (int)_handle.MemorySequenceMaxPosition((LLamaSeqId)0) == 0;
        ForgetAll();
        Clear();
        return cut;
    }

    public void Dispose() => _handle.Dispose();

    private void RequireSequence(int sequence)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sequence);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sequence, MaxSequences);
    }

    private static float? Factor(double? value, string name)
        => value is null or (> 0 and <= 1e12) ? (float?)value : throw new ArgumentOutOfRangeException(name, value, $"{name} must be more than 0");

    // As Hearth's own engine counts them; where its library is not there, each processor is taken for a core.
    private static int DefaultThreads()
    {
        try
        {
            return Runtime.Interop.Engine.Probe().Cores;
        }
        catch (NativeLibraryException)
        {
            return Environment.ProcessorCount;
        }
    }
}
