using System.Runtime.InteropServices;

namespace Hearth.Runtime.Gguf;

/// <summary>Takes pages of a mapped file out of the process's resident memory; they come back from the file when touched.</summary>
internal static partial class ResidentPages
{
    private const int DontNeed = 4;

    /// <summary>Lets go of all pages of which any byte lies in a range of a mapped file.</summary>
    /// <remarks>Advice: where the system has no such call, or refuses, the pages stay. For mapped files only: memory of its own would lose its contents.</remarks>
    /// <param name="address">The first byte, inside the mapping.</param>
    /// <param name="length">Bytes; the range must not end beyond the mapping's last page.</param>
    public static void Release(nint address, long length)
    {
        if (length <= 0)
            return;
        var page = (nint)Environment.SystemPageSize;
        var first = address / page * page;
        var bytes = (nuint)(address - first + length);
        if (OperatingSystem.IsWindows())
            _ = VirtualUnlock(first, bytes); // of pages that are not locked: takes them out of the working set
        else
            _ = madvise(first, bytes, DontNeed);
    }

    [LibraryImport("libc")]
    private static partial int madvise(nint address, nuint length, int advice);

    [LibraryImport("kernel32", SetLastError = false)]
    private static partial int VirtualUnlock(nint address, nuint length);
}
