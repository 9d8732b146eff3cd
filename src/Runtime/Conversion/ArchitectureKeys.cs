namespace Hearth.Runtime.Conversion;

/// <summary>Writes the metadata keys of an architecture from config.json.</summary>
/// <param name="metadata">Takes the pairs.</param>
/// <param name="architecture">GGUF's general.architecture, the keys' prefix.</param>
/// <param name="checkpoint">The source.</param>
internal sealed class ArchitectureKeys(GgufPairs metadata, string architecture, Checkpoint checkpoint)
{
    private static readonly string[] _poolings = ["mean_tokens", "cls_token", "lasttoken"];

    private static readonly (string Key, string Name)[] _yarnTerms =
    [
        ("yarn_ext_factor", "extrapolation_factor"),
        ("yarn_attn_factor", "attention_factor"),
        ("yarn_beta_fast", "beta_fast"),
        ("yarn_beta_slow", "beta_slow"),
    ];

    /// <summary>config.json.</summary>
    public ModelConfig Config => checkpoint.Config;

    /// <summary>The folder, for families that read more of it.</summary>
    public Checkpoint Checkpoint => checkpoint;

    /// <summary>Sets a key.</summary>
    public void Set(string key, object value) => metadata[$"{architecture}.{key}"] = value;

    /// <summary>Sets a key that has no architecture's prefix.</summary>
    public void SetPlain(string key, object value) => metadata[key] = value;

    /// <summary>Sets a key to a size of config.json that must be there.</summary>
    public void Size(string key, params ReadOnlySpan<string> names) => Set(key, (uint)Config.Size(names));

    /// <summary>Sets a key to a size of config.json where it is there.</summary>
    public void OptionalSize(string key, params ReadOnlySpan<string> names)
    {
        if (Config.OptionalSize(names) is { } size)
            Set(key, (uint)size);
    }

    /// <summary>Sets a key to a number of config.json, or to what the library assumes where the file is silent.</summary>
    public void Number(string key, double? otherwise, params ReadOnlySpan<string> names)
        => Set(key, (float)(Config.Find(names)?.Number ?? otherwise ?? throw new ModelFormatException($"'{string.Join("' or '", names)}' is missing", Config.File)));

    /// <summary>The sizes that all decoders of Llama's line have.</summary>
    public void Decoder()
    {
        Size("context_length", "max_position_embeddings");
        Size("embedding_length", "hidden_size");
        Size("block_count", "num_hidden_layers");
        Size("feed_forward_length", "intermediate_size");
        Size("attention.head_count", "num_attention_heads");
        Set("attention.head_count_kv", (uint)(Config.OptionalSize("num_key_value_heads") ?? Config.Size("num_attention_heads")));
        Number("attention.layer_norm_rms_epsilon", 1e-6, "rms_norm_eps");
        OptionalSize("attention.key_length", "head_dim");
        OptionalSize("attention.value_length", "head_dim");
        if (Config.OptionalSize("sliding_window") is not null && Config.Flag("use_sliding_window", true) && architecture is "llama" or "qwen2" or "qwen3")
            checkpoint.Notes.Add("config.json asks for sliding-window attention; GGUF's architecture attends to the whole context");
    }

    /// <summary>Rotary embedding that nothing stretches: its base.</summary>
    /// <exception cref="UnsupportedModelException">It is stretched.</exception>
    public void PlainRope()
    {
        Number("rope.freq_base", RopeScaling?["rope_theta"]?.Number ?? 10000, "rope_theta");
        if (RopeType is not "default")
            throw new UnsupportedModelException($"rope scaling '{RopeType}' of architecture '{architecture}'", ["default"]);
    }

    /// <summary>Rotary embedding: base, and how it is stretched.</summary>
    /// <param name="factors">Whether the family writes Llama 3's frequency factors as a tensor.</param>
    /// <exception cref="UnsupportedModelException">The scaling is of another kind.</exception>
    public void Rope(bool factors = false)
    {
        Number("rope.freq_base", RopeScaling?["rope_theta"]?.Number ?? 10000, "rope_theta");
        if (Config.Find("partial_rotary_factor") is { } partial && partial.Number != 1)
            throw new UnsupportedModelException($"partial_rotary_factor {partial.Number} of architecture '{architecture}'", ["1"]);
        var type = RopeType;
        if (type is "default" || (type == "llama3" && factors))
            return;
        if (type is not ("linear" or "yarn"))
            throw new UnsupportedModelException($"rope scaling '{type}' of architecture '{architecture}'", factors ? ["linear", "llama3", "yarn"] : ["linear", "yarn"]);
        var scaling = RopeScaling!;
        var factor = (scaling["factor"] ?? throw scaling.Fault("an object with factor")).Number;
        Set("rope.scaling.type", type);
        Set("rope.scaling.factor", (float)factor);
        if (type == "yarn")
            Yarn(scaling);
    }

    /// <summary>How the rotary frequencies are stretched; null where they are not.</summary>
    public Json? RopeScaling => Config.Find("rope_parameters", "rope_scaling");

    /// <summary>The kind of scaling by its name in config.json; <c>default</c> where there is none.</summary>
    public string RopeType => (RopeScaling?["rope_type"] ?? RopeScaling?["type"])?.Text ?? "default";

    private void Yarn(Json scaling)
    {
        Set("rope.scaling.original_context_length", (uint)(scaling["original_max_position_embeddings"]?.Integer ?? Config.Size("max_position_embeddings")));
        foreach (var (key, name) in _yarnTerms)
        {
            if (scaling[name] is { } value)
                Set("rope.scaling." + key, (float)value.Number);
        }
    }

    /// <summary>How an encoder's rows become one vector, as sentence-transformers stores it (modules.json, 1_Pooling/config.json).</summary>
    /// <exception cref="UnsupportedModelException">The pooling is of another kind.</exception>
    public void Pooling()
    {
        var module = checkpoint.Read("modules.json") is { IsList: true } modules
            ? modules.Items.FirstOrDefault(item => item["type"]?.Text.EndsWith("Pooling", StringComparison.Ordinal) == true)?["path"]?.Text : "1_Pooling";
        if (module is null || module != Path.GetFileName(module) || checkpoint.Read(Path.Combine(module, "config.json")) is not { } pooling)
            return;
        var mode = Array.Find(_poolings, name => pooling["pooling_mode_" + name]?.Flag == true) ?? pooling["pooling_mode"]?.Text;
        Set("pooling_type", mode switch
        {
            "mean_tokens" or "mean" => 1u,
            "cls_token" or "cls" => 2u,
            "lasttoken" => 3u,
            _ => throw new UnsupportedModelException($"the pooling of {pooling.File}", ["mean", "cls", "last token"]),
        });
    }
}
