using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Quantization;

/// <summary>Writes a GGUF model with its matrices in other types: the mixes that users know by name.</summary>
public static class ModelQuantizer
{
    /// <summary>The number that general.quantization_version holds for the block layouts in use.</summary>
    private const uint QuantizationVersion = 2;

    /// <summary>Quantizes a model, tensor by tensor: memory does not grow with the model.</summary>
    /// <param name="input">A GGUF file; of a split model any part.</param>
    /// <param name="output">The file to write; it appears, or is replaced, when complete.</param>
    /// <param name="options">What is wanted.</param>
    /// <param name="progress">Told after every few rows.</param>
    /// <param name="cancellation">Ends the work; nothing is left behind.</param>
    /// <exception cref="HearthException">
    /// The output would overwrite the input, or a tensor is quantized already and <see cref="QuantizationOptions.AllowRequantize"/> is off.
    /// </exception>
    /// <exception cref="ModelFormatException">The input breaks the format, or holds numbers that the type cannot.</exception>
    /// <exception cref="UnsupportedModelException">A tensor's type cannot be read.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static QuantizationResult Quantize(
        string input, string output, QuantizationOptions options, IProgress<GgufProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(output);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Threads is { } asked)
            ArgumentOutOfRangeException.ThrowIfLessThan(asked, 1, nameof(options));
        NativeLibraryLoader.EnsureLoaded();
        using var file = GgufFile.Open(input);
        RefuseOverwriting(file, output);
        using var guard = MappingGuard.Over(file);
        var types = TensorTypeRules.Choose(file, options);
        foreach (var tensor in file.Tensors)
            CheckConvertible(tensor, types[tensor.Name].Type, options);

        using var writer = GgufWriter.Create(output, file.Alignment, progress);
        WriteMetadata(writer, file, options);
        foreach (var tensor in file.Tensors)
            writer.Declare(tensor.Name, types[tensor.Name].Type, tensor.Shape.AsSpan());
        var quantizer = new TensorQuantizer(writer, options.Threads ?? Environment.ProcessorCount, cancellation);
        var tensors = new List<QuantizedTensor>();
        foreach (var tensor in file.Tensors)
        {
            var (type, isFallback) = types[tensor.Name];
            var error = 0.0;
            if (type == tensor.Type)
                quantizer.Copy(tensor);
            else
                error = quantizer.Convert(tensor, type, options.Importance);
            tensors.Add(new QuantizedTensor(tensor.Name, tensor.Shape, tensor.Type, type, isFallback, error));
        }

        writer.Complete(_ => guard.ThrowIfLost());
        var elements = file.Tensors.Sum(t => (double)t.ElementCount);
        var bytes = tensors.Sum(t => (double)GgmlTypes.ByteSize(t.To, t.Shape.Aggregate(1L, (a, b) => a * b)));
        return new QuantizationResult(file.Length, writer.TotalBytes, elements == 0 ? 0 : 8 * bytes / elements, tensors);
    }

    private static void CheckConvertible(GgufTensor tensor, GgmlType type, QuantizationOptions options)
    {
        if (tensor.Type == type)
            return;
        EngineTypes.Require(tensor);
        if (GgmlTypes.Of(tensor.Type).IsQuantized && !options.AllowRequantize)
        {
            throw new HearthException(
                $"tensor '{tensor.Name}' is quantized already ({GgmlTypes.Of(tensor.Type).Name}); take the model's original, or allow quantizing again, which adds error to error");
        }
    }

    private static void WriteMetadata(GgufWriter writer, GgufFile file, QuantizationOptions options)
    {
        if (file.Metadata.Find("general.architecture") is { } architecture)
            writer.Add("general.architecture", architecture);
        writer.Add("general.file_type", options.Mix.FileType);
        writer.Add("general.quantization_version", QuantizationVersion);
        writer.CopyMetadata(file.Metadata);
    }

    /// <summary>Refuses an output that is one of the input's files, or whose unfinished data would lie in one.</summary>
    private static void RefuseOverwriting(GgufFile file, string output)
    {
        var comparison = OperatingSystem.IsLinux() ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;
        var written = new[] { RealPath(output), RealPath(output + GgufWriter.PartialSuffix) };
        foreach (var part in file.Files)
        {
            var real = RealPath(part);
            if (Array.Exists(written, path => string.Equals(path, real, comparison)))
                throw new HearthException($"the output '{output}' would overwrite the input '{part}'");
        }
    }

    /// <summary>The path with every link in it followed, as far as it exists.</summary>
    private static string RealPath(string path)
    {
        var full = Path.GetFullPath(path);
        var parent = Path.GetDirectoryName(full);
        if (parent is null)
            return full;
        var here = Path.Combine(RealPath(parent), Path.GetFileName(full));
        FileSystemInfo entry = Directory.Exists(here) ? new DirectoryInfo(here) : new FileInfo(here);
        return entry.LinkTarget is null ? here : entry.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? here;
    }
}
