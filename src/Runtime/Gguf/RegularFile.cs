using System.Runtime.InteropServices;

namespace Hearth.Runtime.Gguf;

/// <summary>Asks what a path is before it is opened: opening a pipe would wait for a writer, maybe for ever.</summary>
internal static partial class RegularFile
{
    private const int CurrentFolder = -100;
    private const uint TypeMask = 0xF000;

    private static volatile bool s_canAsk = OperatingSystem.IsLinux();

    /// <summary>Refuses what is no regular file; a path at which there is nothing passes, for opening it says so better.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kind">What it should be, in errors.</param>
    /// <exception cref="ModelFormatException">It is a folder, a pipe, a socket or a device.</exception>
    public static void Require(string path, string kind)
    {
        if (Directory.Exists(path))
            throw new ModelFormatException($"this is a directory, expected {kind}", path);
        if (Kind(path) is { } found)
            throw new ModelFormatException($"this is {found}, expected {kind}: a regular file", path);
    }

    private static unsafe string? Kind(string path)
    {
        if (!s_canAsk)
            return null;
        try
        {
            Status status;
            return statx(CurrentFolder, path, flags: 0, mask: 1, &status) != 0 ? null : (status.Mode & TypeMask) switch
            {
                0x1000 => "a named pipe",
                0x2000 => "a character device",
                0x6000 => "a block device",
                0xC000 => "a socket",
                _ => null,
            };
        }
        catch (EntryPointNotFoundException)
        {
            // A C library from before 2018.
            s_canAsk = false;
            return null;
        }
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial int statx(int folder, string path, int flags, uint mask, Status* status);

    // struct statx is the same on every processor; 256 bytes.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Status
    {
        [FieldOffset(28)]
        public ushort Mode;
    }
}
