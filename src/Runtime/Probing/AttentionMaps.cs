namespace Hearth.Runtime;

/// <summary>Which attention of the Transformer a layer's probabilities are of.</summary>
public enum AttentionKind
{
    /// <summary>An encoder's tokens among themselves.</summary>
    EncoderSelf,

    /// <summary>A decoder's tokens: each over itself and those before it, unless the model says otherwise.</summary>
    DecoderSelf,

    /// <summary>A decoder's tokens over an encoder's output.</summary>
    Cross,
}

/// <summary>A token of a probed text.</summary>
/// <param name="Id">Its number in the vocabulary.</param>
/// <param name="Text">Its text; of a control token its name, of bytes that are no UTF-8 by themselves <c>&lt;0xE2&gt;</c>, without a vocabulary the number.</param>
public readonly record struct ProbedToken(int Id, string Text);

/// <summary>Which layers or heads are wanted, both ends included, counted from 0.</summary>
/// <param name="First">The first, at least 0.</param>
/// <param name="Last">The last, at least the first.</param>
public readonly record struct ProbeRange(int First, int Last);

/// <summary>What is probed. A null member means the default its text names.</summary>
public sealed record AttentionProbeOptions
{
    /// <summary>Layers, counted from 0 in encoder and decoder alike. Null: all.</summary>
    public ProbeRange? Layers { get; init; }

    /// <summary>Query heads of each layer, counted from 0. Null: all.</summary>
    public ProbeRange? Heads { get; init; }

    /// <summary>How keys are kept meanwhile. F32, the default, leaves the probabilities exact.</summary>
    public Caching.CacheType CacheType { get; init; }

    /// <summary>The most weights in all, 1 to <see cref="AttentionProbe.MostWeights"/>. Null: that many.</summary>
    public int? MostWeights { get; init; }
}

/// <summary>The attention probabilities of one layer: what each row's query gives each key, head by head.</summary>
public sealed class AttentionLayer
{
    internal AttentionLayer(AttentionKind kind, int layer, ProbeRange heads, int rows, int keys, bool hasSink)
    {
        Kind = kind;
        Layer = layer;
        FirstHead = heads.First;
        HeadCount = heads.Last - heads.First + 1;
        Rows = rows;
        Keys = keys;
        HasSink = hasSink;
    }

    /// <summary>Which attention it is.</summary>
    public AttentionKind Kind { get; }

    /// <summary>The layer's number, from 0 on; encoder and decoder each count their own.</summary>
    public int Layer { get; }

    /// <summary>The number of the first head held.</summary>
    public int FirstHead { get; }

    /// <summary>Heads held, from <see cref="FirstHead"/> on.</summary>
    public int HeadCount { get; }

    /// <summary>Queries: tokens of the text that looks.</summary>
    public int Rows { get; }

    /// <summary>Keys: tokens of the text that is looked at.</summary>
    public int Keys { get; }

    /// <summary>Whether heads have a sink, which takes a share of every row without being a token (arXiv 2309.17453).</summary>
    public bool HasSink { get; }

    /// <summary>All probabilities, [HeadCount, Rows, Keys]; keys that the mask hides have 0.</summary>
    public ReadOnlyMemory<float> Weights { get; internal set; }

    /// <summary>One query's probabilities, [Keys]: their sum is 1 or, with a sink, 1 less its share.</summary>
    /// <param name="head">Counted from 0 through the heads held.</param>
    /// <param name="row">0 to Rows - 1.</param>
    public ReadOnlySpan<float> Row(int head, int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)head, (uint)HeadCount, nameof(head));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows, nameof(row));
        return Weights.Span.Slice(((head * Rows) + row) * Keys, Keys);
    }

    /// <summary>What the head's sink takes of a row, 0 to 1; 0 without a sink.</summary>
    /// <param name="head">Counted from 0 through the heads held.</param>
    /// <param name="row">0 to Rows - 1.</param>
    public float SinkShare(int head, int row)
    {
        var weights = Row(head, row);
        if (!HasSink)
            return 0;
        var sum = 0.0;
        foreach (var weight in weights)
            sum += weight;
        return (float)Math.Clamp(1 - sum, 0, 1);
    }
}

/// <summary>The attention of a text in a model; written by <see cref="AttentionProbe"/>.</summary>
/// <param name="Model">The model's id.</param>
/// <param name="Architecture">Its architecture.</param>
/// <param name="Tokens">The text: a decoder's, or that of an encoder alone.</param>
/// <param name="SourceTokens">What the encoder of an encoder–decoder read; empty for others.</param>
/// <param name="Layers">Encoder layers, decoder layers and cross-attention, each in order.</param>
public sealed record AttentionMaps(
    string Model, string Architecture, IReadOnlyList<ProbedToken> Tokens, IReadOnlyList<ProbedToken> SourceTokens, IReadOnlyList<AttentionLayer> Layers)
{
    /// <summary>The tokens that a layer's rows stand for.</summary>
    public IReadOnlyList<ProbedToken> RowTokens(AttentionLayer layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return layer.Kind == AttentionKind.EncoderSelf && SourceTokens.Count > 0 ? SourceTokens : Tokens;
    }

    /// <summary>The tokens that a layer's keys stand for.</summary>
    public IReadOnlyList<ProbedToken> KeyTokens(AttentionLayer layer)
    {
        ArgumentNullException.ThrowIfNull(layer);
        return layer.Kind != AttentionKind.DecoderSelf && SourceTokens.Count > 0 ? SourceTokens : Tokens;
    }
}
