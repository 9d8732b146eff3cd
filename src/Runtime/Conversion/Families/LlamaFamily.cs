namespace Hearth.Runtime.Conversion.Families;

/// <summary>Llama, Mistral and Mixtral (experts in place of the feed-forward layer).</summary>
/// <remarks>GGUF's llama rotates neighbouring pairs, the checkpoints halves: the rows of query and key are reordered.</remarks>
internal static class LlamaFamily
{
    private const int WidestHead = 1 << 16;

    public static readonly CheckpointFamily Description = new("llama", ["LlamaForCausalLM", "MistralForCausalLM", "MixtralForCausalLM"], WriteKeys, MapTensors);

    private static void WriteKeys(ArchitectureKeys keys)
    {
        keys.Decoder();
        keys.Rope(factors: true);
        keys.Set("rope.dimension_count", (uint)HeadWidth(keys.Config));
        keys.OptionalSize("expert_count", "num_local_experts");
        keys.OptionalSize("expert_used_count", "num_experts_per_tok");
        keys.Config.Expect("hidden_act", "silu");
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        map.Ignore(name => name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal));
        DecoderTensors.Around(map, config);
        var heads = config.Size("num_attention_heads");
        var kvHeads = config.OptionalSize("num_key_value_heads") ?? heads;
        for (var n = 0; n < config.Size("num_hidden_layers"); n++)
        {
            DecoderTensors.Attention(map, n, query => query.PairHalves(heads), key => key.PairHalves(kvHeads));
            map.Weight($"layers.{n}.input_layernorm", $"blk.{n}.attn_norm");
            map.Weight($"layers.{n}.post_attention_layernorm", $"blk.{n}.ffn_norm");
            if (config.OptionalSize("num_local_experts") is { } experts)
                MapExperts(map, n, experts);
            else
                DecoderTensors.FeedForward(map, n);
        }

        if (Factors(config) is { } factors)
            map.Add("rope_freqs.weight", factors);
    }

    private static void MapExperts(TensorMap map, int n, int experts)
    {
        var layer = $"layers.{n}.block_sparse_moe";
        map.Weight($"{layer}.gate", $"blk.{n}.ffn_gate_inp");
        map.Experts(e => $"{layer}.experts.{e}.w1", experts, $"blk.{n}.ffn_gate_exps");
        map.Experts(e => $"{layer}.experts.{e}.w2", experts, $"blk.{n}.ffn_down_exps");
        map.Experts(e => $"{layer}.experts.{e}.w3", experts, $"blk.{n}.ffn_up_exps");
    }

    private static int HeadWidth(ModelConfig config) => config.OptionalSize("head_dim") ?? config.Size("hidden_size") / config.Size("num_attention_heads");

    /// <summary>Llama 3's divisors of the rotary frequencies: none for short waves, the whole factor for long ones, a ramp between.</summary>
    /// <remarks>Source: Llama 3.1's model card and arXiv 2407.21783; lengths are in positions.</remarks>
    private static float[]? Factors(ModelConfig config)
    {
        var scaling = config.Find("rope_parameters", "rope_scaling");
        if ((scaling?["rope_type"] ?? scaling?["type"])?.Text != "llama3")
            return null;
        var frequencyBase = (config.Find("rope_theta") ?? scaling!["rope_theta"])?.Number ?? 10000;
        var factor = scaling!["factor"]?.Number ?? 8;
        var low = scaling["low_freq_factor"]?.Number ?? 1;
        var high = scaling["high_freq_factor"]?.Number ?? 4;
        var original = scaling["original_max_position_embeddings"]?.Number ?? 8192;
        var width = HeadWidth(config);
        if (width > WidestHead)
            throw new ModelFormatException($"a head of width {width} is beyond the {WidestHead} that are possible", config.File);
        var factors = new float[width / 2];
        for (var i = 0; i < factors.Length; i++)
        {
            var wave = 2 * Math.PI * Math.Pow(frequencyBase, 2.0 * i / width);
            var ramp = ((original / wave) - low) / (high - low);
            factors[i] = (float)(wave < original / high ? 1 : wave > original / low ? factor : 1 / (((1 - ramp) / factor) + ramp));
        }

        return factors;
    }
}
