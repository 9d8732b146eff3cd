using System.Text.Json.Nodes;
using Hearth.Runtime.Tests.Conversion;

namespace Hearth.Runtime.Tests.Models;

/// <summary>The encoder–decoder as its papers write it, in float64 and plain loops, over tensors by their names in Hugging Face's library.</summary>
/// <remarks>Sources: arXiv 1706.03762 (the parts, sinusoids), 1910.13461 (BART), Hugging Face's modeling_bart, modeling_mbart and modeling_marian (what differs).</remarks>
internal sealed class PlainEncoderDecoder
{
    private readonly Dictionary<string, (float[] Values, long[] Shape)> _tensors = [];
    private readonly JsonObject _config;
    private readonly Random _random = new(7);

    /// <summary>Draws the weights that a config asks for.</summary>
    public PlainEncoderDecoder(JsonObject config)
    {
        _config = config;
        Draw("model.shared.weight", 0.5, Size("vocab_size"), Width);
        if (!Flag("tie_word_embeddings", true))
            Draw("lm_head.weight", 1 / Math.Sqrt(Width), Size("vocab_size"), Width);
        if (Text("architectures") != "EncoderDecoderTransformer" || Flag("has_output_bias", false))
            Draw("final_logits_bias", 0.3, 1, Size("vocab_size"));
        Side("encoder");
        Side("decoder");
    }

    private int Width => Size("d_model");

    private bool NormFirst => Text("architectures") == "MBartForConditionalGeneration" || Flag("normalize_before", false);

    private bool IsSinusoidal => Text("architectures") == "MarianMTModel" || (_config["position_type"]?.GetValue<string>() ?? "learned") != "learned";

    private bool NormalizesEmbedding => Text("architectures") is "BartForConditionalGeneration" or "MBartForConditionalGeneration";

    // The table's first rows that no position uses.
    private int Offset => NormalizesEmbedding ? 2 : 0;

    /// <summary>Writes config and weights as a checkpoint.</summary>
    public CheckpointFolder Save()
    {
        var folder = new CheckpointFolder().Write("config.json", _config.DeepClone());
        foreach (var (name, (values, shape)) in _tensors)
            folder.Add(name, values, shape);
        return folder.Save();
    }

    /// <summary>The logits [target, vocabulary].</summary>
    public float[] Logits(int[] source, int[] target)
    {
        var memory = Stack("encoder", Embed("encoder", source), null);
        var hidden = Stack("decoder", Embed("decoder", target), memory);
        var head = _tensors.ContainsKey("lm_head.weight") ? "lm_head" : "model.shared";
        var bias = _tensors.TryGetValue("final_logits_bias", out var found) ? found.Values : null;
        return [.. hidden.SelectMany(row => Product(row, head).Select((value, i) => (float)(value + (bias?[i] ?? 0))))];
    }

    private double[][] Embed(string side, int[] ids)
    {
        var scale = Flag("scale_embedding", false) ? Math.Sqrt(Width) : 1;
        var rows = ids.Select((id, position) => Row("model.shared.weight", id).Select((value, i) => (value * scale) + Position(side, position, i)).ToArray()).ToArray();
        return NormalizesEmbedding ? Norm(rows, $"model.{side}.layernorm_embedding") : rows;
    }

    private double Position(string side, int position, int i)
    {
        if (!IsSinusoidal)
            return _tensors[$"model.{side}.embed_positions.weight"].Values[((position + Offset) * Width) + i];
        var interleaves = _config["position_type"]?.GetValue<string>() == "sinusoidal_interleaved";
        var (pair, isCosine) = interleaves ? (i / 2, i % 2 == 1) : (i % (Width / 2), i >= Width / 2);
        var angle = position / Math.Pow(10000, 2.0 * pair / Width);
        return isCosine ? Math.Cos(angle) : Math.Sin(angle);
    }

    private double[][] Stack(string side, double[][] x, double[][]? memory)
    {
        for (var n = 0; n < Size($"{side}_layers"); n++)
        {
            var layer = $"model.{side}.layers.{n}";
            x = Part(x, $"{layer}.self_attn_layer_norm", y => Attend(y, y, $"{layer}.self_attn", side, isCausal: memory is not null));
            if (memory is not null)
                x = Part(x, $"{layer}.encoder_attn_layer_norm", y => Attend(y, memory, $"{layer}.encoder_attn", side, isCausal: false));
            x = Part(x, $"{layer}.final_layer_norm", y => [.. y.Select(row => Linear([.. Linear(row, $"{layer}.fc1").Select(Activate)], $"{layer}.fc2"))]);
        }

        return NormFirst ? Norm(x, $"model.{side}.layer_norm") : x;
    }

    private double[][] Part(double[][] x, string norm, Func<double[][], double[][]> part)
    {
        static double[][] Add(double[][] a, double[][] b) => [.. a.Zip(b, (p, q) => p.Zip(q, (u, v) => u + v).ToArray())];
        return NormFirst ? Add(x, part(Norm(x, norm))) : Norm(Add(x, part(x)), norm);
    }

