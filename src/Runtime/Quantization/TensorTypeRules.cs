using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Quantization;

/// <summary>Gives every tensor of a model its type in a mix.</summary>
/// <remarks>
/// The rules are those by which llama.cpp's files of the same names are made (llama-quant.cpp), so sizes and quality are
/// what users expect of a name. Some count: they treat the first or last of the layers better, in the order of layers.
/// </remarks>
internal sealed class TensorTypeRules
{
    private readonly QuantizationOptions _options;
    private readonly string _mix;
    private readonly string _architecture;
    private readonly int _layers;
    private readonly int _experts;
    private readonly long _queriesPerKey;
    private readonly bool _isSeventyBillion;
    private readonly bool _embeddingsAreOutput;
    private readonly int _values;
    private int _value;
    private int _down;

    private TensorTypeRules(GgufFile file, QuantizationOptions options)
    {
        _options = options;
        _mix = options.Mix.Name;
        _architecture = file.Metadata.Get("general.architecture", string.Empty);
        _layers = file.Metadata.Get(Key("block_count"), 0);
        _experts = file.Metadata.Get(Key("expert_count"), 0) is var experts and > 1 ? experts : 0;
        var (heads, keyHeads) = (FirstLayer(file, "attention.head_count", 0), FirstLayer(file, "attention.head_count_kv", null));
        _queriesPerKey = keyHeads == 0 ? 0 : heads / keyHeads;
        _isSeventyBillion = (_architecture, _layers) switch
        {
            ("llama", 80) => heads != keyHeads,
            ("qwen2" or "deci" or "olmo", 80) or ("jais2", 68) => true,
            _ => false,
        };
        _values = file.Tensors.Count(t => TensorNames.Categorize(t.Name) == TensorCategory.Value);
        _embeddingsAreOutput = file.FindTensor("output.weight") is null;

        string Key(string key) => $"{_architecture}.{key}";
    }

    /// <summary>The type of every tensor, and whether its shape made it another than the mix asks for.</summary>
    /// <exception cref="ModelFormatException">A metadata value that the rules need is of the wrong kind.</exception>
    public static IReadOnlyDictionary<string, (GgmlType Type, bool IsFallback)> Choose(GgufFile file, QuantizationOptions options)
    {
        var rules = new TensorTypeRules(file, options);
        return file.Tensors
            .OrderBy(t => TensorNames.Layer(t.Name)).ThenBy(t => t.Name, StringComparer.Ordinal)
            .ToDictionary(t => t.Name, rules.TypeOf, StringComparer.Ordinal);
    }

    private (GgmlType Type, bool IsFallback) TypeOf(GgufTensor tensor)
    {
        if (!TensorNames.IsQuantizable(tensor))
            return (tensor.Type, false);
        var category = TensorNames.Categorize(tensor.Name);
        var asked = Asked(tensor, category);
        return GgmlTypes.Of(asked).IsQuantized && tensor.RowElements % GgmlTypes.Of(asked).BlockElements != 0
            ? (GgmlTypes.Fallback(asked, tensor.RowElements), true)
            : (asked, false);
    }

    private GgmlType Asked(GgufTensor tensor, TensorCategory category)
    {
        if (category == TensorCategory.TokenEmbedding && _options.EmbeddingType is { } embedding)
            return embedding;
        if (category == TensorCategory.Output && _options.OutputType is { } output)
            return output;
        if (!GgmlTypes.Of(_options.Mix.Type).IsQuantized || _options.Pure)
            return _options.Mix.Type;
        return Mixed(tensor, category);
    }

    private GgmlType Mixed(GgufTensor tensor, TensorCategory category)
    {
        if (category == TensorCategory.Output || (category == TensorCategory.TokenEmbedding && _embeddingsAreOutput))
            return OutputType(tensor);
        if (_mix == "MXFP4_MOE")
            return tensor.Extent(2) > 1 ? GgmlType.MXFP4 : GgmlType.Q8_0;
        return category switch
        {
            TensorCategory.Value => ValueType(_value++),
            TensorCategory.Key when _experts == 8 => GgmlType.Q8_0,
            TensorCategory.FeedForwardDown => DownType(_experts > 1 ? TensorNames.Layer(tensor.Name) : _down++),
            TensorCategory.AttentionOutput => AttentionOutputType(),
            _ => _options.Mix.Type,
        };
    }

