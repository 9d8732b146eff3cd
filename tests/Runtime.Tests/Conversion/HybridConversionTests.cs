using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Synthesis;
using Hearth.Runtime.Tests.Models;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>Folders of models with recurrent layers: random models as Hugging Face's library would have saved them, and back.</summary>
public sealed class HybridConversionTests
{
    private const int Vocabulary = 320;

    private static readonly int[] s_tokens = [.. Enumerable.Range(0, 40).Select(i => (i * 37) % 256)];

    private static readonly (string Pattern, string Name)[] s_attention =
    [
        (@"blk\.(\d+)\.attn_output\.weight", "model.layers.$1.self_attn.o_proj.weight"),
        (@"blk\.(\d+)\.attn_(q|k|v)\.weight", "model.layers.$1.self_attn.$2_proj.weight"),
        (@"blk\.(\d+)\.attn_(q|k)_norm\.weight", "model.layers.$1.self_attn.$2_norm.weight"),
        (@"token_embd\.weight", "model.embed_tokens.weight"),
        (@"output_norm\.weight", "model.norm.weight"),
        (@"output\.weight", "lm_head.weight"),
        (@"blk\.(\d+)\.attn_norm\.weight", "model.layers.$1.input_layernorm.weight"),
    ];

    private static readonly (string Pattern, string Name)[] s_qwen =
    [
        (@"blk\.(\d+)\.post_attention_norm\.weight", "model.layers.$1.post_attention_layernorm.weight"),
        (@"blk\.(\d+)\.ffn_(gate|up|down)\.weight", "model.layers.$1.mlp.$2_proj.weight"),
        (@"blk\.(\d+)\.attn_qkv\.weight", "model.layers.$1.linear_attn.in_proj_qkv.weight"),
        (@"blk\.(\d+)\.attn_gate\.weight", "model.layers.$1.linear_attn.in_proj_z.weight"),
        (@"blk\.(\d+)\.ssm_alpha\.weight", "model.layers.$1.linear_attn.in_proj_a.weight"),
        (@"blk\.(\d+)\.ssm_beta\.weight", "model.layers.$1.linear_attn.in_proj_b.weight"),
        (@"blk\.(\d+)\.ssm_conv1d\.weight", "model.layers.$1.linear_attn.conv1d.weight"),
        (@"blk\.(\d+)\.ssm_a", "model.layers.$1.linear_attn.A_log"),
        (@"blk\.(\d+)\.ssm_dt\.bias", "model.layers.$1.linear_attn.dt_bias"),
        (@"blk\.(\d+)\.ssm_norm\.weight", "model.layers.$1.linear_attn.norm.weight"),
        (@"blk\.(\d+)\.ssm_out\.weight", "model.layers.$1.linear_attn.out_proj.weight"),
        .. s_attention,
    ];

    private static readonly (string Pattern, string Name)[] s_lfm2 =
    [
        (@"token_embd_norm\.weight", "model.embedding_norm.weight"),
        (@"blk\.(\d+)\.attn_norm\.weight", "model.layers.$1.operator_norm.weight"),
        (@"blk\.(\d+)\.ffn_norm\.weight", "model.layers.$1.ffn_norm.weight"),
        (@"blk\.(\d+)\.ffn_gate\.weight", "model.layers.$1.feed_forward.w1.weight"),
        (@"blk\.(\d+)\.ffn_down\.weight", "model.layers.$1.feed_forward.w2.weight"),
        (@"blk\.(\d+)\.ffn_up\.weight", "model.layers.$1.feed_forward.w3.weight"),
        (@"blk\.(\d+)\.attn_output\.weight", "model.layers.$1.self_attn.out_proj.weight"),
        (@"blk\.(\d+)\.attn_(q|k)_norm\.weight", "model.layers.$1.self_attn.$2_layernorm.weight"),
        (@"blk\.(\d+)\.shortconv\.(in|out)_proj\.weight", "model.layers.$1.conv.$2_proj.weight"),
        (@"blk\.(\d+)\.shortconv\.conv\.weight", "model.layers.$1.conv.conv.weight"),
        .. s_attention,
    ];

