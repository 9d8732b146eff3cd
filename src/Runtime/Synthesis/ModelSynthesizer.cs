using System.Globalization;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Synthesis;

/// <summary>The sizes of a model: of Llama's architecture, dense or with experts, or of another.</summary>
/// <param name="Embedding">E: the width of the residual stream.</param>
/// <param name="Layers">L: blocks of attention and feed-forward.</param>
/// <param name="Heads">H: query heads; E / H is the head size, an even number.</param>
/// <param name="KvHeads">KV: key and value heads, a divisor of H.</param>
/// <param name="FeedForward">FF: the inner width of the feed-forward part.</param>
/// <param name="Vocabulary">V: tokens, at least 259.</param>
public readonly record struct SyntheticShape(int Embedding, int Layers, int Heads, int KvHeads, int FeedForward, int Vocabulary)
{
    /// <summary>N: experts of FF inner values in every layer, as in Mixtral; 0: one dense feed-forward part.</summary>
    public int Experts { get; init; }

    /// <summary>Experts that a token meets, 1 to N; 0 without experts.</summary>
    public int ExpertsUsed { get; init; }

    /// <summary>One of <see cref="ModelSynthesizer.Architectures"/>; widths that these sizes do not tell follow from E.</summary>
    public string Architecture { get; init; } = "llama";

    /// <summary>Values of a head of attention.</summary>
    public int HeadWidth => Embedding / Heads;

    /// <summary>The sizes of a model of an architecture that people run: Llama-3.2-1B, Qwen3.5-2B, Granite-4.0-H-1B, LFM2-1.2B, Mamba2-1.3B.</summary>
    /// <param name="architecture">One of <see cref="ModelSynthesizer.Architectures"/>.</param>
    /// <exception cref="UnsupportedModelException">The architecture cannot be made.</exception>
    public static SyntheticShape Like(string architecture) => SyntheticArchitectures.Default(architecture);

    /// <summary>Reads <c>E,L,H,KV,FF,V</c>.</summary>
    /// <exception cref="FormatException">The text is not six whole numbers.</exception>
    public static SyntheticShape Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var numbers = new List<int>();
        foreach (var part in text.Split(','))
        {
            if (int.TryParse(part.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
                numbers.Add(number);
        }

        return numbers.Count == 6 && text.Count(c => c == ',') == 5
            ? new SyntheticShape(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])
            : throw new FormatException($"expected a shape of six whole numbers E,L,H,KV,FF,V, found '{text}'");
    }
}

