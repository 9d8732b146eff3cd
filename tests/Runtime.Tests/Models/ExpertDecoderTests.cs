using Hearth.Runtime.Models;
using Hearth.Runtime.Synthesis;
using Hearth.Runtime.Tests.Support;
using static Hearth.Runtime.Tests.Models.ReferenceLogitsTests;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Decoders with experts or latent attention against the logits of an independent implementation.</summary>
public sealed class ExpertDecoderTests
{
    // The two implementations differ in the order of sums only.
    private const double Bound = 1e-6;

    public static TheoryData<string> Models =>
    [
        "afmoe", "arctic", "bailingmoe", "bailingmoe2", "cohere2moe", "cohere2moe-rms", "dbrx", "deepseek", "deepseek2", "deepseek2-fused",
        "deepseek2-lite", "deepseek2-ocr", "deepseek2-v2", "deepseek32", "dots1", "ernie4_5-moe", "exaone-moe", "glm-dsa", "glm4moe", "glm4moe-mrope", "gpt-oss",
        "granite-moe", "granitemoe", "grok", "grok-2", "grovemoe", "hunyuan-moe", "hy_v3", "laguna", "laguna-elementwise", "llada-moe", "llama4",
        "llama4-128e", "mellum", "mellum-array", "mimo2", "mimo2-fused", "minicpm3", "minicpm3-short", "minimax-m2", "minimax-m3", "mistral3-moe",
        "mistral4", "mixtral", "olmoe", "phimoe", "phimoe-short", "plm", "qwen2moe", "qwen3moe", "qwen3vlmoe", "rnd1", "smallthinker",
        "smallthinker-full", "step35", "gemma3n", "gemma4", "gemma4-moe",
    ];

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_decoder_gives_the_reference_logits(string name)
        => Assert.InRange(Error(await Logits(ReferenceModels.File(name), ReferenceModels.Tokens(name)), ReferenceModels.Logits(name)), 0, Bound);

    // Keys that are shared, latent, windowed or of differing widths must be found again in the cache.
    [Theory]
    [InlineData("deepseek2")]
    [InlineData("deepseek2-v2")]
    [InlineData("deepseek32")]
    [InlineData("glm-dsa")]
    [InlineData("gemma3n")]
    [InlineData("gemma4")]
    [InlineData("gpt-oss")]
    [InlineData("laguna")]
    [InlineData("llama4")]
    [InlineData("mimo2")]
    [InlineData("mistral4")]
    [InlineData("smallthinker")]
    public async Task A_prompt_read_in_small_pieces_gives_the_same_logits(string name)
    {
        var whole = await Logits(ReferenceModels.File(name), ReferenceModels.Tokens(name));
        foreach (var piece in new[] { 1, 5 })
            Assert.InRange(Error(await Logits(ReferenceModels.File(name), ReferenceModels.Tokens(name), new ModelOptions { StepTokens = piece }), whole), 0, 1e-10);
    }

    // The 32 ids 257 times over; the reference keeps the last 32 rows, which lie behind the first chunk of 8192.
    [Fact]
    public async Task Chunks_begin_anew_and_scores_grow_with_the_position()
    {
        const int Times = 257;
        using var folder = new TemporaryFolder();
        await File.WriteAllBytesAsync(folder.File("long.gguf"), ReferenceModels.Rebuild("../long/llama4-long", 11));
        int[] tokens = [.. Enumerable.Repeat(ReferenceModels.Tokens("llama4"), Times).SelectMany(t => t)];
        await using var model = await LanguageModel.LoadAsync(folder.File("long.gguf"));
        var last = new float[tokens.Length / Times * model.Information.VocabularySize];
        var first = tokens.Length - tokens.Length / Times;
        model.ComputeLogits(tokens, (position, logits) =>
        {
            if (position >= first)
                logits.CopyTo(last.AsSpan((position - first) * model.Information.VocabularySize));
        });
        Assert.InRange(Error(last, ReferenceModels.Logits("../long/llama4-long")), 0, Bound);
    }

    // The first of the reference's layers is dense; as the only one it needs no key of experts.
    [Fact]
    public async Task Latent_attention_goes_without_experts()
    {
        using var folder = new TemporaryFolder();
        var leading = OneLayer();
        var dense = OneLayer().Set("expert_count", 0).Set("expert_used_count", 0).Set("expert_group_count", 0);
        var tokens = ReferenceModels.Tokens("deepseek2");
        Assert.Equal(await Logits(leading.Save(folder), tokens), await Logits(dense.Save(folder), tokens));

        static EditedModel OneLayer()
        {
            var model = EditedModel.Of("deepseek2").Set("block_count", 1);
            foreach (var (tensor, _) in new PatchedModel("deepseek2").Tensors().Where(t => Hyperparameters.LayerOf(t.Name) > 0))
                model.Remove(tensor);
            return model;
        }
    }

    // Every expert is chosen, as rounding could tip a choice and change a row wholly.
    [Theory]
    [InlineData("Q8_0")]
    [InlineData("Q4_K")]
    [InlineData("Q6_K")]
    public async Task Quantized_experts_agree_with_their_dequantized_weights(string type)
    {
        using var folder = new TemporaryFolder();
        ModelSynthesizer.Write(folder.File("quantized.gguf"), new SyntheticShape(256, 2, 4, 2, 256, 259) { Experts = 4, ExpertsUsed = 4 }, type);
        ReferenceLogitsTests.Dequantize(folder.File("quantized.gguf"), folder.File("exact.gguf"));
        var tokens = ReferenceModels.Tokens("mixtral");
        Assert.InRange(Error(await Logits(folder.File("quantized.gguf"), tokens), await Logits(folder.File("exact.gguf"), tokens)), 0, 1e-3);
    }
}