    private static (string Pattern, string Name)[] Mamba(string mixer) =>
    [
        (@"blk\.(\d+)\.ssm_(in|out)\.weight", $"{mixer}.$2_proj.weight"),
        (@"blk\.(\d+)\.ssm_conv1d\.(weight|bias)", $"{mixer}.conv1d.$2"),
        (@"blk\.(\d+)\.ssm_a", $"{mixer}.A_log"),
        (@"blk\.(\d+)\.ssm_d", $"{mixer}.D"),
        (@"blk\.(\d+)\.ssm_dt\.bias", $"{mixer}.dt_bias"),
        (@"blk\.(\d+)\.ssm_norm\.weight", $"{mixer}.norm.weight"),
    ];

    private static readonly (string Pattern, string Name)[] s_mamba2 =
    [
        (@"token_embd\.weight", "backbone.embeddings.weight"),
        (@"output_norm\.weight", "backbone.norm_f.weight"),
        (@"blk\.(\d+)\.attn_norm\.weight", "backbone.layers.$1.norm.weight"),
        .. Mamba("backbone.layers.$1.mixer"),
        .. s_attention,
    ];

    private static readonly (string Pattern, string Name)[] s_granite =
    [
        (@"blk\.(\d+)\.ffn_norm\.weight", "model.layers.$1.post_attention_layernorm.weight"),
        (@"blk\.(\d+)\.ffn_down\.weight", "model.layers.$1.shared_mlp.output_linear.weight"),
        .. Mamba("model.layers.$1.mamba"),
        .. s_attention,
    ];

