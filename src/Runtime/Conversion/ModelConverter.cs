using System.Buffers;
using System.Globalization;
using System.Numerics.Tensors;
using Hearth.Runtime.Conversion.Vocabularies;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Loading;

namespace Hearth.Runtime.Conversion;

/// <summary>What a conversion made.</summary>
/// <param name="Architecture">GGUF's general.architecture.</param>
/// <param name="Type">How the matrices are stored.</param>
/// <param name="Tensors">Tensors written.</param>
/// <param name="Bytes">Bytes of the file.</param>
/// <param name="Tokenizer">tokenizer.ggml.model; <c>no_vocab</c> where the folder has no tokenizer.</param>
/// <param name="Notes">What was left out or assumed, a sentence each.</param>
public sealed record ConversionResult(string Architecture, GgmlType Type, int Tensors, long Bytes, string Tokenizer, IReadOnlyList<string> Notes);

/// <summary>Turns the folder of a Hugging Face model (config.json, safetensors, tokenizer files) into a GGUF file.</summary>
public static class ModelConverter
{
    private const int PieceBytes = 1 << 23;

    /// <summary>The types that matrices can be stored in.</summary>
    public static IEnumerable<GgmlType> Types => RowEncoder.FileTypes.Keys;

    /// <summary>The model classes (config.json's <c>architectures</c>) that can be converted.</summary>
    public static IEnumerable<string> Classes => CheckpointFamily.AllClasses;

    /// <summary>Converts a model.</summary>
    /// <remarks>
    /// Vectors, norms, routers and position tables stay F32; in Q8_0, matrices whose rows are no multiple of 32 become F16.
    /// Memory: a few rows at a time; the weights are never whole in memory.
    /// </remarks>
    /// <param name="folder">The model's folder.</param>
    /// <param name="output">The GGUF file, which appears when complete and replaces an existing one.</param>
    /// <param name="type">How matrices are stored, one of <see cref="Types"/>; null: as most of the checkpoint's numbers are.</param>
    /// <param name="progress">Told after every piece of data.</param>
    /// <param name="cancellationToken">Looked at before every piece; nothing is left behind.</param>
    /// <exception cref="FileNotFoundException">The folder, its config.json or its weights are not there.</exception>
    /// <exception cref="UnsupportedModelException">The class, the tokenizer or a choice in config.json has no counterpart; or the type cannot be written.</exception>
    /// <exception cref="ModelFormatException">A file is broken, tensors are missing, some have no place, a number is not finite or too large for the type, or what came out could not be loaded.</exception>
    public static ConversionResult Convert(string folder, string output, GgmlType? type = null, IProgress<GgufProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentException.ThrowIfNullOrEmpty(output);
        if (type is { } asked && !RowEncoder.FileTypes.ContainsKey(asked))
            throw new UnsupportedModelException($"converting to {GgmlTypes.Of(asked).Name}", Types.Select(t => GgmlTypes.Of(t).Name));
        if (Directory.Exists(output))
            throw new HearthException($"{output} is a folder, expected the name of a file");
        using var checkpoint = Checkpoint.Open(folder);
        var family = CheckpointFamily.Find(checkpoint.Config);
        var map = new TensorMap(checkpoint, family.Prefixes);
        family.Tensors(map, checkpoint.Config);
        var tensors = map.Finish();
        var stored = type ?? MostlyStored(tensors);
        var metadata = new GgufPairs { ["general.architecture"] = family.Architecture, ["general.type"] = "model", ["general.name"] = NameOf(checkpoint) };
        family.Keys(new ArchitectureKeys(metadata, family.Architecture, checkpoint));
        var tokens = tensors.Where(tensor => IsTokenTable(tensor.Name)).Sum(tensor => tensor.Tensor.Rows);
        metadata[$"{family.Architecture}.vocab_size"] = checked((uint)tokens);
        metadata["general.file_type"] = RowEncoder.FileTypes[stored];
        metadata["general.quantization_version"] = 2u;
        OutputHead.Check(checkpoint, tensors);
        var tokenizer = VocabularyConversion.Write(metadata, checkpoint, family, tokens);
        var bytes = Write(checkpoint, output, metadata, tensors, stored, progress, cancellationToken);
        return new ConversionResult(family.Architecture, stored, tensors.Count, bytes, tokenizer, checkpoint.Notes);
    }

    // One table, or one for each cluster of an adaptive input's vocabulary.
    private static bool IsTokenTable(string name)
        => name == "token_embd.weight" || (name.StartsWith("token_embd.", StringComparison.Ordinal) && name.EndsWith(".weight", StringComparison.Ordinal));

    private static string NameOf(Checkpoint checkpoint)
        => checkpoint.Config.Find("_name_or_path") is { IsText: true, Text.Length: > 0 } name && !Path.IsPathRooted(name.Text) && name.Text != "."
            ? name.Text.Split('/')[^1] : Path.GetFileName(Path.GetFullPath(checkpoint.Folder).TrimEnd(Path.DirectorySeparatorChar));

