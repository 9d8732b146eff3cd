using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Decoders with experts or latent attention against the logits of an independent implementation.</summary>
public sealed class ExpertDecoderTests
{
    // The two implementations differ in the order of sums only.
    private const double Bound = 1e-6;

    public static TheoryData<string> Models =>
    [
        "afmoe", "arctic", "bailingmoe", "bailingmoe2", "cohere2moe", "cohere2moe-rms", "dbrx", "deepseek", "deepseek2", "deepseek2-fused",
        "deepseek2-lite", "deepseek2-ocr", "deepseek2-v2", "dots1", "ernie4_5-moe", "exaone-moe", "glm4moe", "glm4moe-mrope", "gpt-oss",
        "granite-moe", "granitemoe", "grok", "grok-2", "hunyuan-moe", "hy_v3", "laguna", "laguna-elementwise", "llada-moe", "llama4",
        "llama4-128e", "mellum", "mellum-array", "mimo2", "mimo2-fused", "minicpm3", "minicpm3-short", "minimax-m2", "mistral3-moe",
        "mistral4", "mixtral", "olmoe", "phimoe", "phimoe-short", "plm", "qwen2moe", "qwen3moe", "qwen3vlmoe", "rnd1", "smallthinker",
        "smallthinker-full", "step35", "gemma3n", "gemma4", "gemma4-moe",
    ];

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_decoder_gives_the_reference_logits(string name)
        => Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(ReferenceModels.File(name), ReferenceModels.Tokens(name)), ReferenceModels.Logits(name)), 0, Bound);
}