    [Theory]
    [InlineData("qwen35")]
    [InlineData("lfm2")]
    [InlineData("mamba2")]
    [InlineData("granitehybrid")]
    public async Task A_converted_folder_gives_the_models_own_logits(string architecture)
    {
        using var source = new TemporaryFolder();
        var shape = new SyntheticShape(256, 6, 4, 2, 512, Vocabulary) { Architecture = architecture };
        ModelSynthesizer.Write(source.File("m.gguf"), shape, "F32");
        using var folder = new CheckpointFolder();
        using (var file = GgufFile.Open(source.File("m.gguf")))
        {
            foreach (var tensor in file.Tensors)
                Undo(folder, architecture, shape, file, tensor);
        }

        folder.Write("config.json", Config(architecture)).Save();
        var result = ModelConverter.Convert(folder.Path, folder.Output);
        Assert.Equal(architecture, result.Architecture);
        Assert.DoesNotContain(result.Notes, note => !note.Contains("tokenizer", StringComparison.OrdinalIgnoreCase));
        // Logarithms and norms less 1 are rounded on their way.
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(folder.Output), await Logits(source.File("m.gguf"))), 0, 1e-9);
    }

    // qwen3next has the same delta net with the checkpoint's order of heads.
    [Fact]
    public async Task Heads_of_values_beyond_those_of_keys_come_in_turns()
    {
        const int Width = 64, KeyHeads = 2, ValueHeads = 6, KeyWidth = 8, ValueWidth = 16, Inner = ValueHeads * ValueWidth;
        const int Mixed = (2 * KeyHeads * KeyWidth) + Inner;
        var random = new Random(5);
        float[] Values(double deviation, double mean, params int[] extents)
            => [.. Enumerable.Range(0, extents.Aggregate(1, (a, b) => a * b)).Select(_ => (float)(mean + (deviation * ((random.NextDouble() * 2) - 1))))];
        using var folder = new CheckpointFolder();
        var plain = folder.Path + "/next.gguf";
        using (var writer = GgufWriter.Create(plain))
        {
            writer.Add("general.architecture", "qwen3next");
            foreach (var (key, value) in new (string, object)[]
            {
                ("context_length", 64u), ("embedding_length", (uint)Width), ("block_count", 2u), ("feed_forward_length", 96u), ("vocab_size", 300u),
                ("attention.head_count", 2u), ("attention.head_count_kv", 1u), ("attention.key_length", 32u), ("attention.value_length", 32u),
                ("attention.layer_norm_rms_epsilon", 1e-6f), ("rope.dimension_count", 8u), ("rope.freq_base", 10000f), ("full_attention_interval", 2u),
                ("ssm.inner_size", (uint)Inner), ("ssm.state_size", (uint)KeyWidth), ("ssm.group_count", (uint)KeyHeads),
                ("ssm.time_step_rank", (uint)ValueHeads), ("ssm.conv_kernel", 4u),
            })
                writer.Add("qwen3next." + key, value);
            writer.Add("tokenizer.ggml.model", "no_vocab");
            var tensors = new List<(string Name, string Source, float[] Data, long[] Shape)>();
            void Matrix(string name, string source, int rows, int columns) => tensors.Add((name, source, Values(2 / Math.Sqrt(columns), 0, rows, columns), [rows, columns]));
            void Vector(string name, string source, int size, double mean) => tensors.Add((name, source, Values(0.3, mean, size), [size]));
            Matrix("token_embd.weight", "model.embed_tokens.weight", 300, Width);
            Vector("output_norm.weight", "model.norm.weight", Width, 1);
            for (var n = 0; n < 2; n++)
            {
                var (blk, layer) = ($"blk.{n}.", $"model.layers.{n}.");
                Vector(blk + "attn_norm.weight", layer + "input_layernorm.weight", Width, 1);
                Vector(blk + "post_attention_norm.weight", layer + "post_attention_layernorm.weight", Width, 1);
                Matrix(blk + "ffn_gate.weight", layer + "mlp.gate_proj.weight", 96, Width);
                Matrix(blk + "ffn_up.weight", layer + "mlp.up_proj.weight", 96, Width);
                Matrix(blk + "ffn_down.weight", layer + "mlp.down_proj.weight", Width, 96);
            }

            Matrix("blk.0.attn_qkv.weight", "model.layers.0.linear_attn.in_proj_qkv.weight", Mixed, Width);
            Matrix("blk.0.attn_gate.weight", "model.layers.0.linear_attn.in_proj_z.weight", Inner, Width);
            Matrix("blk.0.ssm_alpha.weight", "model.layers.0.linear_attn.in_proj_a.weight", ValueHeads, Width);
            Matrix("blk.0.ssm_beta.weight", "model.layers.0.linear_attn.in_proj_b.weight", ValueHeads, Width);
            Matrix("blk.0.ssm_conv1d.weight", "model.layers.0.linear_attn.conv1d.weight", Mixed, 4);
            Vector("blk.0.ssm_a", "model.layers.0.linear_attn.A_log", ValueHeads, -1);
            Vector("blk.0.ssm_dt.bias", "model.layers.0.linear_attn.dt_bias", ValueHeads, -1);
            Vector("blk.0.ssm_norm.weight", "model.layers.0.linear_attn.norm.weight", ValueWidth, 1);
            Matrix("blk.0.ssm_out.weight", "model.layers.0.linear_attn.out_proj.weight", Width, Inner);
            Matrix("blk.1.attn_q.weight", "model.layers.1.self_attn.q_proj.weight", 128, Width);
            Matrix("blk.1.attn_k.weight", "model.layers.1.self_attn.k_proj.weight", 32, Width);
            Matrix("blk.1.attn_v.weight", "model.layers.1.self_attn.v_proj.weight", 32, Width);
            Matrix("blk.1.attn_output.weight", "model.layers.1.self_attn.o_proj.weight", Width, 64);
            Vector("blk.1.attn_q_norm.weight", "model.layers.1.self_attn.q_norm.weight", 32, 1);
            Vector("blk.1.attn_k_norm.weight", "model.layers.1.self_attn.k_norm.weight", 32, 1);
            foreach (var tensor in tensors)
                writer.Declare(tensor.Name, GgmlType.F32, [.. tensor.Shape.Reverse()]);
            foreach (var tensor in tensors)
            {
                writer.Begin(tensor.Name);
                writer.Write(MemoryMarshal.AsBytes<float>(tensor.Data));
                Save(folder, "qwen35", tensor.Name, tensor.Source, tensor.Data, tensor.Shape);
            }

            writer.Complete();
        }

        folder.Write("config.json", new JsonObject
        {
            ["architectures"] = new JsonArray("Qwen3_5ForCausalLM"),
            ["max_position_embeddings"] = 64,
            ["hidden_size"] = Width,
            ["num_hidden_layers"] = 2,
            ["intermediate_size"] = 96,
            ["num_attention_heads"] = 2,
            ["num_key_value_heads"] = 1,
            ["head_dim"] = 32,
            ["rms_norm_eps"] = 1e-6,
            ["rope_parameters"] = new JsonObject { ["rope_type"] = "default", ["rope_theta"] = 10000.0, ["partial_rotary_factor"] = 0.25 },
            ["layer_types"] = new JsonArray("linear_attention", "full_attention"),
            ["linear_num_key_heads"] = KeyHeads,
            ["linear_num_value_heads"] = ValueHeads,
            ["linear_key_head_dim"] = KeyWidth,
            ["linear_value_head_dim"] = ValueWidth,
            ["linear_conv_kernel_dim"] = 4,
            ["tie_word_embeddings"] = true,
        }).Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(folder.Output), await Logits(plain)), 0, 1e-9);
    }

    [Theory]
    [InlineData("qwen35", "linear_num_key_heads", 3, "linear_num_key_heads 3 does not divide")]
    [InlineData("lfm2", "conv_bias", true, "conv_bias")]
    [InlineData("mamba2", "use_bias", true, "use_bias")]
    [InlineData("granitehybrid", "position_embedding_type", "alibi", "alibi")]
    [InlineData("lfm2", "layer_types", "conv,full_attention", "6 layers")]
    [InlineData("granitehybrid", "layer_types", "mamba,mamba,mamba,moe,mamba,mamba", "moe")]
    public void What_has_no_counterpart_is_refused_by_name(string architecture, string key, object value, string named)
    {
        using var source = new TemporaryFolder();
        var shape = new SyntheticShape(256, 6, 4, 2, 512, Vocabulary) { Architecture = architecture };
        ModelSynthesizer.Write(source.File("m.gguf"), shape, "F32");
        using var folder = new CheckpointFolder();
        using (var file = GgufFile.Open(source.File("m.gguf")))
        {
            foreach (var tensor in file.Tensors)
                Undo(folder, architecture, shape, file, tensor);
        }

        var config = Config(architecture);
        config[key] = value switch
        {
            string list when list.Contains(',', StringComparison.Ordinal) => new JsonArray([.. list.Split(',').Select(item => (JsonNode)item)]),
            string text => text,
            bool flag => flag,
            _ => (int)value,
        };
        folder.Write("config.json", config).Save();
        var error = Assert.ThrowsAny<HearthException>(() => ModelConverter.Convert(folder.Path, folder.Output));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.Output));
    }

    private static async Task<float[]> Logits(string path)
    {
        await using var model = await LanguageModel.LoadAsync(path, new ModelOptions { ContextLength = 64 });
        var logits = new List<float>();
        model.ComputeLogits(s_tokens, (_, row) => logits.AddRange(row));
        return [.. logits];
    }

    private static void Undo(CheckpointFolder folder, string architecture, SyntheticShape shape, GgufFile file, GgufTensor tensor)
    {
        var values = Floats(tensor);
        long[] extents = [.. tensor.Shape.Reverse()];
        if (architecture == "granitehybrid" && Regex.Match(tensor.Name, @"blk\.(\d+)\.ffn_(gate|up)\.weight") is { Success: true } half)
        {
            // One tensor holds gate and up.
            if (half.Groups[2].Value == "gate")
                folder.Add($"model.layers.{half.Groups[1].Value}.shared_mlp.input_linear.weight", [.. values, .. Floats(file.GetTensor(tensor.Name.Replace("gate", "up", StringComparison.Ordinal)))], [2 * extents[0], extents[1]]);
            return;
        }

        var rules = architecture switch { "qwen35" => s_qwen, "lfm2" => s_lfm2, "mamba2" => s_mamba2, _ => s_granite };
        var (pattern, replacement) = rules.First(rule => Regex.IsMatch(tensor.Name, $"^{rule.Pattern}$"));
        if (architecture == "granitehybrid" && Regex.Match(tensor.Name, @"attn_(q|k)\.") is { Success: true } rotated)
            values = ReferenceCheckpoints.PairsToHalves(values, rotated.Groups[1].Value == "q" ? shape.Heads : shape.KvHeads, (int)extents[^1]);
        Save(folder, architecture, tensor.Name, Regex.Replace(tensor.Name, $"^{pattern}$", replacement), values, extents);
    }

    private static void Save(CheckpointFolder folder, string architecture, string name, string source, float[] values, long[] extents)
    {
        if (name.EndsWith("ssm_a", StringComparison.Ordinal))
            values = [.. values.Select(value => MathF.Log(-value))];
        if (architecture == "qwen35" && name.EndsWith("norm.weight", StringComparison.Ordinal) && !name.EndsWith("ssm_norm.weight", StringComparison.Ordinal))
            values = [.. values.Select(value => value - 1)];
        var isConvolution = name.EndsWith("conv1d.weight", StringComparison.Ordinal) || name.EndsWith("shortconv.conv.weight", StringComparison.Ordinal);
        if (isConvolution)
            extents = [extents[0], 1, extents[1]];
        else if (name.EndsWith("ssm_a", StringComparison.Ordinal) || name.EndsWith("ssm_d", StringComparison.Ordinal) || name.EndsWith("ssm_norm.weight", StringComparison.Ordinal))
            extents = [values.Length];
        folder.Add(source, values, extents);
    }

    private static float[] Floats(GgufTensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.Bytes()).ToArray();

    private static JsonObject Config(string architecture)
    {
        static JsonArray Kinds(Func<int, bool> attends, string attention, string other)
            => [.. Enumerable.Range(0, 6).Select(n => (JsonNode)(attends(n) ? attention : other))];
        var config = new JsonObject
        {
            ["max_position_embeddings"] = 128,
            ["hidden_size"] = 256,
            ["num_hidden_layers"] = 6,
            ["intermediate_size"] = 512,
            ["num_attention_heads"] = 4,
            ["num_key_value_heads"] = 2,
            ["rms_norm_eps"] = 1e-5,
            ["tie_word_embeddings"] = false,
        };
        switch (architecture)
        {
            case "qwen35":
                config["architectures"] = new JsonArray("Qwen3_5ForConditionalGeneration");
                config["head_dim"] = 64;
                config["rope_parameters"] = new JsonObject { ["rope_type"] = "default", ["rope_theta"] = 500000.0, ["partial_rotary_factor"] = 0.25, ["mrope_section"] = new JsonArray(4, 2, 2) };
                config["layer_types"] = Kinds(n => n % 4 == 3, "full_attention", "linear_attention");
                config["linear_num_key_heads"] = 2;
                config["linear_num_value_heads"] = 2;
                config["linear_key_head_dim"] = 128;
                config["linear_value_head_dim"] = 128;
                config["linear_conv_kernel_dim"] = 4;
                break;
            case "lfm2":
                config["architectures"] = new JsonArray("Lfm2ForCausalLM");
                config["norm_eps"] = 1e-5;
                config["rope_theta"] = 500000.0;
                config["conv_L_cache"] = 3;
                config["layer_types"] = Kinds(n => n % 3 == 2, "full_attention", "conv");
                break;
            case "mamba2":
                config["architectures"] = new JsonArray("Mamba2ForCausalLM");
                config["layer_norm_epsilon"] = 1e-5;
                config["num_heads"] = 8;
                config["head_dim"] = 64;
                config["state_size"] = 128;
                config["n_groups"] = 1;
                config["conv_kernel"] = 4;
                break;
            default:
                config["architectures"] = new JsonArray("GraniteMoeHybridForCausalLM");
                config["shared_intermediate_size"] = 512;
                config["num_local_experts"] = 0;
                config["position_embedding_type"] = "nope";
                config["attention_multiplier"] = 0.125; // 1 / sqrt(64), as the random model's
                config["layer_types"] = Kinds(n => n == 5, "attention", "mamba");
                config["mamba_n_heads"] = 8;
                config["mamba_d_head"] = 64;
                config["mamba_d_state"] = 128;
                config["mamba_n_groups"] = 1;
                config["mamba_d_conv"] = 4;
                break;
        }

        return config;
    }
}
