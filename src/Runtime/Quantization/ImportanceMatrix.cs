using System.Runtime.InteropServices;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Quantization;

/// <summary>How much each input of a model's matrices matters: the mean square of what met it in text that was run.</summary>
/// <remarks>
/// Read from GGUF files as llama.cpp's imatrix tool writes them: for a weight NAME the tensors <c>NAME.in_sum2</c> [columns,
/// experts] and <c>NAME.counts</c> [1, experts], both F32. Immutable; safe to read from several threads.
/// </remarks>
public sealed class ImportanceMatrix
{
    private const string Sums = ".in_sum2";
    private const string Counts = ".counts";

    private readonly Dictionary<string, (int Columns, float[] Values)> _entries = new(StringComparer.Ordinal);

    private ImportanceMatrix(string path) => Path = path;

    /// <summary>The file that it came from.</summary>
    public string Path { get; }

    /// <summary>How many weights it tells of.</summary>
    public int Count => _entries.Count;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ModelFormatException">It is no GGUF file, holds no importance, or what it holds does not fit together.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static ImportanceMatrix Load(string path)
    {
        using var file = GgufFile.Open(path);
        var matrix = new ImportanceMatrix(path);
        foreach (var sums in file.Tensors.Where(t => t.Name.EndsWith(Sums, StringComparison.Ordinal)))
        {
            var name = sums.Name[..^Sums.Length];
            matrix._entries.Add(name, ((int)sums.RowElements, Means(sums, file.GetTensor(name + Counts), path)));
        }

        return matrix.Count > 0 ? matrix : throw new ModelFormatException($"holds no importance: expected tensors named WEIGHT{Sums} and WEIGHT{Counts}", path);
    }

    /// <summary>The importance of a weight's columns, or an empty span where the file does not tell of it.</summary>
    /// <param name="name">The weight.</param>
    /// <param name="columns">Its row length.</param>
    /// <param name="expert">Which of the matrices that lie in the weight.</param>
    /// <param name="experts">How many lie in it.</param>
    /// <exception cref="ModelFormatException">The file tells of another number of columns or experts.</exception>
    public ReadOnlySpan<float> Find(string name, long columns, int expert, int experts)
    {
        if (!_entries.TryGetValue(name, out var entry))
            return [];
        if (entry.Columns != columns || entry.Values.Length != columns * experts)
        {
            throw new ModelFormatException(
                $"importance of '{name}' is [{entry.Columns}, {entry.Values.Length / entry.Columns}], expected [{columns}, {experts}] as in the model", Path);
        }

        return entry.Values.AsSpan(entry.Columns * expert, entry.Columns);
    }

    private static float[] Means(GgufTensor sums, GgufTensor counts, string path)
    {
        if (sums.Type != GgmlType.F32 || counts.Type != GgmlType.F32 || counts.ElementCount != sums.RowCount || sums.ByteSize > int.MaxValue)
            throw new ModelFormatException($"{sums} and {counts} do not fit together: expected F32 sums and one F32 count for each row", path);
        var values = MemoryMarshal.Cast<byte, float>(sums.Bytes()).ToArray();
        var numbers = MemoryMarshal.Cast<byte, float>(counts.Bytes());
        for (var i = 0; i < values.Length; i++)
        {
            // Experts that no text reached count all columns alike.
            var count = numbers[i / (int)sums.RowElements];
            values[i] = count > 0 ? values[i] / count : 1;
            if (!float.IsFinite(values[i]) || values[i] < 0)
                throw new ModelFormatException($"'{sums.Name}' holds a sum of squares that is {values[i]}, expected a number of at least 0", path);
        }

        return values;
    }
}
