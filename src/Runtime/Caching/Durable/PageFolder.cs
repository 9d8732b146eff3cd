using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace Hearth.Runtime.Caching.Durable;

/// <summary>Pages on disk by their addresses, in segments that are only ever appended to.</summary>
/// <remarks>
/// <para>
/// The folder is its own index: a segment is a row of records (magic, bytes of the page, address, checksum of these; then the
/// page and a checksum of it), read through once when the folder is opened, pages skipped. So there is nothing that a kill could
/// leave at odds: what is behind the last whole record of a segment is no page. A segment has one writer, its maker; others read it.
/// </para>
/// <para>
/// Beyond the budget the oldest segment goes, whoever wrote it, but for its pinned pages (<see cref="PinnedPages"/>), which are written anew; where a
/// page is gone it is a page that is not cached. Safe to use from several threads.
/// </para>
/// </remarks>
internal sealed class PageFolder : IDisposable
{
    public const string Extension = ".pages";
    public const int HeaderBytes = 40;
    private const int ChecksumBytes = 16;
    private const int SegmentBytes = 64 << 20;

    private readonly Lock _gate = new();
    private readonly string _folder;
    private readonly long _budget;
    private readonly long _pageBytes;
    private readonly Dictionary<PageAddress, Place> _places = [];
    private readonly LinkedList<Segment> _segments = []; // the oldest first
    private readonly PinnedPages _pins;
    private FileStream? _writing;
    private Segment? _own;

    /// <summary>Opens a folder, which is made where there is none, and reads what it holds.</summary>
    /// <param name="folder">For pages of one model with one cache type only.</param>
    /// <param name="pageBytes">Bytes of a page; records of another size are not read.</param>
    /// <param name="budget">The most bytes of all segments.</param>
    /// <exception cref="IOException">The folder cannot be made or read.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public PageFolder(string folder, long pageBytes, long budget)
    {
        _folder = folder;
        _pageBytes = pageBytes;
        _budget = budget;
        Directory.CreateDirectory(folder);
        _pins = new PinnedPages(folder);
        foreach (var file in new DirectoryInfo(folder).GetFiles("*" + Extension).OrderBy(file => file.LastWriteTimeUtc).ThenBy(file => file.Name, StringComparer.Ordinal))
            Scan(file.FullName);
        KeepBudget();
    }

    /// <summary>What reading a page fails by, or writing: told once each time it happens; never thrown.</summary>
    public Action<Exception>? Failed { get; set; }

