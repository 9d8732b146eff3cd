using System.Globalization;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;

namespace Hearth.Runtime.Models;

/// <summary>The sizes of one layer, which a few architectures choose anew for each.</summary>
/// <param name="Heads">Query heads; 0 where the layer has no attention.</param>
/// <param name="KvHeads">Key and value heads; 0 where the layer has no attention.</param>
/// <param name="FeedForward">Width inside the feed-forward part; 0 where it has none or the file does not say.</param>
internal readonly record struct LayerSizes(int Heads, int KvHeads, int FeedForward);

/// <summary>The sizes of a model, read from GGUF's <c>{architecture}.*</c> keys and checked once.</summary>
internal sealed record Hyperparameters
{
    // Far above any model; keeps products of sizes inside 64 bits and refuses nonsense early.
    internal const int LargestWidth = 1 << 20;
    internal const int MostLayers = 1 << 12;
    internal const int MostHeads = 1 << 14;
    internal const int LongestContext = 1 << 28;

    private readonly LayerSizes[] _layers;

    private Hyperparameters(LayerSizes[] layers) => _layers = layers;

    /// <summary>GGUF's general.architecture.</summary>
    public required string Architecture { get; init; }

    /// <summary>Positions that the model was made for.</summary>
    public required int ContextLength { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int Width { get; init; }

    /// <summary>Layers that are run.</summary>
    public int Layers => _layers.Length;

    /// <summary>Layers behind them in the file, which draft tokens ahead (multi-token prediction) and are not run.</summary>
    public required int DraftLayers { get; init; }

    /// <summary>Values of a query or key head.</summary>
    public required int KeyWidth { get; init; }

    /// <summary>Values of a value head.</summary>
    public required int ValueWidth { get; init; }

    /// <summary>The sizes of a layer.</summary>
    public LayerSizes Of(int layer) => _layers[layer];

    /// <summary>The sizes of every layer, where all are alike and have attention and a feed-forward part.</summary>
    /// <param name="keys">Names the key that is wrong.</param>
    /// <exception cref="UnsupportedModelException">They are not alike.</exception>
    /// <exception cref="ModelFormatException">A size is 0.</exception>
    public LayerSizes OneForAll(Keys keys)
    {
        var sizes = _layers[0];
        if (_layers.Any(layer => layer != sizes))
            throw new UnsupportedModelException($"'{Architecture}' with layers of different sizes", ["one size for all layers"]);
        if (sizes.Heads == 0 || sizes.KvHeads == 0)
            throw keys.Wrong("attention.head_count", "must be at least 1");
        return sizes.FeedForward > 0 ? sizes : throw keys.Wrong("feed_forward_length", "must be at least 1");
    }

    /// <summary>The largest width of a head of which a layer's all together are no wider than any model's.</summary>
    public int LargestHead => LargestWidth / Math.Max(_layers.Max(l => l.Heads), 1);

    /// <summary>Attention's usual terms for a layer: causal, scaled by 1 / sqrt(KeyWidth).</summary>
    public AttentionTerms Attention(int layer) => new()
    {
        Heads = _layers[layer].Heads,
        KvHeads = _layers[layer].KvHeads,
        KeyWidth = KeyWidth,
        ValueWidth = ValueWidth,
        Scale = 1 / MathF.Sqrt(KeyWidth),
    };

    /// <summary>Whether a tensor belongs to a layer that drafts.</summary>
    public bool IsBeyond(string tensor) => DraftLayers > 0 && LayerOf(tensor) >= Layers;

    /// <summary>The layer that a tensor belongs to by its name, or null.</summary>
    public static int? LayerOf(string tensor)
        => tensor.StartsWith("blk.", StringComparison.Ordinal) && tensor.IndexOf('.', 4) is > 4 and var end
            && int.TryParse(tensor.AsSpan(4, end - 4), NumberStyles.None, CultureInfo.InvariantCulture, out var layer) ? layer : null;

    /// <summary>Reads what every model has.</summary>
    /// <param name="metadata">The file's metadata.</param>
    /// <exception cref="ModelFormatException">A key is missing, mistyped or out of range.</exception>
    public static Hyperparameters Read(GgufMetadata metadata)
    {
        var architecture = metadata.Get<string>("general.architecture");
        var keys = new Keys(metadata, architecture);
        var width = keys.Size("embedding_length", LargestWidth);
        var blocks = keys.Size("block_count", MostLayers);
        var drafts = keys.Size("nextn_predict_layers", blocks - 1, otherwise: 0, least: 0);
        var heads = keys.Sizes("attention.head_count", blocks, MostHeads);
        var kvHeads = keys.Sizes("attention.head_count_kv", blocks, MostHeads, heads);
        var feedForward = keys.Sizes("feed_forward_length", blocks, LargestWidth, new int[blocks]);
        for (var layer = 0; layer < blocks; layer++)
        {
            if (kvHeads[layer] > 0 && heads[layer] % kvHeads[layer] != 0)
                throw keys.Wrong("attention.head_count_kv", $"must divide the {heads[layer]} heads, found {kvHeads[layer]}");
        }

        var most = Math.Max(heads.Max(), 1);
        var first = Math.Max(heads[0], 1);
        if (!keys.Has("attention.key_length") && width % first != 0)
            throw keys.Wrong("attention.head_count", $"must divide the width {width}, found {first}");
        return new Hyperparameters([.. Enumerable.Range(0, blocks - drafts).Select(i => new LayerSizes(heads[i], kvHeads[i], feedForward[i]))])
        {
            Architecture = architecture,
            ContextLength = keys.Size("context_length", LongestContext),
            Width = width,
            DraftLayers = drafts,
            KeyWidth = keys.Size("attention.key_length", LargestWidth / most, otherwise: width / first),
            ValueWidth = keys.Size("attention.value_length", LargestWidth / most, otherwise: width / first),
        };
    }

    /// <summary>Reads the rotary embedding's terms.</summary>
    /// <param name="keys">The architecture's metadata.</param>
    /// <param name="layout">Which values rotate together.</param>
    /// <param name="longRope">Whether the file brings LongRoPE's factors (arXiv 2402.13753).</param>
    /// <exception cref="ModelFormatException">A key is mistyped or out of range.</exception>
    /// <exception cref="UnsupportedModelException">The scaling is of an unknown kind.</exception>
    public RopeTerms ReadRope(Keys keys, RopeLayout layout, bool longRope = false)
    {
        var dimensions = keys.Size("rope.dimension_count", KeyWidth, otherwise: KeyWidth);
        if (dimensions % 2 != 0)
            throw keys.Wrong("rope.dimension_count", $"must be even, found {dimensions}");

        // Files without a scaling type but with a factor mean linear scaling; scale_linear is the key's older name.
        var type = keys.Text("rope.scaling.type", "linear");
        var factor = keys.Number("rope.scaling.factor", keys.Number("rope.scale_linear", 1));
        if (factor <= 0)
            factor = 1;
        var terms = new RopeTerms
        {
            Layout = layout,
            Dimensions = dimensions,
            Base = keys.Number("rope.freq_base", 10000, least: float.Epsilon),
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
        /// <summary>A key's whole name.</summary>
        public string Name(string key) => architecture.Length == 0 ? key : $"{architecture}.{key}";

        /// <summary>Metadata whose keys bear no architecture.</summary>
        public static Keys Bare(GgufMetadata metadata) => new(metadata, "");

        /// <summary>Whether the file has a key.</summary>
        public bool Has(string key) => metadata.Contains(Name(key));

        /// <summary>An error that names a key.</summary>
        public ModelFormatException Wrong(string key, string what) => new($"metadata key '{Name(key)}' {what}", metadata.Source);

        /// <summary>A finite number within bounds.</summary>
        public float Number(string key, float? otherwise = null, float least = float.MinValue, float most = float.MaxValue)
        {
            var value = otherwise is { } known ? metadata.Get(Name(key), known) : metadata.Get<float>(Name(key));
            if (!float.IsFinite(value))
                throw Wrong(key, $"must be finite, found {value}");
            if (value >= least && value <= most)
                return value;
            throw Wrong(key, most == float.MaxValue ? $"must be at least {least}, found {value}" : $"must be {least} to {most}, found {value}");
        }

        /// <summary>A whole number within bounds, the same for all layers; 0, which some exporters write for "absent", is as no key where a size is at least 1.</summary>
        public int Size(string key, int most, int? otherwise = null, int least = 1)
        {
            if (otherwise is { } known && !Has(key))
                return known;
            var value = Has(key) && metadata.Find(Name(key)) is Array ? Uniform(key) : metadata.Get<int>(Name(key));
            if (value == 0 && least > 0 && otherwise is { } absent)
                return absent;
            return value >= least && value <= most ? value : throw Wrong(key, $"must be {least} to {most}, found {value}");
        }

        /// <summary>A whole number for every layer, from 0 up; the file has one for all, or a list.</summary>
        public int[] Sizes(string key, int layers, int most, int[]? otherwise = null)
        {
            if (otherwise is not null && !Has(key))
                return otherwise;
            int[] values = Has(key) && metadata.Find(Name(key)) is Array ? metadata.Get<int[]>(Name(key)) : [.. Enumerable.Repeat(metadata.Get<int>(Name(key)), layers)];
            if (values.Length != layers)
                throw Wrong(key, $"must have a value for each of the {layers} layers, found {values.Length}");
            foreach (var value in values)
            {
                if (value < 0 || value > most)
                    throw Wrong(key, $"must be 0 to {most}, found {value}");
            }

            return values;
        }

        /// <summary>For every layer yes or no; null where the file has no list.</summary>
        public bool[]? Flags(string key, int layers)
        {
            if (metadata.Find(Name(key)) is not Array stored)
                return null;
            var flags = stored as bool[] ?? [.. metadata.Get<int[]>(Name(key)).Select(v => v != 0)];
            return flags.Length >= layers ? flags : throw Wrong(key, $"must have a value for each of the {layers} layers, found {flags.Length}");
        }

        /// <summary>Whole numbers, as many as the file has; none where it lacks the key.</summary>
        public int[] Numbers(string key) => metadata.Get<int[]>(Name(key), []);

        /// <summary>A finite number for every layer; the file has one for all, or a list.</summary>
        public float[] LayerNumbers(string key, int layers, float? otherwise = null)
        {
            if (metadata.Find(Name(key)) is not Array stored)
                return [.. Enumerable.Repeat(Number(key, otherwise), layers)];
            if (stored is not float[] values || values.Length < layers || !values.All(float.IsFinite))
                throw Wrong(key, $"must have a finite number for each of the {layers} layers");
            return values;
        }

        /// <summary>Refuses a file whose key says another size than another one.</summary>
        /// <exception cref="UnsupportedModelException">It does.</exception>
        public void Same(string key, int size)
        {
            if (Size(key, int.MaxValue, size) != size)
                throw new UnsupportedModelException($"'{Name(key)}' that differs from {size}", ["one size"]);
        }

        /// <summary>Refuses a file without a key.</summary>
        public void Require(string key)
        {
            if (!Has(key))
                throw Wrong(key, "is missing");
        }

        /// <summary>Yes or no.</summary>
        public bool Flag(string key, bool otherwise) => metadata.Get(Name(key), otherwise);

        /// <summary>A text.</summary>
        public string Text(string key, string otherwise) => metadata.Get(Name(key), otherwise);

        // Some exporters write a number a layer even where all are the same.
        private int Uniform(string key)
        {
            var values = metadata.Get<int[]>(Name(key)).Distinct().ToArray();
            return values.Length == 1 ? values[0] : throw new UnsupportedModelException($"'{Name(key)}' that differs from layer to layer", ["one value for all layers"]);
        }
    }
}
