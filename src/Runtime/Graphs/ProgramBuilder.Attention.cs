using Hearth.Runtime.Interop;

namespace Hearth.Runtime.Graphs;

// Attention, over the cache, the rows of a step or an encoder's output.
internal sealed unsafe partial class ProgramBuilder
{
    /// <summary>Attention over the sequence's past and this step's rows: stores keys and values in the cache, then attends.</summary>
    /// <param name="queries">[rows, heads * keyWidth].</param>
    /// <param name="keys">[rows, kvHeads * keyWidth].</param>
    /// <param name="values">[rows, kvHeads * valueWidth]; null where the terms say that they lie in the keys.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="terms">Shapes, mask and scale.</param>
    /// <param name="sinks">[heads] scores of a key without value, or null.</param>
    /// <param name="biases">[BiasBuckets, heads] T5's biases where the terms have buckets.</param>
    /// <param name="choice">Positions of <see cref="ChooseKeys"/>: a row sees no other; null: all that the mask shows. The terms then have one head of keys, the causal mask, and no window, bias or temperature.</param>
    /// <returns>[rows, heads * valueWidth].</returns>
    public Value CachedAttention(Value queries, Value keys, Value? values, int layer, AttentionTerms terms, Weight? sinks = null, Weight? biases = null, Value? choice = null)
    {
        WriteCache(keys, values, layer, terms);
        var operation = Start(Kind.Attention, queries);
        if (choice is not null)
            operation.Input[ChoiceSlot] = choice.Number;
        return Attend(operation, Source.Cache, layer, terms, sinks, biases);
    }

    /// <summary>Stores one key a row in a layer of the cache, and chooses for each row the best of those that it sees: by the sum over heads of weight * relu(query * key).</summary>
    /// <param name="queries">[rows, heads * width].</param>
    /// <param name="keys">[rows, width], at most 1024 wide.</param>
    /// <param name="weights">[rows, heads].</param>
    /// <param name="chosen">How many keys at most; a row that sees no more gets them all.</param>
    /// <returns>[rows, chosen] positions for <see cref="CachedAttention"/>.</returns>
    public Value ChooseKeys(Value queries, Value keys, Value weights, int chosen)
    {
        ArgumentNullException.ThrowIfNull(queries);
        ArgumentNullException.ThrowIfNull(keys);
        ArgumentNullException.ThrowIfNull(weights);
        Expect(queries.Width == (long)weights.Width * keys.Width, "choice of keys", $"{weights.Width} queries of {keys.Width}", queries.Width);
        var layer = CacheLayerCount;
        var terms = new AttentionTerms { Heads = weights.Width, KvHeads = 1, KeyWidth = keys.Width, ValueWidth = keys.Width, Scale = 1, ValuesInKeys = true };
        WriteCache(keys, null, layer, terms);
        var operation = Start(Kind.ChooseKeys, queries, weights);
        operation.Parameters.ChooseKeys = new NativeChooseKeysParameters { Layer = layer, Heads = weights.Width, KeyWidth = keys.Width };
        return Finish(operation, chosen);
    }

    /// <summary>Stores this step's keys and values in a layer of the cache.</summary>
    /// <param name="keys">[rows, kvHeads * keyWidth].</param>
    /// <param name="values">[rows, kvHeads * valueWidth]; null where the terms say that they lie in the keys.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="terms">Heads and their widths.</param>
    public void WriteCache(Value keys, Value? values, int layer, AttentionTerms terms)
    {
        var shape = Shape(terms);
        var write = values is null ? Start(Kind.CacheWrite, keys) : Start(Kind.CacheWrite, keys, values);
        write.Parameters.CacheWrite = new NativeCacheWriteParameters
        {
            Layer = layer,
            KvHeads = shape.KvHeads,
            KeyWidth = shape.KeyWidth,
            ValueWidth = shape.ValueWidth,
        };
        _operations.Add(write);
        Use(_cacheLayers, layer, shape);
    }

    /// <summary>Attention over the sequence's past and this step's rows, with a score that the query gives each distance (Transformer-XL, arXiv 1901.02860).</summary>
    /// <param name="queries">[rows, heads * keyWidth].</param>
    /// <param name="keys">[rows, kvHeads * keyWidth].</param>
    /// <param name="values">[rows, kvHeads * valueWidth].</param>
    /// <param name="relative">[rows, heads * distances], added to the scaled scores; keys further back than distances - 1 share the last.</param>
    /// <param name="layer">Layer of the cache.</param>
    /// <param name="terms">Shapes, mask and scale.</param>
    /// <returns>[rows, heads * valueWidth].</returns>
    public Value RelativeAttention(Value queries, Value keys, Value values, Value relative, int layer, AttentionTerms terms)
    {
        WriteCache(keys, values, layer, terms);
        return Attend(Start(Kind.Attention, queries, relative), Source.Cache, layer, terms, sinks: null, biases: null, relative.Width / terms.Heads);
    }

