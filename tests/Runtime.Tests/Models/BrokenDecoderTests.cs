using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Models;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Files of decoders that lack something, hold too much or say what cannot be.</summary>
public sealed class BrokenDecoderTests
{
    // Without these a file is another one of its family, or the head is the embedding's.
    private static readonly string[] Optional =
        ["output.weight", "rope_freqs.weight", "attn_norm_2.weight", "attn_q_norm.weight", "attn_k_norm.weight", "position_embd.weight", "ffn.act.scales"];

    // Far more than any reference model needs, far less than what would fill memory.
    private const int MostOperations = 1 << 18;

    public static TheoryData<string> Models => DecoderTests.Models;

    public static TheoryData<string> ExpertModels => ExpertDecoderTests.Models;

    public static TheoryData<string> EveryModel
        => [.. ReferenceModels.Names.Where(n => ModelFamilies.Architectures.Contains(Architecture(n)))];

    [Theory]
    [MemberData(nameof(Models))]
    public void A_missing_tensor_is_named(string name)
    {
        var model = new PatchedModel(name);
        foreach (var (tensor, _) in OneOfEachKind(model).Where(t => !IsIdle(name, t.Name)))
        {
            model.Renamed(tensor, file =>
            {
                if (IsOptional(tensor))
                    Assert.IsAssignableFrom<HearthException>(Record.Exception(() => Build(file)));
                else
                    Assert.Contains($"'{tensor}'", Assert.Throws<ModelFormatException>(() => Build(file)).Message, StringComparison.Ordinal);
            });
        }
    }

    // Experts come in several forms, so that another one may be what is said to be missing.
    [Theory]
    [MemberData(nameof(ExpertModels))]
    public void A_file_without_any_one_tensor_is_refused(string name)
    {
        var model = new PatchedModel(name);
        foreach (var (tensor, _) in OneOfEachKind(model).Where(t => !IsIdle(name, t.Name)))
            model.Renamed(tensor, file => Assert.IsAssignableFrom<HearthException>(Record.Exception(() => Build(file))));
    }

