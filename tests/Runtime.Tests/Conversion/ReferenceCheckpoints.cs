using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>The reference models as Hugging Face's library would have saved them: GGUF's names and layouts undone, by rules of their own.</summary>
internal static class ReferenceCheckpoints
{
    private static readonly (string Pattern, string Name)[] _llama =
    [
        (@"token_embd\.weight", "model.embed_tokens.weight"),
        (@"output_norm\.weight", "model.norm.weight"),
        (@"output\.weight", "lm_head.weight"),
        (@"blk\.(\d+)\.attn_norm\.weight", "model.layers.$1.input_layernorm.weight"),
        (@"blk\.(\d+)\.ffn_norm\.weight", "model.layers.$1.post_attention_layernorm.weight"),
        (@"blk\.(\d+)\.attn_(q|k)_norm\.weight", "model.layers.$1.self_attn.$2_norm.weight"),
        (@"blk\.(\d+)\.attn_output\.(weight|bias)", "model.layers.$1.self_attn.o_proj.$2"),
        (@"blk\.(\d+)\.attn_qkv\.(weight|bias)", "model.layers.$1.self_attn.qkv_proj.$2"),
        (@"blk\.(\d+)\.attn_(q|k|v)\.(weight|bias)", "model.layers.$1.self_attn.$2_proj.$3"),
        (@"blk\.(\d+)\.ffn_(gate|up|down)\.weight", "model.layers.$1.mlp.$2_proj.weight"),
    ];

    private static readonly (string Pattern, string Name)[] _mixtral =
    [
        (@"blk\.(\d+)\.ffn_gate_inp\.weight", "model.layers.$1.block_sparse_moe.gate.weight"),
        (@"blk\.(\d+)\.ffn_gate_exps\.weight", "model.layers.$1.block_sparse_moe.experts.{e}.w1.weight"),
        (@"blk\.(\d+)\.ffn_down_exps\.weight", "model.layers.$1.block_sparse_moe.experts.{e}.w2.weight"),
        (@"blk\.(\d+)\.ffn_up_exps\.weight", "model.layers.$1.block_sparse_moe.experts.{e}.w3.weight"),
        .. _llama,
    ];

    private static readonly (string Pattern, string Name)[] _qwenExperts =
    [
        (@"blk\.(\d+)\.ffn_gate_inp\.weight", "model.layers.$1.mlp.gate.weight"),
        (@"blk\.(\d+)\.ffn_(gate|up|down)_exps\.weight", "model.layers.$1.mlp.experts.{e}.$2_proj.weight"),
        .. _llama,
    ];

    private static readonly (string Pattern, string Name)[] _gemma =
    [
        (@"blk\.(\d+)\.post_attention_norm\.weight", "model.layers.$1.post_attention_layernorm.weight"),
        (@"blk\.(\d+)\.ffn_norm\.weight", "model.layers.$1.pre_feedforward_layernorm.weight"),
        (@"blk\.(\d+)\.post_ffw_norm\.weight", "model.layers.$1.post_feedforward_layernorm.weight"),
        .. _llama,
    ];

    private static readonly (string Pattern, string Name)[] _phi3 = [(@"blk\.(\d+)\.ffn_up\.weight", "model.layers.$1.mlp.gate_up_proj.weight"), .. _llama];

    private static readonly (string Pattern, string Name)[] _gpt2 =
    [
        (@"token_embd\.weight", "transformer.wte.weight"),
        (@"position_embd\.weight", "transformer.wpe.weight"),
        (@"output_norm\.(weight|bias)", "transformer.ln_f.$1"),
        (@"blk\.(\d+)\.attn_norm\.(weight|bias)", "transformer.h.$1.ln_1.$2"),
        (@"blk\.(\d+)\.ffn_norm\.(weight|bias)", "transformer.h.$1.ln_2.$2"),
        (@"blk\.(\d+)\.attn_qkv\.(weight|bias)", "transformer.h.$1.attn.c_attn.$2"),
        (@"blk\.(\d+)\.attn_output\.(weight|bias)", "transformer.h.$1.attn.c_proj.$2"),
        (@"blk\.(\d+)\.ffn_up\.(weight|bias)", "transformer.h.$1.mlp.c_fc.$2"),
        (@"blk\.(\d+)\.ffn_down\.(weight|bias)", "transformer.h.$1.mlp.c_proj.$2"),
    ];

