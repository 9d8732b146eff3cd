using Hearth.Runtime.Synthesis;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Synthesis;

public sealed class SyntheticArchitectureTests
{
    private const int Vocabulary = 320;

    // Six layers: every architecture then has one with attention and one without.
    private static SyntheticShape Small(string architecture) => new(256, 6, 4, 2, 512, Vocabulary) { Architecture = architecture };

    public static TheoryData<string> Architectures => [.. ModelSynthesizer.Architectures];

    [Theory]
    [MemberData(nameof(Architectures))]
    public async Task A_random_model_of_every_architecture_runs_and_keeps_its_activations_level(string architecture)
    {
        using var folder = new TemporaryFolder();
        ModelSynthesizer.Write(folder.File("m.gguf"), Small(architecture), "Q8_0");
        await using var model = await LanguageModel.LoadAsync(folder.File("m.gguf"), new ModelOptions { ContextLength = 128 });
        Assert.Equal(architecture, model.Information.Architecture);
        var logits = new List<float>();
        model.ComputeLogits([.. Enumerable.Range(0, 40).Select(i => i * 7 % 256)], (_, row) => logits.AddRange(row));
        Assert.Equal(40 * Vocabulary, logits.Count);
        Assert.All(logits, value => Assert.True(float.IsFinite(value)));
        Assert.InRange(Math.Sqrt(logits.Average(value => value * value)), 0.3, 3);
    }

    [Theory]
    [MemberData(nameof(Architectures))]
    public void A_known_models_sizes_can_be_asked_for(string architecture)
    {
        var shape = SyntheticShape.Like(architecture);
        Assert.Equal(architecture, shape.Architecture);
        var weights = SyntheticArchitectures.Make(shape).Tensors.Sum(t => t.Shape.Aggregate(1L, (a, b) => a * b));
        Assert.InRange(weights, 700_000_000, 3_000_000_000);
    }

    [Fact]
    public void Others_are_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<UnsupportedModelException>(() => SyntheticShape.Like("gpt5"));
        Assert.Contains("qwen35", error.Message, StringComparison.Ordinal);
        Assert.Throws<UnsupportedModelException>(() => ModelSynthesizer.Write(folder.File("m.gguf"), Small("gpt5"), "F32"));
        Assert.Throws<ArgumentException>(() => ModelSynthesizer.Write(folder.File("m.gguf"), Small("lfm2") with { Experts = 4, ExpertsUsed = 2 }, "F32"));
        Assert.Throws<ArgumentException>(() => ModelSynthesizer.Write(folder.File("m.gguf"), new SyntheticShape(200, 2, 4, 2, 512, Vocabulary) { Architecture = "mamba2" }, "F32"));
        Assert.Empty(Directory.GetFiles(Path.GetDirectoryName(folder.File("m.gguf"))!));
    }
}
