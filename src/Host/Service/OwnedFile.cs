using System.Diagnostics;

namespace Hearth.Host.Service;

/// <summary>Files that nobody but their owner may read, replaced as a whole: a crash or a full disk leaves the one before.</summary>
internal static class OwnedFile
{
    /// <summary>Writes a file anew, readable by its owner alone.</summary>
    /// <remarks>Whose it was it stays: an administrator writes what the service's user is to read.</remarks>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not.</exception>
    public static void Replace(string path, ReadOnlySpan<byte> contents)
    {
        var fresh = $"{path}.{Environment.ProcessId}.new";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            using (var stream = new FileStream(fresh, options))
            {
                stream.Write(contents);
                stream.Flush(flushToDisk: true);
            }

            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(fresh, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                KeepOwner(path, fresh);
            }

            File.Move(fresh, path, overwrite: true);
        }
        catch
        {
            File.Delete(fresh);
            throw;
        }
    }

    // .NET has no call for it.
    private static void KeepOwner(string path, string fresh)
    {
        if (!Environment.IsPrivilegedProcess || !File.Exists(path))
        {
            return;
        }

        using var process = Process.Start(new ProcessStartInfo("chown", ["--reference=" + path, "--", fresh]) { RedirectStandardError = true });
        var error = process?.StandardError.ReadToEnd();
        process?.WaitForExit();
        if (process?.ExitCode is not 0)
        {
            throw new IOException($"the owner of {path} could not be kept: {error?.Trim()}");
        }
    }
}
