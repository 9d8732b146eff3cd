using Hearth.Runtime.Gguf;
using Hearth.Runtime.Loading;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Factors that writers of NVFP4 and of ternary weights keep beside matrices.</summary>
public sealed class ScaleTensorTests : IDisposable
{
    // Powers of two, so that only the order of sums differs.
    private const double Bound = 1e-10;

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Models =>
    [
        "llama-gqa-base", "llama3-ropefreqs-tied", "qwen2-gqa", "phi3", "gpt2", "bloom", "gemma3n", "gemma4-moe", "deepseek2", "deepseek2-fused",
        "glm4", "qwen2moe", "qwen3moe", "gpt-oss", "grovemoe", "llama4", "dbrx",
    ];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Models))]
    public async Task A_matrix_counts_times_its_factor(string name)
    {
        var tokens = ReferenceModels.Tokens(name);
        var model = EditedModel.Of(name);
        using (var file = GgufFile.Open(ReferenceModels.File(name)))
        {
            foreach (var tensor in file.Tensors.Where(tensor => IsMatrix(file, tensor.Name)))
            {
                var count = tensor.Shape.Length == 3 ? (int)tensor.Extent(2) : 1;
                var factors = Enumerable.Range(0, count).Select(i => MathF.ScaleB(1, (i % 5) - 3)).ToArray();
                var values = model.Tensor(tensor.Name);
                for (var i = 0; i < values.Length; i++)
                    values[i] /= factors[i / (values.Length / count)];
                model.SetTensor(tensor.Name[..^".weight".Length] + ".scale", factors, count);
            }
        }

        Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(model.Save(_folder), tokens), await ReferenceLogitsTests.Logits(ReferenceModels.File(name), tokens)), 0, Bound);
    }

    [Fact]
    public async Task A_stack_may_have_one_factor()
    {
        var tokens = ReferenceModels.Tokens("qwen3moe");
        var model = EditedModel.Of("qwen3moe");
        var values = model.Tensor("blk.1.ffn_gate_exps.weight");
        for (var i = 0; i < values.Length; i++)
            values[i] *= 4;
        var path = model.SetTensor("blk.1.ffn_gate_exps.scale", [0.25f], 1).Save(_folder);

        Assert.InRange(ReferenceLogitsTests.Error(await ReferenceLogitsTests.Logits(path, tokens), await ReferenceLogitsTests.Logits(ReferenceModels.File("qwen3moe"), tokens)), 0, Bound);
    }

    [Fact]
    public void As_many_factors_as_no_matrix_has_are_refused()
    {
        using var file = GgufFile.Open(EditedModel.Of("qwen3moe").SetTensor("blk.0.ffn_up_exps.scale", new float[3], 3).Save(_folder));
        var error = Assert.Throws<ModelFormatException>(() => FileCheck.Require(file));

        Assert.Contains("'blk.0.ffn_up_exps.scale' must have the shape [", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Factors_of_activations_are_left_out_with_a_note()
    {
        var tokens = ReferenceModels.Tokens("llama-gqa-base");
        var path = EditedModel.Of("llama-gqa-base").SetTensor("blk.0.attn_q.input_scale", [3], 1).SetTensor("output.input_scale", [3], 1).Save(_folder);
        await using var model = await LanguageModel.LoadAsync(path);

        Assert.Contains(model.Information.Warnings, warning => warning.StartsWith("2 tensors '*.input_scale'", StringComparison.Ordinal));
        Assert.Equal(await ReferenceLogitsTests.Logits(ReferenceModels.File("llama-gqa-base"), tokens), await ReferenceLogitsTests.Logits(path, tokens));
    }

    // Norms of heads, conversions of positions and the like are shaped as matrices, too.
    private static bool IsMatrix(GgufFile file, string name)
        => name.EndsWith(".weight", StringComparison.Ordinal) && file.GetTensor(name).Shape.Length > 1
            && !name.Contains("norm", StringComparison.Ordinal) && file.FindTensor(name[..^".weight".Length] + ".scale") is null;
}
