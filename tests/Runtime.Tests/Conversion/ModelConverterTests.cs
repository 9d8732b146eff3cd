using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Tests.Models;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>Reference models, saved as Hugging Face's library saves them and converted back.</summary>
public sealed class ModelConverterTests
{
    // Keys that a checkpoint cannot say, or that say again what follows from others.
    private static readonly string[] _implied = ["rope.dimension_count", "tokenizer.", "expert_feed_forward_length", "pooling_type"];

    public static TheoryData<string> Models =>
    [
        "llama-gqa-base", "llama-headdim", "llama-linear-rope", "llama-yarn", "llama3-ropefreqs-tied", "mixtral", "qwen2-gqa", "qwen3-gqa", "qwen3moe",
        "gemma2", "gemma3", "phi3", "gpt2", "bert-mean", "bert-cls", "t5-v1.0", "t5-v1.1",
    ];

    public static TheoryData<string> RunnableModels => ["llama-gqa-base", "llama-headdim", "llama-linear-rope", "llama-yarn", "qwen2-gqa", "qwen3-gqa", "gpt2", "gemma2", "gemma3", "phi3"];

    [Theory]
    [MemberData(nameof(Models))]
    public void A_checkpoint_gives_the_reference_tensors_bit_for_bit_and_its_metadata(string name)
    {
        using var folder = ReferenceCheckpoints.Make(name).Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        using var expected = GgufFile.Open(ReferenceModels.File(name));
        using var converted = GgufFile.Open(folder.Output);

        Assert.Equal(expected.Tensors.Select(tensor => tensor.Name).Order(), converted.Tensors.Select(tensor => tensor.Name).Order());
        foreach (var tensor in expected.Tensors.Where(tensor => tensor.Name != "rope_freqs.weight"))
        {
            var found = converted.GetTensor(tensor.Name);
            Assert.Equal(tensor.Shape, found.Shape);
            Assert.Equal(GgmlType.F32, found.Type);
            // Gemma's checkpoints hold a norm's weight minus one, which costs its last bits.
            var shifts = name.StartsWith("gemma", StringComparison.Ordinal) && tensor.Name.EndsWith("norm.weight", StringComparison.Ordinal);
            Assert.True(shifts ? Floats(tensor).Select(value => value - 1 + 1).SequenceEqual(Floats(found)) : tensor.Bytes().SequenceEqual(found.Bytes()), $"{tensor.Name} differs");
        }

        foreach (var (key, value) in expected.Metadata.Where(pair => !_implied.Any(part => pair.Key.Contains(part, StringComparison.Ordinal))))
            Assert.Equal(value, converted.Metadata.Find(key));
    }

