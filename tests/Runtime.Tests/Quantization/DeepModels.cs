using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tests.Quantization;

/// <summary>Models with many layers and next to no weights, whose names and metadata set off the rules of mixes.</summary>
internal static class DeepModels
{
    private sealed record Shape(string Architecture, uint Layers, uint KvHeads, uint Experts = 0, bool Fused = false, string? Last = "output.weight");

    private static readonly Dictionary<string, Shape> Shapes = new(StringComparer.Ordinal)
    {
        ["llama-32"] = new("llama", 32, 2),
        ["llama-32-tied"] = new("llama", 32, 8, Last: null),
        ["llama-80"] = new("llama", 80, 1),
        ["mixtral-32"] = new("llama", 32, 2, Experts: 8),
        ["qwen3moe-24"] = new("qwen3moe", 24, 2, Experts: 16),
        ["falcon-32"] = new("falcon", 32, 1, Fused: true),
        ["gpt2-12"] = new("gpt2", 12, 8, Fused: true, Last: "position_embd.weight"),
    };

    /// <summary>Writes the model of a name.</summary>
    public static void Write(string name, string path)
    {
        var shape = Shapes[name];
        using var writer = GgufWriter.Create(path);
        writer.Add("general.architecture", shape.Architecture);
        writer.Add($"{shape.Architecture}.block_count", shape.Layers);
        writer.Add($"{shape.Architecture}.attention.head_count", 8u);
        writer.Add($"{shape.Architecture}.attention.head_count_kv", shape.KvHeads);
        if (shape.Experts > 0)
            writer.Add($"{shape.Architecture}.expert_count", shape.Experts);
        var tensors = Tensors(shape).ToList();
        foreach (var (tensor, extents) in tensors)
            writer.Declare(tensor, GgmlType.F32, extents);
        foreach (var (tensor, extents) in tensors)
            writer.WriteTensor(tensor, new byte[sizeof(float) * extents.Aggregate(1L, (a, b) => a * b)]);
        writer.Complete();
    }

    private static IEnumerable<(string Name, long[] Shape)> Tensors(Shape shape)
    {
        yield return ("token_embd.weight", [256, 4]);
        yield return ("output_norm.weight", [256]);
        // Files need not hold layers in order.
        for (var layer = (int)shape.Layers - 1; layer >= 0; layer--)
        {
            foreach (var (name, extents) in Layer(shape))
                yield return ($"blk.{layer}.{name}", extents);
        }

        if (shape.Last is { } last)
            yield return (last, [256, 4]);
    }

    private static IEnumerable<(string Name, long[] Shape)> Layer(Shape shape)
    {
        long[] matrix = [256, 2], experts = [256, 2, shape.Experts];
        foreach (var part in shape.Fused ? ["attn_qkv"] : new[] { "attn_q", "attn_k", "attn_v" })
            yield return ($"{part}.weight", matrix);
        yield return ("attn_output.weight", matrix);
        yield return ("attn_norm.weight", [256]);
        if (shape.Experts > 0)
            yield return ("ffn_gate_inp.weight", [256, shape.Experts]);
        foreach (var part in new[] { "ffn_gate", "ffn_up", "ffn_down" })
            yield return shape.Experts > 0 ? ($"{part}_exps.weight", experts) : ($"{part}.weight", matrix);
    }
}
