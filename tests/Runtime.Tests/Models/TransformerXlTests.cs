using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Transformer-XL against log-probabilities of an independent implementation in float64.</summary>
public sealed class TransformerXlTests
{
    // Float32 against float64: sums of some ten products, through a few layers.
    private const double Bound = 1e-12;

    public static TheoryData<string> Names => TransformerXlCheckpoint.Names;

    // 7 rows cross segments and pages at ever other places; 512 hold a text whole.
    [Theory]
    [MemberData(nameof(Names))]
    public async Task Log_probabilities_equal_the_reference_however_the_text_is_cut(string name)
    {
        using var checkpoint = TransformerXlCheckpoint.Open(name);
        var path = checkpoint.Convert();
        foreach (var step in new[] { 512, 16, 7, 1 })
            Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(path, checkpoint.Tokens, new ModelOptions { StepTokens = step }), checkpoint.LogProbabilities), 0, Bound);
    }

    [Fact]
    public async Task The_reference_of_the_shared_folder_is_met_whole_by_segments_and_token_by_token()
    {
        using var checkpoint = TransformerXlCheckpoint.OpenShared();
        var path = checkpoint.Convert();
        foreach (var step in new[] { 512, 16, 1 })
            Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(path, checkpoint.Tokens, new ModelOptions { StepTokens = step }), checkpoint.LogProbabilities), 0, Bound);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task What_comes_out_are_logarithms_of_probabilities(string name)
    {
        using var checkpoint = TransformerXlCheckpoint.Open(name);
        var rows = await ReferenceLogitsTests.Logits(checkpoint.Convert(), checkpoint.Tokens);
        foreach (var row in rows.Chunk(checkpoint.Vocabulary))
            Assert.Equal(1, row.Sum(logarithm => Math.Exp(logarithm)), 1e-5);
    }

    // A query of segment s sees back to `memory` positions before its segment.
    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_lens_shows_each_segment_its_memory_and_no_more(string name)
    {
        using var checkpoint = TransformerXlCheckpoint.Open(name);
        await using var model = await LanguageModel.LoadAsync(checkpoint.Convert(), new ModelOptions { StepTokens = 7 });
        var (segment, memory) = (model.Metadata.Get<int>("transformer-xl.segment_length"), model.Metadata.Get<int>("transformer-xl.memory_length"));
        foreach (var layer in AttentionProbe.Run(model, checkpoint.Tokens, cancellationToken: TestContext.Current.CancellationToken).Layers)
        {
            for (var row = 0; row < layer.Rows; row++)
            {
                var weights = layer.Row(layer.HeadCount - 1, row).ToArray();
                var first = Math.Max(0, (row / segment * segment) - memory);
                Assert.Equal(1, weights.Sum(weight => (double)weight), 1e-5);
                Assert.All(weights[..first], weight => Assert.Equal(0, weight));
                Assert.All(weights[first..(row + 1)], weight => Assert.True(weight > 0));
                Assert.All(weights[(row + 1)..], weight => Assert.Equal(0, weight));
            }
        }
    }

    [Fact]
    public async Task A_text_has_no_end_unless_one_is_asked_for()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        var path = checkpoint.Convert();
        await using var endless = await LanguageModel.LoadAsync(path);
        await using var ending = await LanguageModel.LoadAsync(path, new ModelOptions { ContextLength = 50 });

        Assert.Equal(1 << 30, endless.Information.ContextLength);
        Assert.Equal(40, endless.Information.VocabularySize);
        Assert.Equal(50, ending.Information.ContextLength);
        Assert.Throws<ContextLengthExceededException>(() => ending.ComputeLogits(new int[51], (_, _) => { }));
    }

    [Fact]
    public async Task A_cache_that_cannot_hold_one_text_is_refused_with_the_numbers()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        var error = await Assert.ThrowsAsync<OutOfModelMemoryException>(() => LanguageModel.LoadAsync(checkpoint.Convert(), new ModelOptions { CacheTokens = 64, StepTokens = 16 }));
        Assert.Contains("128", error.Message, StringComparison.Ordinal); // a memory of 10, a segment of 6, 96 in whole segments and pages, a step of 16
        Assert.Contains("64", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, object?, string> Keys => new()
    {
        { "vocabulary_cutoffs", new[] { 8, 31, 20 }, "8, 31, 20" },
        { "vocabulary_cutoffs", new[] { 8, 8, 31 }, "8, 8, 31" },
        { "vocabulary_cutoffs", new[] { 0, 8, 31 }, "0, 8, 31" },
        { "vocabulary_cutoffs", new[] { 8, 20, 40 }, "below the 40" },
        { "vocabulary_cutoffs", new[] { 8, 20 }, "token_embd.2.weight" },
        { "vocab_size", 41, "[4, 10]" },
        { "memory_length", -1, "must be 0 to" },
        { "segment_length", 0, "must be 1 to" },
        { "segment_length", -5, "must be 1 to" },
        { "clamp_length", -2, "must be -1 to" },
        { "embedding_length", 33, "embedding_length" },
        { "attention.head_count", 0, "attention.head_count" },
        { "attention.head_count", 4, "attn_q.weight" },
        { "attention.layer_norm_epsilon", float.NaN, "layer_norm_epsilon" },
    };

    [Theory]
    [MemberData(nameof(Keys))]
    public void A_wrong_size_is_told_with_what_is_possible(string key, object? value, string told)
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        using var folder = new TemporaryFolder();
        var path = EditedModel.Read(checkpoint.Convert()).Set(key, value!).Save(folder);
        Assert.Contains(told, Load<ModelFormatException>(path).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("blk.1.attn_r.weight")]
    [InlineData("blk.0.attn_position_bias")]
    [InlineData("blk.0.attn_content_bias")]
    [InlineData("token_embd.2.weight")]
    [InlineData("token_embd_proj.1.weight")]
    [InlineData("output_proj.3.weight")]
    [InlineData("output.2.bias")]
    [InlineData("output_cluster.weight")]
    [InlineData("blk.1.layer_output_norm.bias")]
    public void A_missing_or_misshapen_tensor_is_told_by_name(string name)
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        using var folder = new TemporaryFolder();
        var path = checkpoint.Convert();
        Assert.Contains(name, Load<ModelFormatException>(EditedModel.Read(path).Remove(name).Save(folder)).Message, StringComparison.Ordinal);
        Assert.Contains(name, Load<ModelFormatException>(EditedModel.Read(path).SetTensor(name, new float[3 * 7], 3, 7).Save(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_that_would_not_be_computed_are_refused()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        using var folder = new TemporaryFolder();
        var path = EditedModel.Read(checkpoint.Convert()).SetTensor("blk.0.ffn_gate.weight", new float[32 * 40], 32, 40).Save(folder);
        Assert.Contains("ffn_gate", Load<UnsupportedModelException>(path).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void More_distances_than_a_table_can_hold_are_refused_before_one_is_made()
    {
        using var checkpoint = TransformerXlCheckpoint.Open("four-clusters");
        using var folder = new TemporaryFolder();
        var path = EditedModel.Read(checkpoint.Convert()).Set("clamp_length", -1).Set("memory_length", 1 << 20).Save(folder);
        Assert.Contains("65536", Load<UnsupportedModelException>(path).Message, StringComparison.Ordinal);
    }

    private static T Load<T>(string path)
        where T : Exception
        => Assert.Throws<T>(() => LanguageModel.LoadAsync(path).GetAwaiter().GetResult());
}