    [Theory]
    [MemberData(nameof(RunnableModels))]
    public async Task A_converted_checkpoint_gives_the_reference_logits(string name)
    {
        using var folder = ReferenceCheckpoints.Make(name).Save();
        ModelConverter.Convert(folder.Path, folder.Output);

        Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(folder.Output, ReferenceModels.Tokens(name)), ReferenceModels.Logits(name)), 0, 1e-6);
    }

    [Fact]
    public void Shards_are_one_model()
    {
        using var whole = ReferenceCheckpoints.Make("llama-gqa-base").Save();
        using var shards = ReferenceCheckpoints.Make("llama-gqa-base").SaveShards(3);
        ModelConverter.Convert(whole.Path, whole.Output);
        ModelConverter.Convert(shards.Path, shards.Output);

        Assert.Equal(Tensors(whole.Output), Tensors(shards.Output));
    }

    [Fact]
    public void Llama_3_scaling_becomes_frequency_factors()
    {
        using var folder = ReferenceCheckpoints.Make("llama3-ropefreqs-tied").Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        using var file = GgufFile.Open(folder.Output);
        var factors = Floats(file.GetTensor("rope_freqs.weight"));

        Assert.Equal(32, factors.Length);
        Assert.False(file.Metadata.Contains("llama.rope.scaling.type"));
        for (var i = 0; i < factors.Length; i++)
        {
            // Turns within the original 256 positions: above 4 nothing changes, below 1 all is stretched eight times.
            var turns = 256 / (2 * Math.PI * Math.Pow(500000, i / 32.0));
            var share = Math.Clamp((turns - 1) / 3, 0, 1);
            Assert.Equal(1 / (share + ((1 - share) / 8)), factors[i], 1e-5);
        }

        Assert.Equal(1, factors[0]);
        Assert.Equal(8, factors[^1]);
    }

    [Theory]
    [InlineData(GgmlType.F16, 1u)]
    [InlineData(GgmlType.BF16, 32u)]
    [InlineData(GgmlType.Q8_0, 7u)]
    public void Matrices_are_stored_in_the_type_asked_for_and_vectors_in_full(GgmlType type, uint fileType)
    {
        using var folder = ReferenceCheckpoints.Make("mixtral").Save();
        var result = ModelConverter.Convert(folder.Path, folder.Output, type);
        using var exact = GgufFile.Open(ReferenceModels.File("mixtral"));
        using var file = GgufFile.Open(folder.Output);

        Assert.Equal(type, result.Type);
        Assert.Equal(fileType, file.Metadata.Find("general.file_type"));
        foreach (var tensor in file.Tensors)
        {
            var isWhole = tensor.Shape.Length == 1 || tensor.Name.Contains("gate_inp", StringComparison.Ordinal);
            Assert.Equal(isWhole ? GgmlType.F32 : type, tensor.Type);
            var error = ReferenceLogitsTests.Error(Dequantized(tensor), Floats(exact.GetTensor(tensor.Name)));
            Assert.InRange(error, 0, isWhole ? 0 : type switch { GgmlType.F16 => 1e-7, GgmlType.BF16 => 4e-6, _ => 3e-5 });
        }
    }

    [Fact]
    public void Half_precision_checkpoints_keep_their_bits()
    {
        var values = Enumerable.Range(0, 64 * 64).Select(i => (Half)MathF.Sin(i)).ToArray();
        using var folder = Tiny().Remove("model.embed_tokens.weight").Add("model.embed_tokens.weight", "F16", MemoryMarshal.AsBytes<Half>(values).ToArray(), 64, 64);
        foreach (var name in new[] { "q_proj", "k_proj", "v_proj", "o_proj" })
            folder.Remove($"model.layers.0.self_attn.{name}.weight").Add($"model.layers.0.self_attn.{name}.weight", "F16", MemoryMarshal.AsBytes<Half>(values).ToArray(), 64, 64);
        folder.Save();

        Assert.Equal(GgmlType.F16, ModelConverter.Convert(folder.Path, folder.Output).Type);
        using var file = GgufFile.Open(folder.Output);
        Assert.True(MemoryMarshal.AsBytes<Half>(values).SequenceEqual(file.GetTensor("token_embd.weight").Bytes()));
    }

    [Fact]
    public void Doubles_and_bfloat16_are_read()
    {
        var values = Enumerable.Range(0, 64 * 64).Select(i => BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(MathF.Sin(i)) & ~0xFFFF)).ToArray();
        var doubles = values.Select(value => (double)value).ToArray();
        var bfloats = values.Select(value => (ushort)(BitConverter.SingleToInt32Bits(value) >> 16)).ToArray();
        using var folder = Tiny().Remove("model.embed_tokens.weight").Remove("lm_head.weight")
            .Add("model.embed_tokens.weight", "F64", MemoryMarshal.AsBytes<double>(doubles).ToArray(), 64, 64)
            .Add("lm_head.weight", "BF16", MemoryMarshal.AsBytes<ushort>(bfloats).ToArray(), 64, 64).Save();
        ModelConverter.Convert(folder.Path, folder.Output, GgmlType.F32);
        using var file = GgufFile.Open(folder.Output);

        Assert.Equal(values, Floats(file.GetTensor("token_embd.weight")));
        Assert.Equal(values, Floats(file.GetTensor("output.weight")));
    }

    [Fact]
    public void Experts_stored_as_one_tensor_are_those_stored_one_by_one()
    {
        using var single = ReferenceCheckpoints.Make("qwen3moe").Save();
        ModelConverter.Convert(single.Path, single.Output);
        using var together = ReferenceCheckpoints.Make("qwen3moe");
        using var reference = GgufFile.Open(ReferenceModels.File("qwen3moe"));
        for (var layer = 0; layer < 2; layer++)
        {
            var (gate, up) = (Floats(reference.GetTensor($"blk.{layer}.ffn_gate_exps.weight")), Floats(reference.GetTensor($"blk.{layer}.ffn_up_exps.weight")));
            var both = new List<float>();
            for (var expert = 0; expert < 8; expert++)
            {
                foreach (var part in new[] { "gate", "up", "down" })
                    together.Remove($"model.layers.{layer}.mlp.experts.{expert}.{part}_proj.weight");
                both.AddRange(gate[(expert * 128 * 256)..((expert + 1) * 128 * 256)]);
                both.AddRange(up[(expert * 128 * 256)..((expert + 1) * 128 * 256)]);
            }

            together.Add($"model.layers.{layer}.mlp.experts.gate_up_proj", [.. both], 8, 256, 256);
            together.Add($"model.layers.{layer}.mlp.experts.down_proj", Floats(reference.GetTensor($"blk.{layer}.ffn_down_exps.weight")), 8, 256, 128);
        }

        together.Save();
        ModelConverter.Convert(together.Path, together.Output);
        Assert.Equal(Tensors(single.Output), Tensors(together.Output));
    }

    [Fact]
    public void A_BERT_checkpoint_brings_its_vocabulary()
    {
        using var folder = ReferenceCheckpoints.Make("bert-mean").Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        using var expected = GgufFile.Open(ReferenceModels.File("bert-mean"));
        using var converted = GgufFile.Open(folder.Output);

        // The last entries are the header's own padding.
        var tokens = expected.Metadata.Get<string[]>("tokenizer.ggml.tokens").TakeWhile(token => token != "[unused0]").ToArray();
        Assert.Equal(tokens, converted.Metadata.Get<string[]>("tokenizer.ggml.tokens")[..tokens.Length]);
        Assert.Equal(expected.Metadata.Get<int[]>("tokenizer.ggml.token_type")[..tokens.Length], converted.Metadata.Get<int[]>("tokenizer.ggml.token_type")[..tokens.Length]);
        foreach (var (key, value) in expected.Metadata.Where(pair => pair.Key.StartsWith("tokenizer.", StringComparison.Ordinal) && pair.Value is not Array))
            Assert.Equal(value, converted.Metadata.Find(key));
    }

    [Theory]
    [InlineData("mean_tokens", 1u)]
    [InlineData("cls_token", 2u)]
    [InlineData("lasttoken", 3u)]
    public void Pooling_comes_from_sentence_transformers(string mode, uint type)
    {
        using var folder = ReferenceCheckpoints.Make("bert-mean").Save().Write("1_Pooling/config.json", new JsonObject { ["pooling_mode_" + mode] = true, ["pooling_mode_max_tokens"] = false });
        ModelConverter.Convert(folder.Path, folder.Output);
        using var file = GgufFile.Open(folder.Output);
        Assert.Equal(type, file.Metadata.Find("bert.pooling_type"));
    }

    [Fact]
    public void A_classifier_keeps_its_head_and_labels()
    {
        using var folder = ReferenceCheckpoints.Make("bert-mean");
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder.Path, "config.json")))!.AsObject();
        config["architectures"] = new JsonArray("BertForSequenceClassification");
        config["id2label"] = new JsonObject { ["0"] = "bad", ["1"] = "good" };
        folder.Write("config.json", config)
            .Add("bert.pooler.dense.weight", new float[128 * 128], 128, 128).Add("bert.pooler.dense.bias", new float[128], 128)
            .Add("classifier.weight", new float[256], 2, 128).Add("classifier.bias", new float[2], 2).Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        using var file = GgufFile.Open(folder.Output);

        Assert.Equal((4u, 2L), (file.Metadata.Find("bert.pooling_type"), file.GetTensor("cls.output.weight").Shape[1]));
        Assert.Equal(["bad", "good"], file.Metadata.Get<string[]>("bert.classifier.output_labels"));
        Assert.Equal([128L, 128L], file.GetTensor("cls.weight").Shape);
    }

    [Fact]
    public void Old_norm_names_the_pooler_and_the_heads_of_pretraining_do_not_matter()
    {
        using var folder = ReferenceCheckpoints.Make("bert-cls");
        folder.Remove("bert.embeddings.LayerNorm.weight").Remove("bert.embeddings.LayerNorm.bias")
            .Add("bert.embeddings.LayerNorm.gamma", [.. Enumerable.Repeat(2f, 128)], 128).Add("bert.embeddings.LayerNorm.beta", [.. Enumerable.Repeat(3f, 128)], 128)
            .Add("bert.embeddings.position_ids", "I64", new byte[512 * 8], 1, 512)
            .Add("bert.pooler.dense.weight", new float[128 * 128], 128, 128).Add("bert.pooler.dense.bias", new float[128], 128)
            .Add("cls.predictions.bias", new float[256], 256).Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        using var file = GgufFile.Open(folder.Output);

        Assert.Equal((2f, 3f), (Floats(file.GetTensor("token_embd_norm.weight"))[0], Floats(file.GetTensor("token_embd_norm.bias"))[0]));
        Assert.Null(file.FindTensor("cls.weight"));
    }

    [Fact]
    public void A_T5_that_stores_its_embedding_three_times_has_one()
    {
        using var folder = ReferenceCheckpoints.Make("t5-v1.0");
        folder.Add("encoder.embed_tokens.weight", new float[256 * 256], 256, 256).Add("decoder.embed_tokens.weight", new float[256 * 256], 256, 256).Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        using var expected = GgufFile.Open(ReferenceModels.File("t5-v1.0"));
        using var file = GgufFile.Open(folder.Output);
        Assert.True(expected.GetTensor("token_embd.weight").Bytes().SequenceEqual(file.GetTensor("token_embd.weight").Bytes()));
    }

    /// <summary>A Llama of one layer, 64 wide.</summary>
    internal static CheckpointFolder Tiny(int vocabulary = 64, int context = 64)
    {
        var folder = new CheckpointFolder().Write("config.json", new JsonObject
        {
            ["architectures"] = new JsonArray("LlamaForCausalLM"),
            ["hidden_act"] = "silu",
            ["max_position_embeddings"] = context,
            ["hidden_size"] = 64,
            ["num_hidden_layers"] = 1,
            ["intermediate_size"] = 32,
            ["num_attention_heads"] = 2,
            ["rms_norm_eps"] = 1e-5,
            ["vocab_size"] = vocabulary,
        });
        float[] Values(int count) => [.. Enumerable.Range(0, count).Select(i => MathF.Sin(i))];
        folder.Add("model.embed_tokens.weight", Values(vocabulary * 64), vocabulary, 64).Add("lm_head.weight", Values(vocabulary * 64), vocabulary, 64).Add("model.norm.weight", Values(64), 64);
        foreach (var name in new[] { "q_proj", "k_proj", "v_proj", "o_proj" })
            folder.Add($"model.layers.0.self_attn.{name}.weight", Values(64 * 64), 64, 64);
        folder.Add("model.layers.0.mlp.gate_proj.weight", Values(32 * 64), 32, 64).Add("model.layers.0.mlp.up_proj.weight", Values(32 * 64), 32, 64).Add("model.layers.0.mlp.down_proj.weight", Values(32 * 64), 64, 32);
        return folder.Add("model.layers.0.input_layernorm.weight", Values(64), 64).Add("model.layers.0.post_attention_layernorm.weight", Values(64), 64);
    }

    internal static float[] Floats(GgufTensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.Bytes()).ToArray();

    private static unsafe float[] Dequantized(GgufTensor tensor)
    {
        var values = new float[tensor.ElementCount];
        fixed (float* output = values)
        fixed (byte* data = tensor.Bytes())
            NativeStatus.Check(NativeMethods.hearth_dequantize((int)tensor.Type, data, (nuint)tensor.ByteSize, output, (nuint)values.Length));
        return values;
    }

    private static List<(string, string)> Tensors(string path)
    {
        using var file = GgufFile.Open(path);
        return [.. file.Tensors.Select(tensor => (tensor.ToString(), Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(tensor.Bytes())))).Order()];
    }
}
