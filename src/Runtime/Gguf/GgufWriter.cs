using System.Buffers;

namespace Hearth.Runtime.Gguf;

/// <summary>How far writing a model has come.</summary>
/// <param name="BytesWritten">Bytes of the file so far.</param>
/// <param name="BytesTotal">Bytes that the file will have.</param>
public readonly record struct GgufProgress(long BytesWritten, long BytesTotal);

/// <summary>Writes a GGUF file (version 3, little-endian): metadata, then tensors streamed in the order of their declaration.</summary>
/// <remarks>
/// Order of calls: <see cref="Add"/> and <see cref="Declare"/>; then for every tensor <see cref="Begin"/> and
/// <see cref="Write"/>, or <see cref="WriteTensor"/>; at last <see cref="Complete()"/>. A file made by <see cref="Create"/>
/// appears under its name when complete, and not at all when the writer is disposed before. Not thread-safe.
/// </remarks>
public sealed class GgufWriter : IDisposable
{
    /// <summary>What follows the name of a file that <see cref="Create"/> makes until it is complete.</summary>
    internal const string PartialSuffix = ".partial";

    private readonly record struct Declared(string Name, GgmlType Type, long[] Shape, long ByteSize, long RelativeOffset);

    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private readonly string? _path;
    private readonly string? _partial;
    private readonly IProgress<GgufProgress>? _progress;
    private readonly List<KeyValuePair<string, object>> _metadata = [];
    private readonly HashSet<string> _keys = new(StringComparer.Ordinal);
    private readonly List<Declared> _tensors = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private long _dataLength;
    private long _dataStart = -1;
    private long _written;
    private int _next;
    private long _left;
    private bool _complete;
    private bool _disposed;

    /// <summary>Writes to a stream, which need not be seekable.</summary>
    /// <param name="stream">Takes the file from its current position on.</param>
    /// <param name="alignment">Where tensor data begins: a power of two from 8 to 2^20 bytes.</param>
    /// <param name="progress">Told after every piece of tensor data.</param>
    /// <param name="leaveOpen">Whether the stream stays open when the writer is disposed.</param>
    public GgufWriter(Stream stream, int alignment = GgufLimits.DefaultAlignment, IProgress<GgufProgress>? progress = null, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (alignment is < GgufLimits.MinAlignment or > GgufLimits.MaxAlignment || !int.IsPow2(alignment))
            throw new ArgumentOutOfRangeException(nameof(alignment), alignment, $"expected a power of two from {GgufLimits.MinAlignment} to {GgufLimits.MaxAlignment}");
        (_stream, _progress, _leaveOpen, Alignment) = (stream, progress, leaveOpen, alignment);
        if (alignment != GgufLimits.DefaultAlignment)
            AddPair("general.alignment", (uint)alignment);
    }

    private GgufWriter(string path, string partial, int alignment, IProgress<GgufProgress>? progress)
        : this(new FileStream(partial, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16), alignment, progress)
        => (_path, _partial) = (path, partial);

    /// <summary>Where tensor data begins, in bytes.</summary>
    public int Alignment { get; }

    /// <summary>Bytes that the file will have; known once the first tensor is begun.</summary>
    public long TotalBytes => _dataStart < 0 ? 0 : GgufLimits.Align(_dataStart + _dataLength, Alignment);

    /// <summary>Writes to a file, which replaces an existing one when complete.</summary>
    /// <param name="path">The file; until <see cref="Complete()"/> the data is in <c>PATH.partial</c>.</param>
    /// <param name="alignment">Where tensor data begins: a power of two from 8 to 2^20 bytes.</param>
    /// <param name="progress">Told after every piece of tensor data.</param>
    public static GgufWriter Create(string path, int alignment = GgufLimits.DefaultAlignment, IProgress<GgufProgress>? progress = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new GgufWriter(path, path + PartialSuffix, alignment, progress);
    }

