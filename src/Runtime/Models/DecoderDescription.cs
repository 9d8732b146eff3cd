using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>Whose weights make logits of the last layer's output.</summary>
internal enum HeadWeights
{
    /// <summary><c>output.weight</c>, or the embedding's where the file has none.</summary>
    OwnOrEmbedding,

    /// <summary><c>output.weight</c>, which must be there.</summary>
    Own,

    /// <summary>The embedding's.</summary>
    Embedding,

    /// <summary>None: a text's rows are pooled to one vector (encoders).</summary>
    None,
}

/// <summary>What sets a decoder apart from the others; <see cref="Decoder"/> writes its program.</summary>
/// <remarks>
/// Defaults are Llama's (arXiv 2302.13971): pre-norm residuals with RMS norm, a SiLU-gated feed-forward, an output head of
/// its own or the embedding. Names are GGUF's, behind <c>blk.N.</c>.
/// </remarks>
internal sealed record DecoderDescription
{
    /// <summary>Attention of each layer; null where a layer has none.</summary>
    public required Func<int, AttentionPart?> Attention { get; init; }

    /// <summary>The feed-forward part of each layer: dense, or experts; null where a layer has none.</summary>
    public Func<int, FeedForwardPart?> FeedForward { get; init; } = _ => GatedFeedForward.Silu;

    /// <summary>The norm of rows, everywhere but of queries and keys.</summary>
    public Norm Norm { get; init; } = Norm.Rms;

    /// <summary>Whether every product must have a bias; else those that the file has are added.</summary>
    public bool RequiresBiases { get; init; }

    // ---- Before the layers

    /// <summary>Whether the head's weights stand in for an embedding that a file has left out.</summary>
    public bool EmbedsByHead { get; init; }

    /// <summary>Factor of the embedding's rows.</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>Whether learned positions are added: <c>position_embd</c>.</summary>
    public Presence Positions { get; init; }

    /// <summary>Whether the first row of <c>token_types</c> is added where the file has it: the type of a lone text.</summary>
    public bool AddsTokenType { get; init; }

    /// <summary>Whether the embedding's rows are normalized: <c>token_embd_norm</c>.</summary>
    public bool NormalizesEmbedding { get; init; }

    // ---- A layer

    /// <summary>The norm before attention; null: none.</summary>
    public string? AttentionNorm { get; init; } = "attn_norm";

    /// <summary>Whether the first layer has that norm; else the embedding's own norm does for it.</summary>
    public bool NormalizesFirstLayer { get; init; } = true;

    /// <summary>The norm of attention's output before it is added; null: none.</summary>
    public string? AttentionPostNorm { get; init; }

    /// <summary>The norm of the residual stream behind attention, which it replaces (BERT's layout); null: none.</summary>
    public string? AttentionSumNorm { get; init; }

    /// <summary>The norm of that stream and the layer's input together, where the file has it; null: none.</summary>
    public string? InputSumNorm { get; init; }

    /// <summary>The norm before the feed-forward part; null: none, or attention's where both run in parallel.</summary>
    public string? FeedForwardNorm { get; init; } = "ffn_norm";

    /// <summary>The norm of the feed-forward part's output before it is added; null: none.</summary>
    public string? FeedForwardPostNorm { get; init; }

    /// <summary>The norm of the residual stream behind the feed-forward part, which it replaces; null: none.</summary>
    public string? FeedForwardSumNorm { get; init; }

    /// <summary>Whether attention and feed-forward read the same residual stream and are added to it together (GPT-J's layout).</summary>
    public bool IsParallel { get; init; }

    /// <summary>Whether feed-forward parts look at other rows, too (RWKV): then all rows go through the last layer.</summary>
    public bool FeedForwardSeesRows { get; init; }

    /// <summary>Factor of what each part adds to the residual stream.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>What is done to the residual stream behind each layer with the embedding in hand; null: nothing.</summary>
    public LayerEnding? Ending { get; init; }

    /// <summary>How often the layers are run one after another, each time with keys and values of their own.</summary>
    public int Loops { get; init; } = 1;

    /// <summary>Whether the last norm is applied between loops, too.</summary>
    public bool NormalizesLoops { get; init; } = true;

    // ---- After the layers

    /// <summary>The last norm; null: none.</summary>
    public string? OutputNorm { get; init; } = "output_norm";

    /// <summary>Whose weights make the logits.</summary>
    public HeadWeights Head { get; init; }

    /// <summary>Whether the head must have a bias; else one that the file has is added.</summary>
    public bool RequiresHeadBias { get; init; }

    /// <summary>Tokens, from the first to before the second, whose logits are the lowest number: a text is made without them; null: none.</summary>
    public (int First, int End)? Suppressed { get; init; }

    /// <summary>Factor of the logits.</summary>
    public float LogitScale { get; init; } = 1;

    /// <summary>Cap of the logits; 0: none.</summary>
    public float LogitCap { get; init; }

    /// <summary>How a classifier in place of the head reads a text; null: as BERT's for encoders, and a decoder has none.</summary>
    public RankingTerms? Ranking { get; init; }

    /// <summary>Says of a tensor that files of this architecture hold it though it is not used: an image tower's, say.</summary>
    public Func<string, bool>? Ignores { get; init; }
}

/// <summary>An operation behind every layer that reads something made of the embedding.</summary>
internal abstract record LayerEnding
{
    /// <summary>Makes of the embedded rows what all layers read.</summary>
    /// <param name="model">The file.</param>
    /// <param name="embedded">[rows, width].</param>
    public abstract Value Prepare(ModelFile model, Value embedded);

    /// <summary>Ends a layer.</summary>
    /// <param name="block">The layer.</param>
    /// <param name="x">[rows, width], the residual stream.</param>
    /// <param name="prepared">From <see cref="Prepare"/>, of the same rows.</param>
    public abstract Value End(Block block, Value x, Value prepared);
}
