namespace Hearth.Runtime.Synthesis;

/// <summary>The architectures that random-weight models are made of, each with the sizes of a model that people run.</summary>
internal static class SyntheticArchitectures
{
    private const double Epsilon = 1e-5;

    // Of Mamba-2 and delta nets: a head's states, a Mamba-2 head's values, the convolution's taps.
    private const int States = 128;
    private const int MambaHead = 64;
    private const int Taps = 4;

    private sealed record Kin(SyntheticShape Default, Func<SyntheticShape, SyntheticModel> Make);

    private static readonly Dictionary<string, Kin> s_all = new(StringComparer.Ordinal)
    {
        ["llama"] = new(new(2048, 16, 32, 8, 8192, 128256), Llama), // Llama-3.2-1B
        ["qwen35"] = new(new(2048, 24, 8, 2, 6144, 248320), Qwen35), // Qwen3.5-2B
        ["granitehybrid"] = new(new(1536, 40, 12, 4, 4096, 100352), GraniteHybrid), // Granite-4.0-H-1B
        ["lfm2"] = new(new(2048, 16, 32, 8, 8192, 65536), Lfm2), // LFM2-1.2B
        ["mamba2"] = new(new(2048, 48, 32, 32, 8192, 50288), Mamba2), // Mamba2-1.3B; without attention and feed-forward
    };

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. s_all.Keys];

    /// <summary>The sizes of the model that an architecture is made like.</summary>
    /// <exception cref="UnsupportedModelException">The architecture cannot be made.</exception>
    public static SyntheticShape Default(string architecture) => Find(architecture).Default with { Architecture = architecture };

    /// <summary>Keys and tensors of a shape.</summary>
    /// <exception cref="ArgumentException">A size does not fit the architecture.</exception>
    /// <exception cref="UnsupportedModelException">The architecture cannot be made.</exception>
    public static SyntheticModel Make(SyntheticShape shape)
    {
        var kin = Find(shape.Architecture);
        if (shape.Experts > 0 && shape.Architecture != "llama")
            throw new ArgumentException($"experts are made for llama, not for {shape.Architecture}", nameof(shape));
        return kin.Make(shape);
    }

    private static Kin Find(string architecture)
        => s_all.TryGetValue(architecture, out var kin) ? kin : throw new UnsupportedModelException($"a random model like '{architecture}'", Names);

    private static SyntheticModel Llama(SyntheticShape shape)
    {
        var model = Begin("llama", shape, "attention.layer_norm_rms_epsilon", shape.KvHeads);
        Rotation(model, shape.HeadWidth);
        for (var i = 0; i < shape.Layers; i++)
        {
            model.Vector($"blk.{i}.attn_norm.weight", shape.Embedding);
            Attention(model, i, shape, queries: shape.Embedding);
            model.Vector($"blk.{i}.ffn_norm.weight", shape.Embedding);
            if (shape.Experts == 0)
            {
                FeedForward(model, i, shape);
                continue;
            }

            model.Values($"blk.{i}.ffn_gate_inp.weight", 0, 1 / Math.Sqrt(shape.Embedding), shape.Embedding, shape.Experts);
            model.Stack($"blk.{i}.ffn_gate_exps.weight", shape.Embedding, shape.FeedForward, shape.Experts);
            model.Stack($"blk.{i}.ffn_up_exps.weight", shape.Embedding, shape.FeedForward, shape.Experts);
            model.Stack($"blk.{i}.ffn_down_exps.weight", shape.FeedForward, shape.Embedding, shape.Experts, SyntheticStorage.Rich);
        }

        if (shape.Experts > 0)
        {
            model.Key("expert_count", shape.Experts);
            model.Key("expert_used_count", shape.ExpertsUsed);
        }

        return End(model, shape, "output_norm.weight");
    }

    // Gated delta nets, gated attention in every fourth layer.
    private static SyntheticModel Qwen35(SyntheticShape shape)
    {
        const int Interval = 4;
        var states = Math.Min(States, shape.Embedding / 2);
        var heads = Whole(shape.Embedding, states, "a head's states");
        var model = Begin("qwen35", shape, "attention.layer_norm_rms_epsilon", shape.KvHeads);
        var rotated = Math.Max(2, shape.HeadWidth / 4);
        var section = rotated / 2 / 3;
        Rotation(model, rotated);
        model.Key("rope.dimension_sections", new[] { rotated / 2 - 2 * section, section, section, 0 });
        model.Key("attention.key_length", shape.HeadWidth);
        model.Key("attention.value_length", shape.HeadWidth);
        model.Key("full_attention_interval", Interval);
        Scan(model, shape.Embedding, states, heads, groups: heads);
        for (var i = 0; i < shape.Layers; i++)
        {
            var e = shape.Embedding;
            model.Vector($"blk.{i}.attn_norm.weight", e);
            if ((i + 1) % Interval == 0)
            {
                Attention(model, i, shape, queries: 2 * e);
                model.Vector($"blk.{i}.attn_q_norm.weight", shape.HeadWidth);
                model.Vector($"blk.{i}.attn_k_norm.weight", shape.HeadWidth);
            }
            else
            {
                model.Matrix($"blk.{i}.attn_qkv.weight", e, 3 * e);
                model.Matrix($"blk.{i}.attn_gate.weight", e, e);
                model.Matrix($"blk.{i}.ssm_alpha.weight", e, heads);
                model.Matrix($"blk.{i}.ssm_beta.weight", e, heads);
                model.Values($"blk.{i}.ssm_conv1d.weight", 0, 0.5, Taps, 3 * e);
                model.Vector($"blk.{i}.ssm_a", heads, mean: -1);
                model.Vector($"blk.{i}.ssm_dt.bias", heads, mean: -3);
                model.Vector($"blk.{i}.ssm_norm.weight", states);
                model.Matrix($"blk.{i}.ssm_out.weight", e, e);
            }

            model.Vector($"blk.{i}.post_attention_norm.weight", e);
            FeedForward(model, i, shape);
        }

        return End(model, shape, "output_norm.weight");
    }

    // Mamba-2, attention without positions in every tenth layer.
    private static SyntheticModel GraniteHybrid(SyntheticShape shape)
    {
        static bool Attends(int layer) => layer % 10 == 5;
        var model = Begin("granitehybrid", shape, "attention.layer_norm_rms_epsilon", KvHeads(shape, Attends));
        Rotation(model, shape.HeadWidth);
        model.Key("rope.scaling.finetuned", false);
        model.Key("embedding_scale", 1f);
        model.Key("residual_scale", 1f);
        model.Key("logit_scale", 1f);
        var sizes = Mamba(model, shape);
        for (var i = 0; i < shape.Layers; i++)
        {
            model.Vector($"blk.{i}.attn_norm.weight", shape.Embedding);
            if (Attends(i))
                Attention(model, i, shape, queries: shape.Embedding);
            else
                Mixer(model, i, shape, sizes);
            model.Vector($"blk.{i}.ffn_norm.weight", shape.Embedding);
            FeedForward(model, i, shape);
        }

        return End(model, shape, "output_norm.weight");
    }

    // Gated short convolutions; attention is denser towards the end.
    private static SyntheticModel Lfm2(SyntheticShape shape)
    {
        const int ConvolutionTaps = 3;
        static bool Attends(int layer) => layer < 9 ? layer % 3 == 2 : layer % 2 == 0;
        var model = Begin("lfm2", shape, "attention.layer_norm_rms_epsilon", KvHeads(shape, Attends));
        Rotation(model, shape.HeadWidth);
        model.Key("shortconv.l_cache", ConvolutionTaps);
        for (var i = 0; i < shape.Layers; i++)
        {
            var e = shape.Embedding;
            model.Vector($"blk.{i}.attn_norm.weight", e);
            if (Attends(i))
            {
                Attention(model, i, shape, queries: e);
                model.Vector($"blk.{i}.attn_q_norm.weight", shape.HeadWidth);
                model.Vector($"blk.{i}.attn_k_norm.weight", shape.HeadWidth);
            }
            else
            {
                model.Matrix($"blk.{i}.shortconv.in_proj.weight", e, 3 * e);
                model.Values($"blk.{i}.shortconv.conv.weight", 0, 0.5, ConvolutionTaps, e);
                model.Matrix($"blk.{i}.shortconv.out_proj.weight", e, e);
            }

            model.Vector($"blk.{i}.ffn_norm.weight", e);
            FeedForward(model, i, shape);
        }

        return End(model, shape, "token_embd_norm.weight");
    }

    private static SyntheticModel Mamba2(SyntheticShape shape)
    {
        var model = Begin("mamba2", shape, "attention.layer_norm_rms_epsilon", shape.KvHeads);
        var sizes = Mamba(model, shape);
        for (var i = 0; i < shape.Layers; i++)
        {
            model.Vector($"blk.{i}.attn_norm.weight", shape.Embedding);
            Mixer(model, i, shape, sizes);
        }

        return End(model, shape, "output_norm.weight");
    }

    private static SyntheticModel Begin(string architecture, SyntheticShape shape, string epsilon, object kvHeads)
    {
        var model = new SyntheticModel(architecture);
        model.Key("vocab_size", shape.Vocabulary);
        model.Key("context_length", 131072);
        model.Key("embedding_length", shape.Embedding);
        model.Key("block_count", shape.Layers);
        model.Key("feed_forward_length", shape.FeedForward);
        model.Key("attention.head_count", shape.Heads);
        model.Key("attention.head_count_kv", kvHeads);
        model.Key(epsilon, (float)Epsilon);
        model.Embedding("token_embd.weight", shape.Embedding, shape.Vocabulary);
        return model;
    }

    private static SyntheticModel End(SyntheticModel model, SyntheticShape shape, string norm)
    {
        model.Vector(norm, shape.Embedding);
        model.Matrix("output.weight", shape.Embedding, shape.Vocabulary, SyntheticStorage.Output);
        return model;
    }

    private static void Rotation(SyntheticModel model, int dimensions)
    {
        model.Key("rope.dimension_count", dimensions);
        model.Key("rope.freq_base", 500000f);
    }

    // A layer without key and value heads is recurrent.
    private static int[] KvHeads(SyntheticShape shape, Func<int, bool> attends)
        => [.. Enumerable.Range(0, shape.Layers).Select(layer => attends(layer) ? shape.KvHeads : 0)];

    private static void Attention(SyntheticModel model, int layer, SyntheticShape shape, int queries)
    {
        var keys = shape.HeadWidth * shape.KvHeads;
        model.Matrix($"blk.{layer}.attn_q.weight", shape.Embedding, queries);
        model.Matrix($"blk.{layer}.attn_k.weight", shape.Embedding, keys);
        model.Matrix($"blk.{layer}.attn_v.weight", shape.Embedding, keys, SyntheticStorage.Rich);
        model.Matrix($"blk.{layer}.attn_output.weight", shape.Embedding, shape.Embedding);
    }

    private static void FeedForward(SyntheticModel model, int layer, SyntheticShape shape)
    {
        model.Matrix($"blk.{layer}.ffn_gate.weight", shape.Embedding, shape.FeedForward);
        model.Matrix($"blk.{layer}.ffn_up.weight", shape.Embedding, shape.FeedForward);
        model.Matrix($"blk.{layer}.ffn_down.weight", shape.FeedForward, shape.Embedding, SyntheticStorage.Rich);
    }

    private static void Scan(SyntheticModel model, int inner, int states, int heads, int groups)
    {
        model.Key("ssm.inner_size", inner);
        model.Key("ssm.conv_kernel", Taps);
        model.Key("ssm.state_size", states);
        model.Key("ssm.time_step_rank", heads);
        model.Key("ssm.group_count", groups);
    }

    private static (int Inner, int States, int Heads) Mamba(SyntheticModel model, SyntheticShape shape)
    {
        var inner = 2 * shape.Embedding;
        var sizes = (inner, Math.Min(States, shape.Embedding / 2), Whole(inner, MambaHead, "a head's values"));
        Scan(model, inner, sizes.Item2, sizes.Item3, groups: 1);
        return sizes;
    }

    private static void Mixer(SyntheticModel model, int layer, SyntheticShape shape, (int Inner, int States, int Heads) sizes)
    {
        var (inner, states, heads) = sizes;
        var mixed = inner + 2 * states;
        model.Matrix($"blk.{layer}.ssm_in.weight", shape.Embedding, inner + mixed + heads);
        model.Values($"blk.{layer}.ssm_conv1d.weight", 0, 0.5, Taps, mixed);
        model.Vector($"blk.{layer}.ssm_conv1d.bias", mixed, mean: 0);
        model.Values($"blk.{layer}.ssm_a", -1, 0.1, 1, heads);
        model.Values($"blk.{layer}.ssm_d", 1, 0.1, 1, heads);
        model.Vector($"blk.{layer}.ssm_dt.bias", heads, mean: -3);
        model.Values($"blk.{layer}.ssm_norm.weight", 1, 0.1, inner, 1);
        model.Matrix($"blk.{layer}.ssm_out.weight", inner, shape.Embedding);
    }

    private static int Whole(int width, int part, string what)
        => width % part == 0 ? width / part : throw new ArgumentException($"{width} values are no whole number of heads of {part} ({what})", nameof(width));
}
