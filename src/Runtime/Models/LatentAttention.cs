using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Latent attention: keys and values of all heads are made from one narrow row a token, beside which one rotated key serves all heads.</summary>
/// <param name="Sizes">Widths.</param>
/// <param name="Terms">Mask and scale; heads and widths are the sizes'.</param>
/// <param name="Rotation">How the last values of a head are rotated.</param>
/// <remarks>
/// Source: DeepSeek-V2 (arXiv 2405.04434). Files hold it in two forms. In the absorbed one (<c>attn_k_b</c>,
/// <c>attn_v_b</c>) the cache has the narrow row itself, query heads are mapped to it, and what they gather is mapped to
/// values afterwards; in the other (<c>attn_kv_b</c>) keys and values are made for each head and cached as any others.
/// </remarks>
internal sealed record LatentAttention(LatentSizes Sizes, AttentionTerms Terms, Rotation Rotation) : AttentionPart
{
    /// <summary>Whether those values are rotated at all (not in Kimi Linear, whose other layers know positions).</summary>
    public bool IsRotated { get; init; } = true;

    /// <summary>Which positions a row sees; null: all. The file then has the absorbed form and narrow queries.</summary>
    public KeyIndexer? Indexer { get; init; }

    private int Rotated => Rotation.Terms.Dimensions;

    private int Unrotated => Sizes.Head - Rotated;

    /// <inheritdoc/>
    public override Value Attend(Block block, Value x)
    {
        var program = block.Program;
        var narrow = Sizes.Query == 0 ? null : block.Norm(block.Linear(x, "attn_q_a", Sizes.Query), "attn_q_a_norm");
        var query = Rotate(program, Query(block, x, narrow), Sizes.Head, Unrotated);
        var both = block.Linear(x, "attn_kv_a_mqa", Sizes.Latent + Rotated);
        var latent = block.Norm(program.Slice(both, 1, 0, Sizes.Latent), "attn_kv_a_norm");
        var rotated = Rotate(program, program.Slice(both, 1, Sizes.Latent, Rotated), Rotated, offset: 0);
        if (Indexer is not null && (narrow is null || !Sizes.IsAbsorbed))
            throw new UnsupportedModelException($"'{block.Model.Sizes.Architecture}' with {(narrow is null ? "wide queries" : "latent keys unfolded")} beside an indexer", ["attn_q_a, attn_k_b and attn_v_b"]);
        var choice = Indexer?.Choose(block, x, narrow!);
        return Sizes.IsAbsorbed ? Absorbed(block, query, latent, rotated, choice) : Unfolded(block, query, latent, rotated);
    }

    private Value Rotate(ProgramBuilder program, Value heads, int width, int offset)
        => IsRotated ? program.Rope(heads, width, Rotation.Terms with { Offset = offset }, Rotation.Factors) : heads;

    private Value Query(Block block, Value x, Value? narrow)
    {
        var width = block.Sizes.Heads * Sizes.Head;
        return narrow is null ? block.Linear(x, "attn_q", width) : block.Linear(narrow, "attn_q_b", width);
    }

    private Value Absorbed(Block block, Value query, Value latent, Value rotated, Value? choice)
    {
        var (program, heads) = (block.Program, block.Sizes.Heads);
        var mapped = program.GroupedLinear(program.Slice(query, heads, 0, Unrotated), program.Stack(block.Name("attn_k_b.weight"), Unrotated, Sizes.Latent, heads));
        var queries = program.Concat(mapped, program.Slice(query, heads, Unrotated, Rotated), heads);
        var terms = Terms with { Heads = heads, KvHeads = 1, KeyWidth = Sizes.Latent + Rotated, ValueWidth = Sizes.Latent, ValuesInKeys = true };
        var gathered = program.CachedAttention(queries, program.Concat(latent, rotated, groups: 1), null, program.CacheLayerCount, terms, choice: choice);
        return program.GroupedLinear(gathered, program.Stack(block.Name("attn_v_b.weight"), Sizes.Latent, Sizes.Value, heads));
    }

    private Value Unfolded(Block block, Value query, Value latent, Value rotated)
    {
        var (program, heads) = (block.Program, block.Sizes.Heads);
        var both = block.Linear(latent, "attn_kv_b", heads * (Unrotated + Sizes.Value));
        var keys = Unrotated == 0 ? Repeated(program, rotated, heads) : program.Concat(program.Slice(both, heads, 0, Unrotated), rotated, heads, shared: true);
        var values = Unrotated == 0 ? both : program.Slice(both, heads, Unrotated, Sizes.Value);
        var terms = Terms with { Heads = heads, KvHeads = heads, KeyWidth = Sizes.Head, ValueWidth = Sizes.Value };
        return program.CachedAttention(query, keys, values, program.CacheLayerCount, terms);
    }

    // One row for every head, one after another.
    private static Value Repeated(ProgramBuilder program, Value row, int times)
    {
        if (times == 1)
            return row;
        var half = Repeated(program, row, times / 2);
        var even = program.Concat(half, half, groups: 1);
        return times % 2 == 0 ? even : program.Concat(even, row, groups: 1);
    }
}

/// <summary>The widths of latent attention, read from GGUF's keys and checked once.</summary>
internal sealed record LatentSizes
{
    /// <summary>Values of the row that keys and values are made of.</summary>
    public required int Latent { get; init; }

    /// <summary>Values of the row that queries are made of; 0: they are made of the residual stream.</summary>
    public required int Query { get; init; }

    /// <summary>Values of a query head before anything is absorbed, the rotated ones last.</summary>
    public required int Head { get; init; }

    /// <summary>Values of a value head.</summary>
    public required int Value { get; init; }

    /// <summary>Whether the file has the absorbed form.</summary>
    public required bool IsAbsorbed { get; init; }

    /// <summary>Reads them.</summary>
    /// <param name="model">The file.</param>
    /// <param name="rope">How the last values of a head are rotated; some must be left.</param>
    /// <exception cref="ModelFormatException">A key is missing or out of range.</exception>
    public static LatentSizes Read(ModelFile model, RopeTerms rope)
    {
        var keys = model.Keys;
        var most = model.Sizes.LargestHead;
        var absorbed = keys.Has("attention.key_length_mla") && keys.Has("attention.value_length_mla");
        var head = absorbed ? keys.Size("attention.key_length_mla", most) : model.Sizes.KeyWidth;
        // Queries that are mapped to the narrow row are mapped by what is not rotated.
        if (rope.Dimensions > head || (absorbed && rope.Dimensions == head))
            throw keys.Wrong("rope.dimension_count", $"must be {(absorbed ? "less than" : "at most")} a head's {head} values, found {rope.Dimensions}");
        return new LatentSizes
        {
            Latent = keys.Size("attention.kv_lora_rank", Hyperparameters.LargestWidth / 2),
            Query = model.Has("blk.0.attn_q.weight") ? 0 : keys.Size("attention.q_lora_rank", Hyperparameters.LargestWidth),
            Head = head,
            Value = absorbed ? keys.Size("attention.value_length_mla", most) : model.Sizes.ValueWidth,
            IsAbsorbed = absorbed,
        };
    }
}
