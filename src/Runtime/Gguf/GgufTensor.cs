using System.Collections.Immutable;

namespace Hearth.Runtime.Gguf;

/// <summary>A tensor of an open <see cref="GgufFile"/>: its description, and its bytes where they lie in the file.</summary>
public sealed unsafe class GgufTensor
{
    private readonly GgufPart _part;
    private readonly GgufTensorEntry _entry;

    internal GgufTensor(GgufPart part, GgufTensorEntry entry) => (_part, _entry) = (part, entry);

    /// <summary>The name as in the file, for instance <c>blk.0.attn_q.weight</c>; unique.</summary>
    public string Name => _entry.Name;

    /// <summary>How the numbers are stored.</summary>
    public GgmlType Type => _entry.Type;

    /// <summary>
    /// Elements per axis, 0 to 4 of them, in GGUF order: axis 0 is contiguous (the columns of a weight, its inputs),
    /// axis 1 counts rows (its outputs). Each is at least 1.
    /// </summary>
    public ImmutableArray<long> Shape => _entry.Shape;

    /// <summary>All elements: the product of <see cref="Shape"/>.</summary>
    public long ElementCount => _entry.ElementCount;

    /// <summary>Bytes of all elements.</summary>
    public long ByteSize => _entry.ByteSize;

    /// <summary>Elements of a row: axis 0, or 1 for a scalar.</summary>
    public long RowElements => Shape.IsEmpty ? 1 : Shape[0];

    /// <summary>Rows: the product of every axis but the first.</summary>
    public long RowCount => ElementCount / RowElements;

    /// <summary>Bytes of a row, a whole number of blocks.</summary>
    public long RowBytes => ByteSize / RowCount;

    /// <summary>Where the data begins, in bytes from the start of <see cref="File"/>; a multiple of the alignment.</summary>
    public long Offset => _entry.Offset;

    /// <summary>The path of the file, of a split model the part, that holds the data.</summary>
    public string File => _part.Source;

    /// <summary>The address of the data, good as long as the <see cref="GgufFile"/> is open and reachable.</summary>
    /// <remarks>Code that may outlive the file takes <see cref="Acquire"/> instead.</remarks>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public nint Address => _part.Base + (nint)Offset;

    /// <summary>The size of an axis; 1 beyond the last.</summary>
    /// <param name="axis">Zero or more.</param>
    public long Extent(int axis)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(axis);
        return axis < Shape.Length ? Shape[axis] : 1;
    }

    /// <summary>Keeps the data in place until the lease is disposed, even when the file is closed before.</summary>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public GgufTensorData Acquire() => new(_part, Offset, ByteSize);

    /// <summary>The bytes in place, for tensors below 2 GiB; good as long as the file is open and reachable.</summary>
    /// <exception cref="InvalidOperationException">The tensor is larger; take it in pieces.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public ReadOnlySpan<byte> Bytes()
        => ByteSize <= int.MaxValue ? Bytes(0, (int)ByteSize) : throw new InvalidOperationException($"tensor '{Name}' has {ByteSize} bytes; take it in pieces below 2 GiB");

    /// <summary>A piece of the bytes in place; good as long as the file is open and reachable.</summary>
    /// <param name="offset">The first byte, counted from the start of the tensor.</param>
    /// <param name="count">Bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The piece reaches beyond the tensor.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public ReadOnlySpan<byte> Bytes(long offset, int count)
    {
        CheckRange(offset, count, ByteSize);
        return new((void*)(Address + (nint)offset), count);
    }

    /// <summary>Copies a piece of the bytes out; safe against the file being closed meanwhile.</summary>
    /// <param name="offset">The first byte, counted from the start of the tensor.</param>
    /// <param name="destination">Takes as many bytes as it is long.</param>
    /// <exception cref="ArgumentOutOfRangeException">The piece reaches beyond the tensor.</exception>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public void CopyTo(long offset, Span<byte> destination)
    {
        using var data = Acquire();
        data.Bytes(offset, destination.Length).CopyTo(destination);
    }

    /// <summary>Takes a piece's pages out of the process's resident memory; they come back from the file when touched.</summary>
    internal void ReleasePages(long offset, long count) => _part.ReleasePages(Offset + offset, count);

    /// <summary>Name, type and shape, as in <c>blk.0.attn_q.weight Q4_K [4096, 4096]</c>.</summary>
    public override string ToString() => $"{Name} {GgmlTypes.Of(Type).Name} [{string.Join(", ", Shape)}]";

    internal static void CheckRange(long offset, int count, long size)
    {
        if (offset < 0 || count < 0 || offset > size - count)
            throw new ArgumentOutOfRangeException(nameof(offset), $"bytes {offset} to {offset + count} of a tensor of {size} bytes");
    }
}

/// <summary>A lease on a tensor's bytes; they stay in place until it is disposed, whatever happens to the file object.</summary>
public sealed unsafe class GgufTensorData : IDisposable
{
    private readonly nint _address;
    private GgufPart? _part;

    internal GgufTensorData(GgufPart part, long offset, long length)
    {
        (_part, Length) = (part, length);
        _address = part.Acquire() + (nint)offset;
    }

    /// <summary>Bytes.</summary>
    public long Length { get; }

    /// <summary>The address of the first byte, good until this lease is disposed.</summary>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(_part is null, this);
            return _address;
        }
    }

    /// <summary>A piece of the bytes in place, good until this lease is disposed.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="count">Bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The piece reaches beyond the tensor.</exception>
    public ReadOnlySpan<byte> Bytes(long offset, int count)
    {
        GgufTensor.CheckRange(offset, count, Length);
        return new((void*)(Address + (nint)offset), count);
    }

    /// <inheritdoc/>
    public void Dispose() => Interlocked.Exchange(ref _part, null)?.Release();
}
