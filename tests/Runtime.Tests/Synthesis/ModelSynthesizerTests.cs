using System.Buffers.Binary;
using System.Security.Cryptography;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Synthesis;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Synthesis;

public sealed class ModelSynthesizerTests
{
    private static readonly SyntheticShape Small = new(256, 4, 4, 2, 512, 320);

    public static TheoryData<string> Types() => [.. ModelSynthesizer.Types];

    [Theory]
    [MemberData(nameof(Types))]
    public void Weights_have_mean_0_and_the_deviation_that_keeps_activations_level(string type)
    {
        using var folder = new TemporaryFolder();
        ModelSynthesizer.Write(folder.File("m.gguf"), Small, type);
        using var file = GgufFile.Open(folder.File("m.gguf"));
        foreach (var tensor in file.Tensors)
        {
            var weights = Dequantize(tensor);
            var deviation = tensor.Name == "token_embd.weight" ? 1 : tensor.Shape.Length == 1 ? 0.1 : 1 / Math.Sqrt(tensor.Shape[0]);
            var mean = weights.Average();
            // The mean of n draws scatters by deviation / sqrt(n); weights that share a scale widen it a little.
            var bound = 8 * deviation / Math.Sqrt(weights.Length);
            Assert.InRange(mean - (tensor.Shape.Length == 1 ? 1 : 0), -bound, bound);
            Assert.InRange(Math.Sqrt(weights.Average(w => (w - mean) * (w - mean))), 0.9 * deviation, 1.1 * deviation);
        }
    }

    [Fact]
    public void The_file_is_a_llama_of_the_shape_asked_for()
    {
        using var folder = new TemporaryFolder();
        ModelSynthesizer.Write(folder.File("m.gguf"), SyntheticShape.Parse("256, 4,4,2,512,320"), "q4_k_m");
        using var file = GgufFile.Open(folder.File("m.gguf"));
        var metadata = file.Metadata;
        Assert.Equal("llama", metadata.Get<string>("general.architecture"));
        Assert.Equal(4, metadata.Get<int>("llama.block_count"));
        Assert.Equal(2, metadata.Get<int>("llama.attention.head_count_kv"));
        Assert.Equal(64, metadata.Get<int>("llama.rope.dimension_count"));
        Assert.Equal([256, 128], file.GetTensor("blk.3.attn_k.weight").Shape);
        Assert.Equal([512, 256], file.GetTensor("blk.0.ffn_down.weight").Shape);
        Assert.Equal(3 + 4 * 9, file.Tensors.Count);
        Assert.Equal(GgmlType.Q6_K, file.GetTensor("output.weight").Type);
        Assert.Equal(GgmlType.Q4_K, file.GetTensor("token_embd.weight").Type);
        Assert.Equal(2, Enumerable.Range(0, 4).Count(i => file.GetTensor($"blk.{i}.attn_v.weight").Type == GgmlType.Q6_K));
    }

    [Fact]
    public void Rows_that_no_super_block_fits_take_the_types_of_quantized_models()
    {
        using var folder = new TemporaryFolder();
        ModelSynthesizer.Write(folder.File("m.gguf"), SyntheticShape.Parse("224,4,4,2,512,320"), "Q4_K_M");
        using var file = GgufFile.Open(folder.File("m.gguf"));
        Assert.Equal(GgmlType.Q5_0, file.GetTensor("token_embd.weight").Type);
        Assert.Equal(GgmlType.Q8_0, file.GetTensor("output.weight").Type);
        Assert.Equal(GgmlType.Q5_0, file.GetTensor("blk.0.ffn_up.weight").Type);
        Assert.Contains(file.GetTensor("blk.0.ffn_down.weight").Type, new[] { GgmlType.Q4_K, GgmlType.Q6_K });
        foreach (var tensor in new[] { file.GetTensor("blk.0.ffn_up.weight"), file.GetTensor("output.weight") })
        {
            var weights = Dequantize(tensor);
            Assert.InRange(Math.Sqrt(weights.Average(w => (double)w * w)), 0.9 / Math.Sqrt(224), 1.1 / Math.Sqrt(224));
        }
    }