    private static readonly (string Pattern, string Name)[] _bert =
    [
        (@"token_embd\.weight", "bert.embeddings.word_embeddings.weight"),
        (@"position_embd\.weight", "bert.embeddings.position_embeddings.weight"),
        (@"token_types\.weight", "bert.embeddings.token_type_embeddings.weight"),
        (@"token_embd_norm\.(weight|bias)", "bert.embeddings.LayerNorm.$1"),
        (@"blk\.(\d+)\.attn_q\.(weight|bias)", "bert.encoder.layer.$1.attention.self.query.$2"),
        (@"blk\.(\d+)\.attn_k\.(weight|bias)", "bert.encoder.layer.$1.attention.self.key.$2"),
        (@"blk\.(\d+)\.attn_v\.(weight|bias)", "bert.encoder.layer.$1.attention.self.value.$2"),
        (@"blk\.(\d+)\.attn_output\.(weight|bias)", "bert.encoder.layer.$1.attention.output.dense.$2"),
        (@"blk\.(\d+)\.attn_output_norm\.(weight|bias)", "bert.encoder.layer.$1.attention.output.LayerNorm.$2"),
        (@"blk\.(\d+)\.ffn_up\.(weight|bias)", "bert.encoder.layer.$1.intermediate.dense.$2"),
        (@"blk\.(\d+)\.ffn_down\.(weight|bias)", "bert.encoder.layer.$1.output.dense.$2"),
        (@"blk\.(\d+)\.layer_output_norm\.(weight|bias)", "bert.encoder.layer.$1.output.LayerNorm.$2"),
    ];

    private static (string Pattern, string Name)[] T5(bool gated) =>
    [
        (@"token_embd\.weight", "shared.weight"),
        (@"output\.weight", "lm_head.weight"),
        (@"enc\.output_norm\.weight", "encoder.final_layer_norm.weight"),
        (@"dec\.output_norm\.weight", "decoder.final_layer_norm.weight"),
        (@"dec\.blk\.(\d+)\.cross_attn_norm\.weight", "decoder.block.$1.layer.1.layer_norm.weight"),
        (@"dec\.blk\.(\d+)\.cross_attn_(q|k|v|o)\.weight", "decoder.block.$1.layer.1.EncDecAttention.$2.weight"),
        (@"dec\.blk\.(\d+)\.ffn_norm\.weight", "decoder.block.$1.layer.2.layer_norm.weight"),
        (@"dec\.blk\.(\d+)\.ffn_gate\.weight", "decoder.block.$1.layer.2.DenseReluDense.wi_0.weight"),
        (@"dec\.blk\.(\d+)\.ffn_up\.weight", $"decoder.block.$1.layer.2.DenseReluDense.{(gated ? "wi_1" : "wi")}.weight"),
        (@"dec\.blk\.(\d+)\.ffn_down\.weight", "decoder.block.$1.layer.2.DenseReluDense.wo.weight"),
        (@"enc\.blk\.(\d+)\.ffn_norm\.weight", "encoder.block.$1.layer.1.layer_norm.weight"),
        (@"enc\.blk\.(\d+)\.ffn_gate\.weight", "encoder.block.$1.layer.1.DenseReluDense.wi_0.weight"),
        (@"enc\.blk\.(\d+)\.ffn_up\.weight", $"encoder.block.$1.layer.1.DenseReluDense.{(gated ? "wi_1" : "wi")}.weight"),
        (@"enc\.blk\.(\d+)\.ffn_down\.weight", "encoder.block.$1.layer.1.DenseReluDense.wo.weight"),
        (@"(enc|dec)\.blk\.(\d+)\.attn_norm\.weight", "$1oder.block.$2.layer.0.layer_norm.weight"),
        (@"(enc|dec)\.blk\.(\d+)\.attn_rel_b\.weight", "$1oder.block.$2.layer.0.SelfAttention.relative_attention_bias.weight"),
        (@"(enc|dec)\.blk\.(\d+)\.attn_(q|k|v|o)\.weight", "$1oder.block.$2.layer.0.SelfAttention.$3.weight"),
    ];