    private static GgmlType MostlyStored(IEnumerable<(string Name, RowTensor Tensor)> tensors)
        => tensors.GroupBy(tensor => tensor.Tensor.Type, tensor => tensor.Tensor.Rows * tensor.Tensor.Columns).MaxBy(group => group.Sum())!.Key switch
        {
            "F16" => GgmlType.F16,
            "BF16" => GgmlType.BF16,
            _ => GgmlType.F32,
        };

    /// <summary>The type of one tensor: what is small or sensitive stays F32, as in the reference.</summary>
    private static GgmlType TypeOf(string name, RowTensor tensor, GgmlType type)
    {
        var small = tensor.Shape.Length == 1 || !name.EndsWith(".weight", StringComparison.Ordinal) || name.EndsWith("_norm.weight", StringComparison.Ordinal)
            || name.EndsWith("position_embd.weight", StringComparison.Ordinal) || name is "token_types.weight"
            || name.EndsWith("conv1d.weight", StringComparison.Ordinal) || name.EndsWith("shortconv.conv.weight", StringComparison.Ordinal)
            || name.Contains(".ffn_gate_inp", StringComparison.Ordinal) || name.EndsWith("attn_rel_b.weight", StringComparison.Ordinal);
        return small ? GgmlType.F32 : tensor.Columns % GgmlTypes.Of(type).BlockElements == 0 ? type : GgmlType.F16;
    }

    private static long Write(
        Checkpoint checkpoint, string output, GgufPairs metadata, IReadOnlyList<(string Name, RowTensor Tensor)> tensors, GgmlType type, IProgress<GgufProgress>? progress, CancellationToken cancellationToken)
    {
        using var writer = GgufWriter.Create(output, progress: progress);
        foreach (var (key, value) in metadata.InOrder)
            writer.Add(key, value);
        foreach (var (name, tensor) in tensors)
            writer.Declare(name, TypeOf(name, tensor, type), [.. tensor.Shape.Reverse()]);
        foreach (var (name, tensor) in tensors)
        {
            writer.Begin(name);
            WriteRows(writer, tensor, TypeOf(name, tensor, type), cancellationToken);
        }

        writer.Complete(path => RequireLoadable(path, checkpoint));
        return writer.TotalBytes;
    }

    // The rules of what loads are the engine's; asking it keeps them in one place.
    private static void RequireLoadable(string path, Checkpoint checkpoint)
    {
        try
        {
            using var file = GgufFile.Open(path);
            FileCheck.Require(file);
        }
        catch (HearthException exception)
        {
            throw new ModelFormatException($"what this folder converts to could not be loaded: {exception.Message.Replace(path, "the file", StringComparison.Ordinal)}", checkpoint.Folder, innerException: exception);
        }
    }

    private static void WriteRows(GgufWriter writer, RowTensor tensor, GgmlType type, CancellationToken cancellationToken)
    {
        var rowBytes = (int)GgmlTypes.ByteSize(type, tensor.Columns);
        var piece = (int)Math.Clamp(PieceBytes / rowBytes, 1, tensor.Rows);
        var bytes = new byte[(long)piece * rowBytes];
        var beyond = RowEncoder.Beyond(type);
        for (var done = 0L; done < tensor.Rows; done += piece)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var faultRow = -1L;
            var (first, count) = (done, (int)Math.Min(piece, tensor.Rows - done));
            Parallel.For(0, count, i =>
            {
                var values = ArrayPool<float>.Shared.Rent(tensor.Columns);
                tensor.Row(first + i, values.AsSpan(0, tensor.Columns));
                var largest = MathF.Abs(TensorPrimitives.MaxMagnitude<float>(values.AsSpan(0, tensor.Columns)));
                if (!(largest < beyond))
                    Volatile.Write(ref faultRow, first + i);
                RowEncoder.Encode(type, values.AsSpan(0, tensor.Columns), bytes.AsSpan(i * rowBytes, rowBytes));
                ArrayPool<float>.Shared.Return(values);
            });
            if (faultRow >= 0)
                throw Unstorable(tensor, faultRow, type);
            writer.Write(bytes.AsSpan(0, count * rowBytes));
        }
    }

    private static ModelFormatException Unstorable(RowTensor tensor, long row, GgmlType type)
    {
        var values = new float[tensor.Columns];
        tensor.Row(row, values);
        var largest = Array.Find(values, value => !float.IsFinite(value)) is var odd && odd != 0 ? odd : TensorPrimitives.MaxMagnitude<float>(values);
        return new ModelFormatException(float.IsFinite(largest)
            ? string.Create(CultureInfo.InvariantCulture, $"tensor '{tensor.Name}' holds {largest} in row {row}, which {GgmlTypes.Of(type).Name} cannot hold; convert to BF16 or F32")
            : string.Create(CultureInfo.InvariantCulture, $"tensor '{tensor.Name}' holds {(float.IsNaN(largest) ? "what is no number (NaN)" : "infinity, or more than a 32-bit float holds,")} in row {row}: no model computes with it"));
    }
}
