using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>A tiny Gemma with seeded weights, and Gemma 1 computed in double precision as its paper (arXiv 2403.08295) says.</summary>
internal static class PlainGemma
{
    public const int Width = 32, Heads = 4, KvHeads = 2, HeadWidth = 16, Hidden = 48, Vocabulary = 40;
    private const double Epsilon = 1e-6;
    private const double RopeBase = 10000;

    /// <summary>A model with norms behind each part where the architecture has them.</summary>
    public static EditedModel Create(string architecture, int layers)
    {
        var random = new Random(5);
        var model = new EditedModel(architecture)
            .Set("context_length", 64).Set("embedding_length", Width).Set("block_count", layers).Set("feed_forward_length", Hidden)
            .Set("attention.head_count", Heads).Set("attention.head_count_kv", KvHeads)
            .Set("attention.key_length", HeadWidth).Set("attention.value_length", HeadWidth)
            .Set("attention.layer_norm_rms_epsilon", (float)Epsilon).Set("rope.freq_base", (float)RopeBase);
        Matrix("token_embd.weight", Width, Vocabulary);
        Norm("output_norm.weight");
        for (var layer = 0; layer < layers; layer++)
        {
            var block = $"blk.{layer}.";
            Norm(block + "attn_norm.weight");
            Matrix(block + "attn_q.weight", Width, Heads * HeadWidth);
            Matrix(block + "attn_k.weight", Width, KvHeads * HeadWidth);
            Matrix(block + "attn_v.weight", Width, KvHeads * HeadWidth);
            Matrix(block + "attn_output.weight", Heads * HeadWidth, Width);
            Norm(block + "ffn_norm.weight");
            Matrix(block + "ffn_gate.weight", Width, Hidden);
            Matrix(block + "ffn_up.weight", Width, Hidden);
            Matrix(block + "ffn_down.weight", Hidden, Width);
            if (architecture == "gemma")
                continue;
            Norm(block + "post_attention_norm.weight");
            Norm(block + "post_ffw_norm.weight");
        }

        return model;

        void Norm(string name) => model.SetTensor(name, Values(Width, () => 0.7 + (0.6 * random.NextDouble())), Width);

        void Matrix(string name, int columns, int rows)
            => model.SetTensor(name, Values(columns * rows, () => ((2 * random.NextDouble()) - 1) * 2 / Math.Sqrt(columns)), columns, rows);

        static float[] Values(int count, Func<double> next) => [.. Enumerable.Range(0, count).Select(_ => (float)next())];
    }

    /// <summary>Logits of all positions, row after row.</summary>
    public static float[] Logits(EditedModel model, int layers, int[] tokens)
    {
        var embedding = model.Tensor("token_embd.weight");
        double[][] x = [.. tokens.Select(t => embedding.Skip(t * Width).Take(Width).Select(v => v * Math.Sqrt(Width)).ToArray())];
        for (var layer = 0; layer < layers; layer++)
        {
            var block = $"blk.{layer}.";
            x = Add(x, Attention(model, block, [.. x.Select(row => Norm(row, model.Tensor(block + "attn_norm.weight")))]));
            x = Add(x, [.. x.Select(row => FeedForward(model, block, Norm(row, model.Tensor(block + "ffn_norm.weight"))))]);
        }

        return [.. x.SelectMany(row => Product(embedding, Norm(row, model.Tensor("output_norm.weight")))).Select(v => (float)v)];
    }

    private static double[][] Attention(EditedModel model, string block, double[][] x)
    {
        double[][] queries = [.. x.Select((row, position) => Rotate(Product(model.Tensor(block + "attn_q.weight"), row), position))];
        double[][] keys = [.. x.Select((row, position) => Rotate(Product(model.Tensor(block + "attn_k.weight"), row), position))];
        double[][] values = [.. x.Select(row => Product(model.Tensor(block + "attn_v.weight"), row))];
        var output = new double[x.Length][];
        for (var at = 0; at < x.Length; at++)
        {
            var mixed = new double[Heads * HeadWidth];
            for (var head = 0; head < Heads; head++)
            {
                var shared = head / (Heads / KvHeads) * HeadWidth;
                double[] weights = [.. Enumerable.Range(0, at + 1).Select(p => Math.Exp(Dot(queries[at], head * HeadWidth, keys[p], shared) / Math.Sqrt(HeadWidth)))];
                for (var i = 0; i < HeadWidth; i++)
                    mixed[(head * HeadWidth) + i] = weights.Select((w, p) => w * values[p][shared + i]).Sum() / weights.Sum();
            }

            output[at] = Product(model.Tensor(block + "attn_output.weight"), mixed);
        }

        return output;
    }

    private static double[] FeedForward(EditedModel model, string block, double[] x)
    {
        var gate = Product(model.Tensor(block + "ffn_gate.weight"), x);
        var up = Product(model.Tensor(block + "ffn_up.weight"), x);
        return Product(model.Tensor(block + "ffn_down.weight"), [.. gate.Zip(up, (g, u) => Gelu(g) * u)]);
    }

    private static double Gelu(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));

    private static double[] Rotate(double[] heads, int position)
    {
        var rotated = new double[heads.Length];
        for (var first = 0; first < heads.Length; first += HeadWidth)
        {
            for (var i = 0; i < HeadWidth / 2; i++)
            {
                var (sin, cos) = Math.SinCos(position * Math.Pow(RopeBase, -2.0 * i / HeadWidth));
                var (left, right) = (heads[first + i], heads[first + i + (HeadWidth / 2)]);
                rotated[first + i] = (left * cos) - (right * sin);
                rotated[first + i + (HeadWidth / 2)] = (right * cos) + (left * sin);
            }
        }

        return rotated;
    }

    private static double[] Norm(double[] x, float[] weight)
    {
        var root = Math.Sqrt((x.Sum(v => v * v) / x.Length) + Epsilon);
        return [.. x.Select((v, i) => v / root * weight[i])];
    }

    // weight: [rows, x.Length]
    private static double[] Product(float[] weight, double[] x)
        => [.. Enumerable.Range(0, weight.Length / x.Length).Select(row => x.Select((v, i) => v * weight[(row * x.Length) + i]).Sum())];

    private static double Dot(double[] a, int firstOfA, double[] b, int firstOfB)
        => Enumerable.Range(0, HeadWidth).Sum(i => a[firstOfA + i] * b[firstOfB + i]);

    private static double[][] Add(double[][] a, double[][] b) => [.. a.Zip(b, (x, y) => x.Zip(y, (v, w) => v + w).ToArray())];
}
