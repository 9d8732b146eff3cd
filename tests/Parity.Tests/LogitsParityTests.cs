using Hearth.LLamaSharp;

namespace Hearth.Parity.Tests;

/// <summary>Both engines compute the same logits of the same random models. HEARTH_PARITY=all takes every architecture that both know instead of a few.</summary>
public sealed class LogitsParityTests
{
    // Weights in floating point: the two differ in the order of sums, and llama.cpp rounds activations to the weights' F16.
    private const double FloatBound = 1e-6;

    // Quantized weights: each rounds activations to 8 bit in its own way.
    private const double QuantizedBound = 2e-3;

    private static readonly string[] s_few =
    [
        "llama-gqa-base", "llama3-ropefreqs-tied", "llama-yarn", "qwen2-gqa", "qwen3-gqa", "qwen3moe", "mixtral", "gemma2", "gemma3", "phi3", "gpt2", "gpt-oss", "command-r",
        "olmo2", "stablelm", "falcon-7b", "bloom", "deepseek2-lite",
    ];

    // Not of this kind: they compute vectors, need a source, or fill in a text.
    private static readonly string[] s_noDecoders =
    [
        "bert-", "jina-bert", "modern-bert", "neo-bert", "nomic-bert", "eurobert", "gemma-embedding", "llama-embed", "qwen3-rank", "t5", "dream", "llada", "rnd1", "quant-small",
    ];

    private static bool All => Environment.GetEnvironmentVariable("HEARTH_PARITY") == "all";

    public static TheoryData<string> Models
        => [.. All ? ReferenceModels.Names.Where(name => !s_noDecoders.Any(kind => name.StartsWith(kind, StringComparison.Ordinal))) : s_few];

    public static TheoryData<string> Hybrids => [.. All ? ReferenceModels.Hybrids : ["mamba-dense", "mamba2-dense", "lfm2-dense", "qwen35-dense"]];

    public static TheoryData<string> Types => All ? ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ3_S", "IQ4_NL", "IQ4_XS"] : ["Q8_0", "Q4_K_M", "Q6_K"];

    [Theory]
    [MemberData(nameof(Models))]
    public Task Attention_models(string name) => Agree(ReferenceModels.File(name), ReferenceModels.Tokens(name), FloatBound);

    [Theory]
    [MemberData(nameof(Hybrids))]
    public Task Models_with_states(string name) => Agree(ReferenceModels.Hybrid(name), ReferenceModels.HybridTokens, FloatBound);

    [Theory]
    [MemberData(nameof(Types))]
    public Task Quantized_weights(string type) => Agree(ReferenceModels.Quantized(type), ReferenceModels.Tokens("quant-small"), QuantizedBound);

    private static async Task Agree(string path, int[] tokens, double bound)
    {
        var options = new ModelOptions { ContextLength = 64, MaxSequences = 1 };
        await using var peer = await LoadPeer(path, options);
        await using var own = await LanguageModel.LoadAsync(path, options, cancellationToken: TestContext.Current.CancellationToken);
        var (ours, theirs) = (new List<float>(), new List<float>());
        own.ComputeLogits(tokens, (_, rows) => ours.AddRange(rows));
        peer.ComputeLogits(tokens, (_, rows) => theirs.AddRange(rows), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(theirs.Count, ours.Count);
        Assert.InRange(Error(ours, theirs), 0, bound);
    }

    // An architecture that only we know is no failure where all are asked for; of the few each is known.
    private static async Task<LLamaSharpModel> LoadPeer(string path, ModelOptions options)
    {
        try
        {
            return await LLamaSharpModel.LoadAsync(path, options, cancellationToken: TestContext.Current.CancellationToken);
        }
        catch (UnsupportedModelException exception) when (All)
        {
            Assert.Skip($"only Hearth's own engine knows it: {exception.Message}");
            throw;
        }
    }

    private static double Error(List<float> found, List<float> expected)
    {
        double error = 0, energy = 0;
        for (var i = 0; i < found.Count; i++)
        {
            error += Math.Pow(found[i] - (double)expected[i], 2);
            energy += Math.Pow(expected[i], 2);
        }

        return error / energy;
    }
}
