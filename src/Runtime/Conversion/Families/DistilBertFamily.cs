namespace Hearth.Runtime.Conversion.Families;

/// <summary>DistilBERT (arXiv 1910.01108): GGUF's bert without token types, under other names; with the head of masked words.</summary>
internal static class DistilBertFamily
{
    public static readonly CheckpointFamily Description = new("bert", ["DistilBertModel", "DistilBertForMaskedLM"], WriteKeys, MapTensors) { Prefixes = ["distilbert."] };

    private static void WriteKeys(ArchitectureKeys keys)
    {
        keys.Config.Expect("activation", "gelu");
        keys.Size("context_length", "max_position_embeddings");
        keys.Size("embedding_length", "dim");
        keys.Size("block_count", "n_layers");
        keys.Size("feed_forward_length", "hidden_dim");
        keys.Size("attention.head_count", "n_heads");
        keys.Set("attention.layer_norm_epsilon", 1e-12f);
        keys.Set("attention.causal", false);
        keys.SetPlain("tokenizer.ggml.token_type_count", 1u);
        keys.Pooling();
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        map.Ignore(name => name.StartsWith("vocab_", StringComparison.Ordinal) || name.EndsWith(".position_ids", StringComparison.Ordinal));
        map.TokenTable("embeddings.word_embeddings", config, "vocab_projector", output: null);
        map.Weight("embeddings.position_embeddings", "position_embd");
        map.Affine("embeddings.LayerNorm", "token_embd_norm");
        for (var n = 0; n < config.Size("n_layers"); n++)
        {
            var layer = $"transformer.layer.{n}";
            map.Affine($"{layer}.attention.q_lin", $"blk.{n}.attn_q");
            map.Affine($"{layer}.attention.k_lin", $"blk.{n}.attn_k");
            map.Affine($"{layer}.attention.v_lin", $"blk.{n}.attn_v");
            map.Affine($"{layer}.attention.out_lin", $"blk.{n}.attn_output");
            map.Affine($"{layer}.sa_layer_norm", $"blk.{n}.attn_output_norm");
            map.Affine($"{layer}.ffn.lin1", $"blk.{n}.ffn_up");
            map.Affine($"{layer}.ffn.lin2", $"blk.{n}.ffn_down");
            map.Affine($"{layer}.output_layer_norm", $"blk.{n}.layer_output_norm");
        }

        if (!map.Has("vocab_transform.weight"))
            return;
        map.Affine("vocab_transform", "mlm_dense");
        map.Affine("vocab_layer_norm", "mlm_norm");
        map.Exactly("vocab_projector.bias", "mlm_output.bias");
        if (!config.Flag("tie_word_embeddings", true))
            map.Exactly("vocab_projector.weight", "mlm_output.weight");
    }
}
