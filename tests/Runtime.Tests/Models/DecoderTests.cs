using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Every dense decoder against the logits of an independent implementation, and what files are refused.</summary>
public sealed class DecoderTests
{
    // The two implementations differ in the order of sums only.
    private const double Bound = 1e-6;

    public static TheoryData<string> Models =>
    [
        "apertus", "arcee", "baichuan-13b", "baichuan-7b", "bitnet", "bloom", "bloom-6heads", "chatglm", "codeshell", "cogvlm", "cohere2",
        "command-r", "command-r-plus", "deci", "dream", "ernie4_5", "exaone", "exaone4", "exaone4-swa", "falcon-40b", "falcon-7b", "gemma",
        "gemma2-27b", "glm4", "glm4-mrope", "gptneox", "gptneox-sequential", "granite", "granite-norope", "hunyuan-dense", "hunyuan_vl",
        "internlm2", "jais", "jais2", "llada", "maincoder", "minicpm", "minicpm-longrope", "mistral3", "mpt", "mpt-full", "nanbeige",
        "nanbeige-skipnorm", "nemotron", "olmo", "olmo2", "olmo2-swa", "openelm", "orion", "paddleocr", "pangu-embedded", "phi2", "plamo",
        "plamo3", "qwen", "qwen2vl", "qwen3vl", "refact", "seed_oss", "smollm3", "stablelm", "stablelm-12b", "starcoder", "starcoder2",
        "talkie", "xverse",
    ];

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_dense_decoder_gives_the_reference_logits(string name)
        => Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(ReferenceModels.File(name), ReferenceModels.Tokens(name)), ReferenceModels.Logits(name)), 0, Bound);
}
