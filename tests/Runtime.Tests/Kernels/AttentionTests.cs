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
                if (mask == AttentionMask.Chunked && window == 0)
                    continue;
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

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Bucketed_biases_equal_the_formula(int queries, int keys, int heads, int kvHeads, int keyWidth, int valueWidth)
    {
        foreach (var mask in new[] { AttentionMask.Causal, AttentionMask.Bidirectional })
        {
            var options = new AttentionOptions { Heads = heads, KvHeads = kvHeads, KeyWidth = keyWidth, ValueWidth = valueWidth, Mask = mask };
            Check(options with { BiasBuckets = 32, BiasDistance = 128, QueryOffset = Math.Max(0, keys - queries) }, queries, keys, sinks: false);
            Check(options with { BiasBuckets = 8, BiasDistance = 20, Scale = 1, Softcap = 3 }, queries, keys, sinks: false);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void A_rising_temperature_equals_the_formula(int queries, int keys, int heads, int kvHeads, int keyWidth, int valueWidth)
        => Check(
            new AttentionOptions
            {
                Heads = heads,
                KvHeads = kvHeads,
                KeyWidth = keyWidth,
                ValueWidth = valueWidth,
                TemperatureLength = 5,
                Temperature = 0.1f,
                TemperatureOffset = 1,
                QueryOffset = Math.Max(0, keys - queries),
            },
            queries,
            keys,
            sinks: false);

    [Theory]
    [InlineData(1, 40, 16, 1, 96, 64)]
    [InlineData(33, 33, 4, 2, 20, 12)]
    [InlineData(5, 9, 3, 3, 7, 7)]
    public void Values_in_the_keys_equal_values_of_their_own(int queries, int keys, int heads, int kvHeads, int keyWidth, int valueWidth)
        => Check(new AttentionOptions { Heads = heads, KvHeads = kvHeads, KeyWidth = keyWidth, ValueWidth = valueWidth, ValuesInKeys = true }, queries, keys, sinks: true);

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
        Refused(new AttentionOptions { KeyWidth = 4, Mask = AttentionMask.Chunked });
        Refused(new AttentionOptions { KeyWidth = 4, BiasBuckets = 8, BiasDistance = 20 });
        Refused(new AttentionOptions { KeyWidth = 4, BiasBuckets = 2, BiasDistance = 20 }, biases: 2);
        Refused(new AttentionOptions { KeyWidth = 4, BiasBuckets = 8, BiasDistance = int.MaxValue }, biases: 8);
        Refused(new AttentionOptions { KeyWidth = 4 }, biases: 8);
        Refused(new AttentionOptions { KeyWidth = 4, ValuesInKeys = true });
        Refused(new AttentionOptions { KeyWidth = 4, TemperatureLength = -1 });
        Refused(new AttentionOptions { KeyWidth = 4, TemperatureLength = 1, Temperature = float.NaN });

        static void Refused(AttentionOptions options, int biases = 0)
            => Assert.Throws<ArgumentException>(() => Attention.MultiHead(new float[8], new float[8], new float[8], new float[8], options, biases: new float[biases]));
    }

    private static void Check(AttentionOptions o, int queryRows, int keyRows, bool sinks)
    {
        var random = new Random(queryRows + (keyRows * 31));
        float[] Normal(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2)];
        var (kvHeads, valueWidth) = (o.KvHeads ?? o.Heads, o.ValueWidth ?? o.KeyWidth);
        var (q, k, v) = (Normal(queryRows * o.Heads * o.KeyWidth), Normal(keyRows * kvHeads * o.KeyWidth), Normal(keyRows * kvHeads * valueWidth));
        var (s, b) = (sinks ? Normal(o.Heads) : [], Normal(o.BiasBuckets * o.Heads));
        var output = new float[queryRows * o.Heads * valueWidth];
        if (o.ValuesInKeys)
            v = [.. k.Chunk(o.KeyWidth).SelectMany(key => key.Take(valueWidth))];
        Attention.MultiHead(q, k, o.ValuesInKeys ? [] : v, output, o, s, b);
        for (var row = 0; row < queryRows; row++)
        {
            for (var head = 0; head < o.Heads; head++)
            {
                var expected = Plain(o, q, k, v, s, b, row, head, keyRows);
                for (var i = 0; i < valueWidth; i++)
                    Assert.Equal(expected[i], output[(((row * o.Heads) + head) * valueWidth) + i], Tolerance * Math.Max(1, Math.Abs(expected[i])));
            }
        }
    }

    // softmax(scale * q k + bias) v over the keys that the mask shows, in double precision.
    private static double[] Plain(AttentionOptions o, float[] q, float[] k, float[] v, float[] sinks, float[] biases, int row, int head, int keyRows)
    {
        var (kvHeads, valueWidth) = (o.KvHeads ?? o.Heads, o.ValueWidth ?? o.KeyWidth);
        var (kvHead, position) = (head / (o.Heads / kvHeads), row + o.QueryOffset);
        var scores = Enumerable.Range(0, keyRows).Where(j => Visible(o, position, j)).Select(j => (j, Score: Score(j))).ToArray();
        var total = scores.Sum(x => Math.Exp(x.Score)) + (sinks.Length > 0 ? Math.Exp(sinks[head]) : 0);
        return [.. Enumerable.Range(0, valueWidth).Select(i => scores.Sum(x => Math.Exp(x.Score) / total * v[(((x.j * kvHeads) + kvHead) * valueWidth) + i]))];

        double Score(int j)
        {
            var dot = Enumerable.Range(0, o.KeyWidth).Sum(i => (double)q[(((row * o.Heads) + head) * o.KeyWidth) + i] * k[(((j * kvHeads) + kvHead) * o.KeyWidth) + i]) * Scale(o, position);
            dot = o.Softcap > 0 ? o.Softcap * Math.Tanh(dot / o.Softcap) : dot;
            var bias = o.BiasBuckets > 0 ? biases[(Bucket(o, j - position) * o.Heads) + head] : 0;
            return dot + bias - (o.AlibiBias > 0 ? Slope(o, head) * Math.Abs(position - j) : 0);
        }
    }

    private static bool Visible(AttentionOptions o, int position, int key)
    {
        var inWindow = o.Window == 0 || position - key < o.Window;
        return o.Mask switch
        {
            AttentionMask.Bidirectional => o.Window == 0 || Math.Abs(position - key) <= o.Window / 2,
            AttentionMask.Prefix => inWindow && (key <= position || (position < o.PrefixLength && key < o.PrefixLength)),
            AttentionMask.Chunked => key <= position && key / o.Window == position / o.Window,
            _ => inWindow && key <= position,
        };
    }

    private static double Scale(AttentionOptions o, int position)
        => (o.Scale ?? 1 / Math.Sqrt(o.KeyWidth)) * (o.TemperatureLength == 0 ? 1 : 1 + (o.Temperature * Math.Log(1 + Math.Floor((position + o.TemperatureOffset) / o.TemperatureLength))));

    // T5's bucket of a key so far after its query: half of a direction's buckets exact, the others logarithmic. The nudge keeps whole numbers whole.
    private static int Bucket(AttentionOptions o, int distance)
    {
        var twoSided = o.Mask == AttentionMask.Bidirectional;
        var count = twoSided ? o.BiasBuckets / 2 : o.BiasBuckets;
        var first = twoSided && distance > 0 ? count : 0;
        var (apart, exact) = (twoSided ? Math.Abs(distance) : Math.Max(-distance, 0), count / 2);
        if (apart < exact)
            return first + apart;
        var steps = Math.Log((double)apart / exact) / Math.Log((double)o.BiasDistance / exact) * (count - exact);
        return first + Math.Min(count - 1, exact + (int)(steps + 1e-7));
    }

    // Powers of 2^(-bias/n), n the largest power of two up to the heads; the heads beyond take the odd powers of its root.
    private static double Slope(AttentionOptions o, int head)
    {
        var n = 1 << (int)Math.Floor(Math.Log2(o.Heads));
        return head < n ? Math.Pow(2, -o.AlibiBias / n * (head + 1)) : Math.Pow(2, -o.AlibiBias / 2 / n * ((2 * (head - n)) + 1));
    }
}
