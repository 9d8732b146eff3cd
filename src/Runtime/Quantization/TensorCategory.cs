using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Quantization;

/// <summary>The parts of a transformer that mixes treat apart.</summary>
internal enum TensorCategory
{
    Other,
    TokenEmbedding,
    Output,
    Query,
    Key,

    /// <summary>Values, and what holds them: fused query-key-value matrices and latent key-value ones.</summary>
    Value,
    AttentionOutput,
    FeedForwardUp,
    FeedForwardGate,
    FeedForwardDown,
}

/// <summary>What a tensor's name and shape say of it.</summary>
internal static class TensorNames
{
    private static readonly (string Part, TensorCategory Category)[] Parts =
    [
        ("attn_qkv.weight", TensorCategory.Value),
        ("attn_kv_b.weight", TensorCategory.Value),
        ("attn_v.weight", TensorCategory.Value),
        ("attn_k.weight", TensorCategory.Key),
        ("attn_q.weight", TensorCategory.Query),
        ("attn_output.weight", TensorCategory.AttentionOutput),
        ("ffn_up", TensorCategory.FeedForwardUp),
        ("ffn_gate", TensorCategory.FeedForwardGate),
        ("ffn_down", TensorCategory.FeedForwardDown),
    ];

    /// <summary>Matrices that stay as they are: norms, routers, position tables, and small ones whose error is felt.</summary>
    private static readonly string[] Kept =
    [
        "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight",
        "altup", "laurel", "per_layer_model_proj",
        "ssm_conv1d", "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight",
        "time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight",
        "time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight",
        "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight",
        "time_mix_g1.weight", "time_mix_g2.weight",
        "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight",
        "attn_rel_b.weight", ".position_embd", "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos",
        ".patch_embd", ".patch_merger", "a.rvq.codebook", "mm.a.code_embd",
    ];

    public static TensorCategory Categorize(string name) => name switch
    {
        "output.weight" => TensorCategory.Output,
        "token_embd.weight" or "per_layer_token_embd.weight" => TensorCategory.TokenEmbedding,
        _ => Parts.FirstOrDefault(p => name.Contains(p.Part, StringComparison.Ordinal)).Category,
    };

    /// <summary>Whether mixes may change the tensor's type.</summary>
    public static bool IsQuantizable(GgufTensor tensor)
        => tensor.Shape.Skip(1).Any(extent => extent > 1)
            && tensor.Name.EndsWith("weight", StringComparison.Ordinal)
            && tensor.Name is not ("position_embd.weight" or "token_types.weight")
            && !Array.Exists(Kept, part => tensor.Name.Contains(part, StringComparison.Ordinal));

    /// <summary>The number of <c>blk.N.</c>; -1 for tensors outside of blocks.</summary>
    public static int Layer(string name)
    {
        const string prefix = "blk.";
        if (!name.StartsWith(prefix, StringComparison.Ordinal))
            return -1;
        var digits = name.AsSpan(prefix.Length);
        var end = digits.IndexOfAnyExceptInRange('0', '9');
        return int.TryParse(end < 0 ? digits : digits[..end], out var layer) ? layer : -1;
    }
}