    [Fact]
    public void Experts_stand_in_stacks_behind_a_router()
    {
        using var folder = new TemporaryFolder();
        ModelSynthesizer.Write(folder.File("m.gguf"), Small with { Experts = 8, ExpertsUsed = 2 }, "Q4_K");
        using var file = GgufFile.Open(folder.File("m.gguf"));
        Assert.Equal((8, 2), (file.Metadata.Get<int>("llama.expert_count"), file.Metadata.Get<int>("llama.expert_used_count")));
        Assert.Equal([256, 8], file.GetTensor("blk.0.ffn_gate_inp.weight").Shape);
        Assert.Equal(GgmlType.F32, file.GetTensor("blk.0.ffn_gate_inp.weight").Type);
        Assert.Equal([256, 512, 8], file.GetTensor("blk.3.ffn_gate_exps.weight").Shape);
        Assert.Equal([512, 256, 8], file.GetTensor("blk.3.ffn_down_exps.weight").Shape);
        Assert.Equal(3 + 4 * 10, file.Tensors.Count);
    }

    [Theory]
    [InlineData(8, 0)]
    [InlineData(8, 9)]
    [InlineData(0, 1)]
    [InlineData(-1, 0)]
    [InlineData(513, 2)]
    public void Impossible_numbers_of_experts_are_refused_and_leave_no_file(int experts, int used)
    {
        using var folder = new TemporaryFolder();
        Assert.Throws<ArgumentException>(() => ModelSynthesizer.Write(folder.File("m.gguf"), Small with { Experts = experts, ExpertsUsed = used }, "Q4_K"));
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Theory]
    [InlineData(259, 0)]
    [InlineData(270, 11)]
    [InlineData(320, 26)]
    public void The_vocabulary_is_whole_and_its_merges_name_tokens(int size, int merges)
    {
        using var folder = new TemporaryFolder();
        ModelSynthesizer.Write(folder.File("m.gguf"), Small with { Vocabulary = size }, "F16");
        using var file = GgufFile.Open(folder.File("m.gguf"));
        var tokens = file.Metadata.Get<string[]>("tokenizer.ggml.tokens");
        Assert.Equal(size, tokens.Distinct().Count());
        Assert.Equal(size, file.Metadata.Get<int[]>("tokenizer.ggml.token_type").Length);
        var pairs = file.Metadata.Get<string[]>("tokenizer.ggml.merges");
        Assert.Equal(merges, pairs.Length);
        Assert.All(pairs, p => Assert.Contains(p.Replace(" ", string.Empty, StringComparison.Ordinal), tokens));
        // The stand-ins of GPT-2: the newline is Ċ, the space Ġ, the byte 0xAD the last of them.
        Assert.Equal(("Ċ", "Ġ", "A", "ÿ", "Ń"), (tokens['\n'], tokens[' '], tokens['A'], tokens[0xFF], tokens[0xAD]));
    }