    /// <summary>Pages that are there.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _places.Count;
        }
    }

    /// <summary>Bytes of all segments.</summary>
    public long Bytes
    {
        get
        {
            lock (_gate)
                return _segments.Sum(segment => segment.Bytes);
        }
    }

    /// <summary>When a page was written last; null where there is none.</summary>
    public DateTime? LastWritten
    {
        get
        {
            lock (_gate)
                return _segments.Last is { } last && _places.Count > 0 ? File.GetLastWriteTimeUtc(last.Value.Path) : null;
        }
    }

    /// <summary>The pages that stay whatever else is written.</summary>
    public PinnedPages Pins => _pins;

    public bool Contains(PageAddress address)
    {
        lock (_gate)
            return _places.ContainsKey(address);
    }

    /// <summary>Reads a page; false where it is not there or is damaged, after which it is not there.</summary>
    public bool TryRead(PageAddress address, Span<byte> page)
    {
        Place place;
        lock (_gate)
        {
            if (!_places.TryGetValue(address, out place))
                return false;
        }

        try
        {
            using var file = File.OpenHandle(place.Segment.Path);
            Span<byte> sum = stackalloc byte[ChecksumBytes];
            if (ReadWhole(file, page[..(int)_pageBytes], place.Offset) && ReadWhole(file, sum, place.Offset + _pageBytes) && sum.SequenceEqual(Checksum(page[..(int)_pageBytes])))
                return true;
            Failed?.Invoke(new InvalidDataException($"a page of {place.Segment.Path} at byte {place.Offset} is damaged"));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Another service may have made room for its own.
            if (error is not FileNotFoundException)
                Failed?.Invoke(error);
        }

        lock (_gate)
        {
            if (_places.TryGetValue(address, out var now) && now == place)
                _places.Remove(address);
        }

        return false;
    }

    /// <summary>Writes a page that is not there; false where it cannot be written, and nothing is lost but that.</summary>
    public bool TryWrite(PageAddress address, ReadOnlySpan<byte> page)
    {
        lock (_gate)
        {
            if (_places.ContainsKey(address))
                return true;
            var bytes = HeaderBytes + _pageBytes + ChecksumBytes;
            if (bytes > _budget)
                return false;
            try
            {
                MakeSegment(bytes);
                Append(address, page[..(int)_pageBytes]);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // A disk that is full: what is behind the last whole record is no page. The next one begins another segment.
                Failed?.Invoke(error);
                End();
                return false;
            }

            KeepBudget();
            return true;
        }
    }

    /// <summary>Reads every page and drops those that are damaged.</summary>
    /// <returns>How many are sound, and how many were damaged.</returns>
    public (int Sound, int Damaged) Verify()
    {
        PageAddress[] all;
        lock (_gate)
            all = [.. _places.Keys];
        var page = new byte[_pageBytes];
        var sound = all.Count(address => TryRead(address, page));
        return (sound, all.Length - sound);
    }

    /// <summary>Deletes every page, pinned ones too.</summary>
    public void Drop()
    {
        lock (_gate)
        {
            End();
            _pins.Clear();
            while (_segments.First is { } first)
                Delete(first.Value);
        }
    }

    public void Dispose()
    {
        lock (_gate)
            End();
    }

    /// <summary>The bytes of the page behind a record's header; null where it is none.</summary>
    public static int? PageBytesOf(ReadOnlySpan<byte> header)
        => header.StartsWith("HKVP"u8) && header[24..HeaderBytes].SequenceEqual(Checksum(header[..24])) && BinaryPrimitives.ReadInt32LittleEndian(header[4..]) is > 0 and var bytes ? bytes : null;

    private static byte[] Checksum(ReadOnlySpan<byte> bytes) => SHA256.HashData(bytes)[..ChecksumBytes];

    private static bool ReadWhole(Microsoft.Win32.SafeHandles.SafeFileHandle file, Span<byte> bytes, long offset)
    {
        while (bytes.Length > 0)
        {
            var count = RandomAccess.Read(file, bytes, offset);
            if (count == 0)
                return false;
            bytes = bytes[count..];
            offset += count;
        }

        return true;
    }

    // One that somebody else deleted takes nothing any more that could be found again.
    private void MakeSegment(long bytes)
    {
        if (_own is not null && !File.Exists(_own.Path))
        {
            var gone = _own;
            End();
            Delete(gone);
        }

        if (_own is null || _own.Bytes + bytes > Math.Max(bytes, Math.Min(SegmentBytes, _budget / 4)))
            Begin();
    }

    private void Begin()
    {
        End();
        var path = Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{DateTime.UtcNow:yyyyMMddHHmmss}-{Guid.NewGuid():N}{Extension}"));
        _writing = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read | FileShare.Delete, bufferSize: 0);
        _own = new Segment(path);
        _segments.AddLast(_own);
    }

    private void Append(PageAddress address, ReadOnlySpan<byte> page)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        "HKVP"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], (int)_pageBytes);
        address.Write(header[8..]);
        Checksum(header[..24]).CopyTo(header[24..]);
        var begin = _own!.Bytes;
        _writing!.Write(header);
        _writing.Write(page);
        _writing.Write(Checksum(page));
        _own.Bytes = begin + HeaderBytes + _pageBytes + ChecksumBytes;
        _places[address] = new Place(_own, begin + HeaderBytes);
    }

    private void End()
    {
        _writing?.Dispose();
        _writing = null;
        _own = null;
    }

    private void Scan(string path)
    {
        var segment = new Segment(path);
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var length = RandomAccess.GetLength(file);
            Span<byte> header = stackalloc byte[HeaderBytes];
            var at = 0L;
            while (at + HeaderBytes + _pageBytes + ChecksumBytes <= length && ReadWhole(file, header, at))
            {
                if (PageBytesOf(header) != _pageBytes)
                    break;
                _places[PageAddress.Of(header[8..])] = new Place(segment, at + HeaderBytes);
                at += HeaderBytes + _pageBytes + ChecksumBytes;
            }

            segment.Bytes = length;
            _segments.AddLast(segment);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Gone meanwhile, or not ours to read.
        }
    }

    private void KeepBudget()
    {
        HashSet<PageAddress>? pinned = null;
        while (_segments.Sum(segment => segment.Bytes) > _budget && _segments.First?.Value is { } oldest && oldest != _own)
        {
            pinned ??= PinnedWithinBudget();
            CarryOver(oldest, pinned);
            Delete(oldest);
        }
    }

    // More than half of the budget would leave no room for anything else.
    private HashSet<PageAddress> PinnedWithinBudget()
    {
        var pinned = _pins.Read();
        if (pinned.Count * (HeaderBytes + _pageBytes + ChecksumBytes) <= _budget / 2)
            return pinned;
        Failed?.Invoke(new InvalidDataException($"{pinned.Count} pages of {_folder} are pinned, which is more than half of the {_budget} bytes it may hold: they are not kept"));
        return [];
    }

    private void CarryOver(Segment oldest, HashSet<PageAddress> pinned)
    {
        var page = new byte[_pageBytes];
        foreach (var address in pinned.Where(address => _places.TryGetValue(address, out var place) && place.Segment == oldest).ToList())
        {
            try
            {
                if (!TryRead(address, page))
                    continue;
                MakeSegment(HeaderBytes + _pageBytes + ChecksumBytes);
                Append(address, page);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                Failed?.Invoke(error);
                End();
                return;
            }
        }
    }

    private void Delete(Segment segment)
    {
        _segments.Remove(segment);
        foreach (var (address, place) in _places)
        {
            if (place.Segment == segment)
                _places.Remove(address);
        }

        try
        {
            File.Delete(segment.Path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Failed?.Invoke(error);
        }
    }

    private readonly record struct Place(Segment Segment, long Offset);

    private sealed class Segment(string path)
    {
        public string Path => path;

        public long Bytes { get; set; }
    }
}
