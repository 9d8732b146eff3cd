using System.Runtime.ExceptionServices;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Quantization;

/// <summary>Rewrites one tensor after another in another type, some rows at a time on several threads.</summary>
/// <remarks>Memory: about ten bytes a number for <see cref="ChunkElements"/> numbers (at least a row) on each thread.</remarks>
internal sealed class TensorQuantizer(GgufWriter writer, int threads, CancellationToken cancellation)
{
    private const int ChunkElements = 1 << 17;

    private readonly Worker[] _workers = [.. Enumerable.Range(0, threads).Select(_ => new Worker())];

    /// <summary>Writes a tensor as it is.</summary>
    public void Copy(GgufTensor tensor)
    {
        writer.Begin(tensor.Name);
        const int piece = 1 << 22;
        for (var offset = 0L; offset < tensor.ByteSize; offset += piece)
        {
            cancellation.ThrowIfCancellationRequested();
            writer.Write(tensor.Bytes(offset, (int)Math.Min(piece, tensor.ByteSize - offset)));
        }
    }

    /// <summary>Writes a tensor in another type and gives the mean squared error.</summary>
    /// <exception cref="ModelFormatException">A number is not finite or beyond the type's range, or a row is too long.</exception>
    public double Convert(GgufTensor tensor, GgmlType type, ImportanceMatrix? importance)
    {
        writer.Begin(tensor.Name);
        // Each expert has columns of its own importance, so no chunk spans two.
        var experts = tensor.Extent(2) * tensor.Extent(3);
        var rows = tensor.RowCount / experts;
        var chunkRows = Math.Max(1, ChunkElements / tensor.RowElements);
        if (tensor.RowElements > Array.MaxLength / sizeof(float) || experts > int.MaxValue)
            throw new ModelFormatException($"tensor '{tensor.Name}' has rows of {tensor.RowElements} numbers, expected at most {Array.MaxLength / sizeof(float)}", tensor.File);
        var chunks = new List<Chunk>();
        var error = 0.0;
        for (var expert = 0; expert < experts; expert++)
        {
            for (var row = 0L; row < rows; row += chunkRows)
            {
                chunks.Add(new Chunk(tensor, type, expert, (int)experts, expert * rows + row, (int)Math.Min(chunkRows, rows - row)));
                if (chunks.Count == _workers.Length)
                    error += Run(chunks, importance);
            }
        }

        return (error + Run(chunks, importance)) / tensor.ElementCount;
    }

    /// <summary>Converts the chunks side by side and writes them in order.</summary>
    private double Run(List<Chunk> chunks, ImportanceMatrix? importance)
    {
        try
        {
            var options = new ParallelOptions { MaxDegreeOfParallelism = _workers.Length, CancellationToken = cancellation };
            Parallel.For(0, chunks.Count, options, i => _workers[i].Convert(chunks[i], importance));
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }

        var error = 0.0;
        for (var i = 0; i < chunks.Count; i++)
        {
            writer.Write(_workers[i].Blocks);
            error += _workers[i].SquaredError;
        }

        chunks.Clear();
        return error;
    }

    private readonly record struct Chunk(GgufTensor Tensor, GgmlType Type, int Expert, int Experts, long Row, int Rows);

    private sealed class Worker
    {
        private float[] _values = [];
        private float[] _readBack = [];
        private byte[] _blocks = [];
        private int _blockBytes;

        public ReadOnlySpan<byte> Blocks => _blocks.AsSpan(0, _blockBytes);

        public double SquaredError { get; private set; }

        public void Convert(Chunk chunk, ImportanceMatrix? importance)
        {
            var tensor = chunk.Tensor;
            var count = checked((int)(chunk.Rows * tensor.RowElements));
            _blockBytes = checked((int)GgmlTypes.ByteSize(chunk.Type, count));
            Grow(ref _values, count);
            Grow(ref _readBack, count);
            Grow(ref _blocks, _blockBytes);
            var values = _values.AsSpan(0, count);
            var readBack = _readBack.AsSpan(0, count);
            using (var data = tensor.Acquire())
                BlockConverter.Dequantize(tensor.Type, data.Bytes(chunk.Row * tensor.RowBytes, checked((int)(chunk.Rows * tensor.RowBytes))), values);
            var weights = importance is null ? [] : importance.Find(tensor.Name, tensor.RowElements, chunk.Expert, chunk.Experts);
            try
            {
                BlockConverter.Quantize(chunk.Type, values, tensor.RowElements, weights, _blocks.AsSpan(0, _blockBytes));
            }
            catch (ArgumentException exception)
            {
                throw new ModelFormatException($"tensor '{tensor.Name}', rows from {chunk.Row}: {exception.Message}", tensor.File, null, exception);
            }

            BlockConverter.Dequantize(chunk.Type, _blocks.AsSpan(0, _blockBytes), readBack);
            SquaredError = Difference(values, readBack);
        }

        private static void Grow<T>(ref T[] array, int length)
        {
            if (array.Length < length)
                array = new T[length];
        }

        private static double Difference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
        {
            var sum = 0.0;
            for (var i = 0; i < a.Length; i++)
            {
                var difference = (double)a[i] - b[i];
                sum += difference * difference;
            }

            return sum;
        }
    }
}
