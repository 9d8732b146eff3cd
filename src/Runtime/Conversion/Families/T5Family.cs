namespace Hearth.Runtime.Conversion.Families;

/// <summary>T5 v1.0 (tied embeddings, ReLU) and v1.1 (gated GELU, a head of its own), and their multilingual kin.</summary>
internal static class T5Family
{
    // The three names under which one embedding is stored, in the order of preference.
    private static readonly string[] _embeddings = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];

    public static readonly CheckpointFamily Description =
        new("t5", ["T5ForConditionalGeneration", "T5WithLMHeadModel", "MT5ForConditionalGeneration", "UMT5ForConditionalGeneration"], WriteKeys, MapTensors) { Prefixes = [] };

    private static void WriteKeys(ArchitectureKeys keys)
    {
        var config = keys.Config;
        config.Expect("feed_forward_proj", "relu", "gated-gelu");
        keys.Set("context_length", (uint)(config.OptionalSize("n_positions") ?? 512));
        keys.Size("embedding_length", "d_model");
        keys.Size("feed_forward_length", "d_ff");
        keys.Size("block_count", "num_layers");
        keys.OptionalSize("decoder_block_count", "num_decoder_layers");
        keys.Size("attention.head_count", "num_heads");
        keys.Size("attention.key_length", "d_kv");
        keys.Size("attention.value_length", "d_kv");
        keys.Number("attention.layer_norm_epsilon", 1e-6, "layer_norm_epsilon");
        keys.Number("attention.layer_norm_rms_epsilon", 1e-6, "layer_norm_epsilon");
        keys.Set("attention.relative_buckets_count", (uint)(config.OptionalSize("relative_attention_num_buckets") ?? 32));
        keys.Set("decoder_start_token_id", (uint)Math.Clamp(config.Find("decoder_start_token_id")?.Integer ?? 0, 0, uint.MaxValue));
        if (config.OptionalSize("relative_attention_max_distance") is { } distance and not 128)
            throw new UnsupportedModelException($"relative_attention_max_distance {distance}", ["128"]);
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        // Some checkpoints hold a relative bias of cross-attention that the architecture never reads.
        map.Ignore(name => _embeddings.Contains(name) || name.Contains("EncDecAttention.relative_attention_bias", StringComparison.Ordinal));
        map.TokenTable((Array.Find(_embeddings, map.Has) ?? _embeddings[0])[..^".weight".Length], config);
        map.Weight("encoder.final_layer_norm", "enc.output_norm");
        map.Weight("decoder.final_layer_norm", "dec.output_norm");
        var layers = config.Size("num_layers");
        for (var n = 0; n < layers; n++)
        {
            Attention(map, $"encoder.block.{n}.layer.0", "SelfAttention", $"enc.blk.{n}.attn");
            FeedForward(map, $"encoder.block.{n}.layer.1", $"enc.blk.{n}");
        }

        for (var n = 0; n < (config.OptionalSize("num_decoder_layers") ?? layers); n++)
        {
            Attention(map, $"decoder.block.{n}.layer.0", "SelfAttention", $"dec.blk.{n}.attn");
            Attention(map, $"decoder.block.{n}.layer.1", "EncDecAttention", $"dec.blk.{n}.cross_attn");
            FeedForward(map, $"decoder.block.{n}.layer.2", $"dec.blk.{n}");
        }
    }

    private static void Attention(TensorMap map, string layer, string kind, string target)
    {
        foreach (var part in new[] { "q", "k", "v", "o" })
            map.Weight($"{layer}.{kind}.{part}", $"{target}_{part}");
        if (kind == "SelfAttention")
            map.Optional($"{layer}.{kind}.relative_attention_bias", target + "_rel_b");
        map.Weight($"{layer}.layer_norm", target + "_norm");
    }

    private static void FeedForward(TensorMap map, string layer, string target)
    {
        var gated = map.Has($"{layer}.DenseReluDense.wi_0.weight");
        if (gated)
            map.Weight($"{layer}.DenseReluDense.wi_0", target + ".ffn_gate");
        map.Weight($"{layer}.DenseReluDense.{(gated ? "wi_1" : "wi")}", target + ".ffn_up");
        map.Weight($"{layer}.DenseReluDense.wo", target + ".ffn_down");
        map.Weight($"{layer}.layer_norm", target + ".ffn_norm");
    }
}
