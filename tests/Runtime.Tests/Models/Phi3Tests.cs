using Hearth.Runtime.Gguf;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>LongRoPE in Phi-3 files, and what files of it are refused.</summary>
public sealed class Phi3Tests
{
    // Two programs of the same arithmetic.
    private const double Same = 1e-10;

    private const int Original = 1024;

    private static readonly int[] Tokens = ReferenceModels.Tokens("phi3");

    // Factors that are all alike divide all frequencies, which is what linear scaling does.
    [Theory]
    [InlineData(512, 2f)]
    [InlineData(Original, 2f)]
    [InlineData(Original + 1, 4f)]
    [InlineData(null, 4f)]
    public async Task The_context_asked_for_chooses_between_short_and_long_factors(int? context, float scale)
    {
        var chosen = await Logits(LongRope(2, 4).Set("rope.scaling.type", "longrope"), new ModelOptions { ContextLength = context });
        Assert.InRange(ReferenceLogitsTests.Error(chosen, await Logits(EditedModel.Of("phi3").Set("rope.scaling.factor", scale))), 0, Same);
        Assert.InRange(ReferenceLogitsTests.Error(chosen, await Logits(EditedModel.Of("phi3"))), 1e-5, 10);
    }

    [Fact]
    public async Task Every_frequency_has_a_factor_of_its_own()
    {
        var ones = LongRope(1, 1);
        var first = await Logits(ones);
        Assert.InRange(ReferenceLogitsTests.Error(first, await Logits(EditedModel.Of("phi3"))), 0, Same);
        ones.Tensor("rope_factors_long.weight")[2] = 3;
        Assert.InRange(ReferenceLogitsTests.Error(await Logits(ones), first), 1e-7, 10);
    }

    // Query and key are both lengthened, so scores grow by the square.
    [Fact]
    public async Task The_attention_factor_lengthens_queries_and_keys()
    {
        var lengthened = await Logits(EditedModel.Of("phi3").Set("rope.scaling.attn_factor", 1.25f));
        var scaled = EditedModel.Of("phi3");
        for (var layer = 0; layer < 2; layer++)
        {
            foreach (ref var value in scaled.Tensor($"blk.{layer}.attn_qkv.weight").AsSpan(0, 256 * 256))
                value *= 1.25f * 1.25f;
        }

        Assert.InRange(ReferenceLogitsTests.Error(lengthened, await Logits(scaled)), 0, Same);
        Assert.InRange(ReferenceLogitsTests.Error(lengthened, await Logits(EditedModel.Of("phi3"))), 1e-5, 10);
    }

    [Fact]
    public void Caches_of_short_and_long_factors_do_not_go_together()
    {
        using var folder = new TemporaryFolder();
        var path = LongRope(2, 4).Save(folder);
        var beyond = Fingerprint(path, null);
        Assert.Equal(beyond, Fingerprint(path, Original + 1));
        Assert.NotEqual(beyond, Fingerprint(path, Original));
    }

    [Fact]
    public async Task A_file_with_the_other_factors_only_is_refused()
    {
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => Logits(LongRope(2, 4).Remove("rope_factors_long.weight")));
        Assert.Contains("rope_factors_long.weight", error.Message, StringComparison.Ordinal);
        error = await Assert.ThrowsAsync<ModelFormatException>(() => Logits(LongRope(2, 4).SetTensor("rope_factors_long.weight", new float[16], 16)));
        Assert.Contains("'rope_factors_long.weight' must have the shape [32]", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("blk.0.attn_qkv.weight", 256, 768)]
    [InlineData("blk.1.ffn_up.weight", 256, 512)]
    [InlineData("blk.1.ffn_norm.weight", 255)]
    public async Task A_misshapen_tensor_is_named(string tensor, params int[] shape)
    {
        var edited = EditedModel.Of("phi3").SetTensor(tensor, new float[shape.Aggregate(1, (a, b) => a * b)], [.. shape.Select(s => (long)s)]);
        var error = await Assert.ThrowsAsync<ModelFormatException>(() => Logits(edited));
        Assert.Contains(tensor, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Longrope_in_a_family_without_its_factors_is_refused()
    {
        var error = await Assert.ThrowsAsync<UnsupportedModelException>(() => Logits(EditedModel.Of("gemma2").Set("rope.scaling.type", "longrope")));
        Assert.Contains("longrope", error.Message, StringComparison.Ordinal);
    }

    private static EditedModel LongRope(float shortFactor, float longFactor)
        => EditedModel.Of("phi3").Set("rope.scaling.original_context_length", Original)
            .SetTensor("rope_factors_short.weight", [.. Enumerable.Repeat(shortFactor, 32)], 32)
            .SetTensor("rope_factors_long.weight", [.. Enumerable.Repeat(longFactor, 32)], 32);

    private static string Fingerprint(string path, int? context)
    {
        using var file = GgufFile.Open(path);
        var loaded = ModelLoader.Load(file, new ModelOptions { ContextLength = context }, embedding: null, null, CancellationToken.None);
        loaded.Dispose();
        return loaded.Fingerprint;
    }

    private static async Task<float[]> Logits(EditedModel model, ModelOptions? options = null)
    {
        using var folder = new TemporaryFolder();
        return await ReferenceLogitsTests.Logits(model.Save(folder), Tokens, options);
    }
}
