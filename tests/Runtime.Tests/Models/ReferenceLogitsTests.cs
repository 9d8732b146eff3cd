using Hearth.Runtime.Gguf;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Models;

/// <summary>Whole models against the logits of an independent implementation.</summary>
public sealed class ReferenceLogitsTests
{
    // Weights in floating point: the two implementations differ in the order of sums only.
    private const double FloatBound = 1e-6;

    // Quantized weights: activations are rounded to 8 bit.
    private const double QuantizedBound = 1e-3;

    public static TheoryData<string> FloatModels =>
    [
        "llama-gqa-base", "llama3-ropefreqs-tied", "llama-linear-rope", "llama-yarn", "llama-headdim", "qwen2-gqa", "qwen3-gqa", "gpt2",
        "gemma2", "gemma3", "phi3",
    ];

    public static TheoryData<string> QuantizedModels => ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4_MOE"];

    [Theory]
    [MemberData(nameof(FloatModels))]
    public async Task Float_models_give_the_reference_logits(string name)
        => Assert.InRange(Error(await Logits(ReferenceModels.File(name), name), ReferenceModels.Logits(name)), 0, FloatBound);

    // The quantized files come from seed 13, the logits of the float model from seed 11.
    [Fact]
    public async Task The_float_model_behind_the_quantized_ones_gives_the_reference_logits()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "quant-small.gguf");
        await File.WriteAllBytesAsync(path, ReferenceModels.Rebuild("quant-small", 11));
        Assert.InRange(Error(await Logits(path, "quant-small"), ReferenceModels.Logits("quant-small")), 0, FloatBound);
    }

    [Fact]
    public async Task Bfloat16_weights_give_the_reference_logits()
        => Assert.InRange(Error(await Logits(ReferenceModels.Quantized("BF16"), "quant-BF16"), ReferenceModels.Logits("quant-BF16")), 0, FloatBound);

    // The reference rounds activations too, elsewhere than we do, so twice the bound lies between the two.
    [Theory]
    [MemberData(nameof(QuantizedModels))]
    public async Task Quantized_models_give_the_reference_logits(string type)
        => Assert.InRange(Error(await Logits(ReferenceModels.Quantized(type), "quant-" + type), ReferenceModels.Logits("quant-" + type)), 0, 2 * QuantizedBound);

    [Theory]
    [MemberData(nameof(QuantizedModels))]
    public async Task Quantized_models_agree_with_their_dequantized_weights(string type)
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "dequantized.gguf");
        Dequantize(ReferenceModels.Quantized(type), path);
        var exact = await Logits(path, "quant-" + type);
        Assert.InRange(Error(await Logits(ReferenceModels.Quantized(type), "quant-" + type), exact), 0, QuantizedBound);
    }

    [Fact]
    public async Task A_prompt_read_in_small_pieces_gives_the_same_logits()
    {
        var whole = await Logits(ReferenceModels.File("qwen3-gqa"), "qwen3-gqa");
        foreach (var piece in new[] { 1, 5, 31 })
        {
            var pieces = await Logits(ReferenceModels.File("qwen3-gqa"), "qwen3-gqa", new ModelOptions { StepTokens = piece });
            Assert.InRange(Error(pieces, whole), 0, 1e-10);
        }
    }

    [Fact]
    public async Task Every_thread_count_gives_the_same_logits()
    {
        var one = await Logits(ReferenceModels.File("llama-gqa-base"), "llama-gqa-base", new ModelOptions { Threads = 1 });
        var three = await Logits(ReferenceModels.File("llama-gqa-base"), "llama-gqa-base", new ModelOptions { Threads = 3 });
        Assert.InRange(Error(three, one), 0, 1e-10);
    }

    private static Task<float[]> Logits(string path, string name, ModelOptions? options = null) => Logits(path, ReferenceModels.Tokens(name), options);

    internal static async Task<float[]> Logits(string path, int[] tokens, ModelOptions? options = null)
    {
        await using var model = await LanguageModel.LoadAsync(path, options);
        var all = new float[tokens.Length * model.Information.VocabularySize];
        model.ComputeLogits(tokens, (position, logits) => logits.CopyTo(all.AsSpan(position * model.Information.VocabularySize)));
        return all;
    }

    internal static double Error(float[] actual, float[] expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        double difference = 0, size = 0;
        for (var i = 0; i < actual.Length; i++)
        {
            difference += Math.Pow((double)actual[i] - expected[i], 2);
            size += Math.Pow(expected[i], 2);
        }

        return difference / size;
    }

    internal static unsafe void Dequantize(string source, string target)
    {
        using var file = GgufFile.Open(source);
        using var writer = GgufWriter.Create(target);
        writer.CopyMetadata(file.Metadata);
        foreach (var tensor in file.Tensors)
            writer.Declare(tensor.Name, GgmlType.F32, [.. tensor.Shape]);
        foreach (var tensor in file.Tensors)
        {
            var values = new float[tensor.ElementCount];
            fixed (float* output = values)
            fixed (byte* data = tensor.Bytes())
                NativeStatus.Check(NativeMethods.hearth_dequantize((int)tensor.Type, data, (nuint)tensor.ByteSize, output, (nuint)values.Length));
            writer.Begin(tensor.Name);
            writer.Write(System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values));
        }

        writer.Complete();
    }
}
