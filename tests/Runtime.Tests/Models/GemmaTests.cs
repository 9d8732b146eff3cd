using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>What the reference logits do not tell apart in the Gemma family, and what files of it are refused.</summary>
public sealed class GemmaTests
{
    // Two programs of the same arithmetic.
    private const double Same = 1e-10;

    // Far more than rounding makes.
    private const double Other = 1e-5;

    private static readonly int[] Tokens = ReferenceModels.Tokens("gemma2");
    private static readonly int[] FewTokens = [3, 17, 39, 0, 8, 8, 21, 30, 1, 5, 12, 33];

    [Fact]
    public async Task Gemma_1_computes_what_its_paper_says()
    {
        var model = PlainGemma.Create("gemma", layers: 3);
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(model, FewTokens), PlainGemma.Logits(model, 3, FewTokens)), 0, 1e-9);
    }

    [Fact]
    public async Task The_depth_of_27B_scales_scores_by_the_width_of_a_share()
    {
        // Layers whose outputs are normalized to nothing pass their input on, so only the scale tells the two apart.
        var deep = PlainGemma.Create("gemma2", layers: 46);
        for (var layer = 2; layer < 46; layer++)
        {
            Array.Clear(deep.Tensor($"blk.{layer}.post_attention_norm.weight"));
            Array.Clear(deep.Tensor($"blk.{layer}.post_ffw_norm.weight"));
        }

        var shallow = PlainGemma.Create("gemma2", layers: 2);
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(shallow, FewTokens), await Logits(deep, FewTokens)), Other, 10);
        for (var layer = 0; layer < 2; layer++)
        {
            foreach (ref var value in shallow.Tensor($"blk.{layer}.attn_q.weight").AsSpan())
                value *= MathF.Sqrt(PlainGemma.HeadWidth / (PlainGemma.Width / PlainGemma.Heads));
        }

        Assert.InRange(ReferenceLogitsTests.Error(await Logits(shallow, FewTokens), await Logits(deep, FewTokens)), 0, Same);
    }

    [Fact]
    public async Task A_window_as_long_as_the_text_is_no_window()
    {
        var none = await Logits(EditedModel.Of("gemma2").Set("attention.sliding_window", 0));
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(EditedModel.Of("gemma2").Set("attention.sliding_window", Tokens.Length)), none), 0, Same);
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(EditedModel.Of("gemma2")), none), Other, 10);
    }

    [Fact]
    public async Task The_pattern_says_which_layers_are_windowed()
    {
        var usual = await Logits(EditedModel.Of("gemma2"));
        var all = await Logits(EditedModel.Of("gemma2").Set("attention.sliding_window_pattern", 0));
        var none = await Logits(EditedModel.Of("gemma2").Set("attention.sliding_window_pattern", 1));
        Assert.InRange(ReferenceLogitsTests.Error(none, await Logits(EditedModel.Of("gemma2").Set("attention.sliding_window", 0))), 0, Same);
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(EditedModel.Of("gemma2").Set("attention.sliding_window_pattern", 2)), usual), 0, Same);
        Assert.InRange(ReferenceLogitsTests.Error(all, usual), Other, 10);
        Assert.InRange(ReferenceLogitsTests.Error(all, none), Other, 10);
    }

    [Fact]
    public async Task Windowed_layers_of_Gemma_3_keep_their_base_and_are_not_scaled()
    {
        var windowed = await Logits(AllWindowed());
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(AllWindowed().Set("rope.freq_base", 500000f).Set("rope.scaling.factor", 8f)), windowed), 0, Same);
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(AllWindowed().Set("rope.freq_base_swa", 10000f)), windowed), 0, Same);
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(AllWindowed().Set("rope.freq_base_swa", 500000f)), windowed), Other, 10);
        Assert.InRange(
            ReferenceLogitsTests.Error(await Logits(EditedModel.Of("gemma3").Set("rope.scaling.factor", 8f)), await Logits(EditedModel.Of("gemma3"))), Other, 10);

        static EditedModel AllWindowed() => EditedModel.Of("gemma3").Set("attention.sliding_window_pattern", 0);
    }

    [Theory]
    [InlineData("gemma2", "token_embd.weight")]
    [InlineData("gemma2", "blk.1.post_ffw_norm.weight")]
    [InlineData("gemma2", "blk.0.ffn_gate.weight")]
    [InlineData("gemma3", "blk.3.attn_q_norm.weight")]
    [InlineData("gemma3", "output_norm.weight")]
    public async Task A_missing_tensor_is_named(string model, string tensor)
    {
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => Logits(EditedModel.Of(model).Remove(tensor)));
        Assert.Contains(tensor, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gemma2", "blk.0.attn_k.weight", "[256, 192]", 256, 96)]
    [InlineData("gemma2", "blk.1.post_attention_norm.weight", "[256]", 128)]
    [InlineData("gemma3", "blk.6.attn_k_norm.weight", "[96]", 192)]
    [InlineData("gemma3", "blk.2.ffn_down.weight", "[512, 256]", 256, 512)]
    public async Task A_misshapen_tensor_is_named_with_the_shape_it_must_have(string model, string tensor, string expected, params int[] shape)
    {
        var edited = EditedModel.Of(model).SetTensor(tensor, new float[shape.Aggregate(1, (a, b) => a * b)], [.. shape.Select(s => (long)s)]);
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => Logits(edited));
        Assert.Contains(tensor, error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("attn_logit_softcapping", -1f)]
    [InlineData("final_logit_softcapping", float.NaN)]
    [InlineData("attention.sliding_window", -16)]
    [InlineData("attention.sliding_window_pattern", "two")]
    [InlineData("rope.freq_base_swa", float.PositiveInfinity)]
    public async Task A_senseless_number_is_named(string key, object value)
    {
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => Logits(EditedModel.Of("gemma2").Set(key, value)));
        Assert.Contains("gemma2." + key, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("attention.key_length_swa", 64)]
    [InlineData("attention.value_length_swa", 64)]
    [InlineData("rope.dimension_count_swa", 64)]
    public async Task Windowed_layers_of_another_size_are_refused(string key, int value)
    {
        var error = await Assert.ThrowsAsync<UnsupportedModelException>(() => Logits(EditedModel.Of("gemma3").Set(key, value)));
        Assert.Contains("gemma3." + key, error.Message, StringComparison.Ordinal);
    }

    private static async Task<float[]> Logits(EditedModel model, int[]? tokens = null)
    {
        using var folder = new TemporaryFolder();
        return await ReferenceLogitsTests.Logits(model.Save(folder), tokens ?? Tokens);
    }
}
