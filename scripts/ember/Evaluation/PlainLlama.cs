using System.Numerics;
using Hearth.Ember.Gguf;

namespace Hearth.Ember.Evaluation;

/// <summary>
/// The llama architecture in plain C#, read from the shipped file: an independent second opinion on the weights and
/// their layout, and the reason why the evaluation needs nothing but .NET.
/// </summary>
public sealed class PlainLlama
{
    private sealed record Layer(float[] AttentionNorm, float[] Q, float[] K, float[] V, float[] Output, float[] FfnNorm, float[] Gate, float[] Up, float[] Down);

    private readonly int _embedding, _heads, _kvHeads, _headSize;
    private readonly float _epsilon, _ropeBase;
    private readonly float[] _tokens, _outputNorm;
    private readonly Layer[] _layers;

    public PlainLlama(GgufReader file)
    {
        _embedding = file.Int("llama.embedding_length");
        _heads = file.Int("llama.attention.head_count");
        _kvHeads = file.Int("llama.attention.head_count_kv");
        _headSize = file.Int("llama.rope.dimension_count");
        _epsilon = file.Float("llama.attention.layer_norm_rms_epsilon");
        _ropeBase = file.Float("llama.rope.freq_base");
        _tokens = file.Tensors["token_embd.weight"];
        _outputNorm = file.Tensors["output_norm.weight"];
        _layers = [.. Enumerable.Range(0, file.Int("llama.block_count")).Select(i =>
        {
            float[] W(string name) => file.Tensors[$"blk.{i}.{name}.weight"];
            return new Layer(W("attn_norm"), W("attn_q"), W("attn_k"), W("attn_v"), W("attn_output"), W("ffn_norm"), W("ffn_gate"), W("ffn_up"), W("ffn_down"));
        })];
    }

    /// <summary>Keys and values of the tokens read so far, one list of rows a layer.</summary>
    public sealed class Cache(int layers)
    {
        internal List<float[]>[] Keys { get; } = [.. Enumerable.Range(0, layers).Select(_ => new List<float[]>())];
        internal List<float[]>[] Values { get; } = [.. Enumerable.Range(0, layers).Select(_ => new List<float[]>())];
        internal int Length { get; set; }
    }

    public Cache NewCache() => new(_layers.Length);

    /// <summary>Reads tokens after those in the cache and returns the logits that follow the last one.</summary>
    public float[] Forward(IReadOnlyList<int> tokens, Cache cache)
    {
        float[][] rows = [.. tokens.Select(t => _tokens.AsSpan(t * _embedding, _embedding).ToArray())];
        for (int l = 0; l < _layers.Length; l++)
        {
            var layer = _layers[l];
            var x = Norm(rows, layer.AttentionNorm);
            float[][] q = Product(x, layer.Q), k = Product(x, layer.K), v = Product(x, layer.V);
            for (int i = 0; i < rows.Length; i++)
            {
                Rotate(q[i], cache.Length + i);
                Rotate(k[i], cache.Length + i);
                cache.Keys[l].Add(k[i]);
                cache.Values[l].Add(v[i]);
            }
            var mixed = q.Select((row, i) => Attend(row, cache.Keys[l], cache.Values[l], cache.Length + i + 1)).ToArray();
            Add(rows, Product(mixed, layer.Output));
            x = Norm(rows, layer.FfnNorm);
            float[][] gate = Product(x, layer.Gate), up = Product(x, layer.Up);
            for (int i = 0; i < gate.Length; i++)
                for (int j = 0; j < gate[i].Length; j++) gate[i][j] = gate[i][j] / (1 + MathF.Exp(-gate[i][j])) * up[i][j];
            Add(rows, Product(gate, layer.Down));
        }
        cache.Length += tokens.Count;
        return Product(Norm([rows[^1]], _outputNorm), _tokens)[0];
    }

    private float[][] Norm(float[][] rows, float[] weight) => [.. rows.Select(row =>
    {
        float scale = 1 / MathF.Sqrt(Dot(row, row) / row.Length + _epsilon);
        var y = new float[row.Length];
        for (int i = 0; i < y.Length; i++) y[i] = row[i] * scale * weight[i];
        return y;
    })];

    private void Rotate(float[] heads, int position)
    {
        for (int start = 0; start < heads.Length; start += _headSize)
        {
            for (int i = 0; i < _headSize; i += 2)
            {
                float angle = position * MathF.Pow(_ropeBase, -(float)i / _headSize);
                float cos = MathF.Cos(angle), sin = MathF.Sin(angle), a = heads[start + i], b = heads[start + i + 1];
                heads[start + i] = a * cos - b * sin;
                heads[start + i + 1] = a * sin + b * cos;
            }
        }
    }

    private float[] Attend(float[] query, List<float[]> keys, List<float[]> values, int length)
    {
        var mixed = new float[query.Length];
        var scores = new float[length];
        for (int h = 0; h < _heads; h++)
        {
            var q = query.AsSpan(h * _headSize, _headSize);
            int at = h / (_heads / _kvHeads) * _headSize;
            float largest = float.MinValue, sum = 0;
            for (int t = 0; t < length; t++)
            {
                scores[t] = Dot(q, keys[t].AsSpan(at, _headSize)) / MathF.Sqrt(_headSize);
                largest = Math.Max(largest, scores[t]);
            }
            for (int t = 0; t < length; t++) sum += scores[t] = MathF.Exp(scores[t] - largest);
            for (int t = 0; t < length; t++)
            {
                float p = scores[t] / sum;
                if (p < 1e-7f) continue;
                for (int i = 0; i < _headSize; i++) mixed[h * _headSize + i] += p * values[t][at + i];
            }
        }
        return mixed;
    }

    // weight [outputs, inputs], row by row
    private static float[][] Product(float[][] rows, float[] weight)
    {
        int inputs = rows[0].Length, outputs = weight.Length / inputs;
        var result = rows.Select(_ => new float[outputs]).ToArray();
        for (int o = 0; o < outputs; o++)
        {
            var w = weight.AsSpan(o * inputs, inputs);
            for (int r = 0; r < rows.Length; r++) result[r][o] = Dot(rows[r], w);
        }
        return result;
    }

    private static void Add(float[][] rows, float[][] more)
    {
        for (int r = 0; r < rows.Length; r++)
            for (int i = 0; i < rows[r].Length; i++) rows[r][i] += more[r][i];
    }

    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sum = Vector<float>.Zero;
        int i = 0, step = Vector<float>.Count;
        for (; i + step <= a.Length; i += step) sum += new Vector<float>(a[i..]) * new Vector<float>(b[i..]);
        float rest = Vector.Sum(sum);
        for (; i < a.Length; i++) rest += a[i] * b[i];
        return rest;
    }
}
