namespace Hearth.Runtime.Conversion.Families;

/// <summary>LFM2: gated short convolutions, and attention in some layers.</summary>
internal static class Lfm2Family
{
    private const string FeedForward = "feed_forward.w1.weight";

    public static readonly CheckpointFamily Description = new("lfm2", ["Lfm2ForCausalLM"], WriteKeys, MapTensors);

    private static void WriteKeys(ArchitectureKeys keys)
    {
        var config = keys.Config;
        keys.Size("context_length", "max_position_embeddings");
        keys.Size("embedding_length", "hidden_size");
        keys.Size("block_count", "num_hidden_layers");
        // The config has factors and roundings of this width; the weights have the width.
        var gate = keys.Checkpoint.Tensors.FirstOrDefault(tensor => tensor.Key.EndsWith(FeedForward, StringComparison.Ordinal)).Value;
        keys.Set("feed_forward_length", checked((uint)(gate?.Shape[0] ?? throw new ModelFormatException($"no tensor is called '*.{FeedForward}'", keys.Checkpoint.Folder))));
        keys.Size("attention.head_count", "num_attention_heads");
        var kvHeads = config.OptionalSize("num_key_value_heads") ?? config.Size("num_attention_heads");
        keys.Set("attention.head_count_kv", Attends(config).Select(attention => attention ? kvHeads : 0).ToArray());
        keys.Number("attention.layer_norm_rms_epsilon", 1e-5, "norm_eps", "block_norm_eps");
        keys.Size("shortconv.l_cache", "conv_L_cache");
        keys.PlainRope();
        config.ExpectFlag("conv_bias", false);
    }

    private static bool[] Attends(ModelConfig config)
    {
        if (config.Layers("full_attention", "conv") is { } layers)
            return layers;
        var attending = (config.Find("full_attn_idxs") ?? throw new ModelFormatException("'layer_types' is missing", config.File)).Items.Select(item => item.Integer).ToHashSet();
        return [.. Enumerable.Range(0, config.Size("num_hidden_layers")).Select(layer => attending.Contains(layer))];
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        map.TokenTable("embed_tokens", config);
        map.Weight("embedding_norm", "token_embd_norm");
        var attends = Attends(config);
        for (var n = 0; n < attends.Length; n++)
        {
            var layer = $"layers.{n}";
            map.Weight($"{layer}.operator_norm", $"blk.{n}.attn_norm");
            map.Weight($"{layer}.ffn_norm", $"blk.{n}.ffn_norm");
            map.Weight($"{layer}.feed_forward.w1", $"blk.{n}.ffn_gate");
            map.Weight($"{layer}.feed_forward.w3", $"blk.{n}.ffn_up");
            map.Weight($"{layer}.feed_forward.w2", $"blk.{n}.ffn_down");
            if (attends[n])
            {
                map.Weight($"{layer}.self_attn.q_proj", $"blk.{n}.attn_q");
                map.Weight($"{layer}.self_attn.k_proj", $"blk.{n}.attn_k");
                map.Weight($"{layer}.self_attn.v_proj", $"blk.{n}.attn_v");
                map.Weight($"{layer}.self_attn.out_proj", $"blk.{n}.attn_output");
                map.Weight($"{layer}.self_attn.q_layernorm", $"blk.{n}.attn_q_norm");
                map.Weight($"{layer}.self_attn.k_layernorm", $"blk.{n}.attn_k_norm");
                continue;
            }

            map.Weight($"{layer}.conv.in_proj", $"blk.{n}.shortconv.in_proj");
            map.Exactly($"{layer}.conv.conv.weight", $"blk.{n}.shortconv.conv.weight", taps => taps.WithoutMiddle());
            map.Weight($"{layer}.conv.out_proj", $"blk.{n}.shortconv.out_proj");
        }
    }
}
