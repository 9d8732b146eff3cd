using Hearth.Runtime.Models;
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

    [Fact]
    public void Every_reference_model_that_can_be_run_is_compared()
    {
        HashSet<string> compared =
        [
            .. Names(Models), .. Names(ReferenceLogitsTests.FloatModels), .. Names(ExpertDecoderTests.Models), .. Names(EncoderTests.Encoders),
            .. Names(EncoderTests.EncoderDecoders), .. Names(RankingTests.Rankers), "quant-small",
        ];
        Assert.DoesNotContain(ReferenceModels.Names, n => !compared.Contains(n) && ModelFamilies.Architectures.Contains(BrokenDecoderTests.Architecture(n)));
    }

    // No reference has logits of Chameleon, whose image tokens llama.cpp sets to the lowest number.
    [Fact]
    public async Task Chameleon_draws_no_image_token_and_has_its_norms_where_the_file_says()
    {
        int[] tokens = [3, 17, 39, 0, 8];
        using var folder = new TemporaryFolder();
        var front = await ReferenceLogitsTests.Logits(Chameleon(isBehind: false).Save(folder), tokens);
        var behind = await ReferenceLogitsTests.Logits(Chameleon(isBehind: true).Save(folder), tokens);
        Assert.InRange(ReferenceLogitsTests.Error(First(behind), First(front)), 1e-3, 10);
        Assert.All(front.Chunk(PlainGemma.Vocabulary), row => Assert.All(row[4..], logit => Assert.Equal(float.MinValue, logit)));

        static float[] First(float[] logits) => [.. logits.Chunk(PlainGemma.Vocabulary).SelectMany(row => row[..4])];
    }

    private static EditedModel Chameleon(bool isBehind)
    {
        var model = PlainGemma.Create("chameleon", layers: 2).Set("swin_norm", isBehind);
        for (var layer = 0; layer < 2; layer++)
        {
            model.Remove($"blk.{layer}.post_attention_norm.weight").Remove($"blk.{layer}.post_ffw_norm.weight");
            foreach (var (name, heads) in new[] { ("q", PlainGemma.Heads), ("k", PlainGemma.KvHeads) })
            {
                float[] ones = [.. Enumerable.Repeat(1f, PlainGemma.HeadWidth * heads)];
                model.SetTensor($"blk.{layer}.attn_{name}_norm.weight", ones, PlainGemma.HeadWidth, heads);
                model.SetTensor($"blk.{layer}.attn_{name}_norm.bias", new float[ones.Length], PlainGemma.HeadWidth, heads);
            }
        }

        return model;
    }

    [Fact]
    public void The_documentation_lists_every_architecture()
    {
        var words = File.ReadAllText(Path.Combine(SharedFolder.Repository, "docs", "models.md")).Split([' ', ',', ';', ':', '|', '\n', '(', ')'], StringSplitOptions.RemoveEmptyEntries);
        Assert.Empty(ModelFamilies.Architectures.Except(words));
    }

    private static IEnumerable<string> Names(TheoryData<string> data) => data.Select(row => row.Data);
}