    /// <summary>Attention over a layer of the cache that was written before, by an earlier layer that shares its keys and values.</summary>
    /// <returns>[rows, heads * valueWidth].</returns>
    /// <exception cref="ModelFormatException">That layer holds nothing, or heads of another shape.</exception>
    public Value SharedAttention(Value queries, int layer, AttentionTerms terms, Weight? sinks = null)
    {
        if (layer < 0 || layer >= _cacheLayers.Count || _cacheLayers[layer] != Shape(terms))
            throw new ModelFormatException($"attention to the keys of layer {layer} of the cache, which has none of {terms.KvHeads} heads of {terms.KeyWidth}", _file.Path);
        return Attend(Start(Kind.Attention, queries), Source.Cache, layer, terms, sinks, biases: null);
    }

    /// <summary>Attention among the rows of the same sequence in this step; nothing is cached (encoders).</summary>
    /// <param name="queries">[rows, heads * keyWidth].</param>
    /// <param name="keys">[rows, kvHeads * keyWidth].</param>
    /// <param name="values">[rows, kvHeads * valueWidth].</param>
    /// <param name="terms">Shapes, mask and scale.</param>
    /// <param name="biases">[BiasBuckets, heads] T5's biases where the terms have buckets.</param>
    /// <returns>[rows, heads * valueWidth].</returns>
    public Value RowAttention(Value queries, Value keys, Value values, AttentionTerms terms, Weight? biases = null)
        => Attend(Start(Kind.Attention, queries, keys, values), Source.Rows, layer: 0, terms, sinks: null, biases);

    /// <summary>Cross-attention: over all positions of the memory, an encoder's keys and values.</summary>
    /// <param name="queries">[rows, heads * keyWidth].</param>
    /// <param name="layer">Layer of the memory.</param>
    /// <param name="terms">Shapes and scale.</param>
    /// <returns>[rows, heads * valueWidth].</returns>
    public Value MemoryAttention(Value queries, int layer, AttentionTerms terms)
    {
        Use(_memoryLayers, layer, Shape(terms));
        return Attend(Start(Kind.Attention, queries), Source.Memory, layer, terms, sinks: null, biases: null);
    }

    // The input that holds a choice of keys.
    private const int ChoiceSlot = 2;

    private enum Source
    {
        Cache = 0,
        Rows = 1,
        Memory = 2,
    }

    internal static bool IsAttention(NativeOperation operation) => operation.Kind == (int)Kind.Attention;

    internal static bool IsToChosenKeys(NativeOperation operation)
        => IsAttention(operation) && operation.Parameters.Attention.Source == (int)Source.Cache && operation.Input[ChoiceSlot] >= 0;

    internal static bool IsAmongRows(NativeOperation operation)
        => IsAttention(operation) && operation.Parameters.Attention.Source == (int)Source.Rows;

    internal static bool IsOverMemory(NativeOperation operation)
        => IsAttention(operation) && operation.Parameters.Attention.Source == (int)Source.Memory;

    private static CacheLayer Shape(AttentionTerms terms) => new(terms.KvHeads, terms.KeyWidth, terms.ValuesInKeys ? 0 : terms.ValueWidth);

    private static void Use(List<CacheLayer> layers, int layer, CacheLayer shape)
    {
        while (layers.Count <= layer)
            layers.Add(default);
        layers[layer] = shape;
    }

    private Value Attend(NativeOperation operation, Source source, int layer, AttentionTerms terms, Weight? sinks, Weight? biases, int relativeDistances = 0)
    {
        operation.Weight[0] = sinks?.Number ?? -1;
        operation.Weight[1] = biases?.Number ?? -1;
        operation.Parameters.Attention = new NativeAttentionParameters
        {
            Source = (int)source,
            Layer = layer,
            Heads = terms.Heads,
            KvHeads = terms.KvHeads,
            KeyWidth = terms.KeyWidth,
            ValueWidth = terms.ValueWidth,
            Mask = (int)terms.Mask,
            Window = terms.Window,
            PrefixLength = terms.PrefixLength,
            Scale = terms.Scale,
            Softcap = terms.Softcap,
            AlibiBias = terms.AlibiBias,
            BiasBuckets = terms.BiasBuckets,
            BiasDistance = terms.BiasDistance,
            TemperatureLength = terms.TemperatureLength,
            Temperature = terms.Temperature,
            TemperatureOffset = terms.TemperatureOffset,
            ChunkMemory = terms.ChunkMemory,
            RelativeDistances = relativeDistances,
            ValuesInKeys = terms.ValuesInKeys ? 1 : 0,
        };
        return Finish(operation, checked(terms.Heads * terms.ValueWidth));
    }
}
