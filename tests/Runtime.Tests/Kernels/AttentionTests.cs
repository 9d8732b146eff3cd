using Hearth.Runtime.Kernels;

namespace Hearth.Runtime.Tests.Kernels;

/// <summary>The exported kernel against the formula, written out.</summary>
public sealed class AttentionTests
{
    private const double Tolerance = 2e-5;

    public static TheoryData<int, int, int, int, int, int> Shapes => new()
    {
        // query rows, key rows, heads, kv heads, key width, value width
        { 1, 1, 1, 1, 1, 1 },
        { 3, 7, 2, 1, 5, 3 },
        { 17, 33, 4, 2, 16, 16 },
        { 1, 300, 8, 2, 64, 64 },
        { 65, 65, 6, 6, 20, 12 },
        { 5, 129, 3, 1, 96, 128 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_mask_equals_the_formula(int queries, int keys, int heads, int kvHeads, int keyWidth, int valueWidth)
    {
        foreach (var mask in Enum.GetValues<AttentionMask>())
        {
            foreach (var (window, softcap, alibi) in new[] { (0, 0f, 0f), (4, 0f, 0f), (0, 5f, 0f), (0, 0f, 8f) })
            {
                var options = new AttentionOptions
                {
                    Heads = heads,
                    KvHeads = kvHeads,
                    KeyWidth = keyWidth,
                    ValueWidth = valueWidth,
                    Mask = mask,
                    Window = window,
                    PrefixLength = keys / 3,
                    Softcap = softcap,
                    AlibiBias = alibi,
                    QueryOffset = keys - queries > 0 ? keys - queries : 0,
                };
                Check(options, queries, keys, sinks: false);
            }
        }
    }

    [Fact]
    public void Sinks_take_their_share() => Check(new AttentionOptions { Heads = 4, KvHeads = 2, KeyWidth = 8 }, 6, 9, sinks: true);

    [Fact]
    public void A_single_head_is_softmax_of_scaled_products_times_values()
    {
        float[] query = [1, 0], keys = [1, 0, 0, 1], values = [10, 20, 30, 40], output = new float[2];
        Attention.ScaledDotProduct(query, keys, values, output, width: 2);
        var (a, b) = (Math.Exp(1 / Math.Sqrt(2)), Math.Exp(0));
        Assert.Equal(((a * 10) + (b * 30)) / (a + b), output[0], 1e-4);
        Assert.Equal(((a * 20) + (b * 40)) / (a + b), output[1], 1e-4);
    }

    [Fact]
    public void Spans_of_other_shapes_are_refused_with_both_numbers()
    {
        var error = Assert.Throws<ArgumentException>(() => Attention.ScaledDotProduct(new float[8], new float[8], new float[7], new float[8], width: 4));
        Assert.Contains("7", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Attention.MultiHead(new float[8], new float[8], new float[8], new float[8], new AttentionOptions { Heads = 3, KvHeads = 2, KeyWidth = 4 }));
        Assert.Throws<ArgumentException>(() => Attention.MultiHead(new float[8], new float[8], new float[8], new float[8], new AttentionOptions { KeyWidth = 4, Window = -1 }));
        Assert.Throws<ArgumentException>(() => Attention.MultiHead(new float[8], new float[8], new float[8], new float[8], new AttentionOptions { KeyWidth = 4 }, new float[2]));
    }

    private static void Check(AttentionOptions o, int queryRows, int keyRows, bool sinks)
    {
        var random = new Random(queryRows + (keyRows * 31));
        float[] Normal(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2)];
        var (kvHeads, valueWidth) = (o.KvHeads ?? o.Heads, o.ValueWidth ?? o.KeyWidth);
        var (q, k, v) = (Normal(queryRows * o.Heads * o.KeyWidth), Normal(keyRows * kvHeads * o.KeyWidth), Normal(keyRows * kvHeads * valueWidth));
        var s = sinks ? Normal(o.Heads) : [];
        var output = new float[queryRows * o.Heads * valueWidth];
        Attention.MultiHead(q, k, v, output, o, s);
        for (var row = 0; row < queryRows; row++)
        {
            for (var head = 0; head < o.Heads; head++)
            {
                var expected = Plain(o, q, k, v, s, row, head, keyRows);
                for (var i = 0; i < valueWidth; i++)
                    Assert.Equal(expected[i], output[(((row * o.Heads) + head) * valueWidth) + i], Tolerance * Math.Max(1, Math.Abs(expected[i])));
            }
        }
    }

    // softmax(scale * q k + bias) v over the keys that the mask shows, in double precision.
    private static double[] Plain(AttentionOptions o, float[] q, float[] k, float[] v, float[] sinks, int row, int head, int keyRows)
    {
        var (kvHeads, valueWidth) = (o.KvHeads ?? o.Heads, o.ValueWidth ?? o.KeyWidth);
        var (kvHead, position) = (head / (o.Heads / kvHeads), row + o.QueryOffset);
        var scores = Enumerable.Range(0, keyRows).Where(j => Visible(o, position, j)).Select(j => (j, Score: Score(j))).ToArray();
        var total = scores.Sum(x => Math.Exp(x.Score)) + (sinks.Length > 0 ? Math.Exp(sinks[head]) : 0);
        return [.. Enumerable.Range(0, valueWidth).Select(i => scores.Sum(x => Math.Exp(x.Score) / total * v[(((x.j * kvHeads) + kvHead) * valueWidth) + i]))];

        double Score(int j)
        {
            var dot = Enumerable.Range(0, o.KeyWidth).Sum(i => (double)q[(((row * o.Heads) + head) * o.KeyWidth) + i] * k[(((j * kvHeads) + kvHead) * o.KeyWidth) + i]) / Math.Sqrt(o.KeyWidth);
            dot = o.Softcap > 0 ? o.Softcap * Math.Tanh(dot / o.Softcap) : dot;
            return dot - (o.AlibiBias > 0 ? Slope(o, head) * Math.Abs(position - j) : 0);
        }
    }

    private static bool Visible(AttentionOptions o, int position, int key)
    {
        var seen = o.Mask switch
        {
            AttentionMask.Bidirectional => true,
            AttentionMask.Prefix => key <= position || key < o.PrefixLength,
            _ => key <= position,
        };
        return seen && (o.Window == 0 || position - key < o.Window);
    }

    // Powers of 2^(-bias/n), n the largest power of two up to the heads; the heads beyond take the odd powers of its root.
    private static double Slope(AttentionOptions o, int head)
    {
        var n = 1 << (int)Math.Floor(Math.Log2(o.Heads));
        return head < n ? Math.Pow(2, -o.AlibiBias / n * (head + 1)) : Math.Pow(2, -o.AlibiBias / 2 / n * ((2 * (head - n)) + 1));
    }
}
