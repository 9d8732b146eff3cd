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
    private static readonly Lazy<string> s_version = new(ReadVersion);

    /// <summary>LLamaSharp's version, as the program's list of packages has it; "of unknown version" where there is none.</summary>
    public static string Version => s_version.Value;

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
                RequireLayout(LLamaContextParams.Default());
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

    /// <summary>Refuses a library whose structures are not those that LLamaSharp knows: what it writes would be read as something else, and a crash follows.</summary>
    /// <remarks>LLamaSharp does not look, and the library has no version to ask for; its own defaults, read through LLamaSharp's structure, tell.</remarks>
    /// <param name="defaults">The library's.</param>
    internal static void RequireLayout(LLamaContextParams defaults)
    {
        const uint Context = 512, Batch = 2048;
        if (defaults is not { n_ctx: Context, n_batch: Batch, n_ubatch: Context, n_seq_max: 1, n_threads: > 0 and <= 512, type_k: GGMLType.GGML_TYPE_F16, type_v: GGMLType.GGML_TYPE_F16 })
            throw new NativeLibraryException($"the native library is not the one that LLamaSharp {Version} was made for: its structures differ. Take the backend package of the same version, {Version}.");
    }

    private static string ReadVersion()
    {
        const string Unknown = "of unknown version";
        foreach (var path in (AppContext.GetData("APP_CONTEXT_DEPS_FILES") as string ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries).Where(File.Exists))
        {
            try
            {
                using var stream = File.OpenRead(path);
                using var document = JsonDocument.Parse(stream);
                if (document.RootElement.TryGetProperty("libraries", out var libraries)
                    && libraries.EnumerateObject().Select(library => library.Name.Split('/')).FirstOrDefault(name => name is ["LLamaSharp", _]) is { } found)
                    return found[1];
            }
            catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
            {
                // A list that cannot be read says nothing of versions.
            }
        }

        return Unknown;
    }
}
