using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Quantization;

/// <summary>How a model is quantized.</summary>
public sealed record QuantizationOptions
{
    /// <summary>What the file is to be.</summary>
    public required QuantizationMix Mix { get; init; }

    /// <summary>The type of the output matrix, and of embeddings that serve as output; null: by the mix.</summary>
    public GgmlType? OutputType { get; init; }

    /// <summary>The type of the token embeddings; null: by the mix.</summary>
    public GgmlType? EmbeddingType { get; init; }

    /// <summary>Whether every matrix takes the mix's own type, without rules for some.</summary>
    public bool Pure { get; init; }

    /// <summary>Whether tensors that are quantized already may be quantized again, which adds error to error.</summary>
    public bool AllowRequantize { get; init; }

    /// <summary>How much each column of a matrix matters, or null: all alike.</summary>
    public ImportanceMatrix? Importance { get; init; }

    /// <summary>Threads; null: one for each processor that this process may use.</summary>
    public int? Threads { get; init; }
}

/// <summary>What became of a tensor.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Elements per axis.</param>
/// <param name="From">Its type before.</param>
/// <param name="To">Its type now.</param>
/// <param name="IsFallback">Whether its rows are no multiple of the block that the mix asked for.</param>
/// <param name="MeanSquaredError">Of its numbers now against those before; 0 for a tensor that was copied.</param>
public sealed record QuantizedTensor(string Name, IReadOnlyList<long> Shape, GgmlType From, GgmlType To, bool IsFallback, double MeanSquaredError);

/// <summary>What quantizing a model gave.</summary>
/// <param name="InputBytes">Bytes of the input's files.</param>
/// <param name="OutputBytes">Bytes of the file written.</param>
/// <param name="BitsPerWeight">Bits that a number of a tensor takes on average in the file written.</param>
/// <param name="Tensors">All tensors, in the order of the file.</param>
public sealed record QuantizationResult(long InputBytes, long OutputBytes, double BitsPerWeight, IReadOnlyList<QuantizedTensor> Tensors);
