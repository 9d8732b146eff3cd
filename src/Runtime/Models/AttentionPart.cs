using Hearth.Runtime.Graphs;
using Hearth.Runtime.Kernels;

namespace Hearth.Runtime.Models;

/// <summary>The attention of one layer, in two halves: between them a decoder drops the rows that nobody asks for.</summary>
internal abstract record AttentionPart
{
    /// <summary>Writes keys and values to the cache, and attends.</summary>
    /// <param name="block">The layer.</param>
    /// <param name="x">[rows, width], normalized where the decoder does that first.</param>
    /// <returns>[rows, what <see cref="Project"/> takes].</returns>
    public abstract Value Attend(Block block, Value x);

    /// <summary>Maps what was attended to back to the residual stream's width.</summary>
    /// <param name="block">The layer.</param>
    /// <param name="attended">From <see cref="Attend"/>.</param>
    /// <returns>[rows, width].</returns>
    public virtual Value Project(Block block, Value attended) => block.Linear(attended, "attn_output", block.Model.Sizes.Width);
}

/// <summary>How queries and keys are rotated.</summary>
/// <param name="Terms">Frequencies and layout.</param>
/// <param name="Factors">[dimensions / 2] divisors of the frequencies, or null.</param>
internal sealed record Rotation(RopeTerms Terms, Weight? Factors);

/// <summary>Multi-head attention with grouped keys and values (arXiv 1706.03762, 2305.13245).</summary>
/// <param name="Terms">Heads, mask, scale: the attention operation's own parameters.</param>
/// <remarks>
/// Query, key and value are projected by <c>attn_q</c>, <c>attn_k</c>, <c>attn_v</c>, or by <c>attn_qkv</c>, which holds
/// them one below another. A mask that looks ahead needs the whole text in one step, and so does a text's vector; nothing
/// is cached then.
/// </remarks>
internal sealed record SelfAttention(AttentionTerms Terms) : AttentionPart
{
    /// <summary>How queries and keys are rotated (RoFormer, arXiv 2104.09864); null: not at all.</summary>
    public Rotation? Rotation { get; init; }

    /// <summary>How queries and keys are normalized: <c>attn_q_norm</c>, <c>attn_k_norm</c>; null: not at all.</summary>
    public QueryKeyNorm? QueryKeyNorm { get; init; }

    /// <summary>Bound of the size of every query, key and value (<c>clip_qkv</c>); 0: none.</summary>
    public float Clamp { get; init; }

    /// <summary>A gain for every query head, behind rotation and norm; null: none.</summary>
    public string? QueryGain { get; init; }

    /// <summary>The norm of what was attended to, before it is projected; null: none.</summary>
    public string? InnerNorm { get; init; }

    /// <summary>Scores of a key without value, one a head: <c>attn_sinks</c> (gpt-oss).</summary>
    public Presence Sinks { get; init; }

    /// <summary>The function of a gate on what was attended to, before it is projected: <c>attn_gate</c>, a value for each of those or one for each head; null: none.</summary>
    public ActivationFunction? Gate { get; init; }

    /// <summary>Whether files may lack the gate.</summary>
    public bool GateIsOptional { get; init; }

    /// <summary>Factor of the projection.</summary>
    public float OutputScale { get; init; } = 1;

    /// <summary>Whether a bias of the output's projection is added where the file has one.</summary>
    public bool AddsOutputBias { get; init; } = true;

    /// <summary>The same with scores biased by distance (ALiBi, arXiv 2108.12409), by at most so much a position; 0: not at all.</summary>
    public SelfAttention WithAlibi(float most) => this with { Terms = Terms with { AlibiBias = most } };

    /// <summary>The same, looking back through a window of so many positions.</summary>
    public SelfAttention Within(int window) => this with { Terms = Terms with { Window = window } };

    /// <inheritdoc/>
    public override Value Attend(Block block, Value x)
    {
        var (query, key, value) = QueryKeyValue(block, x);
        query = Prepare(block, query, "attn_q_norm");
        key = Prepare(block, key, "attn_k_norm");
        if (QueryGain is not null)
            query = block.Program.Multiply(query, block.Program.RepeatedVector(block.Name(QueryGain), Terms.Heads, Terms.KeyWidth));
        var sinks = SinkScores(block);
        var attended = sinks is null && (block.Model.Limits.Embedding is not null || Terms.Mask == AttentionMask.Bidirectional)
            ? block.Program.RowAttention(query, key, value, Terms)
            : block.Program.CachedAttention(query, key, value, block.Program.CacheLayerCount, Terms, sinks);
        return Gate is { } function && !(GateIsOptional && !block.Has("attn_gate.weight")) ? Gated(block, x, attended, function) : attended;
    }

    /// <inheritdoc/>
    public override Value Project(Block block, Value attended)
    {
        var input = InnerNorm is null ? attended : block.Norm(attended, InnerNorm);
        var output = AddsOutputBias ? base.Project(block, input) : block.Program.Linear(input, block.Matrix("attn_output", input.Width, block.Model.Sizes.Width));
        return OutputScale == 1 ? output : block.Program.Scale(output, OutputScale);
    }

    private Weight? SinkScores(Block block) => Sinks switch
    {
        Presence.None => null,
        Presence.Optional => block.Program.OptionalVector(block.Name("attn_sinks.weight"), Terms.Heads),
        _ => block.Program.Vector(block.Name("attn_sinks.weight"), Terms.Heads),
    };

    private Value Gated(Block block, Value x, Value attended, ActivationFunction function)
    {
        var isByHead = block.Model.Rows(block.Name("attn_gate.weight")) == Terms.Heads;
        var gate = block.Program.Activate(function, block.Linear(x, "attn_gate", isByHead ? Terms.Heads : attended.Width));
        return attended * (isByHead ? block.Spread(gate, Terms.Heads, Terms.ValueWidth) : gate);
    }

    private (Value Query, Value Key, Value Value) QueryKeyValue(Block block, Value x)
    {
        int queries = Terms.Heads * Terms.KeyWidth, keys = Terms.KvHeads * Terms.KeyWidth, values = Terms.KvHeads * Terms.ValueWidth;
        var isFused = block.Has("attn_qkv.weight") || !(block.Has("attn_q.weight") || block.Has("attn_k.weight") || block.Has("attn_v.weight"));
        var all = isFused
            ? block.SplitLinear(x, "attn_qkv", queries, keys, values)
            : block.Linears(x, ("attn_q", queries), ("attn_k", keys), ("attn_v", values));
        if (Clamp > 0)
            all = [.. all.Select(v => block.Program.Clamp(v, -Clamp, Clamp))];
        return (all[0], all[1], all[2]);
    }

    // Normalized and rotated, in the order that the architecture has.
    private Value Prepare(Block block, Value heads, string norm)
    {
        if (QueryKeyNorm is not { } how || (how.IsOptional && !block.Has("attn_q_norm.weight")))
            return Rotate(block, heads);
        return how.AfterRotation
            ? block.Model.Norm(Rotate(block, heads), block.Name(norm), how, Terms.KeyWidth)
            : Rotate(block, block.Model.Norm(heads, block.Name(norm), how, Terms.KeyWidth));
    }

    private Value Rotate(Block block, Value heads)
        => Rotation is null ? heads : block.Program.Rope(heads, Terms.KeyWidth, Rotation.Terms, Rotation.Factors);
}
