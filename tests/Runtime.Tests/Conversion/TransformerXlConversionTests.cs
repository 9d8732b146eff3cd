using System.Text.Json.Nodes;
using Hearth.Runtime.Tests.Models;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>The ways in which checkpoints of Transformer-XL differ: what is shared, tied, counted from the end.</summary>
public sealed class TransformerXlConversionTests
{
    [Fact]
    public async Task One_table_projection_and_bias_for_all_clusters_are_taken_apart()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("no-memory");
        foreach (var name in new[] { "transformer.word_emb.emb_layers.{0}.weight", "crit.out_layers.{0}.bias" })
            Join(checkpoint, [.. Enumerable.Range(0, 3).Select(i => name.Replace("{0}", $"{i}", StringComparison.Ordinal))]);
        checkpoint.Tensors.Remove("transformer.word_emb.emb_projs.1");
        checkpoint.Tensors.Remove("transformer.word_emb.emb_projs.2");
        await AssertUnchanged(checkpoint);
    }

    [Fact]
    public async Task Biases_that_all_layers_share_are_given_to_each()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        foreach (var bias in new[] { "r_w_bias", "r_r_bias" })
            checkpoint.Tensors[$"transformer.layers.1.dec_attn.{bias}"] = checkpoint.Tensors[$"transformer.layers.0.dec_attn.{bias}"];
        var expected = await ReferenceLogitsTests.Logits(checkpoint.Convert(), checkpoint.Tokens);

        using var shared = TransformerXlCheckpoint.Open("four-clusters");
        foreach (var bias in new[] { "r_w_bias", "r_r_bias" })
        {
            shared.Rename($"transformer.layers.0.dec_attn.{bias}", $"transformer.{bias}");
            shared.Tensors.Remove($"transformer.layers.1.dec_attn.{bias}");
        }

        shared.Config["untie_r"] = false;
        Assert.Equal(expected, await ReferenceLogitsTests.Logits(shared.Convert(), shared.Tokens));
    }

    [Fact]
    public async Task The_library_counts_clusters_from_the_first_and_the_authors_from_the_last()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        checkpoint.Config["architectures"] = new JsonArray("TransfoXLLMHeadModel");
        foreach (var name in new[] { "crit.cluster_weight", "crit.cluster_bias" })
        {
            var (shape, values) = checkpoint.Tensors[name];
            checkpoint.Tensors[name] = (shape, [.. values.Chunk(values.Length / 3).Reverse().SelectMany(row => row)]);
        }

        await AssertUnchanged(checkpoint);
    }

    [Fact]
    public async Task Tied_tables_are_read_once_and_a_table_of_its_own_is_used()
    {
        using var tied = TransformerXlCheckpoint.Open("four-clusters");
        for (var i = 0; i < 4; i++)
            tied.Tensors[$"crit.out_layers.{i}.weight"] = tied.Tensors[$"transformer.word_emb.emb_layers.{i}.weight"];
        await AssertUnchanged(tied);

        using var own = TransformerXlCheckpoint.Open("four-clusters");
        own.Config["tie_weight"] = false;
        for (var i = 0; i < 4; i++)
        {
            var (shape, values) = own.Tensors[$"transformer.word_emb.emb_layers.{i}.weight"];
            own.Tensors[$"crit.out_layers.{i}.weight"] = (shape, [.. values.Select(value => -value)]);
            var (projectionShape, projection) = own.Tensors[$"transformer.word_emb.emb_projs.{i}"];
            own.Tensors[$"crit.out_projs.{i}"] = (projectionShape, [.. projection.Select(value => -value)]);
        }

        // Two changes of sign undo each other, but for the clusters' own rows, which see the projection alone.
        foreach (var name in new[] { "crit.cluster_weight" })
            own.Tensors[name] = (own.Tensors[name].Shape, [.. own.Tensors[name].Values.Select(value => -value)]);
        await AssertUnchanged(own);
    }

    [Fact]
    public async Task Embeddings_as_wide_as_the_model_need_no_projection()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("no-memory");
        var identity = Enumerable.Range(0, 24 * 24).Select(i => i / 24 == i % 24 ? 1f : 0f).ToArray();
        for (var i = 0; i < 3; i++)
            checkpoint.Tensors[$"transformer.word_emb.emb_projs.{i}"] = ([24, 24], identity);
        var expected = await ReferenceLogitsTests.Logits(checkpoint.Convert(), checkpoint.Tokens);

        using var bare = TransformerXlCheckpoint.Open("no-memory");
        foreach (var name in new[] { "transformer.word_emb.emb_layers.{0}.weight", "crit.out_layers.{0}.bias" })
            Join(bare, [.. Enumerable.Range(0, 3).Select(i => name.Replace("{0}", $"{i}", StringComparison.Ordinal))]);
        for (var i = 0; i < 3; i++)
            bare.Tensors.Remove($"transformer.word_emb.emb_projs.{i}");
        Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(bare.Convert(), bare.Tokens), expected), 0, 1e-12);
    }

    public static TheoryData<string, string, string> Sizes => new()
    {
        { "cutoffs", "[8, 31, 20]", "8, 31, 20" },
        { "cutoffs", "[8, 20, 40]", "below the 40" },
        { "cutoffs", "[-1, 20, 31]", "-1" },
        { "cutoffs", "[8, 20, 30]", "emb_layers.2" },
        { "cutoffs", "8", "array" },
        { "mem_len", "-3", "0 to" },
        { "tgt_len", "0", "1 to" },
        { "clamp_len", "-2", "-1 to" },
        { "tgt_len", "null", "tgt_len" },
        { "vocab_size", "1e18", "vocab_size" },
        { "n_layer", "3", "transformer.layers.2" },
    };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void A_wrong_size_is_told_with_what_is_possible(string key, string value, string told)
        => Assert.Contains(told, Refused<ModelFormatException>("four-clusters", key, value).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("pre_lnorm", "true")]
    [InlineData("attn_type", "2")]
    [InlineData("ext_len", "4")]
    [InlineData("sample_softmax", "100")]
    public void Choices_without_a_counterpart_are_refused(string key, string value)
        => Assert.Contains(key, Refused<UnsupportedModelException>("four-clusters", key, value).Message, StringComparison.Ordinal);

    [Fact]
    public void The_same_length_of_nothing_is_refused()
        => Assert.Contains("mem_len", Refused<UnsupportedModelException>("no-memory", "same_length", "true").Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("transformer.layers.1.dec_attn.r_net.weight")]
    [InlineData("transformer.layers.0.dec_attn.r_r_bias")]
    [InlineData("transformer.word_emb.emb_projs.2")]
    [InlineData("crit.cluster_bias")]
    public void A_missing_tensor_is_told_by_name(string name)
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        Assert.True(checkpoint.Tensors.Remove(name));
        Assert.Contains(name, Assert.Throws<ModelFormatException>(() => checkpoint.Convert()).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(checkpoint.Output));
    }

    private static T Refused<T>(string name, string key, string value)
        where T : Exception
    {
        using var checkpoint = TransformerXlCheckpoint.Open(name);
        checkpoint.Config[key] = JsonNode.Parse(value);
        var error = Assert.Throws<T>(() => checkpoint.Convert());
        Assert.False(File.Exists(checkpoint.Output));
        return error;
    }

    private static async Task AssertUnchanged(TransformerXlCheckpoint checkpoint)
        => Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(checkpoint.Convert(), checkpoint.Tokens), checkpoint.LogProbabilities), 0, 1e-12);

    // Several tensors as one, under the first's name.
    private static void Join(TransformerXlCheckpoint checkpoint, string[] names)
    {
        var parts = names.Select(name => checkpoint.Tensors[name]).ToArray();
        foreach (var name in names)
            checkpoint.Tensors.Remove(name);
        checkpoint.Tensors[names[0]] = ([parts.Sum(part => part.Shape[0]), .. parts[0].Shape[1..]], [.. parts.SelectMany(part => part.Values)]);
    }
}