    [Theory]
    [MemberData(nameof(Models))]
    [MemberData(nameof(ExpertModels))]
    public void A_misshapen_tensor_is_named(string name)
    {
        var model = new PatchedModel(name);
        foreach (var (tensor, _) in OneOfEachKind(model).Where(t => !IsIdle(name, t.Name)))
            model.Narrowed(tensor, file => Assert.Contains($"'{tensor}'", Assert.Throws<ModelFormatException>(() => Build(file)).Message, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(EveryModel))]
    public void Senseless_numbers_are_refused_or_harmless(string name)
    {
        var model = new PatchedModel(name);
        foreach (var (key, value) in model.Numbers())
        {
            foreach (var bytes in Senseless(value))
            {
                model.Set(key, bytes, file =>
                {
                    try
                    {
                        Assert.InRange(Build(file).OperationCount, 1, MostOperations);
                    }
                    catch (HearthException e)
                    {
                        Assert.NotEmpty(e.Message);
                    }
                });
            }
        }
    }

    [Theory]
    [InlineData("embedding_length", 0u)]
    [InlineData("block_count", 0u)]
    [InlineData("block_count", uint.MaxValue)]
    [InlineData("context_length", 0u)]
    [InlineData("attention.head_count", 0x7fffffffu)]
    [InlineData("feed_forward_length", 0u)]
    [InlineData("attention.layer_norm_rms_epsilon", float.NaN)]
    [InlineData("attention.layer_norm_rms_epsilon", -1f)]
    [InlineData("rope.freq_base", 0f)]
    public void A_senseless_number_is_named(string key, object value)
        => new PatchedModel("llama-gqa-base").Set("llama." + key, value is uint whole ? BitConverter.GetBytes(whole) : BitConverter.GetBytes((float)value), file =>
            Assert.Contains("'llama." + key, Assert.Throws<ModelFormatException>(() => Build(file)).Message, StringComparison.Ordinal));

    [Fact]
    public void A_tensor_without_use_is_named()
    {
        using var folder = new TemporaryFolder();
        using var file = Open(EditedModel.Of("llama-gqa-base").SetTensor("blk.0.attn_gate.weight", new float[4], 4), folder);
        Assert.Contains("'blk.0.attn_gate.weight'", Assert.Throws<UnsupportedModelException>(() => Build(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_architecture_is_answered_with_those_that_are_known()
    {
        using var folder = new TemporaryFolder();
        using var file = Open(new EditedModel("perceptron").SetTensor("a", new float[1], 1), folder);
        var error = Assert.Throws<UnsupportedModelException>(() => Build(file));
        Assert.Contains("'perceptron'", error.Message, StringComparison.Ordinal);
        Assert.All(ModelFamilies.Architectures, a => Assert.Contains(a, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Layers_that_draft_are_not_run()
    {
        using var folder = new TemporaryFolder();
        var tokens = ReferenceModels.Tokens("exaone4");
        var drafting = EditedModel.Of("exaone4").Set("nextn_predict_layers", 1);
        var shorter = EditedModel.Of("exaone4").Set("block_count", 2);
        foreach (var (tensor, _) in new PatchedModel("exaone4").Tensors().Where(t => t.Name.StartsWith("blk.2.", StringComparison.Ordinal)))
            shorter.Remove(tensor);
        Assert.Equal(await ReferenceLogitsTests.Logits(shorter.Save(folder), tokens), await ReferenceLogitsTests.Logits(drafting.Save(folder), tokens));
    }

    [Theory]
    [InlineData("dream")]
    [InlineData("llada")]
    public async Task A_diffusion_model_gives_logits_of_whole_texts_and_generates_none(string name)
    {
        using var folder = new TemporaryFolder();
        await using var model = await LanguageModel.LoadAsync(EditedModel.Of(name).Set("context_length", 400).Save(folder), new ModelOptions { StepTokens = 300 });
        var error = Assert.Throws<UnsupportedModelException>(() => model.GenerateAsync(new GenerationRequest { Prompt = [1, 2, 3] }));
        Assert.Contains("diffusion model", error.Message, StringComparison.Ordinal);

        Assert.Contains("diffusion model", Assert.Throws<UnsupportedModelException>(() => model.MeasurePerplexity("any text")).Message, StringComparison.Ordinal);

        // More rows than a step gives out, fewer than it takes; every row sees the last one.
        int[] text = [.. Enumerable.Range(0, 300).Select(i => i * 7 % 250)], other = [.. text[..^1], 251];
        var (logits, changed) = (Logits(model, text), Logits(model, other));
        Assert.InRange(ReferenceLogitsTests.Error(changed[..256], logits[..256]), 1e-9, 10);
        Assert.Throws<ContextLengthExceededException>(() => Logits(model, new int[301]));
    }

    private static float[] Logits(LanguageModel model, int[] tokens)
    {
        var all = new float[tokens.Length * model.Information.VocabularySize];
        model.ComputeLogits(tokens, (position, logits) => logits.CopyTo(all.AsSpan(position * model.Information.VocabularySize)));
        return all;
    }

    private static ModelProgram Build(GgufFile file) => ModelFamilies.Find(file).Build(file, new StepLimits(16, 16));

    private static GgufFile Open(EditedModel model, TemporaryFolder folder) => GgufFile.Open(model.Save(folder));

    internal static string Architecture(string name)
        => GgufHeader.Parse(File.ReadAllBytes(SharedFolder.Fixture("reference", "headers", name + ".ggufh")), long.MaxValue, name).Metadata.Get<string>("general.architecture");

    // The tensors outside layers, and of those in layers the last of each name.
    private static IEnumerable<(string Name, long[] Shape)> OneOfEachKind(PatchedModel model)
        => model.Tensors().Where(t => !model.IsOfDraft(t.Name)).GroupBy(t => t.Name.StartsWith("blk.", StringComparison.Ordinal) ? t.Name[t.Name.IndexOf('.', 4)..] : t.Name).Select(g => g.Last());

    private static bool IsOptional(string tensor)
        => Optional.Any(o => tensor.EndsWith(o, StringComparison.Ordinal)) || !tensor.EndsWith(".weight", StringComparison.Ordinal);

    // Tensors that the architecture's files hold without their being used.
    private static bool IsIdle(string name, string tensor) => name switch
    {
        "cogvlm" => tensor.Contains(".vis_", StringComparison.Ordinal) || tensor == "rope_freqs.weight",
        "ernie4_5" => tensor.EndsWith("attn_output.bias", StringComparison.Ordinal),
        "minicpm-longrope" or "phimoe" or "minicpm3" => tensor == "rope_factors_short.weight",
        "phimoe-short" or "minicpm3-short" => tensor == "rope_factors_long.weight",
        "minimax-m3" => tensor.Contains(".indexer.", StringComparison.Ordinal),
        "gemma3n" => tensor.Contains(".attn_k", StringComparison.Ordinal) || tensor.Contains(".attn_v", StringComparison.Ordinal),
        _ => false,
    };

    private static IEnumerable<byte[]> Senseless(object value) => value is float
        ? new[] { float.NaN, float.PositiveInfinity, float.MaxValue, -1f, 0f }.Select(BitConverter.GetBytes)
        : new[] { 0u, 1u, 3u, 1u << 12, 1u << 20, 0x7fffffffu, uint.MaxValue }.Select(BitConverter.GetBytes);
}