/// <summary>Writes random-weight models of a given shape and type, for benchmarks.</summary>
/// <remarks>
/// Weights have the deviation 1 / sqrt(inputs), embeddings 1, norms about 1, so activations keep their size from layer to
/// layer and logits have a deviation of about 1. The vocabulary is byte-level BPE, so any text can be tokenized.
/// </remarks>
public static class ModelSynthesizer
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>What a type name stands for; file types are llama.cpp's numbers (LLAMA_FTYPE).</summary>
    private sealed record Recipe(string Name, uint FileType, GgmlType Type, bool MoreBitsWhereTheyMatter = false);

    private static readonly Recipe[] Recipes =
    [
        new("F32", 0, GgmlType.F32),
        new("F16", 1, GgmlType.F16),
        new("BF16", 32, GgmlType.BF16),
        new("Q8_0", 7, GgmlType.Q8_0),
        new("Q4_0", 2, GgmlType.Q4_0),
        new("Q4_K", 14, GgmlType.Q4_K),
        new("Q4_K_M", 15, GgmlType.Q4_K, MoreBitsWhereTheyMatter: true),
        new("Q6_K", 18, GgmlType.Q6_K),
        new("IQ1_S", 24, GgmlType.IQ1_S),
        new("IQ1_M", 31, GgmlType.IQ1_M),
        new("IQ2_XXS", 19, GgmlType.IQ2_XXS),
        new("IQ2_XS", 20, GgmlType.IQ2_XS),
        new("IQ2_S", 28, GgmlType.IQ2_S),
        new("IQ3_XXS", 23, GgmlType.IQ3_XXS),
        new("IQ3_S", 26, GgmlType.IQ3_S),
        new("TQ1_0", 36, GgmlType.TQ1_0),
        new("TQ2_0", 37, GgmlType.TQ2_0),
        new("NVFP4", 39, GgmlType.NVFP4),
        new("Q1_0", 40, GgmlType.Q1_0),
        new("Q2_0", 41, GgmlType.Q2_0),
        new("Q2_0_G128", 41, GgmlType.Q2_0_G128),
    ];

    /// <summary>The type names that can be asked for. Q4_K_M is Q4_K with the output and half of attn_v and ffn_down in Q6_K; the others store every matrix in one type. Rows that are no multiple of 256 take Q5_0 for Q4_K and Q8_0 for Q6_K, as quantized models do.</summary>
    public static IReadOnlyList<string> Types { get; } = [.. Recipes.Select(r => r.Name)];

    /// <summary>The architectures that can be asked for, by GGUF's names.</summary>
    public static IReadOnlyList<string> Architectures => SyntheticArchitectures.Names;

    /// <summary>Writes a model.</summary>
    /// <param name="path">The file; it appears when complete.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="type">One of <see cref="Types"/>, in upper or lower case.</param>
    /// <param name="seed">The same seed, shape and type give the same bytes.</param>
    /// <param name="progress">Told about every megabyte.</param>
    /// <param name="cancellation">Ends the work; nothing is left behind.</param>
    /// <exception cref="ArgumentException">A size is impossible, or does not fit the type's blocks.</exception>
    /// <exception cref="UnsupportedModelException">The type cannot be made.</exception>
    public static void Write(
        string path, SyntheticShape shape, string type, ulong seed = 1, IProgress<GgufProgress>? progress = null, CancellationToken cancellation = default)
    {
        Validate(shape);
        var recipe = Array.Find(Recipes, r => string.Equals(r.Name, type, StringComparison.OrdinalIgnoreCase))
            ?? throw new UnsupportedModelException($"type '{type}'", Types);
        var model = SyntheticArchitectures.Make(shape);
        var tensors = model.Tensors.Select(t => (Tensor: t, Type: TypeOf(t, recipe, shape.Layers))).ToArray();
        foreach (var (tensor, stored) in tensors)
        {
            if (tensor.Shape[0] % GgmlTypes.Of(stored).BlockElements != 0)
                throw new ArgumentException($"{tensor.Name} has rows of {tensor.Shape[0]}, expected a multiple of {GgmlTypes.Of(stored).BlockElements} for {recipe.Name}", nameof(shape));
        }

        using var writer = GgufWriter.Create(path, progress: progress);
        WriteMetadata(writer, model, shape, recipe);
        foreach (var (tensor, stored) in tensors)
            writer.Declare(tensor.Name, stored, tensor.Shape);
        var buffer = new byte[ChunkBytes];
        for (var i = 0; i < tensors.Length; i++)
            WriteTensor(writer, tensors[i].Tensor, tensors[i].Type, buffer, seed ^ (ulong)(i + 1) * 0x9E3779B97F4A7C15, cancellation);
        writer.Complete();
    }

    private static GgmlType TypeOf(SyntheticTensor tensor, Recipe recipe, int layers)
    {
        var rich = recipe.MoreBitsWhereTheyMatter && (tensor.Storage == SyntheticStorage.Output
            || (tensor.Storage == SyntheticStorage.Rich && UsesMoreBits(tensor.Layer, layers)));
        return tensor.Storage == SyntheticStorage.Exact ? GgmlType.F32 : Fitting(rich ? GgmlType.Q6_K : recipe.Type, (int)tensor.Shape[0]);
    }

    // Only for types with a stand-in of blocks: a model of F16 would not be of the type asked for.
    private static GgmlType Fitting(GgmlType type, int columns)
        => columns % GgmlTypes.Of(type).BlockElements != 0 && GgmlTypes.Fallback(type, columns) is var other && GgmlTypes.Of(other).IsQuantized ? other : type;

    /// <summary>The layers that the M mixes treat better: the first and last eighth, and every third between.</summary>
    private static bool UsesMoreBits(int layer, int layers)
        => layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;

    private static void WriteTensor(GgufWriter writer, SyntheticTensor tensor, GgmlType type, byte[] buffer, ulong seed, CancellationToken cancellation)
    {
        var elements = tensor.Shape.Aggregate(1L, (a, b) => a * b);
        var left = GgmlTypes.ByteSize(type, elements);
        var blockBytes = GgmlTypes.Of(type).BlockBytes;
        var blocks = new SyntheticBlocks(type, tensor.Deviation, seed);
        writer.Begin(tensor.Name);
        while (left > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            var chunk = buffer.AsSpan(0, (int)Math.Min(left, buffer.Length / blockBytes * blockBytes));
            blocks.Fill(chunk);
            if (tensor.Mean != 0)
            {
                foreach (ref var weight in System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(chunk))
                    weight += (float)tensor.Mean;
            }

            writer.Write(chunk);
            left -= chunk.Length;
        }
    }

    private static void WriteMetadata(GgufWriter writer, SyntheticModel model, SyntheticShape shape, Recipe recipe)
    {
        writer.Add("general.architecture", model.Architecture);
        writer.Add("general.name", string.Create(CultureInfo.InvariantCulture, $"Random {shape.Embedding}x{shape.Layers} {recipe.Name}"));
        writer.Add("general.file_type", recipe.FileType);
        writer.Add("general.quantization_version", 2u);
        foreach (var (key, value) in model.Pairs)
            writer.Add($"{model.Architecture}.{key}", value);
        SyntheticVocabulary.Write(writer, shape.Vocabulary);
    }

    private static void Validate(SyntheticShape shape)
    {
        Range("E", shape.Embedding, 1, 1 << 16);
        Range("L", shape.Layers, 1, 1 << 10);
        Range("H", shape.Heads, 1, 1 << 12);
        Range("KV", shape.KvHeads, 1, shape.Heads);
        Range("FF", shape.FeedForward, 1, 1 << 20);
        Range("V", shape.Vocabulary, SyntheticVocabulary.MinSize, 1 << 20);
        Range("experts", shape.Experts, 0, 512);
        Range("experts used", shape.ExpertsUsed, Math.Min(shape.Experts, 1), shape.Experts);
        if (shape.Embedding % (2 * shape.Heads) != 0)
            throw new ArgumentException($"E / H must be an even whole number, found {shape.Embedding} / {shape.Heads}", nameof(shape));
        if (shape.Heads % shape.KvHeads != 0)
            throw new ArgumentException($"KV must divide H, found {shape.KvHeads} and {shape.Heads}", nameof(shape));
    }

    private static void Range(string name, int value, int least, int most)
    {
        if (value < least || value > most)
            throw new ArgumentException($"{name} is {value}, expected {least} to {most}", nameof(value));
    }
}
