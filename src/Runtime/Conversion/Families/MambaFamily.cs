namespace Hearth.Runtime.Conversion.Families;

/// <summary>Mamba-2, and Granite 4-H, whose other layers are attention.</summary>
/// <remarks>Decays are stored as the logarithms of their opposites, convolutions as [channels, 1, taps].</remarks>
internal static class MambaFamily
{
    public static readonly CheckpointFamily[] Descriptions =
    [
        new("mamba2", ["Mamba2ForCausalLM"], WriteKeys, MapTensors) { Prefixes = ["backbone.", "model."] },
        new("granitehybrid", ["GraniteMoeHybridForCausalLM"], WriteGraniteKeys, MapGranite),
    ];

    private static void WriteKeys(ArchitectureKeys keys)
    {
        keys.Set("context_length", (uint)(keys.Config.OptionalSize("max_position_embeddings") ?? 1 << 20));
        keys.Size("embedding_length", "hidden_size");
        keys.Size("block_count", "num_hidden_layers");
        keys.Set("feed_forward_length", 0u);
        keys.Set("attention.head_count", 0u);
        keys.Number("attention.layer_norm_rms_epsilon", 1e-5, "layer_norm_epsilon");
        WriteScan(keys, "num_heads", "head_dim", "state_size", "n_groups", "conv_kernel");
        keys.Config.Expect("hidden_act", "silu");
        keys.Config.ExpectFlag("use_bias", false);
        keys.Config.ExpectFlag("use_conv_bias", true);
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        map.TokenTable("embeddings", config);
        map.Weight("norm_f", "output_norm");
        for (var n = 0; n < config.Size("num_hidden_layers"); n++)
        {
            map.Weight($"layers.{n}.norm", $"blk.{n}.attn_norm");
            MapMixer(map, $"layers.{n}.mixer", n, config.OptionalSize("n_groups") ?? 1);
        }
    }

    private static void WriteScan(ArchitectureKeys keys, string heads, string width, string states, string groups, string taps)
    {
        keys.Set("ssm.inner_size", checked((uint)((long)keys.Config.Size(heads) * keys.Config.Size(width))));
        keys.Size("ssm.state_size", states);
        keys.Size("ssm.conv_kernel", taps);
        keys.Size("ssm.time_step_rank", heads);
        keys.Set("ssm.group_count", (uint)(keys.Config.OptionalSize(groups) ?? 1));
    }

    private static void MapMixer(TensorMap map, string mixer, int n, int groups)
    {
        map.Weight($"{mixer}.in_proj", $"blk.{n}.ssm_in");
        map.Exactly($"{mixer}.conv1d.weight", $"blk.{n}.ssm_conv1d.weight", taps => taps.WithoutMiddle());
        map.Exactly($"{mixer}.conv1d.bias", $"blk.{n}.ssm_conv1d.bias");
        map.Exactly($"{mixer}.A_log", $"blk.{n}.ssm_a", logs => logs.Map(log => -MathF.Exp(log)).Fold(logs.Shape[0]));
        map.Exactly($"{mixer}.D", $"blk.{n}.ssm_d", skips => skips.Fold(skips.Shape[0]));
        map.Exactly($"{mixer}.dt_bias", $"blk.{n}.ssm_dt.bias");
        map.Exactly($"{mixer}.norm.weight", $"blk.{n}.ssm_norm.weight", norm => norm.Fold(groups));
        map.Weight($"{mixer}.out_proj", $"blk.{n}.ssm_out");
    }

    private static void WriteGraniteKeys(ArchitectureKeys keys)
    {
        var config = keys.Config;
        var attends = Attends(config);
        keys.Size("context_length", "max_position_embeddings");
        keys.Size("embedding_length", "hidden_size");
        keys.Size("block_count", "num_hidden_layers");
        keys.Size("feed_forward_length", "shared_intermediate_size", "intermediate_size");
        keys.Size("attention.head_count", "num_attention_heads");
        var kvHeads = config.OptionalSize("num_key_value_heads") ?? config.Size("num_attention_heads");
        keys.Set("attention.head_count_kv", attends.Select(attention => attention ? kvHeads : 0).ToArray());
        keys.Number("attention.layer_norm_rms_epsilon", 1e-6, "rms_norm_eps");
        keys.Number("attention.scale", 1, "attention_multiplier");
        keys.Number("embedding_scale", 1, "embedding_multiplier");
        keys.Number("residual_scale", 1, "residual_multiplier");
        keys.Number("logit_scale", 1, "logits_scaling");
        keys.PlainRope();
        keys.Set("rope.dimension_count", (uint)(config.Size("hidden_size") / config.Size("num_attention_heads")));
        config.Expect("position_embedding_type", "nope", "rope");
        keys.Set("rope.scaling.finetuned", config.Find("position_embedding_type")?.Text != "nope");
        WriteScan(keys, "mamba_n_heads", "mamba_d_head", "mamba_d_state", "mamba_n_groups", "mamba_d_conv");
        if (config.Count("num_local_experts") is > 0 and var experts)
        {
            keys.Set("expert_count", (uint)experts);
            keys.Size("expert_used_count", "num_experts_per_tok");
            keys.Size("expert_feed_forward_length", "intermediate_size");
            keys.Size("expert_shared_feed_forward_length", "shared_intermediate_size");
        }

        config.Expect("hidden_act", "silu");
        config.ExpectFlag("attention_bias", false);
        config.ExpectFlag("mamba_proj_bias", false);
        config.ExpectFlag("mamba_conv_bias", true);
    }

    private static bool[] Attends(ModelConfig config)
        => config.Layers("attention", "mamba") ?? throw new ModelFormatException("'layer_types' is missing", config.File);

    private static void MapGranite(TensorMap map, ModelConfig config)
    {
        DecoderTensors.Around(map, config);
        var attends = Attends(config);
        var heads = config.Size("num_attention_heads");
        var kvHeads = config.OptionalSize("num_key_value_heads") ?? heads;
        var hasExperts = config.Count("num_local_experts") > 0;
        for (var n = 0; n < attends.Length; n++)
        {
            map.Weight($"layers.{n}.input_layernorm", $"blk.{n}.attn_norm");
            map.Weight($"layers.{n}.post_attention_layernorm", $"blk.{n}.ffn_norm");
            if (attends[n])
                DecoderTensors.Attention(map, n, query => query.PairHalves(heads), key => key.PairHalves(kvHeads));
            else
                MapMixer(map, $"layers.{n}.mamba", n, config.OptionalSize("mamba_n_groups") ?? 1);
            var shared = hasExperts ? "_shexp" : "";
            map.Halves($"layers.{n}.shared_mlp.input_linear.weight", $"blk.{n}.ffn_gate{shared}.weight", $"blk.{n}.ffn_up{shared}.weight");
            map.Weight($"layers.{n}.shared_mlp.output_linear", $"blk.{n}.ffn_down{shared}");
            if (!hasExperts)
                continue;
            map.Weight($"layers.{n}.block_sparse_moe.router.layer", $"blk.{n}.ffn_gate_inp");
            map.Halves($"layers.{n}.block_sparse_moe.input_linear.weight", $"blk.{n}.ffn_gate_exps.weight", $"blk.{n}.ffn_up_exps.weight");
            map.Weight($"layers.{n}.block_sparse_moe.output_linear", $"blk.{n}.ffn_down_exps");
        }
    }
}
