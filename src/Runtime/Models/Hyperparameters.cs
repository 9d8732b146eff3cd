using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>The sizes of a decoder, read from GGUF's <c>{architecture}.*</c> keys and checked once.</summary>
internal sealed record Hyperparameters
{
    // Far above any model; keeps products of sizes inside 64 bits and refuses nonsense early.
    internal const int LargestWidth = 1 << 20;
    internal const int MostLayers = 1 << 12;
    internal const int MostExperts = 1 << 14;
    private const int MostHeads = 1 << 14;
    private const int LongestContext = 1 << 28;

    /// <summary>GGUF's general.architecture.</summary>
    public required string Architecture { get; init; }

    /// <summary>Positions that the model was made for.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Width inside the feed-forward layer.</summary>
    public required int FeedForward { get; init; }

    /// <summary>Layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Values of a query or key head.</summary>
    public required int KeyWidth { get; init; }

    /// <summary>Values of a value head.</summary>
    public required int ValueWidth { get; init; }

    /// <summary>Epsilon of the norms.</summary>
    public required float Epsilon { get; init; }

    /// <summary>All query heads together.</summary>
    public int QueryWidth => Heads * KeyWidth;

    /// <summary>All key heads together.</summary>
    public int KeysWidth => KvHeads * KeyWidth;

    /// <summary>All value heads together.</summary>
    public int ValuesWidth => KvHeads * ValueWidth;

    /// <summary>Attention's usual terms: causal, scaled by 1 / sqrt(KeyWidth).</summary>
    public AttentionTerms Attention => new()
    {
        Heads = Heads,
        KvHeads = KvHeads,
        KeyWidth = KeyWidth,
        ValueWidth = ValueWidth,
        Scale = 1 / MathF.Sqrt(KeyWidth),
    };

    /// <summary>Reads what every decoder has.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="epsilonKey">The norm's key after the architecture.</param>
    /// <exception cref="ModelFormatException">A key is missing, mistyped or out of range.</exception>
    public static Hyperparameters Read(GgufMetadata metadata, string epsilonKey)
    {
        var architecture = metadata.Get<string>("general.architecture");
        var keys = new Keys(metadata, architecture);
        var width = keys.Size("embedding_length", LargestWidth);
        var heads = keys.Size("attention.head_count", MostHeads);
        var kvHeads = keys.Size("attention.head_count_kv", MostHeads, otherwise: heads);
        if (heads % kvHeads != 0)
            throw keys.Wrong("attention.head_count_kv", $"must divide the {heads} heads, found {kvHeads}");
        if (!keys.Has("attention.key_length") && width % heads != 0)
            throw keys.Wrong("attention.head_count", $"must divide the width {width}, found {heads}");
        return new Hyperparameters
        {
            Architecture = architecture,
            ContextLength = keys.Size("context_length", LongestContext),
            Width = width,
            FeedForward = keys.Size("feed_forward_length", LargestWidth),
            Layers = keys.Size("block_count", MostLayers),
            Heads = heads,
            KvHeads = kvHeads,
            KeyWidth = keys.Size("attention.key_length", LargestWidth / heads, otherwise: width / heads),
            ValueWidth = keys.Size("attention.value_length", LargestWidth / heads, otherwise: width / heads),
            Epsilon = keys.Number(epsilonKey),
        };
    }

    /// <summary>Reads the rotary embedding's terms.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <param name="layout">Which values rotate together.</param>
    /// <param name="longRope">Whether the family brings LongRoPE's factors (arXiv 2402.13753).</param>
    /// <exception cref="ModelFormatException">A key is mistyped or out of range.</exception>
    /// <exception cref="UnsupportedModelException">The scaling is of an unknown kind.</exception>
    public RopeTerms ReadRope(GgufMetadata metadata, RopeLayout layout, bool longRope = false)
    {
        var keys = new Keys(metadata, Architecture);
        var dimensions = keys.Size("rope.dimension_count", KeyWidth, otherwise: KeyWidth);
        if (dimensions % 2 != 0)
            throw keys.Wrong("rope.dimension_count", $"must be even, found {dimensions}");

        // Files without a scaling type but with a factor mean linear scaling; scale_linear is the key's older name.
        var type = metadata.Get(keys.Name("rope.scaling.type"), "linear");
        var factor = keys.Number("rope.scaling.factor", keys.Number("rope.scale_linear", 1));
        if (factor <= 0)
            factor = 1;
        var terms = new RopeTerms
        {
            Layout = layout,
            Dimensions = dimensions,
            Base = keys.Number("rope.freq_base", 10000),
            AttentionFactor = keys.Number("rope.scaling.attn_factor", 1),
        };
        return type switch
        {
            "none" => terms,
            "linear" => terms with { FrequencyScale = 1 / factor },
            "longrope" when longRope => terms with { FrequencyScale = 1 / factor },
            "yarn" => terms with
            {
                FrequencyScale = 1 / factor,
                Extrapolation = 1,
                BetaFast = keys.Number("rope.scaling.yarn_beta_fast", 32),
                BetaSlow = keys.Number("rope.scaling.yarn_beta_slow", 1),
                OriginalContext = keys.Size("rope.scaling.original_context_length", LongestContext, otherwise: ContextLength),
            },
            _ => throw new UnsupportedModelException($"rope scaling '{type}'", longRope ? ["none", "linear", "yarn", "longrope"] : ["none", "linear", "yarn"]),
        };
    }

    /// <summary>The metadata of one architecture, read with ranges.</summary>
    internal readonly struct Keys(GgufMetadata metadata, string architecture)
    {
        public string Name(string key) => $"{architecture}.{key}";

        public bool Has(string key) => metadata.Contains(Name(key));

        public ModelFormatException Wrong(string key, string what) => new($"metadata key '{Name(key)}' {what}", metadata.Source);

        public float Number(string key, float? otherwise = null)
        {
            var value = otherwise is { } known ? metadata.Get(Name(key), known) : metadata.Get<float>(Name(key));
            return float.IsFinite(value) ? value : throw Wrong(key, $"must be finite, found {value}");
        }

        public int Size(string key, int most, int? otherwise = null, int least = 1)
        {
            if (otherwise is { } known && !Has(key))
                return known;
            var value = Has(key) && metadata.Find(Name(key)) is Array ? Uniform(key) : metadata.Get<int>(Name(key));
            return value >= least && value <= most ? value : throw Wrong(key, $"must be {least} to {most}, found {value}");
        }

        // Some exporters write a number a layer even where all are the same.
        private int Uniform(string key)
        {
            var values = metadata.Get<int[]>(Name(key)).Distinct().ToArray();
            return values.Length == 1 ? values[0] : throw new UnsupportedModelException($"'{Name(key)}' that differs from layer to layer", ["one value for all layers"]);
        }
    }
}
