using System.Buffers.Binary;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Conversion;

/// <summary>A safetensors file, mapped: 8 bytes of header length, a JSON header, then the tensors' bytes.</summary>
/// <remarks>
/// The header names each tensor's <c>dtype</c>, <c>shape</c> (outermost axis first) and <c>data_offsets</c> (begin and end,
/// counted from the header's end). Nothing in it is trusted: every range must lie in the file, fit shape and type, and not
/// overlap another. See the format's description, https://github.com/huggingface/safetensors.
/// </remarks>
internal sealed class SafetensorsFile : IDisposable
{
    // The format's own bound.
    private const int LongestHeader = 100_000_000;

    private readonly GgufPart _part;

    private SafetensorsFile(GgufPart part) => _part = part;

    /// <summary>The tensors, in the order of their data.</summary>
    public IReadOnlyList<CheckpointTensor> Tensors { get; private set; } = [];

    /// <summary>Maps a file and checks its header.</summary>
    /// <exception cref="ModelFormatException">The file is not what its format demands.</exception>
    public static SafetensorsFile Open(string path)
    {
        var file = new SafetensorsFile(GgufPart.Map(path, "a safetensors file"));
        try
        {
            file.Tensors = file.ReadHeader();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public void Dispose() => _part.Dispose();

    private unsafe CheckpointTensor[] ReadHeader()
    {
        if (_part.Length < 8)
            throw new ModelFormatException($"the file has {_part.Length} bytes, expected 8 of header length first", _part.Source, 0);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>((void*)_part.Base, 8));
        var most = (ulong)Math.Min(_part.Length - 8, LongestHeader);
        if (length > most)
            throw new ModelFormatException($"the header is said to take {length} bytes, at most {most} are possible", _part.Source, 0);
        var header = Json.Parse(new ReadOnlySpan<byte>((void*)(_part.Base + 8), (int)length).ToArray(), _part.Source);
        var dataStart = 8 + (long)length;
        var tensors = header.Members.Where(member => member.Name != "__metadata__").Select(member => ReadEntry(member.Name, member.Value, dataStart)).ToArray();
        Array.Sort(tensors, (a, b) => a.Offset != b.Offset ? a.Offset.CompareTo(b.Offset) : a.ByteSize.CompareTo(b.ByteSize));
        for (var i = 1; i < tensors.Length; i++)
        {
            if (tensors[i].Offset < tensors[i - 1].Offset + tensors[i - 1].ByteSize)
                throw new ModelFormatException($"tensors '{tensors[i - 1].Name}' and '{tensors[i].Name}' overlap", _part.Source, tensors[i].Offset);
        }

        return tensors;
    }

    private CheckpointTensor ReadEntry(string name, Json entry, long dataStart)
    {
        var type = (entry["dtype"] ?? throw entry.Fault("an object with dtype")).Text;
        var bytes = CheckpointTensor.ElementBytes(type)
            ?? throw new UnsupportedModelException($"dtype '{type}' of the tensor '{name}' in {_part.Source}", CheckpointTensor.Types);
        var shape = (entry["shape"] ?? throw entry.Fault("an object with shape")).Items.Select(item => item.Integer).ToArray();
        var range = (entry["data_offsets"] ?? throw entry.Fault("an object with data_offsets")).Items.Select(item => item.Integer).ToArray();
        var available = _part.Length - dataStart;
        if (range.Length != 2 || range[0] < 0 || range[1] < range[0] || range[1] > available)
            throw new ModelFormatException($"tensor '{name}' lies at [{string.Join(", ", range)}], outside of the {available} bytes of data", _part.Source, dataStart);
        // A product of extents that leaves 64 bits is larger than any file.
        Int128 size = bytes;
        foreach (var extent in shape)
            size = extent < 0 || size > long.MaxValue ? -1 : size * extent;
        if (size != range[1] - range[0])
            throw new ModelFormatException($"tensor '{name}' of shape [{string.Join(", ", shape)}] and type {type} has {range[1] - range[0]} bytes", _part.Source, dataStart + range[0]);
        return new CheckpointTensor(_part, name, type, shape, dataStart + range[0], range[1] - range[0]);
    }
}
