namespace Hearth.Runtime.Conversion.Families;

/// <summary>Phi-3 and its kin: query, key and value in one matrix, gate and up in another, LongRoPE factors (arXiv 2402.13753).</summary>
internal static class Phi3Family
{
    public static readonly CheckpointFamily Description = new("phi3", ["Phi3ForCausalLM"], WriteKeys, MapTensors);

    private static void WriteKeys(ArchitectureKeys keys)
    {
        keys.Decoder();
        keys.Number("rope.freq_base", keys.RopeScaling?["rope_theta"]?.Number ?? 10000, "rope_theta");
        keys.Set("rope.dimension_count", (uint)RopeWidth(keys.Config));
        var original = OriginalContext(keys.Config);
        keys.Set("rope.scaling.original_context_length", (uint)original);
        // Zero tells Phi-4, which attends to everything, from its elders.
        keys.Set("attention.sliding_window", (uint)(keys.Config.OptionalSize("sliding_window") ?? 0));
        if (keys.RopeType is not ("default" or "su" or "longrope"))
            throw new UnsupportedModelException($"rope scaling '{keys.RopeType}' of architecture 'phi3'", ["longrope"]);
        var scale = (double)keys.Config.Size("max_position_embeddings") / original;
        if (keys.RopeType != "default")
            keys.Set("rope.scaling.attn_factor", (float)(scale > 1 ? Math.Sqrt(1 + (Math.Log(scale) / Math.Log(original))) : 1));
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        DecoderTensors.Around(map, config);
        for (var n = 0; n < config.Size("num_hidden_layers"); n++)
        {
            map.Weight($"layers.{n}.input_layernorm", $"blk.{n}.attn_norm");
            map.Weight($"layers.{n}.self_attn.qkv_proj", $"blk.{n}.attn_qkv");
            map.Weight($"layers.{n}.self_attn.o_proj", $"blk.{n}.attn_output");
            map.Weight($"layers.{n}.post_attention_layernorm", $"blk.{n}.ffn_norm");
            map.Weight($"layers.{n}.mlp.gate_up_proj", $"blk.{n}.ffn_up");
            map.Weight($"layers.{n}.mlp.down_proj", $"blk.{n}.ffn_down");
        }

        foreach (var length in new[] { "long", "short" })
        {
            if (config.Find("rope_parameters", "rope_scaling")?[length + "_factor"] is { } factors)
                map.Add($"rope_factors_{length}.weight", Factors(factors, RopeWidth(config)));
        }
    }

    private static float[] Factors(Json factors, int width)
        => factors.Items.Select(factor => (float)factor.Number).ToArray() is var values && values.Length == width / 2 ? values : throw factors.Fault($"{width / 2} factors");

    private static int RopeWidth(ModelConfig config)
    {
        var part = config.Find("partial_rotary_factor")?.Number ?? 1;
        return part is > 0 and <= 1 ? (int)(part * config.Size("hidden_size")) / config.Size("num_attention_heads")
            : throw new ModelFormatException($"partial_rotary_factor must be over 0 and at most 1, found {part}", config.File);
    }

    private static int OriginalContext(ModelConfig config)
        => config.OptionalSize("original_max_position_embeddings")
            ?? (int?)config.Find("rope_parameters", "rope_scaling")?["original_max_position_embeddings"]?.Integer ?? config.Size("max_position_embeddings");
}