    private double[][] Attend(double[][] x, double[][] over, string name, string side, bool isCausal)
    {
        var heads = Size($"{side}_attention_heads");
        var width = Width / heads;
        var (queries, keys, values) = (Rows(x, "q_proj"), Rows(over, "k_proj"), Rows(over, "v_proj"));
        return [.. queries.Select((query, row) =>
        {
            var mixed = new double[Width];
            for (var head = 0; head < heads; head++)
            {
                var seen = isCausal ? row + 1 : over.Length;
                var scores = Enumerable.Range(0, seen).Select(at => Enumerable.Range(head * width, width).Sum(i => query[i] * keys[at][i]) / Math.Sqrt(width)).ToArray();
                var weights = scores.Select(score => Math.Exp(score - scores.Max())).ToArray();
                for (var i = head * width; i < (head + 1) * width; i++)
                    mixed[i] = Enumerable.Range(0, seen).Sum(at => weights[at] * values[at][i]) / weights.Sum();
            }

            return Linear(mixed, name + ".out_proj");
        })];

        double[][] Rows(double[][] of, string projection) => [.. of.Select(row => Linear(row, $"{name}.{projection}"))];
    }

    private double Activate(double x) => Text("activation_function") switch
    {
        "relu" => Math.Max(0, x),
        "swish" => x / (1 + Math.Exp(-x)),
        "gelu_new" => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))),
        _ => 0.5 * x * (1 + Erf(x / Math.Sqrt(2))),
    };

    // The series of erf; the arguments here are small enough for it to converge fully.
    private static double Erf(double x)
    {
        if (Math.Abs(x) > 5)
            return Math.Sign(x);
        var (sum, term) = (x, x);
        for (var n = 1; n < 120; n++)
        {
            term *= -x * x / n;
            sum += term / ((2 * n) + 1);
        }

        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private double[][] Norm(double[][] x, string name) => [.. x.Select(row =>
    {
        var mean = row.Average();
        var deviation = Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + (_config["layer_norm_eps"]?.GetValue<double>() ?? 1e-5));
        var (weight, bias) = (_tensors[name + ".weight"].Values, _tensors[name + ".bias"].Values);
        return row.Select((value, i) => ((value - mean) / deviation * weight[i]) + bias[i]).ToArray();
    })];

    private double[] Linear(double[] x, string name)
    {
        var y = Product(x, name);
        return _tensors.TryGetValue(name + ".bias", out var bias) ? [.. y.Select((value, i) => value + bias.Values[i])] : y;
    }

    private double[] Product(double[] x, string name)
    {
        var (values, shape) = _tensors[name + ".weight"];
        var y = new double[shape[0]];
        for (var row = 0; row < y.Length; row++)
        {
            for (var i = 0; i < x.Length; i++)
                y[row] += (double)values[(row * x.Length) + i] * x[i];
        }

        return y;
    }

    private IEnumerable<double> Row(string name, int row) => _tensors[name].Values.Skip(row * Width).Take(Width).Select(value => (double)value);

    private void Side(string side)
    {
        if (!IsSinusoidal)
            Draw($"model.{side}.embed_positions.weight", 0.5, Size("max_position_embeddings") + Offset, Width);
        if (NormalizesEmbedding)
            DrawNorm($"model.{side}.layernorm_embedding");
        if (NormFirst)
            DrawNorm($"model.{side}.layer_norm");
        for (var n = 0; n < Size($"{side}_layers"); n++)
        {
            var layer = $"model.{side}.layers.{n}";
            foreach (var attention in side == "decoder" ? new[] { "self_attn", "encoder_attn" } : ["self_attn"])
            {
                foreach (var projection in new[] { "q_proj", "k_proj", "v_proj", "out_proj" })
                    DrawLinear($"{layer}.{attention}.{projection}", Width, Width);
                DrawNorm($"{layer}.{attention}_layer_norm");
            }

            DrawLinear($"{layer}.fc1", Size($"{side}_ffn_dim"), Width);
            DrawLinear($"{layer}.fc2", Width, Size($"{side}_ffn_dim"));
            DrawNorm($"{layer}.final_layer_norm");
        }
    }

    private void DrawLinear(string name, int outputs, int inputs)
    {
        Draw(name + ".weight", 1.5 / Math.Sqrt(inputs), outputs, inputs);
        if (Flag("has_biases", true))
            Draw(name + ".bias", 0.1, outputs);
    }

    private void DrawNorm(string name)
    {
        Draw(name + ".weight", 0.1, Width);
        foreach (ref var value in _tensors[name + ".weight"].Values.AsSpan())
            value += 1;
        Draw(name + ".bias", 0.1, Width);
    }

    private void Draw(string name, double deviation, params long[] shape)
    {
        var values = new float[shape.Aggregate(1L, (product, extent) => product * extent)];
        foreach (ref var value in values.AsSpan())
            value = (float)(deviation * Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble()));
        _tensors[name] = (values, shape);
    }

    private int Size(string key) => _config[key]!.GetValue<int>();

    private bool Flag(string key, bool otherwise) => _config[key]?.GetValue<bool>() ?? otherwise;

    private string Text(string key) => _config[key] is JsonArray list ? list[0]!.GetValue<string>() : _config[key]!.GetValue<string>();
}
