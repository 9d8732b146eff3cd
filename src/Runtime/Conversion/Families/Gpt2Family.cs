namespace Hearth.Runtime.Conversion.Families;

/// <summary>GPT-2: its Conv1D weights are [inputs, outputs] and are transposed.</summary>
internal static class Gpt2Family
{
    public static readonly CheckpointFamily Description = new("gpt2", ["GPT2LMHeadModel", "GPT2Model"], WriteKeys, MapTensors) { Prefixes = ["transformer."] };

    private static void WriteKeys(ArchitectureKeys keys)
    {
        var config = keys.Config;
        config.Expect("activation_function", "gelu_new", "gelu_pytorch_tanh");
        config.ExpectFlag("scale_attn_by_inverse_layer_idx", false);
        config.ExpectFlag("scale_attn_weights", true);
        config.ExpectFlag("add_cross_attention", false);
        keys.Size("context_length", "n_positions", "n_ctx");
        keys.Size("embedding_length", "n_embd");
        keys.Size("block_count", "n_layer");
        keys.Set("feed_forward_length", (uint)(config.OptionalSize("n_inner") ?? 4 * config.Size("n_embd")));
        keys.Size("attention.head_count", "n_head");
        keys.Number("attention.layer_norm_epsilon", 1e-5, "layer_norm_epsilon");
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        map.Ignore(name => name.EndsWith(".attn.bias", StringComparison.Ordinal) || name.EndsWith(".attn.masked_bias", StringComparison.Ordinal));
        map.TokenTable("wte", config);
        map.Weight("wpe", "position_embd");
        map.Affine("ln_f", "output_norm");
        for (var n = 0; n < config.Size("n_layer"); n++)
        {
            map.Affine($"h.{n}.ln_1", $"blk.{n}.attn_norm");
            map.Affine($"h.{n}.attn.c_attn", $"blk.{n}.attn_qkv", Transposed);
            map.Affine($"h.{n}.attn.c_proj", $"blk.{n}.attn_output", Transposed);
            map.Affine($"h.{n}.ln_2", $"blk.{n}.ffn_norm");
            map.Affine($"h.{n}.mlp.c_fc", $"blk.{n}.ffn_up", Transposed);
            map.Affine($"h.{n}.mlp.c_proj", $"blk.{n}.ffn_down", Transposed);
        }
    }

    private static RowTensor Transposed(RowTensor weight) => weight.Transpose();
}
