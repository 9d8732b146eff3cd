using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;

namespace Hearth.Runtime.Gguf;

/// <summary>Reads the little-endian fields of a GGUF header; every length is checked against the bytes that are left.</summary>
/// <param name="bytes">The file from byte 0 on, or as much of it as a header may take.</param>
/// <param name="fileLength">The length of the whole file.</param>
/// <param name="source">The file named in errors.</param>
internal ref struct GgufByteReader(ReadOnlySpan<byte> bytes, long fileLength, string source)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private readonly string _source = source;
    private readonly string _where = fileLength > bytes.Length ? $" of the {bytes.Length} that a header may take" : string.Empty;

    /// <summary>The offset of the next byte.</summary>
    public int Position { get; private set; }

    public readonly int Remaining => _bytes.Length - Position;

    public readonly ModelFormatException Fault(string message, long at) => new(message, _source, at);

    public uint ReadUInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(4, what));

    public ulong ReadUInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(8, what));

    /// <summary>A count of things that take at least <paramref name="minBytes"/> each, so the rest of the file bounds it.</summary>
    public int ReadCount(string what, int minBytes, int most = int.MaxValue)
    {
        var at = Position;
        var count = ReadUInt64(what);
        if (count > (ulong)(Remaining / minBytes))
            throw Fault($"{what} is {count}, but the {Remaining} bytes after it{_where} can hold at most {Remaining / minBytes}", at);
        return count <= (ulong)most ? (int)count : throw Fault($"{what} is {count}, expected at most {most}", at);
    }

    /// <summary>A string that must be UTF-8, as keys and names are.</summary>
    public string ReadName(string what, int maxBytes)
    {
        var at = Position;
        var length = ReadCount($"the length of {what}", 1);
        if (length == 0 || length > maxBytes)
            throw Fault($"{what} is {length} bytes long, expected 1 to {maxBytes}", at);
        var text = Take(length, what);
        return Utf8.IsValid(text) ? Encoding.UTF8.GetString(text) : throw Fault($"{what} is not valid UTF-8", at);
    }

    /// <summary>A metadata value of the given type; <paramref name="key"/> is named in errors.</summary>
    public object ReadValue(GgufValueType type, string key, int depth = 0) => type switch
    {
        GgufValueType.UInt8 => Take(1, key)[0],
        GgufValueType.Int8 => (sbyte)Take(1, key)[0],
        GgufValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(Take(2, key)),
        GgufValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(Take(2, key)),
        GgufValueType.UInt32 => ReadUInt32(key),
        GgufValueType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(Take(4, key)),
        GgufValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(Take(4, key)),
        GgufValueType.Bool => ReadBool(key),
        GgufValueType.String => ReadString(key),
        GgufValueType.Array => ReadArray(key, depth + 1),
        GgufValueType.UInt64 => ReadUInt64(key),
        GgufValueType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(Take(8, key)),
        GgufValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(Take(8, key)),
        _ => throw Fault($"{key} has the unknown value type {(uint)type}, expected 0 to 12", Position - 4),
    };

    private object ReadArray(string key, int depth)
    {
        if (depth > GgufLimits.ArrayDepth)
            throw Fault($"{key} nests arrays deeper than {GgufLimits.ArrayDepth}", Position);
        var at = Position;
        var type = (GgufValueType)ReadUInt32($"the element type of {key}");
        var minBytes = GgufLimits.MinBytes(type);
        if (minBytes == 0)
            throw Fault($"{key} is an array of the unknown value type {(uint)type}, expected 0 to 12", at);
        var count = ReadCount($"the element count of {key}", minBytes);
        return type switch
        {
            GgufValueType.UInt8 => ReadNumbers<byte>(count, key),
            GgufValueType.Int8 => ReadNumbers<sbyte>(count, key),
            GgufValueType.UInt16 => ReadNumbers<ushort>(count, key),
            GgufValueType.Int16 => ReadNumbers<short>(count, key),
            GgufValueType.UInt32 => ReadNumbers<uint>(count, key),
            GgufValueType.Int32 => ReadNumbers<int>(count, key),
            GgufValueType.Float32 => ReadNumbers<float>(count, key),
            GgufValueType.UInt64 => ReadNumbers<ulong>(count, key),
            GgufValueType.Int64 => ReadNumbers<long>(count, key),
            GgufValueType.Float64 => ReadNumbers<double>(count, key),
            GgufValueType.Bool => ReadBools(count, key),
            GgufValueType.String => depth == 1 ? ReadStringList(count, key) : ReadStringList(count, key).ToArray(),
            _ => ReadArrays(count, key, depth),
        };
    }

    private T[] ReadNumbers<T>(int count, string key)
        where T : unmanaged
    {
        var numbers = new T[count];
        var target = MemoryMarshal.AsBytes(numbers.AsSpan());
        Take(target.Length, key).CopyTo(target);
        return numbers;
    }

    private bool[] ReadBools(int count, string key)
    {
        var values = new bool[count];
        for (var i = 0; i < count; i++)
            values[i] = ReadBool(key);
        return values;
    }

    // Looked through twice, so that nothing is allocated that the file does not fill.
    private GgufStringList ReadStringList(int count, string key)
    {
        var first = Position;
        var starts = new int[count + 1];
        for (var i = 0; i < count; i++)
            starts[i + 1] = starts[i] + TakeString(key).Length;
        var bytes = new byte[starts[count]];
        Position = first;
        for (var i = 0; i < count; i++)
            TakeString(key).CopyTo(bytes.AsSpan(starts[i]));
        return new GgufStringList(bytes, starts);
    }

    private object[] ReadArrays(int count, string key, int depth)
    {
        var arrays = new object[count];
        for (var i = 0; i < count; i++)
            arrays[i] = ReadArray(key, depth + 1);
        return arrays;
    }

    private string ReadString(string key) => GgufText.FromBytes(TakeString(key));

    private ReadOnlySpan<byte> TakeString(string key)
    {
        var length = BinaryPrimitives.ReadUInt64LittleEndian(Take(8, key));
        if (length > (ulong)Remaining)
            throw Fault($"{key} holds a string of {length} bytes, but only {Remaining}{_where} are left", Position - 8);
        return Take((int)length, key);
    }

    private bool ReadBool(string key)
    {
        var value = Take(1, key)[0];
        return value <= 1 ? value == 1 : throw Fault($"{key} holds the truth value {value}, expected 0 or 1", Position - 1);
    }

    private ReadOnlySpan<byte> Take(int count, string what)
    {
        if (count > Remaining)
            throw Fault($"the header ends inside {what}: {count} bytes expected, {Remaining}{_where} left", Position);
        var taken = _bytes.Slice(Position, count);
        Position += count;
        return taken;
    }
}