    /// <summary>Adds a metadata pair.</summary>
    /// <param name="key">1 to 65535 bytes of UTF-8, not added before; <c>general.alignment</c> is the writer's own.</param>
    /// <param name="value">One of the types that <see cref="GgufMetadata"/> lists.</param>
    /// <exception cref="ArgumentException">The key is taken or too long, or the value has another type.</exception>
    public void Add(string key, object value)
    {
        if (key == "general.alignment")
            throw new ArgumentException("general.alignment is set by the writer's own alignment", nameof(key));
        AddPair(key, value);
    }

    /// <summary>Adds the pairs of another file, but for keys added already and those of its own layout (alignment, split).</summary>
    public void CopyMetadata(GgufMetadata metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        foreach (var (key, value) in metadata)
        {
            if (key != "general.alignment" && !key.StartsWith("split.", StringComparison.Ordinal) && !_keys.Contains(key))
                Add(key, value);
        }
    }

    /// <summary>Declares the next tensor; its data is written later, in the same order.</summary>
    /// <param name="name">1 to 1024 bytes of UTF-8, not declared before.</param>
    /// <param name="type">How the data is stored.</param>
    /// <param name="shape">Elements per axis, at most four, axis 0 contiguous and a whole number of blocks.</param>
    /// <exception cref="ArgumentException">The name is taken, or the shape does not fit the type.</exception>
    public void Declare(string name, GgmlType type, params ReadOnlySpan<long> shape)
    {
        ThrowIfStarted();
        CheckName(name, GgufLimits.TensorNameBytes, nameof(name));
        if (shape.Length > GgufLimits.Axes)
            throw new ArgumentException($"tensor '{name}' has {shape.Length} axes, expected at most {GgufLimits.Axes}", nameof(shape));
        var elements = 1L;
        foreach (var extent in shape)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(extent, 1, nameof(shape));
            elements = checked(elements * extent);
        }

