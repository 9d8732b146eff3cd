using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tests.Support;

/// <summary>
/// The reference models of tests/fixtures/reference: a header alone, whose tensor data comes from a seeded generator.
/// Byte for byte what the reference's rebuild.py writes.
/// </summary>
public static class ReferenceModels
{
    private static readonly Lazy<string> Folder = new(() =>
    {
        var folder = Directory.CreateTempSubdirectory("hearth-reference-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        return folder;
    });

    private static readonly ConcurrentDictionary<string, Lazy<string>> Files = new(StringComparer.Ordinal);

    /// <summary>The names of all rebuilt models, for instance <c>llama-gqa-base</c>.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Directory.GetFiles(SharedFolder.Fixture("reference", "headers")).Select(p => Path.GetFileNameWithoutExtension(p)!).Order(StringComparer.Ordinal)];

    /// <summary>The path of a rebuilt model; made on first use, gone when the process ends.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    public static string File(string name) => Files.GetOrAdd(name, n => new Lazy<string>(() =>
    {
        var path = Path.Combine(Folder.Value, n + ".gguf");
        System.IO.File.WriteAllBytes(path, Rebuild(n));
        return path;
    })).Value;

    /// <summary>The path of a quantized model, for instance <c>Q4_K_M</c>.</summary>
    public static string Quantized(string type) => SharedFolder.Fixture("reference", "quants", type + ".gguf");

    /// <summary>The reference's logits, row after row: [32, 256]; for bert-* the embedding [128].</summary>
    /// <param name="name">A model's name; for a quantized one <c>quant-TYPE</c>.</param>
    public static float[] Logits(string name)
        => MemoryMarshal.Cast<byte, float>(System.IO.File.ReadAllBytes(SharedFolder.Fixture("reference", "logits", name + ".f32"))).ToArray();

    /// <summary>The token ids that the logits belong to.</summary>
    /// <param name="name">A model's name; bert-* has ids of its own.</param>
    public static int[] Tokens(string name)
    {
        var file = name.StartsWith("bert-", StringComparison.Ordinal) ? "tokens-bert.txt" : "tokens.txt";
        return Ids(SharedFolder.Fixture("reference", file));
    }

    private static int[] Ids(string path)
        => [.. System.IO.File.ReadAllText(path).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(t => int.Parse(t, CultureInfo.InvariantCulture))];

    /// <summary>The bytes of a rebuilt model with the seed that its logits were made with.</summary>
    public static byte[] Rebuild(string name) => Rebuild(name, name == "quant-small" ? 13 : 11);

    /// <summary>The names of the models with layers that keep states, for instance <c>qwen35-dense</c>.</summary>
    public static IReadOnlyList<string> Hybrids { get; } =
        In("hybrids");

    /// <summary>The names of the models whose attention is indexed, made as <see cref="Hybrids"/> are.</summary>
    public static IReadOnlyList<string> Indexed { get; } = In("indexed");

    /// <summary>The path of a rebuilt model with layers that keep states.</summary>
    /// <param name="name">One of <see cref="Hybrids"/> or <see cref="Indexed"/>.</param>
    public static string Hybrid(string name) => Files.GetOrAdd("hybrids/" + name, _ => new Lazy<string>(() =>
    {
        var path = Path.Combine(Folder.Value, $"hybrid-{name}.gguf");
        System.IO.File.WriteAllBytes(path, RebuildHeader(SharedFolder.Fixture("reference", FolderOf(name), name + ".ggufh"), 17));
        return path;
    })).Value;

    /// <summary>The reference's logits of such a model, [32, 128].</summary>
    public static float[] HybridLogits(string name)
        => MemoryMarshal.Cast<byte, float>(System.IO.File.ReadAllBytes(SharedFolder.Fixture("reference", FolderOf(name), name + ".f32"))).ToArray();

    private static string FolderOf(string name) => Indexed.Contains(name) ? "indexed" : "hybrids";

    private static string[] In(string folder)
        => [.. Directory.GetFiles(SharedFolder.Fixture("reference", folder), "*.ggufh").Select(p => Path.GetFileNameWithoutExtension(p)!).Order(StringComparer.Ordinal)];

    /// <summary>The token ids that those logits belong to.</summary>
    public static int[] HybridTokens { get; } = Ids(SharedFolder.Fixture("reference", "hybrids", "tokens.txt"));

    /// <summary>The bytes of a rebuilt model.</summary>
    public static byte[] Rebuild(string name, int seed) => RebuildHeader(SharedFolder.Fixture("reference", "headers", name + ".ggufh"), seed);

    private static byte[] RebuildHeader(string path, int seed)
    {
        var (raw, name) = (System.IO.File.ReadAllBytes(path), Path.GetFileNameWithoutExtension(path));
        var header = GgufHeader.Parse(raw, long.MaxValue, name);
        var end = header.Tensors.Max(t => t.Offset + t.ByteSize);
        var model = new byte[GgufLimits.Align(end, header.Alignment)];
        raw.AsSpan(0, (int)Math.Min(raw.Length, header.Tensors.Min(t => t.Offset))).CopyTo(model);
        Parallel.ForEach(header.Tensors, tensor => Fill(tensor, seed, model.AsSpan((int)tensor.Offset, (int)tensor.ByteSize)));
        return model;
    }

    private static void Fill(GgufTensorEntry tensor, int seed, Span<byte> data)
    {
        var digest = SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{seed}:{tensor.Name}")));
        var values = new float[tensor.ElementCount];
        new NumpyGenerator(BitConverter.ToUInt64(digest)).StandardNormal(values);
        Scale(tensor, values);
        if (tensor.Type == GgmlType.F32)
        {
            MemoryMarshal.AsBytes(values.AsSpan()).CopyTo(data);
            return;
        }

        Assert.Equal(GgmlType.F16, tensor.Type);
        var halves = MemoryMarshal.Cast<byte, Half>(data);
        for (var i = 0; i < values.Length; i++)
            halves[i] = (Half)values[i];
    }

    // The order of the rules and the single-precision arithmetic are rebuild.py's.
    private static void Scale(GgufTensorEntry tensor, Span<float> values)
    {
        var name = tensor.Name;
        bool Has(string part) => name.Contains(part, StringComparison.Ordinal);
        bool Ends(string part) => name.EndsWith(part, StringComparison.Ordinal);
        var root = (float)Math.Sqrt(tensor.Shape[0]);
        Func<float, float> rule = true switch
        {
            _ when Ends("ssm_a") || Has("ssm_a.") => n => -MathF.Exp(0.3f * n),
            _ when Has("norm") && Ends("weight") => n => 1 + 0.1f * n,
            _ when Ends("bias") || Ends("_b") || Has("sinks") => n => 0.1f * n,
            _ when Has("rope_freqs") || Has("rope_factors") => n => 1 + 0.1f * MathF.Abs(n),
            _ when tensor.Shape.Length == 1 => n => 0.5f + 0.1f * n,
            _ when Has("token_embd") || Has("position_embd") || Has("token_types") => n => n * 0.5f,
            _ => n => n / root,
        };
        foreach (ref var value in values)
            value = rule(value);
    }
}
