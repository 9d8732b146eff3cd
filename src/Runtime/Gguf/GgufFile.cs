using System.Diagnostics.CodeAnalysis;

namespace Hearth.Runtime.Gguf;

/// <summary>An open GGUF model: metadata, and tensors mapped into memory (GGUF specification, versions 2 and 3, little-endian).</summary>
/// <remarks>
/// Every field of the header is checked before it is used as a size, an index or an address, so a broken or hostile file
/// ends in a <see cref="ModelFormatException"/>. Tensor data is mapped, not read: pages come in when touched. As with every
/// mapped file, another process that cuts the file short while it is open makes the pages behind the new end unreadable; the
/// engine guards the file while it loads a model (<c>hearth_guard_create</c>).
/// Safe to read from several threads; closing while others read through a <see cref="GgufTensorData"/> is safe too.
/// </remarks>
public sealed class GgufFile : IDisposable
{
    private readonly GgufPart[] _parts;
    private readonly Dictionary<string, GgufTensor> _byName;

    private GgufFile(GgufPart[] parts, GgufHeader[] headers)
    {
        _parts = parts;
        var tensors = new List<GgufTensor>();
        _byName = new Dictionary<string, GgufTensor>(StringComparer.Ordinal);
        for (var i = 0; i < parts.Length; i++)
        {
            foreach (var entry in headers[i].Tensors)
            {
                var tensor = new GgufTensor(parts[i], entry);
                if (!_byName.TryAdd(entry.Name, tensor))
                    throw new ModelFormatException($"tensor '{entry.Name}' is also in {_byName[entry.Name].File}", parts[i].Source, entry.Offset);
                tensors.Add(tensor);
            }
        }

        Tensors = tensors;
        Path = parts[0].Source;
        Version = headers[0].Version;
        Alignment = headers[0].Alignment;
        Metadata = headers[0].Metadata;
        Length = parts.Sum(p => p.Length);
        Files = [.. parts.Select(p => p.Source)];
    }

    /// <summary>The path of the file, of a split model its first part.</summary>
    public string Path { get; }

    /// <summary>The paths of all parts, in order; one for a model that is not split.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>The format's version, 2 or 3.</summary>
    public int Version { get; }

    /// <summary>Tensor data begins at multiples of this many bytes; a power of two from 8 to 2^20.</summary>
    public int Alignment { get; }

    /// <summary>Bytes of all parts together.</summary>
    public long Length { get; }

    /// <summary>The key-value section; of a split model that of its first part.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The parts that are mapped files, in order.</summary>
    internal IEnumerable<GgufPart> MappedParts => _parts.Where(part => part.IsMapped);

    /// <summary>All tensors, in the order of the file and of the parts.</summary>
    public IReadOnlyList<GgufTensor> Tensors { get; }

    /// <summary>Opens a model; of a split one (<c>NAME-00001-of-00003.gguf</c>) any part opens the whole.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelFormatException">The file breaks the format, or a part is missing or belongs to another model.</exception>
    /// <exception cref="IOException">The file cannot be read, for instance a <see cref="FileNotFoundException"/>.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static GgufFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var parts = new List<GgufPart>();
        try
        {
            var part = GgufPart.Map(path);
            parts.Add(part);
            var header = ParseHeader(part);
            var siblings = GgufSplit.Siblings(path, header);
            if (siblings is null)
                return new GgufFile([part], [header]);

            var (ordered, headers) = (new GgufPart[siblings.Count], new GgufHeader[siblings.Count]);
            for (var i = 0; i < siblings.Count; i++)
            {
                if (siblings[i] == path)
                {
                    (ordered[i], headers[i]) = (part, header);
                    continue;
                }

                ordered[i] = GgufPart.Map(siblings[i]);
                parts.Add(ordered[i]);
                headers[i] = ParseHeader(ordered[i]);
            }

            GgufSplit.Check(siblings, headers);
            return new GgufFile(ordered, headers);
        }
        catch
        {
            parts.ForEach(p => p.Dispose());
            throw;
        }
    }

    // What a header says is in objects afterwards: its pages, megabytes for a large vocabulary, are not read again.
    private static GgufHeader ParseHeader(GgufPart part)
    {
        var header = GgufHeader.Parse(part.Head, part.Length, part.Source);
        part.ReleasePages(0, part.Head.Length);
        return header;
    }

    /// <summary>Reads a model that is already in memory; the bytes are used in place and must not change.</summary>
    /// <param name="bytes">The whole file.</param>
    /// <param name="source">What to call it in errors.</param>
    /// <exception cref="ModelFormatException">The bytes break the format, or are one part of a split model.</exception>
    public static GgufFile Read(ReadOnlyMemory<byte> bytes, string source = "GGUF in memory")
    {
        var header = GgufHeader.Parse(bytes.Span[..Math.Min(bytes.Length, GgufLimits.HeaderBytes)], bytes.Length, source);
        if (GgufSplit.PartCount(header) > 1)
            throw new ModelFormatException("this is one part of a split model, which can only be opened from files", source);
        var part = GgufPart.Pin(bytes, source);
        return new GgufFile([part], [header]);
    }

    /// <summary>Looks a tensor up by name; false when absent.</summary>
    public bool TryGetTensor(string name, [MaybeNullWhen(false)] out GgufTensor tensor) => _byName.TryGetValue(name, out tensor);

    /// <summary>The tensor of a name, or null when absent.</summary>
    public GgufTensor? FindTensor(string name) => _byName.GetValueOrDefault(name);

    /// <summary>The tensor of a name that must be there.</summary>
    /// <exception cref="ModelFormatException">No tensor has the name.</exception>
    public GgufTensor GetTensor(string name)
        => FindTensor(name) ?? throw new ModelFormatException($"tensor '{name}' is missing", Path);

    /// <summary>Closes the file; data that is leased (<see cref="GgufTensor.Acquire"/>) stays mapped until its lease ends.</summary>
    public void Dispose()
    {
        foreach (var part in _parts)
            part.Dispose();
    }
}
