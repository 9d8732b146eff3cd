using System.Globalization;

namespace Hearth.Runtime.Conversion.Families;

/// <summary>The encoder–decoder of 2017: BART, mBART, Marian, and any that a config.json describes (docs/gguf.md).</summary>
internal static class EncoderDecoderFamily
{
    /// <summary>The class of a model that is described by config.json alone.</summary>
    public const string Plain = "EncoderDecoderTransformer";

    /// <summary>mBART, whose texts carry language codes.</summary>
    public const string Multilingual = "MBartForConditionalGeneration";

    private const string Marian = "MarianMTModel";

    // The names under which one embedding is stored, in the order of preference.
    private static readonly string[] _embeddings = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"];

    public static readonly CheckpointFamily Description = new("encoder-decoder", ["BartForConditionalGeneration", Multilingual, Marian, Plain], WriteKeys, MapTensors) { Prefixes = ["model."] };

    private static void WriteKeys(ArchitectureKeys keys)
    {
        var config = keys.Config;
        var width = config.Size("d_model");
        config.ExpectFlag("share_encoder_decoder_embeddings", true);
        keys.Size("context_length", "max_position_embeddings");
        keys.Set("embedding_length", (uint)width);
        keys.Size("block_count", "encoder_layers");
        keys.Size("decoder.block_count", "decoder_layers");
        keys.Size("feed_forward_length", "encoder_ffn_dim");
        keys.Size("decoder.feed_forward_length", "decoder_ffn_dim");
        keys.Size("attention.head_count", "encoder_attention_heads");
        keys.Size("decoder.attention.head_count", "decoder_attention_heads");
        keys.Number("attention.layer_norm_epsilon", 1e-5, "layer_norm_eps");
        keys.Set("norm_first", NormFirst(config));
        keys.Set("position_type", PositionType(config));
        keys.Set("activation", Activation(config));
        keys.Set("embedding_scale", config.Flag("scale_embedding", false) ? MathF.Sqrt(width) : 1f);
        keys.Set("decoder_start_token_id", DecoderStart(config));
        if (config.Find("forced_bos_token_id") is { } forced)
            keys.Checkpoint.Notes.Add(string.Create(CultureInfo.InvariantCulture, $"config.json asks that every output begins with the token {forced.Integer}: give it in the decoder's prompt"));
    }

    private static bool NormFirst(ModelConfig config) => config.Architecture == Multilingual || (config.Architecture == Plain && config.Flag("normalize_before", false));

    private static string PositionType(ModelConfig config)
    {
        if (config.Architecture != Plain)
            return config.Architecture == Marian ? "sinusoidal" : "learned";
        config.Expect("position_type", "sinusoidal", "sinusoidal_interleaved", "learned");
        return config.Find("position_type")?.Text ?? "sinusoidal";
    }

    private static string Activation(ModelConfig config) => config.Find("activation_function")?.Text switch
    {
        null => config.Architecture == Plain ? "relu" : "gelu",
        "relu" => "relu",
        "gelu" => "gelu",
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => "gelu_tanh",
        "swish" or "silu" => "silu",
        var other => throw new UnsupportedModelException($"activation_function '{other}' in {config.File}", ["relu", "gelu", "gelu_new", "swish"]),
    };

    private static uint DecoderStart(ModelConfig config)
    {
        var usual = config.Architecture switch { Marian => "pad_token_id", Plain => "bos_token_id", _ => "eos_token_id" };
        var start = config.Find("decoder_start_token_id", usual) ?? throw new ModelFormatException($"'decoder_start_token_id' is missing: nothing says how the decoder's text begins", config.File);
        return start.Integer is >= 0 and <= int.MaxValue and var id ? (uint)id : throw start.Fault("a token id");
    }

    private static void MapTensors(TensorMap map, ModelConfig config)
    {
        // The embedding goes by several names, and Marian's sinusoids may be stored though they follow from a formula.
        var sinusoidal = PositionType(config) != "learned";
        map.Ignore(name => _embeddings.Contains(name) || (sinusoidal && name.EndsWith(".embed_positions.weight", StringComparison.Ordinal)));
        map.Exactly(Array.Find(_embeddings, map.Has) ?? _embeddings[0], "token_embd.weight");
        if (!config.Flag("tie_word_embeddings", true))
            map.Exactly("lm_head.weight", "output.weight");
        if (map.Has("final_logits_bias"))
            map.Exactly("final_logits_bias", "output.bias", bias => bias with { Shape = [bias.Rows * bias.Columns] });
        Stack(map, config, "encoder", "enc", config.Size("encoder_layers"));
        Stack(map, config, "decoder", "dec", config.Size("decoder_layers"));
    }

    private static void Stack(TensorMap map, ModelConfig config, string source, string target, int layers)
    {
        // BART's and mBART's positions begin in row 2, behind two that padding once took.
        if (PositionType(config) == "learned")
            map.Exactly($"{source}.embed_positions.weight", $"{target}.position_embd.weight", config.Architecture == Plain ? null : table => table.WithoutRows(2));
        if (map.Has($"{source}.layernorm_embedding.weight"))
            map.Affine($"{source}.layernorm_embedding", $"{target}.token_embd_norm");
        if (NormFirst(config))
            map.Affine($"{source}.layer_norm", $"{target}.output_norm");
        for (var n = 0; n < layers; n++)
        {
            var (layer, block) = ($"{source}.layers.{n}", $"{target}.blk.{n}");
            Attention(map, $"{layer}.self_attn", $"{block}.attn");
            if (target == "dec")
                Attention(map, $"{layer}.encoder_attn", $"{block}.cross_attn");
            map.Weight($"{layer}.fc1", $"{block}.ffn_up");
            map.Weight($"{layer}.fc2", $"{block}.ffn_down");
            map.Weight($"{layer}.final_layer_norm", $"{block}.ffn_norm");
        }
    }

    private static void Attention(TensorMap map, string source, string target)
    {
        foreach (var (from, to) in new[] { ("q_proj", "q"), ("k_proj", "k"), ("v_proj", "v"), ("out_proj", "o") })
            map.Weight($"{source}.{from}", $"{target}_{to}");
        map.Weight($"{source}_layer_norm", target + "_norm");
    }
}
