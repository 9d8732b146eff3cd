using System.Collections.Immutable;

namespace Hearth.Runtime.Gguf;

/// <summary>A tensor entry as the header describes it, checked against the file's length.</summary>
/// <param name="Name">Unique in the file.</param>
/// <param name="Type">A known storage type.</param>
/// <param name="Shape">Elements per axis, axis 0 contiguous.</param>
/// <param name="ElementCount">The product of the shape, at least 1.</param>
/// <param name="ByteSize">Bytes of the data.</param>
/// <param name="Offset">Where the data begins, in bytes from the start of the file.</param>
internal sealed record GgufTensorEntry(
    string Name, GgmlType Type, ImmutableArray<long> Shape, long ElementCount, long ByteSize, long Offset);

/// <summary>Everything before the tensor data of one GGUF file.</summary>
internal sealed class GgufHeader
{
    private const int MinPairBytes = 8 + 1 + 4 + 1;
    private const int MinEntryBytes = 8 + 1 + 4 + 4 + 8;

    private GgufHeader(int version, GgufMetadata metadata, int alignment, IReadOnlyList<GgufTensorEntry> tensors)
        => (Version, Metadata, Alignment, Tensors) = (version, metadata, alignment, tensors);

    public int Version { get; }

    public GgufMetadata Metadata { get; }

    public int Alignment { get; }

    public IReadOnlyList<GgufTensorEntry> Tensors { get; }

    /// <summary>Parses and checks a header (GGUF specification, versions 2 and 3, little-endian).</summary>
    /// <param name="bytes">The file from byte 0 on, or its first <see cref="GgufLimits.HeaderBytes"/>.</param>
    /// <param name="fileLength">The length of the whole file, in bytes.</param>
    /// <param name="source">The file named in errors.</param>
    /// <exception cref="ModelFormatException">The bytes break the format.</exception>
    public static GgufHeader Parse(ReadOnlySpan<byte> bytes, long fileLength, string source)
    {
        var reader = new GgufByteReader(bytes, fileLength, source);
        var version = ReadVersion(ref reader);
        var tensorsAt = reader.Position;
        var tensorCount = reader.ReadCount("the tensor count", MinEntryBytes, GgufLimits.Tensors);
        var pairCount = reader.ReadCount("the metadata count", MinPairBytes, GgufLimits.Pairs);
        if ((long)tensorCount * MinEntryBytes + (long)pairCount * MinPairBytes > reader.Remaining)
            throw reader.Fault($"{tensorCount} tensors and {pairCount} metadata pairs do not fit into the {reader.Remaining} bytes that follow", tensorsAt);

        var metadata = ReadMetadata(ref reader, pairCount, source);
        var alignment = AlignmentOf(metadata, source);
        var raw = ReadEntries(ref reader, tensorCount);
        var dataStart = GgufLimits.Align(reader.Position, alignment);
        GroupsOf128(raw, fileLength - dataStart);
        var tensors = Place(ref reader, raw, dataStart, alignment, fileLength);
        RefuseOverlaps(ref reader, tensors);
        return new GgufHeader(version, metadata, alignment, tensors);
    }

    private static int ReadVersion(ref GgufByteReader reader)
    {
        var magic = reader.ReadUInt32("the magic");
        if (magic != GgufLimits.Magic)
            throw reader.Fault($"this is not a GGUF file: expected the bytes 47 47 55 46 ('GGUF'), found {Hex(magic)}", 0);
        var version = reader.ReadUInt32("the version");
        if (version is 2 or 3)
            return (int)version;
        // A big-endian file is recognised by its byte-swapped version, as in the reference.
        if ((version & 0xFFFF) == 0 && version != 0)
            throw reader.Fault("this GGUF file is big-endian; only little-endian files can be read", 4);
        throw reader.Fault($"GGUF version {version} cannot be read; versions 2 and 3 can" + (version == 1 ? " (convert the file anew)" : string.Empty), 4);
    }

    private static GgufMetadata ReadMetadata(ref GgufByteReader reader, int count, string source)
    {
        var pairs = new Dictionary<string, object>(Math.Min(count, 256), StringComparer.Ordinal);
        for (var i = 0; i < count; i++)
        {
            var at = reader.Position;
            var key = reader.ReadName($"metadata key {i + 1} of {count}", GgufLimits.KeyBytes);
            var type = (GgufValueType)reader.ReadUInt32($"the value type of metadata key '{Clip(key)}'");
            if (!pairs.TryAdd(key, reader.ReadValue(type, $"metadata key '{Clip(key)}'")))
                throw reader.Fault($"metadata key '{Clip(key)}' appears twice", at);
        }

        return new GgufMetadata(pairs, source);
    }

    private static int AlignmentOf(GgufMetadata metadata, string source)
    {
        var alignment = metadata.Get<uint>("general.alignment", GgufLimits.DefaultAlignment);
        if (alignment is < GgufLimits.MinAlignment or > GgufLimits.MaxAlignment || !uint.IsPow2(alignment))
        {
            throw new ModelFormatException(
                $"general.alignment is {alignment}, expected a power of two from {GgufLimits.MinAlignment} to {GgufLimits.MaxAlignment}", source);
        }

        return (int)alignment;
    }

    /// <summary>An entry before its place in the file is known; Relative counts from the start of the tensor data.</summary>
    private readonly record struct RawEntry(
        string Name, GgmlTypeInfo Type, ImmutableArray<long> Shape, long ElementCount, ulong Relative, int At);