    private GgmlType OutputType(GgufTensor tensor)
    {
        if (_options.OutputType is { } asked)
            return asked;
        var type = _options.Mix.Type;
        var wide = type is GgmlType.Q8_0 or GgmlType.MXFP4 || _architecture == "falcon" || tensor.RowElements % GgmlTypes.Of(type).BlockElements != 0;
        return wide ? GgmlType.Q8_0 : GgmlType.Q6_K;
    }

    private GgmlType ValueType(int number)
    {
        if (_experts == 8)
            return GgmlType.Q8_0;
        var type = _mix switch
        {
            "Q2_K" => _queriesPerKey >= 4 ? GgmlType.Q4_K : GgmlType.Q3_K,
            "Q2_K_S" when _queriesPerKey >= 4 => GgmlType.Q4_K,
            "Q3_K_M" => number < 2 ? GgmlType.Q5_K : GgmlType.Q4_K,
            "Q3_K_L" => GgmlType.Q5_K,
            "IQ4_NL" or "IQ4_XS" when _queriesPerKey >= 4 => GgmlType.Q5_K,
            "Q4_K_M" or "Q5_K_M" when UsesMoreBits(number, _values) => GgmlType.Q6_K,
            "Q4_K_S" when number < 4 => GgmlType.Q5_K,
            _ => _options.Mix.Type,
        };
        // Eight heads share a value matrix there, so more bits cost little.
        return _isSeventyBillion && type is (GgmlType.Q3_K or GgmlType.Q4_K) ? GgmlType.Q5_K : type;
    }

    private GgmlType DownType(int layer)
    {
        var isFalcon = _architecture == "falcon";
        var (first, firstEighth) = (layer < _layers / 16, layer < _layers / 8);
        var more = UsesMoreBits(layer, _layers);
        return _mix switch
        {
            "Q2_K" => GgmlType.Q3_K,
            "Q2_K_S" when firstEighth => GgmlType.Q4_K,
            "Q3_K_M" => first ? GgmlType.Q5_K : !isFalcon || more ? GgmlType.Q4_K : GgmlType.Q3_K,
            "Q3_K_L" => isFalcon ? GgmlType.Q4_K : GgmlType.Q5_K,
            "Q4_K_M" when isFalcon => first ? GgmlType.Q6_K : more ? GgmlType.Q5_K : GgmlType.Q4_K,
            "Q4_K_M" or "Q5_K_M" when more => GgmlType.Q6_K,
            "Q4_K_S" when !isFalcon && firstEighth => GgmlType.Q5_K,
            "IQ4_NL" or "IQ4_XS" when firstEighth && _options.Importance is null => GgmlType.Q5_K,
            "Q4_0" when firstEighth && _options.Importance is not null => GgmlType.Q4_1,
            "Q5_0" when firstEighth && _options.Importance is not null => GgmlType.Q5_1,
            _ => _options.Mix.Type,
        };
    }

    private GgmlType AttentionOutputType() => (_architecture == "falcon", _experts == 8, _mix) switch
    {
        (true, _, "Q3_K_L") => GgmlType.Q4_K,
        (true, _, _) => _options.Mix.Type,
        (_, true, "Q2_K" or "Q3_K_S" or "Q3_K_M" or "IQ4_NL" or "Q4_K_S" or "Q4_K_M" or "IQ4_XS") => GgmlType.Q5_K,
        (_, true, _) => _options.Mix.Type,
        (_, _, "Q2_K") => GgmlType.Q3_K,
        (_, _, "Q3_K_M") => GgmlType.Q4_K,
        (_, _, "Q3_K_L") => GgmlType.Q5_K,
        _ => _options.Mix.Type,
    };

    /// <summary>The first and last eighth of the layers, and every third between.</summary>
    private static bool UsesMoreBits(int layer, int layers)
        => layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;

    /// <summary>A count that may be one number, or one a layer; <paramref name="otherwise"/> null: as many as query heads.</summary>
    private long FirstLayer(GgufFile file, string key, long? otherwise)
    {
        var full = $"{_architecture}.{key}";
        return file.Metadata.Find(full) switch
        {
            null => otherwise ?? FirstLayer(file, "attention.head_count", 0),
            Array { Length: > 0 } => file.Metadata.Get<int[]>(full)[0],
            Array => throw new ModelFormatException($"metadata key '{full}' must name a number for each layer, found none", file.Path),
            _ => file.Metadata.Get<long>(full),
        };
    }
}