    /// <summary>Writes a reference model's weights, and the config that goes with them.</summary>
    public static CheckpointFolder Make(string name)
    {
        using var file = GgufFile.Open(ReferenceModels.File(name));
        var (rules, config) = Describe(name, file.Metadata);
        var folder = new CheckpointFolder().Write("config.json", config);
        foreach (var tensor in file.Tensors.Where(tensor => tensor.Name != "rope_freqs.weight"))
            Add(folder, rules, name, file.Metadata, tensor);
        if (file.Metadata.TryGet<string[]>("tokenizer.ggml.tokens", out var tokens))
            folder.Write("vocab.txt", string.Concat(tokens.Select(token => (token[0] == '\u2581' ? token[1..] : token[0] == '[' && token.Length > 1 ? token : "##" + token) + "\n")));
        return folder;
    }

    private static void Add(CheckpointFolder folder, (string Pattern, string Name)[] rules, string model, GgufMetadata metadata, GgufTensor tensor)
    {
        var (pattern, replacement) = rules.First(rule => Regex.IsMatch(tensor.Name, $"^{rule.Pattern}$"));
        var target = Regex.Replace(tensor.Name, $"^{pattern}$", replacement);
        var values = MemoryMarshal.Cast<byte, float>(tensor.Bytes()).ToArray();
        long[] shape = [.. tensor.Shape.Reverse()];
        if (target.Contains("{e}", StringComparison.Ordinal))
        {
            var size = values.Length / (int)shape[0];
            for (var expert = 0; expert < shape[0]; expert++)
                folder.Add(target.Replace("{e}", expert.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal), values[(expert * size)..((expert + 1) * size)], shape[1..]);
            return;
        }

        if (metadata.Get<string>("general.architecture") == "llama" && Regex.Match(tensor.Name, @"attn_(q|k)\.") is { Success: true } rotated)
            values = PairsToHalves(values, metadata.Get<int>(rotated.Groups[1].Value == "q" ? "llama.attention.head_count" : "llama.attention.head_count_kv"), (int)shape[^1]);
        if (model == "gpt2" && shape.Length == 2 && target.Contains(".c_", StringComparison.Ordinal))
            (values, shape) = (Transposed(values, (int)shape[0], (int)shape[1]), [shape[1], shape[0]]);
        if (model.StartsWith("gemma", StringComparison.Ordinal) && target.EndsWith("norm.weight", StringComparison.Ordinal))
            values = [.. values.Select(value => value - 1)];
        folder.Add(target, values, shape);
    }

    // GGUF: rows 2j and 2j + 1 of a head rotate together; Hugging Face: rows j and j + width / 2.
    public static float[] PairsToHalves(float[] values, int heads, int columns)
    {
        var width = values.Length / columns / heads;
        var result = new float[values.Length];
        for (var head = 0; head < heads; head++)
        {
            for (var j = 0; j < width / 2; j++)
            {
                for (var side = 0; side < 2; side++)
                    Array.Copy(values, ((head * width) + (2 * j) + side) * columns, result, ((head * width) + j + (side * width / 2)) * columns, columns);
            }
        }

        return result;
    }

    private static float[] Transposed(float[] values, int rows, int columns)
    {
        var result = new float[values.Length];
        for (var row = 0; row < rows; row++)
        {
            for (var column = 0; column < columns; column++)
                result[(column * rows) + row] = values[(row * columns) + column];
        }

        return result;
    }

