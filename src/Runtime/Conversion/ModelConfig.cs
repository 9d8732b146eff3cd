namespace Hearth.Runtime.Conversion;

/// <summary>config.json: sizes and choices by the names that the families give them; a multimodal model's text part comes first.</summary>
internal sealed class ModelConfig(Json root)
{
    // As wide as the runtime's own bounds on hyperparameters.
    private const long LargestSize = 1 << 28;

    private readonly Json? _text = root["text_config"];

    /// <summary>The file.</summary>
    public string File => root.File;

    /// <summary>The class that the model was saved from, for instance <c>LlamaForCausalLM</c>.</summary>
    /// <exception cref="ModelFormatException">The file does not say.</exception>
    public string Architecture
        => root["architectures"] is { IsList: true } names && names.Items.FirstOrDefault() is { } first ? first.Text
            : throw new ModelFormatException("'architectures' is missing: the model's class is not known", root.File);

    /// <summary>Whether the file names a class.</summary>
    public bool Names(string architecture) => root["architectures"] is not null && Architecture == architecture;

    /// <summary>The first of the keys that is there; null for none.</summary>
    public Json? Find(params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            if ((_text?[key] ?? root[key]) is { } value)
                return value;
        }

        return null;
    }

    /// <summary>A count or a width: 1 to 2^28.</summary>
    /// <exception cref="ModelFormatException">It is missing or out of range.</exception>
    public int Size(params ReadOnlySpan<string> keys)
        => OptionalSize(keys) ?? throw new ModelFormatException($"'{string.Join("' or '", keys)}' is missing", root.File);

    /// <inheritdoc cref="Size"/>
    public int? OptionalSize(params ReadOnlySpan<string> keys)
        => Find(keys) is not { } value ? null : value.Integer is >= 1 and <= LargestSize and var size ? (int)size : throw value.Fault($"1 to {LargestSize}");

    /// <summary>A count that may be none.</summary>
    /// <exception cref="ModelFormatException">It is out of range.</exception>
    public int Count(string key)
        => Find(key) is not { } value ? 0 : value.Integer is >= 0 and <= LargestSize and var count ? (int)count : throw value.Fault($"0 to {LargestSize}");

    /// <summary>For each layer whether its kind (<c>layer_types</c>) is the one given; null where the file has no list.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="other">What else a layer may be.</param>
    /// <exception cref="ModelFormatException">The list is not as long as there are layers.</exception>
    /// <exception cref="UnsupportedModelException">A layer is neither.</exception>
    public bool[]? Layers(string kind, string other)
    {
        if (Find("layer_types", "layers_block_type") is not { } list)
            return null;
        var kinds = list.Items.Select(item => item.Text).ToArray();
        if (Array.Find(kinds, k => k != kind && k != other) is { } odd)
            throw new UnsupportedModelException($"a layer of kind '{odd}' in {root.File}", [kind, other]);
        return kinds.Length == Size("num_hidden_layers") ? [.. kinds.Select(k => k == kind)] : throw list.Fault($"a kind for each of the {Size("num_hidden_layers")} layers");
    }

    /// <summary>Whether a choice is made; what the library assumes where the file is silent.</summary>
    public bool Flag(string key, bool otherwise) => Find(key)?.Flag ?? otherwise;

    /// <summary>Refuses a model whose choice is another than the one that GGUF's architecture stands for.</summary>
    /// <exception cref="UnsupportedModelException">It is.</exception>
    public void Expect(string key, params string[] possible)
    {
        if (Find(key) is { } value && !possible.Contains(value.Text))
            throw new UnsupportedModelException($"{key} '{value.Text}' in {root.File}", possible);
    }

    /// <summary>Refuses a model that sets a flag which GGUF's architecture knows nothing of.</summary>
    /// <exception cref="UnsupportedModelException">It does.</exception>
    public void ExpectFlag(string key, bool value)
    {
        if (Find(key) is { } flag && flag.Flag != value)
            throw new UnsupportedModelException($"{key} in {root.File}", [value ? "true" : "false"]);
    }
}
