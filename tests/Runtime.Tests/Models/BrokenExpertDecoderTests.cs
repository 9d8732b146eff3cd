using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Models;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Files of decoders with experts or latent attention that lack something or say what cannot be.</summary>
public sealed class BrokenExpertDecoderTests
{
    public static TheoryData<string> Models => ExpertDecoderTests.Models;

    // Without one of these a file is another one of its family; then a tensor is left over, or another one is missed.
    private static readonly string[] Optional =
    [
        "output.weight", "rope_freqs.weight", "attn_q_norm.weight", "attn_k_norm.weight", "attn_q.weight", "attn_v.weight", "attn_sinks.weight",
        "attn_gate.weight", "exp_probs_b", "exp_probs_b.bias", "ffn_gate_inp.weight", "ffn_gate_up_exps.weight", "ffn_up.weight",
        "layer_output_norm.weight", "layer_output_scale.weight", "ffn_down_exps.scale",
    ];

    [Theory]
    [MemberData(nameof(Models))]
    public void A_missing_tensor_is_named(string name)
    {
        var model = new PatchedModel(name);
        foreach (var tensor in OneOfEachKind(model).Where(t => !IsIdle(name, t)))
        {
            model.Renamed(tensor, file =>
            {
                var error = Record.Exception(() => Build(file));
                if (tensor.EndsWith(".bias", StringComparison.Ordinal) || Optional.Any(o => tensor.EndsWith("." + o, StringComparison.Ordinal) || tensor == o))
                    Assert.IsAssignableFrom<HearthException>(error);
                else
                    Assert.Contains($"'{tensor}'", Assert.IsType<ModelFormatException>(error).Message, StringComparison.Ordinal);
            });
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_misshapen_tensor_is_named_with_the_shape_that_it_should_have(string name)
    {
        var model = new PatchedModel(name);
        foreach (var tensor in OneOfEachKind(model).Where(t => !IsIdle(name, t)))
        {
            model.Narrowed(tensor, file =>
            {
                var message = Assert.Throws<ModelFormatException>(() => Build(file)).Message;
                Assert.Contains($"'{tensor}' must have the shape [", message, StringComparison.Ordinal);
                Assert.Contains("found [", message, StringComparison.Ordinal);
            });
        }
    }

    [Theory]
    [InlineData("mixtral", "llama.expert_used_count", 9u)]
    [InlineData("mixtral", "llama.expert_used_count", 0u)]
    [InlineData("qwen3moe", "qwen3moe.expert_count", 0u)]
    [InlineData("qwen3moe", "qwen3moe.expert_count", 0x7fffffffu)]
    [InlineData("qwen3moe", "qwen3moe.expert_feed_forward_length", 0x7fffffffu)]
    [InlineData("deepseek2", "deepseek2.expert_group_count", 3u)]
    [InlineData("deepseek2", "deepseek2.expert_group_count", 8u)]
    [InlineData("deepseek2", "deepseek2.expert_group_used_count", 0u)]
    [InlineData("deepseek2", "deepseek2.expert_group_used_count", 99u)]
    [InlineData("deepseek2", "deepseek2.attention.kv_lora_rank", 0u)]
    [InlineData("deepseek2", "deepseek2.attention.q_lora_rank", 0u)]
    [InlineData("deepseek2", "deepseek2.attention.value_length_mla", 0u)]
    [InlineData("llama4", "llama4.interleave_moe_layer_step", 0u)]
    [InlineData("gemma4", "gemma4.attention.shared_kv_layers", 6u)]
    [InlineData("grovemoe", "grovemoe.experts_per_group", 3u)]
    [InlineData("grovemoe", "grovemoe.experts_per_group", 0u)]
    public void A_senseless_number_is_named(string name, string key, uint value)
        => new PatchedModel(name).Set(key, BitConverter.GetBytes(value), file =>
            Assert.Contains($"'{key}'", Assert.Throws<ModelFormatException>(() => Build(file)).Message, StringComparison.Ordinal));

    [Theory]
    [InlineData("dots1", 0u, typeof(ModelFormatException))]
    [InlineData("dots1", 4u, typeof(UnsupportedModelException))]
    [InlineData("dots1", 9u, typeof(UnsupportedModelException))]
    public void A_gating_that_is_missing_or_unknown_is_named(string name, uint gating, Type error)
        => new PatchedModel(name).Set($"{name}.expert_gating_func", BitConverter.GetBytes(gating), file =>
            Assert.Contains($"'{name}.expert_gating_func'", Assert.Throws(error, () => Build(file)).Message, StringComparison.Ordinal));

    [Fact]
    public void Groups_too_small_for_the_experts_that_a_row_meets_are_refused()
        => new PatchedModel("deepseek2").Set("deepseek2.expert_used_count", BitConverter.GetBytes(8u), file =>
            Assert.Contains("experts of", Assert.Throws<ModelFormatException>(() => Build(file)).Message, StringComparison.Ordinal));

    // Layer 2, whose keys the windowed layer 4 attends to, has two heads.
    [Fact]
    public void A_layer_that_attends_to_keys_of_another_shape_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var file = GgufFile.Open(EditedModel.Of("gemma4").Set("attention.head_count_kv", new[] { 2, 2, 2, 1, 1, 1 }).Save(folder));
        Assert.Contains("keys of layer 2", Assert.Throws<ModelFormatException>(() => Build(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tensor_for_each_expert_is_refused_as_an_old_form()
    {
        using var folder = new TemporaryFolder();
        var old = EditedModel.Of("mixtral").SetTensor("blk.0.ffn_up.0.weight", new float[1], 1);
        using var file = GgufFile.Open(old.Save(folder));
        var error = Assert.Throws<UnsupportedModelException>(() => Build(file));
        Assert.Contains("'blk.0.ffn_up.0.weight'", error.Message, StringComparison.Ordinal);
        Assert.Contains("stacks", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("deepseek4", "compressed")]
    public void What_no_operation_computes_is_refused_with_the_reason(string architecture, string reason)
    {
        using var folder = new TemporaryFolder();
        using var file = GgufFile.Open(new EditedModel(architecture).SetTensor("a", new float[1], 1).Save(folder));
        var error = Assert.Throws<UnsupportedModelException>(() => Build(file));
        Assert.Contains($"'{architecture}' (", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    private static ModelProgram Build(GgufFile file) => ModelFamilies.Find(file).Build(file, new StepLimits(16, 16));

    // The tensors outside layers, and of those in layers the first of each name.
    private static IEnumerable<string> OneOfEachKind(PatchedModel model)
        => model.Tensors().Select(t => t.Name).GroupBy(n => n.StartsWith("blk.", StringComparison.Ordinal) ? n[n.IndexOf('.', 4)..] : n).Select(g => g.First());

    // Tensors that the architecture's files hold without their being used.
    private static bool IsIdle(string name, string tensor) => name switch
    {
        "minicpm3" or "phimoe" => tensor == "rope_factors_short.weight",
        "minicpm3-short" or "phimoe-short" => tensor == "rope_factors_long.weight",
        "glm4moe" => tensor.Contains(".nextn.", StringComparison.Ordinal),
        "minimax-m3" => tensor.Contains(".indexer.", StringComparison.Ordinal),
        _ => false,
    };
}
