using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Interop;

/// <summary>Keeps the process alive while a mapped model is read and another process cuts its file short; what was lost is asked for afterwards.</summary>
internal sealed class MappingGuard : IDisposable
{
    private readonly List<(GuardHandle Handle, GgufPart Part)> _guards = [];

    private MappingGuard()
    {
    }

    /// <summary>Guards all parts of a model until it is disposed; bytes that are not of a mapped file need no guard.</summary>
    public static MappingGuard Over(GgufFile file)
    {
        var guard = new MappingGuard();
        try
        {
            foreach (var part in file.MappedParts)
                guard._guards.Add((GuardHandle.Create(part.Base, part.Length), part));
            return guard;
        }
        catch
        {
            guard.Dispose();
            throw;
        }
    }

    /// <summary>Refuses what was read of a file that was cut meanwhile.</summary>
    /// <exception cref="ModelFormatException">It was.</exception>
    public void ThrowIfLost()
    {
        foreach (var (handle, part) in _guards)
        {
            if (handle.IsLost)
                throw new ModelFormatException($"the file was cut short while it was read: it had {part.Length} bytes, now {(File.Exists(part.Source) ? new FileInfo(part.Source).Length : 0)}", part.Source);
        }
    }

    /// <summary>Ends the guard.</summary>
    public void Dispose() => _guards.ForEach(guard => guard.Handle.Dispose());
}

/// <summary>A guarded range.</summary>
internal sealed class GuardHandle : NativeHandle
{
    /// <summary>Whether a page of the range was gone when it was read.</summary>
    public unsafe bool IsLost
    {
        get
        {
            int lost;
            NativeStatus.Check(NativeMethods.hearth_guard_is_lost(this, &lost));
            return lost != 0;
        }
    }

    internal static unsafe GuardHandle Create(nint address, long size)
    {
        var guard = new GuardHandle();
        NativeStatus.Check(NativeMethods.hearth_guard_create((void*)address, (nuint)size, out var raw));
        guard.SetHandle(raw);
        return guard;
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.hearth_guard_destroy(handle);
        return true;
    }
}
