using Hearth.Runtime.Gguf;
using Hearth.Runtime.Quantization;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Quantization;

public sealed class ModelQuantizerTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>The mixes of which the reference's tool made a file of the same weights, all matrices in one type.</summary>
    public static TheoryData<string> ReferenceMixes() =>
        ["BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_1", "Q5_0", "Q4_K_M", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS", "MXFP4_MOE", "Q3_K_M", "Q2_K"];

    [Theory]
    [MemberData(nameof(ReferenceMixes))]
    public void Every_tensor_has_the_references_type_and_no_more_than_its_error(string mix)
    {
        var result = Quantize(ReferenceModels.File("quant-small"), mix, out var path, o => o with { Pure = true });

        using var original = GgufFile.Open(ReferenceModels.File("quant-small"));
        using var reference = GgufFile.Open(ReferenceModels.Quantized(mix));
        using var ours = GgufFile.Open(path);
        Assert.Equal(reference.Metadata.Get<uint>("general.file_type"), ours.Metadata.Get<uint>("general.file_type"));
        Assert.Equal(2u, ours.Metadata.Get<uint>("general.quantization_version"));
        Assert.Equal(
            reference.Tensors.OrderBy(t => t.Name, StringComparer.Ordinal).Select(t => t.ToString()),
            ours.Tensors.OrderBy(t => t.Name, StringComparer.Ordinal).Select(t => t.ToString()));
        Assert.Contains(result.Tensors, tensor => tensor.MeanSquaredError > 0);
        foreach (var tensor in result.Tensors)
        {
            var weights = Read(original.GetTensor(tensor.Name));
            var error = Error(weights, Read(ours.GetTensor(tensor.Name)));
            Assert.Equal(error, tensor.MeanSquaredError, 1e-9 * Math.Max(error, 1e-30));
            Assert.True(error <= Error(weights, Read(reference.GetTensor(tensor.Name))), $"{mix} {tensor}");
        }
    }

    [Fact]
    public void Everything_but_types_is_kept()
    {
        Quantize(ReferenceModels.File("qwen2-gqa"), "Q4_K_M", out var path);

        using var original = GgufFile.Open(ReferenceModels.File("qwen2-gqa"));
        using var ours = GgufFile.Open(path);
        Assert.Equal(original.Tensors.Select(t => t.Name), ours.Tensors.Select(t => t.Name));
        foreach (var (key, value) in original.Metadata.Where(p => p.Key is not ("general.file_type" or "general.quantization_version")))
            Assert.Equal(value, ours.Metadata.Find(key));
        foreach (var tensor in original.Tensors.Where(t => t.Shape.Length == 1))
            Assert.Equal(tensor.Bytes(), ours.GetTensor(tensor.Name).Bytes());
    }

    [Fact]
    public void Rows_that_are_no_multiple_of_a_superblock_take_blocks_of_32_and_others_F16()
    {
        var path = new EditedModel("llama").Set("block_count", 1u)
            .SetTensor("blk.0.attn_q.weight", Numbers(96 * 4), 96, 4)
            .SetTensor("blk.0.attn_v.weight", Numbers(96 * 4), 96, 4)
            .SetTensor("blk.0.ffn_up.weight", Numbers(40 * 4), 40, 4)
            .SetTensor("output.weight", Numbers(96 * 4), 96, 4)
            .Save(_folder);

        Assert.Equal(["Q5_0", "Q8_0", "F16", "Q8_0"], Types("Q4_K_M"));
        Assert.Equal(["Q5_1", "Q8_0", "F16", "Q8_0"], Types("Q5_K_M"));
        Assert.Equal(["Q4_0", "Q5_1", "F16", "Q8_0"], Types("Q3_K_M"));
        Assert.Equal(["IQ4_NL", "IQ4_NL", "F16", "Q8_0"], Types("IQ4_XS"));
        Assert.Equal(["Q8_0", "Q8_0", "F16", "Q8_0"], Types("Q6_K"));

        IEnumerable<string> Types(string mix) => Quantize(path, mix, out _).Tensors.Select(t => GgmlTypes.Of(t.To).Name);
    }

    [Fact]
    public void Number_of_threads_does_not_change_a_byte()
    {
        Quantize(ReferenceModels.File("llama-gqa-base"), "Q5_K_M", out var one, o => o with { Threads = 1 });
        Quantize(ReferenceModels.File("llama-gqa-base"), "Q5_K_M", out var five, o => o with { Threads = 5 });
        Assert.Equal(File.ReadAllBytes(one), File.ReadAllBytes(five));
    }

    [Fact]
    public void A_quantized_model_is_read_again_when_that_is_allowed()
    {
        Quantize(ReferenceModels.File("quant-small"), "Q8_0", out var eight);
        Assert.Contains("quantized already", Assert.Throws<HearthException>(() => Quantize(eight, "Q4_0", out _)).Message, StringComparison.Ordinal);
        var result = Quantize(eight, "F32", out _, o => o with { AllowRequantize = true });
        Assert.All(result.Tensors, t => Assert.Equal((GgmlType.F32, 0.0), (t.To, t.MeanSquaredError)));
    }

    [Fact]
    public void A_number_that_is_not_finite_is_named_with_its_tensor_and_nothing_is_left()
    {
        var numbers = Numbers(256 * 4);
        numbers[300] = float.NaN;
        var path = new EditedModel("llama").Set("block_count", 1u).SetTensor("blk.0.attn_q.weight", numbers, 256, 4).Save(_folder);
        var exception = Assert.Throws<ModelFormatException>(() => Quantize(path, "Q4_0", out _));
        Assert.Contains("blk.0.attn_q.weight", exception.Message, StringComparison.Ordinal);
        Assert.Contains("300 is not a number", exception.Message, StringComparison.Ordinal);
        Assert.Equal([path], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void The_input_is_not_overwritten_under_any_name()
    {
        var path = new EditedModel("llama").Set("block_count", 1u).SetTensor("blk.0.attn_q.weight", Numbers(256), 32, 8).Save(_folder);
        var partial = _folder.File("out.gguf.partial");
        File.Copy(path, partial);
        var options = new QuantizationOptions { Mix = QuantizationMix.Parse("Q8_0") };
        Assert.Throws<HearthException>(() => ModelQuantizer.Quantize(path, Path.Combine(_folder.Path, ".", Path.GetFileName(path)), options));
        Assert.Throws<HearthException>(() => ModelQuantizer.Quantize(partial, _folder.File("out.gguf"), options));
        if (!OperatingSystem.IsWindows())
        {
            var link = _folder.File("folder");
            Directory.CreateSymbolicLink(link, _folder.Path);
            Assert.Throws<HearthException>(() => ModelQuantizer.Quantize(path, Path.Combine(link, Path.GetFileName(path)), options));
        }

        Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(partial));
    }

    [Fact]
    public void Importance_moves_the_error_to_columns_that_matter_less()
    {
        var model = new EditedModel("llama").Set("block_count", 1u).SetTensor("blk.0.attn_q.weight", Numbers(256 * 8), 256, 8).Save(_folder);
        var sums = Enumerable.Range(0, 256).Select(i => i % 4 == 0 ? 4000f : 4f).ToArray();
        var matrix = ImportanceMatrix.Load(new EditedModel("llama")
            .SetTensor("blk.0.attn_q.weight.in_sum2", sums, 256, 1).SetTensor("blk.0.attn_q.weight.counts", [4], 1, 1).Save(_folder));
        Assert.Equal((1000f, 1f), (matrix.Find("blk.0.attn_q.weight", 256, 0, 1)[0], matrix.Find("blk.0.attn_q.weight", 256, 0, 1)[255]));

        Quantize(model, "Q3_K_S", out var plain, o => o with { Pure = true });
        Quantize(model, "Q3_K_S", out var weighted, o => o with { Pure = true, Importance = matrix });
        Assert.True(ErrorOfImportant(weighted) < 0.95 * ErrorOfImportant(plain));

        double ErrorOfImportant(string path)
        {
            using var original = GgufFile.Open(model);
            using var file = GgufFile.Open(path);
            var (a, b) = (Read(original.GetTensor("blk.0.attn_q.weight")), Read(file.GetTensor("blk.0.attn_q.weight")));
            return Enumerable.Range(0, a.Length).Where(i => i % 4 == 0).Sum(i => Math.Pow((double)a[i] - b[i], 2));
        }
    }

    [Fact]
    public void Importance_of_another_shape_is_refused()
    {
        var model = new EditedModel("llama").Set("block_count", 1u).SetTensor("blk.0.attn_q.weight", Numbers(256 * 8), 256, 8).Save(_folder);
        var matrix = ImportanceMatrix.Load(new EditedModel("llama")
            .SetTensor("blk.0.attn_q.weight.in_sum2", new float[128], 128, 1).SetTensor("blk.0.attn_q.weight.counts", [4], 1, 1).Save(_folder));
        var exception = Assert.Throws<ModelFormatException>(() => Quantize(model, "Q4_0", out _, o => o with { Importance = matrix }));
        Assert.Contains("[128, 1], expected [256, 1]", exception.Message, StringComparison.Ordinal);
        Assert.Throws<ModelFormatException>(() => ImportanceMatrix.Load(model));
    }

    [Fact]
    public void Cancelling_leaves_nothing_behind()
    {
        var path = new EditedModel("llama").Set("block_count", 1u).SetTensor("blk.0.attn_q.weight", Numbers(256), 32, 8).Save(_folder);
        var options = new QuantizationOptions { Mix = QuantizationMix.Parse("Q8_0") };
        Assert.ThrowsAny<OperationCanceledException>(() => ModelQuantizer.Quantize(path, _folder.File("out.gguf"), options, null, new CancellationToken(true)));
        Assert.Equal([path], Directory.GetFiles(_folder.Path));
    }

    public void Dispose() => _folder.Dispose();

    private QuantizationResult Quantize(string input, string mix, out string output, Func<QuantizationOptions, QuantizationOptions>? change = null)
    {
        output = _folder.File($"{Guid.NewGuid():N}.gguf");
        var options = new QuantizationOptions { Mix = QuantizationMix.Parse(mix), Threads = 2 };
        return ModelQuantizer.Quantize(input, output, change?.Invoke(options) ?? options);
    }

    private static float[] Numbers(int count)
    {
        var numbers = new float[count];
        new NumpyGenerator(5).StandardNormal(numbers);
        return numbers;
    }

    private static float[] Read(GgufTensor tensor)
    {
        var values = new float[tensor.ElementCount];
        BlockConverter.Dequantize(tensor.Type, tensor.Bytes(), values);
        return values;
    }

    private static double Error(float[] a, float[] b) => a.Zip(b, (x, y) => Math.Pow((double)x - y, 2)).Average();
}
