using System.Buffers;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Hearth.Runtime.Gguf;

/// <summary>The bytes of one file, mapped or pinned, as a counted handle.</summary>
internal sealed unsafe class GgufPart : IDisposable
{
    private readonly SafeBuffer _buffer;
    private readonly nint _base;
    private volatile bool _closed;

    private GgufPart(string source, SafeBuffer buffer, long length, bool isMapped)
    {
        (Source, _buffer, Length, IsMapped) = (source, buffer, length, isMapped);
        byte* address = null;
        buffer.AcquirePointer(ref address);
        _base = (nint)address;
        // The address stays good until the handle is closed; leases take references of their own.
        buffer.ReleasePointer();
    }

    /// <summary>The path, or the name given to bytes in memory.</summary>
    public string Source { get; }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>Whether the bytes are those of a mapped file.</summary>
    public bool IsMapped { get; }

    /// <summary>The address of byte 0.</summary>
    public nint Base
    {
        get
        {
            // The handle itself stays open while leases are out, so closing is remembered here.
            ObjectDisposedException.ThrowIf(_closed, typeof(GgufFile));
            return _base;
        }
    }

    /// <summary>Maps a file for reading.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kind">What it should be, in errors.</param>
    /// <exception cref="ModelFormatException">The path is no regular file, or the file is empty.</exception>
    public static GgufPart Map(string path, string kind = "a GGUF file")
    {
        RegularFile.Require(path, kind);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        var length = stream.CanSeek ? stream.Length : 0;
        if (length == 0)
            throw new ModelFormatException($"the file is empty or no regular file, expected {kind}", path, 0);
        using var mapping = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        // The view outlives both: its handle alone keeps the pages mapped.
        var view = mapping.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        return new GgufPart(path, view.SafeMemoryMappedViewHandle, length, isMapped: true);
    }

    /// <summary>Pins bytes that are already in memory.</summary>
    public static GgufPart Pin(ReadOnlyMemory<byte> bytes, string source) => new(source, new PinnedBuffer(bytes), bytes.Length, isMapped: false);

    /// <summary>The first bytes of the file: where a header must lie.</summary>
    public ReadOnlySpan<byte> Head => new((void*)Base, (int)Math.Min(Length, GgufLimits.HeaderBytes));

    /// <summary>Keeps the bytes in place until <see cref="Release"/>, even past <see cref="Dispose"/>.</summary>
    /// <exception cref="ObjectDisposedException">The file is closed.</exception>
    public nint Acquire()
    {
        ObjectDisposedException.ThrowIf(_closed, typeof(GgufFile));
        byte* address = null;
        _buffer.AcquirePointer(ref address);
        return _base;
    }

    /// <summary>Ends one <see cref="Acquire"/>.</summary>
    public void Release() => _buffer.ReleasePointer();

    /// <summary>Takes pages out of the process's resident memory where the file is mapped; they come back when touched.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="length">Bytes; the range lies in the file.</param>
    public void ReleasePages(long offset, long length)
    {
        if (!IsMapped)
            return;
        var address = Acquire();
        try
        {
            ResidentPages.Release(address + (nint)offset, length);
        }
        finally
        {
            Release();
        }
    }

    public void Dispose()
    {
        _closed = true;
        _buffer.Dispose();
    }

    private sealed class PinnedBuffer : SafeBuffer
    {
        private MemoryHandle _pin;

        public PinnedBuffer(ReadOnlyMemory<byte> bytes)
            : base(ownsHandle: true)
        {
            _pin = bytes.Pin();
            SetHandle((nint)_pin.Pointer);
            Initialize((ulong)bytes.Length);
        }

        protected override bool ReleaseHandle()
        {
            _pin.Dispose();
            return true;
        }
    }
}
