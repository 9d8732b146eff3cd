using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>The reference's BERT with a seeded head for masked words, computed in double precision as its paper (arXiv 1810.04805) says.</summary>
internal static class PlainBert
{
    private const int Width = 128, Heads = 4, Layers = 3, Vocabulary = 256;
    private const double Epsilon = 1e-12;

    /// <summary>The model with a head.</summary>
    /// <param name="isTied">Whether the embedding's weights are the head's last ones, too.</param>
    public static EditedModel Create(bool isTied = true)
    {
        var numbers = new NumpyGenerator(31);
        var model = EditedModel.Of("bert-mean")
            .SetTensor("mlm_dense.weight", Normal(Width * Width, 0, 1 / Math.Sqrt(Width)), Width, Width)
            .SetTensor("mlm_dense.bias", Normal(Width, 0, 0.1), Width)
            .SetTensor("mlm_norm.weight", Normal(Width, 1, 0.1), Width)
            .SetTensor("mlm_norm.bias", Normal(Width, 0, 0.1), Width)
            .SetTensor("mlm_output.bias", Normal(Vocabulary, 0, 0.5), Vocabulary);
        return isTied ? model : model.SetTensor("mlm_output.weight", Normal(Vocabulary * Width, 0, 0.3), Width, Vocabulary);

        float[] Normal(int count, double mean, double deviation)
        {
            var values = new float[count];
            numbers.StandardNormal(values);
            return [.. values.Select(value => (float)(mean + (deviation * value)))];
        }
    }

    /// <summary>Logits of some positions, row after row.</summary>
    public static float[] Logits(EditedModel model, int[] tokens, int[] positions, bool isTied = true)
    {
        double[][] x = [.. tokens.Select((token, i) => Norm(model, "token_embd_norm", Sum(Row(model, "token_embd", token), Row(model, "position_embd", i), Row(model, "token_types", 0))))];
        for (var layer = 0; layer < Layers; layer++)
        {
            var block = $"blk.{layer}.";
            var attended = Attention(model, block, x);
            x = [.. x.Select((row, i) => Norm(model, block + "attn_output_norm", Sum(row, attended[i])))];
            x = [.. x.Select(row => Norm(model, block + "layer_output_norm", Sum(row, Affine(model, block + "ffn_down", Gelu(Affine(model, block + "ffn_up", row))))))];
        }

        return [.. positions.SelectMany(i => Head(model, x[i], isTied))];
    }

    /// <summary>The probabilities of one row's logits.</summary>
    public static double[] Softmax(IEnumerable<float> logits)
    {
        var exponentials = logits.Select(logit => Math.Exp(logit)).ToArray();
        return [.. exponentials.Select(value => value / exponentials.Sum())];
    }

    private static IEnumerable<float> Head(EditedModel model, double[] row, bool isTied)
    {
        var x = Norm(model, "mlm_norm", Gelu(Affine(model, "mlm_dense", row)));
        var bias = model.Tensor("mlm_output.bias");
        return Enumerable.Range(0, Vocabulary).Select(token => (float)(Dot(Row(model, isTied ? "token_embd" : "mlm_output", token), x) + bias[token]));
    }

    private static double[][] Attention(EditedModel model, string block, double[][] x)
    {
        const int Head = Width / Heads;
        var (q, k, v) = (Project("attn_q"), Project("attn_k"), Project("attn_v"));
        return [.. x.Select((_, i) =>
        {
            var joined = new double[Width];
            for (var head = 0; head < Heads; head++)
            {
                var part = new Range(head * Head, (head + 1) * Head);
                var weights = k.Select(key => Math.Exp(Dot(q[i][part], key[part]) / Math.Sqrt(Head))).ToArray();
                for (var j = 0; j < x.Length; j++)
                {
                    for (var c = head * Head; c < (head + 1) * Head; c++)
                        joined[c] += weights[j] / weights.Sum() * v[j][c];
                }
            }

            return Affine(model, block + "attn_output", joined);
        })];

        double[][] Project(string name) => [.. x.Select(row => Affine(model, block + name, row))];
    }

    private static double[] Affine(EditedModel model, string name, double[] x)
        => [.. model.Tensor(name + ".bias").Select((bias, row) => bias + Dot(Row(model, name, row, x.Length), x))];

    private static double[] Norm(EditedModel model, string name, double[] x)
    {
        var mean = x.Average();
        var deviation = Math.Sqrt(x.Average(value => (value - mean) * (value - mean)) + Epsilon);
        var (weight, bias) = (model.Tensor(name + ".weight"), model.Tensor(name + ".bias"));
        return [.. x.Select((value, i) => ((value - mean) / deviation * weight[i]) + bias[i])];
    }

    private static double[] Gelu(double[] x) => [.. x.Select(value => value / 2 * (1 + Erf(value / Math.Sqrt(2))))];

    // Abramowitz and Stegun 7.1.6: a series of positive terms.
    private static double Erf(double x)
    {
        if (Math.Abs(x) > 6)
            return Math.Sign(x);
        var (term, sum) = (x, x);
        for (var n = 1; Math.Abs(term) > Math.Abs(sum) * 1e-17; n++)
            sum += term *= 2 * x * x / ((2 * n) + 1);
        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }

    private static double[] Row(EditedModel model, string name, int row, int columns = Width)
        => [.. model.Tensor(name + ".weight").AsSpan(row * columns, columns).ToArray().Select(value => (double)value)];

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static double[] Sum(params double[][] rows) => [.. rows[0].Select((_, i) => rows.Sum(row => row[i]))];
}
