using System.Diagnostics;
using Hearth.LLamaSharp;
using Hearth.Runtime.Gguf;

namespace Hearth.Parity.Tests;

/// <summary>
/// Both engines compute the same logits of the same random models. HEARTH_PARITY=all takes every architecture that both know
/// instead of a few, each in a process of its own, because llama.cpp ends the process on some; HEARTH_PARITY=NAME takes one.
/// </summary>
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

    // Rows whose largest values are far above the others lose more by llama.cpp's rounding of activations to F16, and where
    // a router is among them another expert may be chosen. Measured, and rounded up.
    private static readonly Dictionary<string, double> s_wider = new() { ["gemma3n"] = 3e-6, ["gemma4"] = 6e-6, ["gemma4-moe"] = 4e-3 };

    private static string? Asked => Environment.GetEnvironmentVariable("HEARTH_PARITY");

    private static bool All => Asked == "all";

    public static TheoryData<string> Models
        => Chosen(ReferenceModels.Names.Where(name => !s_noDecoders.Any(kind => name.StartsWith(kind, StringComparison.Ordinal))), s_few);

    public static TheoryData<string> Hybrids => Chosen(ReferenceModels.Hybrids, ["mamba-dense", "mamba2-dense", "lfm2-dense", "qwen35-dense"]);

    public static TheoryData<string> Types => Chosen(["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ3_S", "IQ4_NL", "IQ4_XS"], ["Q8_0", "Q4_K_M", "Q6_K"]);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Models))]
    public Task Attention_models(string name)
        => All ? InAProcess(name) : Agree(ReferenceModels.File(name), ReferenceModels.Tokens(name), s_wider.GetValueOrDefault(name, FloatBound));

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Hybrids))]
    public Task Models_with_states(string name) => All ? InAProcess(name) : Agree(ReferenceModels.Hybrid(name), ReferenceModels.HybridTokens, FloatBound);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Types))]
    public Task Quantized_weights(string type) => All ? InAProcess(type) : Agree(ReferenceModels.Quantized(type), ReferenceModels.Tokens("quant-small"), QuantizedBound);

    private static TheoryData<string> Chosen(IEnumerable<string> all, IEnumerable<string> few)
        => [.. Asked switch { null or "" => few, "all" => all, var name => all.Where(known => known == name) }];

    private static async Task InAProcess(string name)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(LogitsParityTests).Assembly.Location, "--filter-class", typeof(LogitsParityTests).FullName!, "--progress", "off"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["HEARTH_PARITY"] = name;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        var said = (output + await errors).Split('\n');
        Assert.SkipWhen(said.Any(line => line.Trim() == "succeeded: 0") && process.ExitCode == 0, "one of the two does not know it");
        Assert.SkipWhen(said.FirstOrDefault(line => line.Contains("GGML_ASSERT", StringComparison.Ordinal)) is not null, $"llama.cpp ends the process on it: {said.FirstOrDefault(line => line.Contains("GGML_ASSERT", StringComparison.Ordinal))}");
        Assert.True(process.ExitCode == 0, string.Join('\n', said));
    }

    private static async Task Agree(string path, int[] tokens, double bound)
    {
        // By the length of the context some models choose their rotary factors, llama.cpp by that of its cache: a multiple of 256.
        const int Cache = 256;
        using var file = GgufFile.Open(path);
        var trained = file.Metadata.Get($"{file.Metadata.Get<string>("general.architecture")}.context_length", Cache);
        var options = new ModelOptions { ContextLength = Math.Min(Cache, trained), MaxSequences = 1 };
        await using var peer = await Load(() => LLamaSharpModel.LoadAsync(path, options, cancellationToken: TestContext.Current.CancellationToken));
        await using var own = await Load(() => LanguageModel.LoadAsync(path, options, cancellationToken: TestContext.Current.CancellationToken));
        var (ours, theirs) = (new List<float>(), new List<float>());
        own.ComputeLogits(tokens, (_, rows) => ours.AddRange(rows));
        peer.ComputeLogits(tokens, (_, rows) => theirs.AddRange(rows), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(theirs.Count, ours.Count);
        Assert.InRange(Error(ours, theirs), 0, bound);
    }

    // An architecture that one alone knows is no failure where all are asked for; of the few each is known.
    private static async Task<T> Load<T>(Func<Task<T>> load)
    {
        try
        {
            return await load();
        }
        catch (UnsupportedModelException exception) when (Asked is { Length: > 0 })
        {
            Assert.Skip(exception.Message);
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
