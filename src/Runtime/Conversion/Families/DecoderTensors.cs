namespace Hearth.Runtime.Conversion.Families;

/// <summary>The tensors that the decoders of Llama's line name alike.</summary>
internal static class DecoderTensors
{
    /// <summary>Embedding, last norm and, where it is not the embedding again, the output head.</summary>
    public static void Around(TensorMap map, ModelConfig config)
    {
        map.TokenTable("embed_tokens", config);
        map.Weight("norm", "output_norm");
    }

    /// <summary>The four projections of attention.</summary>
    public static void Attention(TensorMap map, int n, Func<RowTensor, RowTensor>? query = null, Func<RowTensor, RowTensor>? key = null)
    {
        map.Weight($"layers.{n}.self_attn.q_proj", $"blk.{n}.attn_q", query);
        map.Weight($"layers.{n}.self_attn.k_proj", $"blk.{n}.attn_k", key);
        map.Weight($"layers.{n}.self_attn.v_proj", $"blk.{n}.attn_v");
        map.Weight($"layers.{n}.self_attn.o_proj", $"blk.{n}.attn_output");
    }

    /// <summary>The gated feed-forward layer.</summary>
    public static void FeedForward(TensorMap map, int n)
    {
        map.Weight($"layers.{n}.mlp.gate_proj", $"blk.{n}.ffn_gate");
        map.Weight($"layers.{n}.mlp.up_proj", $"blk.{n}.ffn_up");
        map.Weight($"layers.{n}.mlp.down_proj", $"blk.{n}.ffn_down");
    }
}