    private static ((string Pattern, string Name)[] Rules, JsonObject Config) Describe(string name, GgufMetadata metadata)
    {
        var architecture = metadata.Get<string>("general.architecture");
        JsonNode Key(string key) => metadata.Find($"{architecture}.{key}") is float number ? JsonValue.Create((double)number) : JsonValue.Create(metadata.Get<long>($"{architecture}.{key}"));
        if (architecture == "gpt2")
        {
            return (_gpt2, new JsonObject
            {
                ["architectures"] = new JsonArray("GPT2LMHeadModel"),
                ["activation_function"] = "gelu_new",
                ["n_positions"] = Key("context_length"),
                ["n_embd"] = Key("embedding_length"),
                ["n_layer"] = Key("block_count"),
                ["n_head"] = Key("attention.head_count"),
                ["n_inner"] = null,
                ["layer_norm_epsilon"] = Key("attention.layer_norm_epsilon"),
            });
        }

        if (architecture == "bert")
        {
            return (_bert, new JsonObject
            {
                ["architectures"] = new JsonArray("BertForMaskedLM"),
                ["hidden_act"] = "gelu",
                ["max_position_embeddings"] = Key("context_length"),
                ["hidden_size"] = Key("embedding_length"),
                ["num_hidden_layers"] = Key("block_count"),
                ["intermediate_size"] = Key("feed_forward_length"),
                ["num_attention_heads"] = Key("attention.head_count"),
                ["layer_norm_eps"] = Key("attention.layer_norm_epsilon"),
                ["type_vocab_size"] = 2,
            });
        }

        if (architecture == "t5")
        {
            var gated = name == "t5-v1.1";
            return (T5(gated), new JsonObject
            {
                ["architectures"] = new JsonArray("T5ForConditionalGeneration"),
                ["feed_forward_proj"] = gated ? "gated-gelu" : "relu",
                ["n_positions"] = Key("context_length"),
                ["d_model"] = Key("embedding_length"),
                ["d_ff"] = Key("feed_forward_length"),
                ["num_layers"] = Key("block_count"),
                ["num_heads"] = Key("attention.head_count"),
                ["d_kv"] = Key("attention.key_length"),
                ["layer_norm_epsilon"] = Key("attention.layer_norm_epsilon"),
                ["relative_attention_num_buckets"] = Key("attention.relative_buckets_count"),
                ["decoder_start_token_id"] = Key("decoder_start_token_id"),
            });
        }

        var config = new JsonObject
        {
            ["hidden_act"] = "silu",
            ["max_position_embeddings"] = Key("context_length"),
            ["hidden_size"] = Key("embedding_length"),
            ["num_hidden_layers"] = Key("block_count"),
            ["intermediate_size"] = Key("feed_forward_length"),
            ["num_attention_heads"] = Key("attention.head_count"),
            ["num_key_value_heads"] = Key("attention.head_count_kv"),
            ["rms_norm_eps"] = Key("attention.layer_norm_rms_epsilon"),
            ["rope_theta"] = Key("rope.freq_base"),
        };
        var (rules, className) = name switch
        {
            "mixtral" => (_mixtral, "MixtralForCausalLM"),
            "qwen3moe" => (_qwenExperts, "Qwen3MoeForCausalLM"),
            "gemma2" => (_gemma, "Gemma2ForCausalLM"),
            "gemma3" => (_gemma, "Gemma3ForCausalLM"),
            "phi3" => (_phi3, "Phi3ForCausalLM"),
            "qwen2-gqa" => (_llama, "Qwen2ForCausalLM"),
            "qwen3-gqa" => (_llama, "Qwen3ForCausalLM"),
            _ => (_llama, "LlamaForCausalLM"),
        };
        config["architectures"] = new JsonArray(className);
        foreach (var (key, value) in More(name))
            config[key] = value?.DeepClone();
        return (rules, config);
    }

    private static JsonObject More(string name) => name switch
    {
        "llama-headdim" => new JsonObject { ["head_dim"] = 96 },
        "llama-linear-rope" => new JsonObject { ["rope_scaling"] = new JsonObject { ["type"] = "linear", ["factor"] = 4.0 } },
        "llama-yarn" => new JsonObject { ["rope_scaling"] = new JsonObject { ["rope_type"] = "yarn", ["factor"] = 4.0, ["original_max_position_embeddings"] = 512 } },
        "llama3-ropefreqs-tied" => new JsonObject { ["rope_scaling"] = new JsonObject { ["rope_type"] = "llama3", ["factor"] = 8.0, ["low_freq_factor"] = 1.0, ["high_freq_factor"] = 4.0, ["original_max_position_embeddings"] = 256 } },
        "qwen3-gqa" => new JsonObject { ["head_dim"] = 96 },
        "mixtral" => new JsonObject { ["num_local_experts"] = 8, ["num_experts_per_tok"] = 2 },
        "qwen3moe" => new JsonObject { ["num_experts"] = 8, ["num_experts_per_tok"] = 3, ["moe_intermediate_size"] = 128, ["norm_topk_prob"] = true },
        "gemma2" => new JsonObject { ["hidden_activation"] = "gelu_pytorch_tanh", ["head_dim"] = 96, ["attn_logit_softcapping"] = 50.0, ["final_logit_softcapping"] = 30.0, ["sliding_window"] = 16 },
        "gemma3" => new JsonObject { ["hidden_activation"] = "gelu_pytorch_tanh", ["head_dim"] = 96, ["sliding_window"] = 16 },
        "phi3" => new JsonObject { ["sliding_window"] = 16, ["original_max_position_embeddings"] = 2048 },
        _ => [],
    };
}
