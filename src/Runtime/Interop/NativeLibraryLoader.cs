using System.Runtime.InteropServices;

namespace Hearth.Runtime.Interop;

/// <summary>Finds the native library, checks that it fits, and says where it was looked for when it is not there.</summary>
internal static class NativeLibraryLoader
{
    /// <summary>Names a library file to load instead of those that are probed.</summary>
    internal const string PathVariable = "HEARTH_NATIVE_LIBRARY";

    private static readonly Lock _gate = new();
    private static nint _library;
    private static string? _path;
    private static NativeLibraryException? _failure;

    /// <summary>The file that was loaded, or null before the first use.</summary>
    internal static string? LoadedPath => _path;

    internal static string FileName => OperatingSystem.IsWindows() ? "hearth.dll" : OperatingSystem.IsMacOS() ? "libhearth.dylib" : "libhearth.so";

    internal static void Register()
        => NativeLibrary.SetDllImportResolver(typeof(NativeLibraryLoader).Assembly, (name, _, _) => name == NativeMethods.Library ? Load() : 0);

    /// <summary>Loads the library now, so that what is wrong comes as one clear error.</summary>
    /// <exception cref="NativeLibraryException">No library was found, or it is of another version.</exception>
    internal static void EnsureLoaded() => Load();

    /// <summary>The files that are tried, in order.</summary>
    internal static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(PathVariable) is { Length: > 0 } chosen)
        {
            yield return Path.GetFullPath(chosen);
            yield break;
        }

        var folder = AppContext.BaseDirectory;
        yield return Path.Combine(folder, "runtimes", RuntimeInformation.RuntimeIdentifier, "native", FileName);
        yield return Path.Combine(folder, "runtimes", PortableIdentifier(), "native", FileName);
        yield return Path.Combine(folder, FileName);
    }

    private static string PortableIdentifier()
    {
        var system = OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux";
        return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
    }

    private static nint Load()
    {
        lock (_gate)
        {
            if (_library != 0)
                return _library;
            if (_failure is not null)
                throw _failure;
            try
            {
                return _library = Probe();
            }
            catch (NativeLibraryException failure)
            {
                _failure = failure;
                throw;
            }
        }
    }

    private static nint Probe()
    {
        var tried = new List<string>();
        foreach (var candidate in Candidates().Distinct())
        {
            if (!File.Exists(candidate))
            {
                tried.Add($"{candidate}: no such file");
                continue;
            }

            try
            {
                var library = NativeLibrary.Load(candidate);
                if (Version(library) is var version && version != NativeMethods.AbiVersion)
                {
                    NativeLibrary.Free(library);
                    tried.Add($"{candidate}: speaks interface version {version?.ToString() ?? "unknown"}, this assembly needs {NativeMethods.AbiVersion}");
                    continue;
                }

                _path = candidate;
                return library;
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                tried.Add($"{candidate}: {e.Message}");
            }
        }

        throw new NativeLibraryException(
            $"the native library was not found for {RuntimeInformation.RuntimeIdentifier} (process {RuntimeInformation.ProcessArchitecture}); tried: {string.Join("; ", tried)}. Build it with 'cmake --preset release && cmake --build --preset release', or name its file in {PathVariable}.");
    }

    // Asked through the raw export: the declared import would come back here.
    private static unsafe uint? Version(nint library)
        => NativeLibrary.TryGetExport(library, "hearth_abi_version", out var export) ? ((delegate* unmanaged<uint>)export)() : null;
}