        var row = shape.IsEmpty ? 1 : shape[0];
        var size = checked(GgmlTypes.ByteSize(type, row) * (elements / row));
        if (!_names.Add(name))
            throw new ArgumentException($"tensor '{name}' is declared twice", nameof(name));
        var offset = GgufLimits.Align(_dataLength, Alignment);
        _tensors.Add(new Declared(name, type, shape.ToArray(), size, offset));
        _dataLength = checked(offset + size);
    }

    /// <summary>Begins the data of a tensor; the header goes out before the first.</summary>
    /// <param name="name">The next tensor in the order of declaration.</param>
    /// <exception cref="InvalidOperationException">Another tensor is next, or the one before is not whole.</exception>
    public void Begin(string name)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_left != 0)
            throw new InvalidOperationException($"tensor '{_tensors[_next - 1].Name}' still lacks {_left} bytes");
        if (_next == _tensors.Count || _tensors[_next].Name != name)
            throw new InvalidOperationException($"tensor '{name}' is not the next one declared ({(_next == _tensors.Count ? "all are written" : _tensors[_next].Name)})");
        if (_dataStart < 0)
            WriteHeader();
        PadTo(_dataStart + _tensors[_next].RelativeOffset);
        _left = _tensors[_next++].ByteSize;
    }

    /// <summary>Writes the next piece of the tensor begun.</summary>
    /// <exception cref="InvalidOperationException">The piece reaches beyond the tensor.</exception>
    public void Write(ReadOnlySpan<byte> data)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (data.Length > _left)
            throw new InvalidOperationException($"{data.Length} bytes do not fit into the {_left} left of tensor '{(_next == 0 ? "none" : _tensors[_next - 1].Name)}'");
        WriteRaw(data);
        _left -= data.Length;
        _progress?.Report(new GgufProgress(_written, TotalBytes));
    }

    /// <summary>Writes a whole tensor below 2 GiB.</summary>
    /// <param name="name">The next tensor in the order of declaration.</param>
    /// <param name="data">All of its bytes.</param>
    /// <exception cref="InvalidOperationException">Another tensor is next, or the size is another.</exception>
    public void WriteTensor(string name, ReadOnlySpan<byte> data)
    {
        Begin(name);
        if (data.Length != _left)
            throw new InvalidOperationException($"tensor '{name}' has {_left} bytes, found {data.Length}");
        Write(data);
    }

    /// <summary>Ends the file and, for <see cref="Create"/>, gives it its name.</summary>
    /// <exception cref="InvalidOperationException">Tensor data is missing.</exception>
    public void Complete() => Complete(check: null);

    /// <summary>The same, once what was written has been looked at.</summary>
    /// <param name="check">Is given the path of the finished file before it has its name, and throws where it is not to have it.</param>
    internal void Complete(Action<string>? check)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_left != 0 || _next != _tensors.Count)
            throw new InvalidOperationException($"{_tensors.Count - _next} of {_tensors.Count} tensors lack their data, and {_left} bytes of the one begun");
        if (_complete)
            return;
        if (_dataStart < 0)
            WriteHeader();
        PadTo(TotalBytes);
        _stream.Flush();
        if (_path is not null)
        {
            _stream.Dispose();
            check?.Invoke(_partial!);
            File.Move(_partial!, _path, overwrite: true);
        }

        _complete = true;
    }

    /// <summary>Releases the file; what is not complete by now is deleted.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        try
        {
            // What is still buffered is written now; where the disk is full, that fails again.
            if (!_leaveOpen)
                _stream.Dispose();
        }
        catch (IOException) when (_partial is not null && !_complete)
        {
            // The failure that brought us here is the one to tell of.
        }
        finally
        {
            if (_partial is not null && !_complete)
                File.Delete(_partial);
        }
    }

    private void AddPair(string key, object value)
    {
        ThrowIfStarted();
        ArgumentNullException.ThrowIfNull(value);
        CheckName(key, GgufLimits.KeyBytes, nameof(key));
        if (GgufValueWriter.TypeOf(value) is null)
            throw new ArgumentException($"metadata key '{key}' cannot hold a {value.GetType().Name}", nameof(value));
        if (!_keys.Add(key))
            throw new ArgumentException($"metadata key '{key}' is added twice", nameof(key));
        _metadata.Add(new(key, value));
    }

    private static void CheckName(string name, int maxBytes, string parameter)
    {
        ArgumentException.ThrowIfNullOrEmpty(name, parameter);
        if (GgufText.HasEscapes(name) || System.Text.Encoding.UTF8.GetByteCount(name) > maxBytes)
            throw new ArgumentException($"the name takes more than {maxBytes} bytes or is no valid text", parameter);
    }

    private void ThrowIfStarted()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_dataStart >= 0)
            throw new InvalidOperationException("metadata and declarations come before the first tensor's data");
    }

    private void WriteHeader()
    {
        var header = new ArrayBufferWriter<byte>(1 << 16);
        GgufValueWriter.UInt32(header, GgufLimits.Magic);
        GgufValueWriter.UInt32(header, 3);
        GgufValueWriter.UInt64(header, (ulong)_tensors.Count);
        GgufValueWriter.UInt64(header, (ulong)_metadata.Count);
        foreach (var (key, value) in _metadata)
        {
            GgufValueWriter.String(header, key);
            GgufValueWriter.UInt32(header, (uint)GgufValueWriter.TypeOf(value)!.Value);
            GgufValueWriter.Value(header, value);
        }

        foreach (var tensor in _tensors)
        {
            GgufValueWriter.String(header, tensor.Name);
            GgufValueWriter.UInt32(header, (uint)tensor.Shape.Length);
            foreach (var extent in tensor.Shape)
                GgufValueWriter.UInt64(header, (ulong)extent);
            GgufValueWriter.UInt32(header, (uint)tensor.Type);
            GgufValueWriter.UInt64(header, (ulong)tensor.RelativeOffset);
        }

        _dataStart = GgufLimits.Align(header.WrittenCount, Alignment);
        WriteRaw(header.WrittenSpan);
        PadTo(_dataStart);
    }

    private void PadTo(long position)
    {
        ReadOnlySpan<byte> zeros = stackalloc byte[64];
        while (_written < position)
            WriteRaw(zeros[..(int)Math.Min(zeros.Length, position - _written)]);
    }

    private void WriteRaw(ReadOnlySpan<byte> bytes)
    {
        _stream.Write(bytes);
        _written += bytes.Length;
    }
}
