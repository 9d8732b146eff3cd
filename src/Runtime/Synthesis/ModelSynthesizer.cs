using System.Globalization;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Synthesis;

/// <summary>The sizes of a Llama-architecture model, dense or with experts.</summary>
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

    private const uint ContextLength = 131072;

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
        var tensors = Tensors(shape, recipe);
        foreach (var tensor in tensors)
        {
            if (tensor.Shape[0] % GgmlTypes.Of(tensor.Type).BlockElements != 0)
                throw new ArgumentException($"{tensor.Name} has rows of {tensor.Shape[0]}, expected a multiple of {GgmlTypes.Of(tensor.Type).BlockElements} for {recipe.Name}", nameof(shape));
        }

        using var writer = GgufWriter.Create(path, progress: progress);
        WriteMetadata(writer, shape, recipe);
        foreach (var tensor in tensors)
            writer.Declare(tensor.Name, tensor.Type, tensor.Shape);
        var buffer = new byte[ChunkBytes];
        for (var i = 0; i < tensors.Count; i++)
            WriteTensor(writer, tensors[i], buffer, seed ^ (ulong)(i + 1) * 0x9E3779B97F4A7C15, cancellation);
        writer.Complete();
    }

    private readonly record struct Tensor(string Name, GgmlType Type, long[] Shape, double Deviation);

    private static List<Tensor> Tensors(SyntheticShape shape, Recipe recipe)
    {
        var (e, l, h, kv, ff, v) = shape;
        var n = shape.Experts;
        var kvWidth = e / h * kv;
        var list = new List<Tensor> { new("token_embd.weight", Fitting(recipe.Type, e), [e, v], 1) };
        for (var i = 0; i < l; i++)
        {
            var rich = recipe.MoreBitsWhereTheyMatter && UsesMoreBits(i, l) ? GgmlType.Q6_K : recipe.Type;
            Norm($"blk.{i}.attn_norm.weight");
            Linear($"blk.{i}.attn_q.weight", recipe.Type, e, e);
            Linear($"blk.{i}.attn_k.weight", recipe.Type, e, kvWidth);
            Linear($"blk.{i}.attn_v.weight", rich, e, kvWidth);
            Linear($"blk.{i}.attn_output.weight", recipe.Type, e, e);
            Norm($"blk.{i}.ffn_norm.weight");
            if (n > 0)
                Linear($"blk.{i}.ffn_gate_inp.weight", GgmlType.F32, e, n);
            FeedForward($"blk.{i}.ffn_gate", recipe.Type, e, ff);
            FeedForward($"blk.{i}.ffn_up", recipe.Type, e, ff);
            FeedForward($"blk.{i}.ffn_down", rich, ff, e);
        }

        Norm("output_norm.weight");
        Linear("output.weight", recipe.MoreBitsWhereTheyMatter ? GgmlType.Q6_K : recipe.Type, e, v);
        return list;

        void Linear(string name, GgmlType type, int inputs, int outputs) => list.Add(new(name, Fitting(type, inputs), [inputs, outputs], 1 / Math.Sqrt(inputs)));
        void FeedForward(string name, GgmlType type, int inputs, int outputs)
        {
            if (n > 0)
                list.Add(new(name + "_exps.weight", Fitting(type, inputs), [inputs, outputs, n], 1 / Math.Sqrt(inputs)));
            else
                Linear(name + ".weight", type, inputs, outputs);
        }

        void Norm(string name) => list.Add(new(name, GgmlType.F32, [e], 0.1));
    }

    // Only for types with a stand-in of blocks: a model of F16 would not be of the type asked for.
    private static GgmlType Fitting(GgmlType type, int columns)
        => columns % GgmlTypes.Of(type).BlockElements != 0 && GgmlTypes.Fallback(type, columns) is var other && GgmlTypes.Of(other).IsQuantized ? other : type;

    /// <summary>The layers that the M mixes treat better: the first and last eighth, and every third between.</summary>
    private static bool UsesMoreBits(int layer, int layers)
        => layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;

    private static void WriteTensor(GgufWriter writer, Tensor tensor, byte[] buffer, ulong seed, CancellationToken cancellation)
    {
        var elements = tensor.Shape.Aggregate(1L, (a, b) => a * b);
        var left = GgmlTypes.ByteSize(tensor.Type, elements);
        var blockBytes = GgmlTypes.Of(tensor.Type).BlockBytes;
        var blocks = new SyntheticBlocks(tensor.Type, tensor.Deviation, seed);
        writer.Begin(tensor.Name);
        while (left > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            var chunk = buffer.AsSpan(0, (int)Math.Min(left, buffer.Length / blockBytes * blockBytes));
            blocks.Fill(chunk);
            if (tensor.Shape.Length == 1)
            {
                // Norm weights lie around 1.
                foreach (ref var weight in System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(chunk))
                    weight += 1;
            }

            writer.Write(chunk);
            left -= chunk.Length;
        }
    }

    private static void WriteMetadata(GgufWriter writer, SyntheticShape shape, Recipe recipe)
    {
        var headSize = (uint)(shape.Embedding / shape.Heads);
        writer.Add("general.architecture", "llama");
        writer.Add("general.name", string.Create(CultureInfo.InvariantCulture, $"Random {shape.Embedding}x{shape.Layers} {recipe.Name}"));
        writer.Add("general.file_type", recipe.FileType);
        writer.Add("general.quantization_version", 2u);
        writer.Add("llama.vocab_size", (uint)shape.Vocabulary);
        writer.Add("llama.context_length", ContextLength);
        writer.Add("llama.embedding_length", (uint)shape.Embedding);
        writer.Add("llama.block_count", (uint)shape.Layers);
        writer.Add("llama.feed_forward_length", (uint)shape.FeedForward);
        writer.Add("llama.attention.head_count", (uint)shape.Heads);
        writer.Add("llama.attention.head_count_kv", (uint)shape.KvHeads);
        writer.Add("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        writer.Add("llama.rope.dimension_count", headSize);
        writer.Add("llama.rope.freq_base", 500000f);
        if (shape.Experts > 0)
        {
            writer.Add("llama.expert_count", (uint)shape.Experts);
            writer.Add("llama.expert_used_count", (uint)shape.ExpertsUsed);
        }

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