    private static List<RawEntry> ReadEntries(ref GgufByteReader reader, int count)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var entries = new List<RawEntry>(Math.Min(count, 1024));
        for (var i = 0; i < count; i++)
        {
            var at = reader.Position;
            var name = reader.ReadName($"the name of tensor {i + 1} of {count}", GgufLimits.TensorNameBytes);
            if (!names.Add(name))
                throw reader.Fault($"tensor '{name}' appears twice", at);
            var shape = ReadShape(ref reader, name, out var elements);
            var typeAt = reader.Position;
            var number = reader.ReadUInt32($"the type of tensor '{name}'");
            if (!GgmlTypes.TryGet(number, out var type))
                throw reader.Fault($"tensor '{name}' has the type number {number}, which names no tensor type (or one that no longer exists)", typeAt);
            if (!shape.IsEmpty && shape[0] % type.BlockElements != 0 || shape.IsEmpty && type.IsQuantized)
                throw reader.Fault($"tensor '{name}' has rows of {(shape.IsEmpty ? 1 : shape[0])} elements, expected a multiple of the {type.Name} block of {type.BlockElements}", at);
            entries.Add(new RawEntry(name, type, shape, elements, reader.ReadUInt64($"the offset of tensor '{name}'"), at));
        }

        return entries;
    }

    /// <summary>Tells the two layouts apart that go by the number of Q2_0: groups of 64, which take more bytes, and of 128.</summary>
    /// <remarks>The tensors of a file are one as the other. Where those of 64 would reach into what follows and those of 128 do not, they are of 128.</remarks>
    private static void GroupsOf128(List<RawEntry> entries, long dataBytes)
    {
        var small = GgmlTypes.Of(GgmlType.Q2_0);
        var large = GgmlTypes.Of(GgmlType.Q2_0_G128);
        if (!entries.Exists(entry => entry.Type == small))
            return;
        var sorted = entries.OrderBy(entry => entry.Relative).ToArray();
        if (Fits(small) || !Fits(large))
            return;
        for (var i = 0; i < entries.Count; i++)
        {
            if (entries[i].Type == small)
                entries[i] = entries[i] with { Type = large };
        }

        bool Fits(GgmlTypeInfo type)
        {
            for (var i = 0; i < sorted.Length; i++)
            {
                var entry = sorted[i];
                if (entry.Type != small)
                    continue;
                var end = (Int128)(i + 1 < sorted.Length ? Math.Min(sorted[i + 1].Relative, (ulong)Math.Max(dataBytes, 0)) : (ulong)Math.Max(dataBytes, 0));
                if (entry.Shape[0] % type.BlockElements != 0 || entry.Relative + (Int128)(entry.ElementCount / type.BlockElements) * type.BlockBytes > end)
                    return false;
            }

            return true;
        }
    }

    private static ImmutableArray<long> ReadShape(ref GgufByteReader reader, string name, out long elements)
    {
        var at = reader.Position;
        var axes = reader.ReadUInt32($"the number of axes of tensor '{name}'");
        if (axes > GgufLimits.Axes)
            throw reader.Fault($"tensor '{name}' has {axes} axes, expected at most {GgufLimits.Axes}", at);
        var shape = ImmutableArray.CreateBuilder<long>((int)axes);
        elements = 1;
        for (var axis = 0; axis < axes; axis++)
        {
            var axisAt = reader.Position;
            var extent = reader.ReadUInt64($"axis {axis} of tensor '{name}'");
            if (extent == 0 || extent > (ulong)(long.MaxValue / elements))
                throw reader.Fault($"axis {axis} of tensor '{name}' is {extent}, expected at least 1 and a total below 2^63 elements", axisAt);
            shape.Add((long)extent);
            elements *= (long)extent;
        }

        return shape.MoveToImmutable();
    }

    private static GgufTensorEntry[] Place(ref GgufByteReader reader, List<RawEntry> raw, long dataStart, int alignment, long fileLength)
    {
        var placed = new GgufTensorEntry[raw.Count];
        for (var i = 0; i < placed.Length; i++)
        {
            var entry = raw[i];
            if (entry.Relative % (ulong)alignment != 0)
                throw reader.Fault($"tensor '{entry.Name}' begins at offset {entry.Relative}, expected a multiple of the alignment {alignment}", entry.At);
            // 128 bits hold every product here, so that hostile sizes cannot wrap around into the file.
            var size = (Int128)(entry.ElementCount / entry.Type.BlockElements) * entry.Type.BlockBytes;
            var end = (Int128)dataStart + entry.Relative + size;
            if (end > fileLength)
            {
                throw reader.Fault(
                    $"the data of tensor '{entry.Name}' ({entry.Type.Name}, {size} bytes) would end at byte {end}, but the file has {fileLength} bytes; it is truncated or its header is wrong", entry.At);
            }

            placed[i] = new GgufTensorEntry(
                entry.Name, entry.Type.Type, entry.Shape, entry.ElementCount, (long)size, dataStart + (long)entry.Relative);
        }

        return placed;
    }

    private static void RefuseOverlaps(ref GgufByteReader reader, GgufTensorEntry[] tensors)
    {
        var sorted = tensors.OrderBy(t => t.Offset).ToArray();
        for (var i = 1; i < sorted.Length; i++)
        {
            var (before, tensor) = (sorted[i - 1], sorted[i]);
            if (tensor.Offset < before.Offset + before.ByteSize)
                throw reader.Fault($"the data of tensors '{before.Name}' and '{tensor.Name}' overlap", tensor.Offset);
        }
    }

    private static string Hex(uint magic) => string.Join(' ', BitConverter.GetBytes(magic).Select(b => $"{b:X2}"));

    private static string Clip(string key) => key.Length <= 200 ? key : key[..200] + "…";
}
