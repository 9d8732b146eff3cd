using Hearth.Runtime;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Loading;
using LLama.Native;

namespace Hearth.LLamaSharp.Native;

/// <summary>A model's weights in llama.cpp.</summary>
internal sealed class LlamaWeights : IDisposable
{
    private LlamaWeights(SafeLlamaModelHandle handle, IReadOnlyList<string> warnings)
    {
        Handle = handle;
        Warnings = warnings;
        VocabularySize = handle.Vocab.Count;
    }

    public SafeLlamaModelHandle Handle { get; }

    /// <summary>What llama.cpp found odd.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>Logits of a row.</summary>
    public int VocabularySize { get; }

    /// <summary>Whether llama.cpp takes a file, its weights' numbers apart.</summary>
    public static bool Takes(GgufFile file)
    {
        using var capture = LlamaLog.Begin();
        try
        {
            LlamaLibrary.EnsureLoaded();
            var parameters = LLamaModelParams.Default();
            parameters.vocab_only = true;
            using var handle = SafeLlamaModelHandle.LoadFromFile(FirstPart(file), parameters);
            return true;
        }
        catch (Exception exception) when (exception is NativeLibraryException or LLama.Exceptions.RuntimeError or IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>Loads a file's weights.</summary>
    /// <param name="file">Checked by its reader already.</param>
    /// <param name="options">Where the weights lie.</param>
    /// <param name="progress">Told how far loading has come.</param>
    /// <param name="cancellationToken">Stops between tensors.</param>
    /// <exception cref="UnsupportedModelException">llama.cpp does not know the architecture.</exception>
    /// <exception cref="ModelFormatException">It refuses the file for another reason, which its log tells.</exception>
    /// <exception cref="OutOfModelMemoryException">The weights do not fit into memory.</exception>
    public static LlamaWeights Load(GgufFile file, ModelOptions options, IProgress<LoadProgress>? progress, CancellationToken cancellationToken)
    {
        LlamaLibrary.EnsureLoaded();
        RequireMemory(file);
        var parameters = LLamaModelParams.Default();
        parameters.n_gpu_layers = options.GpuLayers is { } layers ? ModelLoader.Checked(layers, 0, 1 << 16, nameof(ModelOptions.GpuLayers)) : parameters.n_gpu_layers;
        if (options.GpuSplit is { } split)
        {
            parameters.split_mode = split switch
            {
                GpuSplit.None => GPUSplitMode.None,
                GpuSplit.Layer => GPUSplitMode.Layer,
                GpuSplit.Row => GPUSplitMode.Row,
                _ => throw Refused(nameof(ModelOptions.GpuSplit), split, "there is no such split"),
            };
        }

        // llama.cpp ends where a GPU is named that is not there.
        var devices = Math.Max(1, (int)NativeApi.ggml_backend_dev_count());
        parameters.main_gpu = ModelLoader.Checked(options.MainGpu ?? 0, 0, devices - 1, nameof(ModelOptions.MainGpu));
        if (options.MemoryMap is { } mapped)
            parameters.load_mode = mapped ? LLamaLoadMode.MemoryMap : LLamaLoadMode.None;
        LlamaProgressCallback callback = (share, _) =>
        {
            progress?.Report(new LoadProgress("weights", (long)(share * file.Length), file.Length));
            return !cancellationToken.IsCancellationRequested;
        };
        parameters.progress_callback = callback;
        using var capture = LlamaLog.Begin();
        try
        {
            return new LlamaWeights(SafeLlamaModelHandle.LoadFromFile(FirstPart(file), parameters), [.. capture.Warnings]);
        }
        catch (LLama.Exceptions.RuntimeError exception)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw Refusal(file, capture.Reason, exception);
        }
        finally
        {
            GC.KeepAlive(callback);
        }
    }

    public void Dispose() => Handle.Dispose();

    private static ArgumentOutOfRangeException Refused(string member, object? value, string reason) => new(member, value, reason);

    private static Exception Refusal(GgufFile file, string reason, Exception cause)
    {
        var architecture = file.Metadata.Get("general.architecture", "");
        return reason.Contains("unknown model architecture", StringComparison.Ordinal)
            ? new UnsupportedModelException($"architecture '{architecture}' on the engine llamasharp", [$"what LLamaSharp {LlamaLibrary.Version} knows"])
            : reason.Contains("alloc", StringComparison.OrdinalIgnoreCase)
                ? new OutOfModelMemoryException($"llama.cpp found no memory for the model's {file.Length >> 20} MiB: {reason}")
                : new ModelFormatException($"llama.cpp refuses the file: {(reason.Length > 0 ? reason : cause.Message)}", file.Path, innerException: cause);
    }

    private static void RequireMemory(GgufFile file)
    {
        var memory = MemoryLimit.Find();
        if (!LlamaLibrary.UsesGpu && file.Length > memory.Available)
            throw new OutOfModelMemoryException($"the model's weights take {file.Length >> 20} MiB; {memory.Origin} leaves {memory.Available >> 20} MiB of {memory.Limit >> 20} MiB. Take a smaller model or a smaller quantization, or raise the limit.");
    }

    private static string FirstPart(GgufFile file) => file.Files[0];
}
