namespace Hearth.Runtime.Conversion.Families;

/// <summary>Gemma 1 to 3: norms hold their weight minus one, and the output head is always the embedding.</summary>
internal static class GemmaFamily
{
    public static readonly CheckpointFamily[] Descriptions =
    [
        new("gemma", ["GemmaForCausalLM"], WriteKeys, MapFirst),
        new("gemma2", ["Gemma2ForCausalLM"], WriteSecondKeys, MapLater),
        new("gemma3", ["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"], WriteThirdKeys, MapLater),
    ];

    private static void WriteKeys(ArchitectureKeys keys)
    {
        keys.Decoder();
        keys.Set("attention.key_length", (uint)(keys.Config.OptionalSize("head_dim") ?? 256));
        keys.Set("attention.value_length", (uint)(keys.Config.OptionalSize("head_dim") ?? 256));
        keys.Config.Expect("hidden_activation", "gelu_pytorch_tanh");
    }

    private static void WriteSecondKeys(ArchitectureKeys keys)
    {
        WriteKeys(keys);
        keys.Rope();
        keys.Number("attn_logit_softcapping", 50, "attn_logit_softcapping");
        keys.Number("final_logit_softcapping", 30, "final_logit_softcapping");
        keys.Set("attention.sliding_window", (uint)(keys.Config.OptionalSize("sliding_window") ?? 4096));
    }

    private static void WriteThirdKeys(ArchitectureKeys keys)
    {
        WriteKeys(keys);
        var full = keys.RopeScaling?["full_attention"] ?? keys.RopeScaling;
        keys.Number("rope.freq_base", full?["rope_theta"]?.Number ?? 1_000_000, "rope_theta");
        if (full?["factor"] is { } factor)
        {
            keys.Set("rope.scaling.type", "linear");
            keys.Set("rope.scaling.factor", (float)factor.Number);
        }

        keys.OptionalSize("attention.sliding_window", "sliding_window");
        if (keys.Config.Find("final_logit_softcapping") is { } cap)
            keys.Set("final_logit_softcapping", (float)cap.Number);
        if (keys.Config.Find("attn_logit_softcapping") is not null)
            throw new UnsupportedModelException("attn_logit_softcapping in Gemma 3", ["none"]);
    }

    private static void MapFirst(TensorMap map, ModelConfig config)
    {
        MapAround(map, config);
        for (var n = 0; n < config.Size("num_hidden_layers"); n++)
        {
            DecoderTensors.Attention(map, n);
            DecoderTensors.FeedForward(map, n);
            map.Weight($"layers.{n}.input_layernorm", $"blk.{n}.attn_norm", PlusOne);
            map.Weight($"layers.{n}.post_attention_layernorm", $"blk.{n}.ffn_norm", PlusOne);
        }
    }

    private static void MapLater(TensorMap map, ModelConfig config)
    {
        MapAround(map, config);
        for (var n = 0; n < config.Size("num_hidden_layers"); n++)
        {
            DecoderTensors.Attention(map, n);
            DecoderTensors.FeedForward(map, n);
            map.Weight($"layers.{n}.input_layernorm", $"blk.{n}.attn_norm", PlusOne);
            map.Weight($"layers.{n}.post_attention_layernorm", $"blk.{n}.post_attention_norm", PlusOne);
            map.Weight($"layers.{n}.pre_feedforward_layernorm", $"blk.{n}.ffn_norm", PlusOne);
            map.Weight($"layers.{n}.post_feedforward_layernorm", $"blk.{n}.post_ffw_norm", PlusOne);
            map.Optional($"layers.{n}.self_attn.q_norm", $"blk.{n}.attn_q_norm", PlusOne);
            map.Optional($"layers.{n}.self_attn.k_norm", $"blk.{n}.attn_k_norm", PlusOne);
        }
    }

    private static void MapAround(TensorMap map, ModelConfig config)
    {
        map.Ignore(name => name == "lm_head.weight" || name.StartsWith("vision_tower.", StringComparison.Ordinal)
            || name.StartsWith("multi_modal_projector.", StringComparison.Ordinal) || name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal));
        map.TokenTable("embed_tokens", config, output: null);
        map.Weight("norm", "output_norm", PlusOne);
    }

    private static RowTensor PlusOne(RowTensor norm) => norm.Plus(1);
}
