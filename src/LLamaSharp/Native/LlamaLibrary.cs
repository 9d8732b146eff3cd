using System.Text.Json;
using Hearth.Runtime;
using LLama.Native;

namespace Hearth.LLamaSharp.Native;

/// <summary>LLamaSharp's native library: loaded once, with its log taken over, or said why it cannot be had.</summary>
/// <remarks>Safe to use from several threads.</remarks>
internal static class LlamaLibrary
{
    private static readonly Lock s_lock = new();
    private static bool s_loaded;
    private static NativeLibraryException? s_failure;

    // The assembly itself says 0.0.0.
    private static readonly Lazy<Dictionary<string, string>> s_packages = new(ReadPackages);

    /// <summary>LLamaSharp's version, as the program's list of packages has it; "of unknown version" where there is none.</summary>
    public static string Version => s_packages.Value.GetValueOrDefault("LLamaSharp", "of unknown version");

    /// <summary>Whether the backend computes on a GPU where there is one.</summary>
    public static bool UsesGpu
    {
        get
        {
            EnsureLoaded();
            return NativeApi.llama_supports_gpu_offload();
        }
    }

    /// <summary>Loads the library now.</summary>
    /// <exception cref="NativeLibraryException">No backend is there, one of another version, or one that this system cannot load.</exception>
    public static void EnsureLoaded()
    {
        lock (s_lock)
        {
            if (s_loaded)
                return;
            if (s_failure is not null)
                throw s_failure;
            try
            {
                Load();
                s_loaded = true;
            }
            catch (NativeLibraryException failure)
            {
                s_failure = failure;
                throw;
            }
        }
    }

    /// <summary>The library and the backend that its loader took, in words.</summary>
    /// <exception cref="NativeLibraryException">It cannot be had.</exception>
    public static string Describe()
    {
        EnsureLoaded();
        var metadata = NativeApi.GetLoadedNativeLibrary(NativeLibraryName.LLama)?.Metadata;
        var backend = metadata switch
        {
            null => "a library of the program's own choice",
            { UseCuda: true } => "CUDA",
            { UseVulkan: true } => "Vulkan",
            { AvxLevel: AvxLevel.None } => "CPU",
            _ => $"CPU, {metadata.AvxLevel.ToString().ToUpperInvariant()}",
        };
        var devices = new List<string>();
        for (nuint device = 0; device < NativeApi.ggml_backend_dev_count(); device++)
        {
            if (System.Runtime.InteropServices.Marshal.PtrToStringUTF8(NativeApi.ggml_backend_dev_name(NativeApi.ggml_backend_dev_get(device))) is { Length: > 0 } name)
                devices.Add(name);
        }

        return $"LLamaSharp {Version}, backend {backend}; devices: {(devices.Count == 0 ? "none" : string.Join(", ", devices))}";
    }

    private static void Load()
    {
        RequireBackend();
        try
        {
            // Before anything else touches the library: its loader and it itself report through this from now on.
            if (!NativeLibraryConfig.LLama.LibraryHasLoaded)
                NativeLibraryConfig.All.WithLogCallback(LlamaLog.Callback);
            using var capture = LlamaLog.Begin();
            try
            {
                NativeApi.llama_empty_call();
                NativeLogConfig.llama_log_set(LlamaLog.Callback);
            }
            catch (TypeInitializationException exception)
            {
                var reason = exception.InnerException?.Message.Split('\n')[0].Trim();
                throw new NativeLibraryException(
                    $"LLamaSharp {Version} finds no native library that this system can load: {reason} {capture.Reason}. Add a backend package of the same version to the program: LLamaSharp.Backend.Cpu, .Cuda12, .Vulkan …", exception);
            }
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            throw new NativeLibraryException($"LLamaSharp {Version} and its native library do not fit each other: {exception.Message} The backend package must have the same version.", exception);
        }
    }

    // LLamaSharp does not look: with a library of another version structures differ, and what follows is a crash.
    private static void RequireBackend()
    {
        foreach (var (name, version) in s_packages.Value)
        {
            if (name.StartsWith("LLamaSharp.Backend.", StringComparison.OrdinalIgnoreCase) && s_packages.Value.ContainsKey("LLamaSharp") && version != Version)
                throw new NativeLibraryException($"the package {name} has version {version}, but LLamaSharp has {Version}: take {name} {Version}");
        }
    }

    // The packages of LLamaSharp's family with their versions, out of the program's own list.
    private static Dictionary<string, string> ReadPackages()
    {
        var found = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var path in (AppContext.GetData("APP_CONTEXT_DEPS_FILES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Where(File.Exists))
        {
            try
            {
                using var stream = File.OpenRead(path);
                using var document = JsonDocument.Parse(stream);
                if (!document.RootElement.TryGetProperty("libraries", out var libraries))
                    continue;
                foreach (var library in libraries.EnumerateObject())
                {
                    var parts = library.Name.Split('/');
                    if (parts.Length == 2 && parts[0].StartsWith("LLamaSharp", StringComparison.OrdinalIgnoreCase))
                        found[parts[0]] = parts[1];
                }
            }
            catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
            {
                // A list that cannot be read says nothing of versions.
            }
        }

        return found;
    }
}
