using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Attention of Gemma 3n and 4: values are normalized, too, and the last layers read keys and values that earlier ones have written.</summary>
/// <param name="Terms">Heads, mask, scale.</param>
/// <param name="Rotation">How queries and keys are rotated.</param>
/// <param name="Source">The layer of the cache whose keys and values are read; null: the layer writes its own.</param>
internal sealed record SharedKeyAttention(AttentionTerms Terms, Rotation Rotation, int? Source) : AttentionPart
{
    private static readonly QueryKeyNorm _norm = new(Norm.Rms), _plain = new(Norm.PlainRms);

    /// <summary>Which layer of the cache a layer reads where the last ones share: the last of its own kind before them.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="writers">Layers, from the first, that write keys and values of their own.</param>
    /// <param name="isLocal">Whether the layer looks back through a window; the last writer sees everything, the one before it does not.</param>
    public static int? SourceOf(int layer, int writers, bool isLocal) => layer < writers ? null : writers - (isLocal ? 2 : 1);

    /// <inheritdoc/>
    public override Value Attend(Block block, Value x)
    {
        var query = Rotate(block, Normed(block, block.Linear(x, "attn_q", Terms.Heads * Terms.KeyWidth), "attn_q_norm", _norm));
        if (Source is { } source)
            return block.Program.SharedAttention(query, source, Terms);

        // Without a matrix of their own values are the keys before norm and rotation.
        var key = block.Linear(x, "attn_k", Terms.KvHeads * Terms.KeyWidth);
        var value = block.Has("attn_v.weight") ? block.Linear(x, "attn_v", Terms.KvHeads * Terms.ValueWidth) : key;
        key = Rotate(block, Normed(block, key, "attn_k_norm", _norm));
        value = Normed(block, value, "attn_v_norm", _plain);
        return block.Program.CachedAttention(query, key, value, block.Program.CacheLayerCount, Terms);
    }

    private Value Normed(Block block, Value heads, string name, QueryKeyNorm norm) => block.Model.Norm(heads, block.Name(name), norm, Terms.KeyWidth);

    private Value Rotate(Block block, Value heads) => block.Program.Rope(heads, Terms.KeyWidth, Rotation.Terms, Rotation.Factors);
}
