namespace Hearth.Runtime.Conversion.Families;

/// <summary>Qwen2 (biases on query, key and value), Qwen3 (normalized heads) and their mixtures of experts.</summary>
internal static class QwenFamily
{
    public static readonly CheckpointFamily[] Descriptions =
    [
        new("qwen2", ["Qwen2ForCausalLM", "Qwen2Model"], WriteKeys, (map, config) => MapTensors(map, config)),
        new("qwen3", ["Qwen3ForCausalLM", "Qwen3Model"], WriteKeys, (map, config) => MapTensors(map, config, normalizes: true)),
        new("qwen2moe", ["Qwen2MoeForCausalLM"], WriteExpertKeys, (map, config) => MapTensors(map, config, experts: true)),
        new("qwen3moe", ["Qwen3MoeForCausalLM"], WriteExpertKeys, (map, config) => MapTensors(map, config, normalizes: true, experts: true)),
    ];

    private static void WriteKeys(ArchitectureKeys keys)
    {
        keys.Decoder();
        keys.Rope();
        keys.Pooling();
        keys.Config.Expect("hidden_act", "silu");
    }

    private static void WriteExpertKeys(ArchitectureKeys keys)
    {
        WriteKeys(keys);
        keys.Size("expert_count", "num_experts", "num_local_experts");
        keys.Size("expert_used_count", "num_experts_per_tok");
        keys.OptionalSize("expert_feed_forward_length", "moe_intermediate_size");
        keys.OptionalSize("expert_shared_feed_forward_length", "shared_expert_intermediate_size");
        // GGUF's architectures fix whether the chosen experts' shares are made to sum to one.
        keys.Config.ExpectFlag("norm_topk_prob", keys.Config.Architecture.StartsWith("Qwen3", StringComparison.Ordinal));
    }

    private static void MapTensors(TensorMap map, ModelConfig config, bool normalizes = false, bool experts = false)
    {
        DecoderTensors.Around(map, config);
        for (var n = 0; n < config.Size("num_hidden_layers"); n++)
        {
            DecoderTensors.Attention(map, n);
            map.Weight($"layers.{n}.input_layernorm", $"blk.{n}.attn_norm");
            map.Weight($"layers.{n}.post_attention_layernorm", $"blk.{n}.ffn_norm");
            if (normalizes)
            {
                map.Weight($"layers.{n}.self_attn.q_norm", $"blk.{n}.attn_q_norm");
                map.Weight($"layers.{n}.self_attn.k_norm", $"blk.{n}.attn_k_norm");
            }

            if (experts)
                MapExperts(map, n, config.Size("num_experts", "num_local_experts"));
            else
                DecoderTensors.FeedForward(map, n);
        }
    }

    /// <summary>Experts that all rows share some of, the chosen ones apart.</summary>
    public static void MapExperts(TensorMap map, int n, int count)
    {
        var layer = $"layers.{n}.mlp";
        map.Weight($"{layer}.gate", $"blk.{n}.ffn_gate_inp");
        map.Optional($"{layer}.shared_expert_gate", $"blk.{n}.ffn_gate_inp_shexp");
        foreach (var part in new[] { "gate", "up", "down" })
            map.Optional($"{layer}.shared_expert.{part}_proj", $"blk.{n}.ffn_{part}_shexp");
        // Newer checkpoints hold all experts as one tensor, gate above up.
        if (map.Has($"{layer}.experts.gate_up_proj"))
        {
            map.Halves($"{layer}.experts.gate_up_proj", $"blk.{n}.ffn_gate_exps.weight", $"blk.{n}.ffn_up_exps.weight");
            map.Exactly($"{layer}.experts.down_proj", $"blk.{n}.ffn_down_exps.weight");
            return;
        }

        foreach (var part in new[] { "gate", "up", "down" })
            map.Experts(e => $"{layer}.experts.{e}.{part}_proj", count, $"blk.{n}.ffn_{part}_exps");
    }
}
