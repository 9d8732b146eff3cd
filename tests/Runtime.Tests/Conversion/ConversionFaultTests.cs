using System.Text.Json.Nodes;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>Broken, hostile and unknown checkpoints: each fault is told by name, and none leaves a file behind.</summary>
public sealed class ConversionFaultTests
{
    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "outside")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 8, "4 bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "outside")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}""", 8, "outside")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""", 8, "outside")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "[-2]")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}""", 8, "4294967296")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775807,9223372036854775807,9223372036854775807],"data_offsets":[0,8]}}""", 8, "9223372036854775807")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,8]}}""", 8, "whole number")]
    [InlineData("""{"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}}""", 8, "array")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}""", 8, "overlap")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", 8, "data_offsets")]
    [InlineData("""{"a":{"shape":[1],"data_offsets":[0,4]}}""", 8, "dtype")]
    [InlineData("""{"a":7}""", 8, "dtype")]
    [InlineData("""["a"]""", 8, "object")]
    [InlineData("""{"a":""", 8, "JSON")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, "no valid text")]
    public void A_broken_header_is_named(string header, int dataBytes, string named)
    {
        using var folder = ModelConverterTests.Tiny().WriteBytes("model.safetensors", CheckpointFolder.Safetensors(header, new byte[dataBytes]));
        var error = Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.EndsWith("model.safetensors", error.File, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 1, 2, 3 })]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255, 1 })]
    [InlineData(new byte[] { 9, 0, 0, 0, 0, 0, 0, 0, 1 })]
    public void A_file_shorter_than_its_header_is_refused(byte[] bytes)
    {
        using var folder = ModelConverterTests.Tiny().WriteBytes("model.safetensors", bytes);
        Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output));
    }

    [Fact]
    public void Bytes_changed_anywhere_in_the_header_give_typed_errors_only()
    {
        using var folder = ModelConverterTests.Tiny().Save();
        var path = Path.Combine(folder.Path, "model.safetensors");
        var sound = File.ReadAllBytes(path);
        var random = new Random(5);
        for (var round = 0; round < 300; round++)
        {
            var broken = (byte[])sound.Clone();
            for (var changes = random.Next(1, 4); changes > 0; changes--)
                broken[random.Next(8 + 900)] = (byte)random.Next(256);
            File.WriteAllBytes(path, random.Next(4) == 0 ? broken[..random.Next(broken.Length)] : broken);
            if (Record.Exception(() => ModelConverter.Convert(folder.Path, folder.Output)) is { } error)
                Assert.IsAssignableFrom<HearthException>(error);
        }
    }

    [Fact]
    public void Missing_tensors_are_named()
    {
        using var folder = ModelConverterTests.Tiny().Remove("model.layers.0.mlp.up_proj.weight").Remove("model.norm.weight").Save();
        var error = Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output));
        Assert.Contains("layers.0.mlp.up_proj.weight", error.Message, StringComparison.Ordinal);
        Assert.Contains("norm.weight", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_without_a_place_are_named()
    {
        using var folder = ModelConverterTests.Tiny().Add("model.layers.0.adapter.weight", new float[4], 4).Save();
        Assert.Contains("model.layers.0.adapter.weight", Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output)).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.Output));
    }

    [Fact]
    public void Frequencies_saved_as_a_buffer_do_not_matter()
    {
        using var folder = ModelConverterTests.Tiny().Add("model.layers.0.self_attn.rotary_emb.inv_freq", new float[16], 16).Save();
        Assert.Equal(12, ModelConverter.Convert(folder.Path, folder.Output).Tensors);
    }

    [Fact]
    public void An_unknown_class_is_named_beside_the_known_ones()
    {
        using var folder = ModelConverterTests.Tiny().Write("config.json", """{"architectures":["MambaForCausalLM"]}""").Save();
        var error = Assert.Throws<UnsupportedModelException>(() => ModelConverter.Convert(folder.Path, folder.Output));
        Assert.Contains("MambaForCausalLM", error.Message, StringComparison.Ordinal);
        Assert.Contains("Qwen3ForCausalLM", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hidden_act", "\"relu\"")]
    [InlineData("partial_rotary_factor", "0.5")]
    [InlineData("rope_scaling", """{"rope_type":"dynamic","factor":2}""")]
    public void A_choice_that_the_architecture_cannot_say_is_refused(string key, string value)
    {
        using var folder = ModelConverterTests.Tiny().Save();
        Edit(folder, config => config[key] = JsonNode.Parse(value));
        Assert.Throws<UnsupportedModelException>(() => ModelConverter.Convert(folder.Path, folder.Output));
    }

    [Theory]
    [InlineData("hidden_size", "\"wide\"")]
    [InlineData("num_hidden_layers", "0")]
    [InlineData("num_attention_heads", "5000000000")]
    [InlineData("num_attention_heads", "3")]
    [InlineData("num_hidden_layers", "200000000")]
    [InlineData("head_dim", "200000000")]
    [InlineData("num_local_experts", "200000000")]
    [InlineData("rope_scaling", """{"rope_type":"yarn"}""")]
    [InlineData("architectures", "[]")]
    public void Sizes_out_of_range_are_refused(string key, string value)
    {
        using var folder = ModelConverterTests.Tiny().Save();
        Edit(folder, config =>
        {
            config[key] = JsonNode.Parse(value);
            if (key == "head_dim")
                config["rope_scaling"] = JsonNode.Parse("""{"rope_type":"llama3"}""");
        });
        Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output));
    }

    [Fact]
    public void Weights_that_are_whole_numbers_are_refused()
    {
        using var folder = ModelConverterTests.Tiny().Remove("model.norm.weight").Add("model.norm.weight", "I64", new byte[64 * 8], 64).Save();
        Assert.Contains("I64", Assert.Throws<UnsupportedModelException>(() => ModelConverter.Convert(folder.Path, folder.Output)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_not_there_is_named()
    {
        using var folder = ModelConverterTests.Tiny();
        Assert.Contains("safetensors", Assert.Throws<FileNotFoundException>(() => ModelConverter.Convert(folder.Path, folder.Output)).Message, StringComparison.Ordinal);
        folder.WriteBytes("pytorch_model.bin", [0x80, 2]);
        Assert.Contains("pytorch_model.bin", Assert.Throws<UnsupportedModelException>(() => ModelConverter.Convert(folder.Path, folder.Output)).Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(folder.Path, "config.json"));
        Assert.Contains("config.json", Assert.Throws<FileNotFoundException>(() => ModelConverter.Convert(folder.Path, folder.Output)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../model.safetensors", "expected the name of a file")]
    [InlineData("/etc/passwd", "expected the name of a file")]
    [InlineData("", "expected the name of a file")]
    public void An_index_leads_to_no_other_folder(string name, string named)
    {
        using var folder = ModelConverterTests.Tiny().SaveShards(1).Write("model.safetensors.index.json", new JsonObject { ["weight_map"] = new JsonObject { ["a"] = name } });
        Assert.Contains(named, Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_index_that_names_an_absent_tensor_is_refused()
    {
        using var folder = ModelConverterTests.Tiny().SaveShards(1);
        var path = Path.Combine(folder.Path, "model.safetensors.index.json");
        var index = JsonNode.Parse(File.ReadAllText(path))!;
        index["weight_map"]!["ghost"] = "model-00001-of-00001.safetensors";
        File.WriteAllText(path, index.ToJsonString());
        Assert.Contains("ghost", Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Types_that_cannot_be_written_and_folders_as_output_are_refused()
    {
        using var folder = ModelConverterTests.Tiny().Save();
        Assert.Throws<UnsupportedModelException>(() => ModelConverter.Convert(folder.Path, folder.Output, GgmlType.Q4_K));
        Assert.Contains("is a folder", Assert.Throws<HearthException>(() => ModelConverter.Convert(folder.Path, folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cancelled_conversion_leaves_nothing_behind()
    {
        using var folder = ModelConverterTests.Tiny().Save();
        using var cancellation = new CancellationTokenSource();
        var progress = new Callback(cancellation.Cancel);
        Assert.Throws<OperationCanceledException>(() => ModelConverter.Convert(folder.Path, folder.Output, progress: progress, cancellationToken: cancellation.Token));
        Assert.Empty(Directory.GetFiles(folder.Path, "converted.gguf*"));
    }

    private static void Edit(CheckpointFolder folder, Action<JsonObject> edit)
    {
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder.Path, "config.json")))!.AsObject();
        edit(config);
        folder.Write("config.json", config);
    }

    private sealed class Callback(Action action) : IProgress<GgufProgress>
    {
        public void Report(GgufProgress value) => action();
    }

    [Theory]
    [InlineData(float.NaN, null, "NaN")]
    [InlineData(float.PositiveInfinity, null, "infinity")]
    [InlineData(1e38f, GgmlType.F16, "1E+38")]
    [InlineData(-65520f, GgmlType.F16, "-65520")]
    [InlineData(1e7f, GgmlType.Q8_0, "10000000")]
    [InlineData(float.MaxValue, GgmlType.BF16, "3.4028235E+38")]
    public void A_number_that_the_file_could_not_hold_is_refused_by_name(float odd, GgmlType? type, string named)
    {
        var values = new float[64 * 64];
        values[(3 * 64) + 7] = odd;
        using var folder = ModelConverterTests.Tiny().Remove("model.layers.0.self_attn.q_proj.weight").Add("model.layers.0.self_attn.q_proj.weight", values, 64, 64).Save();
        var error = Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output, type));

        Assert.Contains("q_proj", error.Message, StringComparison.Ordinal);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Path, "converted*"));
    }

    [Fact]
    public void The_largest_number_of_a_type_is_kept()
    {
        var values = new float[64 * 64];
        values[0] = 65504;
        using var folder = ModelConverterTests.Tiny().Remove("model.layers.0.self_attn.o_proj.weight").Add("model.layers.0.self_attn.o_proj.weight", values, 64, 64).Save();
        ModelConverter.Convert(folder.Path, folder.Output, GgmlType.F16);
        using var file = GgufFile.Open(folder.Output);

        Assert.Equal((Half)65504, BitConverter.ToHalf(file.GetTensor("blk.0.attn_output.weight").Bytes()));
    }

    [Fact]
    public void A_head_of_another_vocabulary_is_refused_with_both_numbers()
    {
        using var folder = ModelConverterTests.Tiny().Remove("lm_head.weight").Add("lm_head.weight", new float[65 * 64], 65, 64).Save();
        var error = Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output));

        Assert.Contains("'lm_head.weight' has 65 rows", error.Message, StringComparison.Ordinal);
        Assert.Contains("64", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, true, "'lm_head.weight' differs")]
    [InlineData(false, false, "the embedding is taken")]
    [InlineData(true, false, null)]
    [InlineData(false, true, null)]
    public void A_head_that_contradicts_the_config_is_noted(bool tied, bool hasHead, string? note)
    {
        var checkpoint = ModelConverterTests.Tiny().Remove("lm_head.weight");
        if (hasHead)
            checkpoint.Add("lm_head.weight", new float[64 * 64], 64, 64);
        using var folder = checkpoint.Save();
        Edit(folder, config => config["tie_word_embeddings"] = tied);
        var notes = ModelConverter.Convert(folder.Path, folder.Output).Notes;

        Assert.Equal(note is null ? 0 : 1, notes.Count(text => text.Contains("head", StringComparison.Ordinal)));
        Assert.True(note is null || notes.Any(text => text.Contains(note, StringComparison.Ordinal)));
    }

    [Fact]
    public void A_head_that_is_the_embedding_again_is_no_contradiction()
    {
        using var folder = ModelConverterTests.Tiny().Save();
        Edit(folder, config => config["tie_word_embeddings"] = true);

        Assert.DoesNotContain(ModelConverter.Convert(folder.Path, folder.Output).Notes, text => text.Contains("head", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("llama3-ropefreqs-tied", "model.embed_tokens.weight")]
    [InlineData("gpt2", "transformer.wte.weight")]
    [InlineData("gemma3", "model.embed_tokens.weight")]
    public void A_tied_table_may_be_stored_as_the_head_alone(string model, string table)
    {
        using var usual = ReferenceCheckpoints.Make(model).Save();
        ModelConverter.Convert(usual.Path, usual.Output);
        using var expected = GgufFile.Open(usual.Output);
        var embedding = expected.GetTensor("token_embd.weight");
        var values = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(embedding.Bytes()).ToArray();
        using var folder = ReferenceCheckpoints.Make(model).Remove(table).Add("lm_head.weight", values, embedding.Extent(1), embedding.Extent(0)).Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        using var converted = GgufFile.Open(folder.Output);

        Assert.Equal(expected.Tensors.Select(tensor => tensor.Name), converted.Tensors.Select(tensor => tensor.Name));
        Assert.True(embedding.Bytes().SequenceEqual(converted.GetTensor("token_embd.weight").Bytes()));
    }

    [Fact]
    public void A_head_alone_that_is_not_tied_lacks_its_table()
    {
        using var folder = ModelConverterTests.Tiny().Remove("model.embed_tokens.weight").Save();
        Edit(folder, config => config["tie_word_embeddings"] = false);

        Assert.Contains("embed_tokens.weight", Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_would_not_load_is_not_written()
    {
        // Only the engine's own description of the model knows what an epsilon may be.
        using var folder = ModelConverterTests.Tiny().Save();
        Edit(folder, config => config["rms_norm_eps"] = 1e30);
        var error = Assert.Throws<ModelFormatException>(() => ModelConverter.Convert(folder.Path, folder.Output));

        Assert.Contains("could not be loaded", error.Message, StringComparison.Ordinal);
        Assert.Contains("layer_norm_rms_epsilon", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Path, "converted*"));
    }

    [Fact]
    public void A_full_disk_leaves_nothing_behind()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "Linux has a device that is always full");
        using var folder = ModelConverterTests.Tiny().Save();
        File.CreateSymbolicLink(folder.Output + ".partial", "/dev/full");

        Assert.ThrowsAny<IOException>(() => ModelConverter.Convert(folder.Path, folder.Output));
        Assert.Empty(Directory.GetFiles(folder.Path, "converted*"));
    }
}