    [Fact]
    public void The_same_seed_gives_the_same_bytes_and_another_seed_others()
    {
        using var folder = new TemporaryFolder();
        string Digest(ulong seed)
        {
            ModelSynthesizer.Write(folder.File("m.gguf"), Small, "Q4_K", seed);
            return Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(folder.File("m.gguf"))));
        }

        Assert.Equal(Digest(1), Digest(1));
        Assert.NotEqual(Digest(1), Digest(2));
    }

    [Theory]
    [InlineData("256,4,4,2,512", typeof(FormatException))]
    [InlineData("256,4,4,2,512,320,1", typeof(FormatException))]
    [InlineData("256,4,4,2,x,320", typeof(FormatException))]
    [InlineData("256,4,4,-2,512,320", typeof(FormatException))]
    [InlineData("256,4,4,3,512,320", typeof(ArgumentException))]
    [InlineData("256,4,4,8,512,320", typeof(ArgumentException))]
    [InlineData("256,0,4,2,512,320", typeof(ArgumentException))]
    [InlineData("256,4,4,2,512,258", typeof(ArgumentException))]
    [InlineData("260,4,4,2,512,320", typeof(ArgumentException))]
    [InlineData("256,4,4,2,500,320", typeof(ArgumentException))]
    [InlineData("255,4,5,1,512,320", typeof(ArgumentException))]
    public void Impossible_shapes_are_refused_and_leave_no_file(string shape, Type fault)
    {
        using var folder = new TemporaryFolder();
        Assert.Throws(fault, () => ModelSynthesizer.Write(folder.File("m.gguf"), SyntheticShape.Parse(shape), "Q4_K"));
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Unknown_types_are_refused_with_the_known_ones()
    {
        using var folder = new TemporaryFolder();
        var fault = Assert.Throws<UnsupportedModelException>(() => ModelSynthesizer.Write(folder.File("m.gguf"), Small, "Q9_X"));
        Assert.Contains("Q4_K_M", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cancelling_leaves_no_file()
    {
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        var progress = new CancelOnReport(cancellation);
        Assert.Throws<OperationCanceledException>(
            () => ModelSynthesizer.Write(folder.File("m.gguf"), Small, "F32", progress: progress, cancellation: cancellation.Token));
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    private sealed class CancelOnReport(CancellationTokenSource cancellation) : IProgress<GgufProgress>
    {
        public void Report(GgufProgress value) => cancellation.Cancel();
    }

    /// <summary>Scalar decoding by the formats' definitions.</summary>
    private static double[] Dequantize(GgufTensor tensor)
    {
        var info = GgmlTypes.Of(tensor.Type);
        var weights = new List<double>();
        for (var at = 0L; at < tensor.ByteSize; at += info.BlockBytes)
            weights.AddRange(Block(tensor.Type, tensor.Bytes(at, info.BlockBytes)));
        return [.. weights];
    }

    private static double[] Block(GgmlType type, ReadOnlySpan<byte> b)
    {
        if (type is >= GgmlType.IQ2_XXS and <= GgmlType.IQ1_S or GgmlType.IQ3_S or GgmlType.IQ2_S or GgmlType.IQ1_M or GgmlType.TQ1_0 or GgmlType.TQ2_0 or GgmlType.Q5_0
            or GgmlType.NVFP4 or GgmlType.Q1_0 or GgmlType.Q2_0 or GgmlType.Q2_0_G128)
            return NativeBlock(type, b);
        var weights = new double[GgmlTypes.Of(type).BlockElements];
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = type switch
            {
                GgmlType.F32 => BinaryPrimitives.ReadSingleLittleEndian(b),
                GgmlType.F16 => Half(b, 0),
                GgmlType.BF16 => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(b) << 16),
                GgmlType.Q8_0 => Half(b, 0) * (sbyte)b[2 + i],
                GgmlType.Q4_0 => Half(b, 0) * ((i < 16 ? b[2 + i] & 0xF : b[2 + i - 16] >> 4) - 8),
                GgmlType.Q4_K => Q4K(b, i),
                _ => Q6K(b, i),
            };
        }

        return weights;
    }

    /// <summary>Types that the native library decodes here: most have grids that only it holds, and its own tests compare it with recorded blocks.</summary>
    private static unsafe double[] NativeBlock(GgmlType type, ReadOnlySpan<byte> b)
    {
        var weights = new float[GgmlTypes.Of(type).BlockElements];
        fixed (byte* data = b)
        fixed (float* output = weights)
            NativeStatus.Check(NativeMethods.hearth_dequantize((int)type, data, (nuint)b.Length, output, (nuint)weights.Length));
        return Array.ConvertAll(weights, w => (double)w);
    }

    private static double Q4K(ReadOnlySpan<byte> b, int i)
    {
        var scales = b.Slice(4, 12);
        var sub = i / 32;
        var (scale, minimum) = sub < 4
            ? (scales[sub] & 63, scales[4 + sub] & 63)
            : (scales[4 + sub] & 15 | scales[sub - 4] >> 6 << 4, scales[4 + sub] >> 4 | scales[sub] >> 6 << 4);
        var packed = b[16 + sub / 2 * 32 + i % 32];
        return Half(b, 0) * scale * (sub % 2 == 0 ? packed & 15 : packed >> 4) - Half(b, 2) * minimum;
    }

    private static double Q6K(ReadOnlySpan<byte> b, int i)
    {
        var (half, quarter, l) = (i / 128, i % 128 / 32, i % 32);
        var low = b[half * 64 + quarter % 2 * 32 + l];
        var code = (quarter < 2 ? low & 15 : low >> 4) | (b[128 + half * 32 + l] >> 2 * quarter & 3) << 4;
        return Half(b, 208) * (sbyte)b[192 + i / 16] * (code - 32);
    }

    private static double Half(ReadOnlySpan<byte> b, int at) => (double)BinaryPrimitives.ReadHalfLittleEndian(b[at..]);
}
