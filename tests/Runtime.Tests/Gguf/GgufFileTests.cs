using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Gguf;

public sealed class GgufFileTests
{
    private static readonly string Quants = SharedFolder.Fixture("reference", "quants");

    public static TheoryData<string> QuantFiles() => [.. Directory.GetFiles(Quants).Select(p => Path.GetFileName(p)!)];

    [Theory]
    [MemberData(nameof(QuantFiles))]
    public void Every_quantized_reference_file_opens_and_its_tensors_fill_it(string name)
    {
        using var file = GgufFile.Open(Path.Combine(Quants, name));
        Assert.Equal(3, file.Version);
        Assert.Equal("llama", file.Metadata.Get<string>("general.architecture"));
        Assert.Equal(file.Length, new FileInfo(Path.Combine(Quants, name)).Length);
        var last = file.Tensors.MaxBy(t => t.Offset)!;
        Assert.InRange(file.Length - (last.Offset + last.ByteSize), 0, file.Alignment - 1);
        Assert.All(file.Tensors, t => Assert.Equal(0, t.Offset % file.Alignment));
    }

    [Fact]
    public void Tensors_have_the_shapes_and_bytes_of_the_file()
    {
        var path = Path.Combine(Quants, "Q4_K_M.gguf");
        using var file = GgufFile.Open(path);
        var tensor = file.GetTensor("token_embd.weight");
        Assert.Equal([256, 256], tensor.Shape);
        Assert.Equal(tensor.RowBytes * 256, tensor.ByteSize);
        Assert.Equal(1, tensor.Extent(3));
        var raw = File.ReadAllBytes(path);
        Assert.True(tensor.Bytes().SequenceEqual(raw.AsSpan((int)tensor.Offset, (int)tensor.ByteSize)));
        var piece = new byte[100];
        tensor.CopyTo(tensor.ByteSize - 100, piece);
        Assert.Equal(raw.AsSpan((int)(tensor.Offset + tensor.ByteSize) - 100, 100).ToArray(), piece);
    }

    [Fact]
    public void Pieces_beyond_the_tensor_are_refused()
    {
        using var file = GgufFile.Open(Path.Combine(Quants, "Q8_0.gguf"));
        var tensor = file.Tensors[0];
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.Bytes(tensor.ByteSize - 1, 2).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.Bytes(-1, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.Bytes(long.MaxValue, 1).Length);
        Assert.Throws<ArgumentOutOfRangeException>(() => tensor.CopyTo(tensor.ByteSize, new byte[1]));
    }

    [Fact]
    public void A_lease_outlives_the_file_and_everything_else_says_closed()
    {
        var file = GgufFile.Open(Path.Combine(Quants, "BF16.gguf"));
        var tensor = file.Tensors[0];
        var expected = tensor.Bytes(0, 64).ToArray();
        using var lease = tensor.Acquire();
        file.Dispose();
        file.Dispose();
        Assert.Equal(expected, lease.Bytes(0, 64).ToArray());
        Assert.Throws<ObjectDisposedException>(() => tensor.Address);
        Assert.Throws<ObjectDisposedException>(() => tensor.Bytes(0, 1).Length);
        Assert.Throws<ObjectDisposedException>(() => tensor.Acquire());
        lease.Dispose();
        Assert.Throws<ObjectDisposedException>(() => lease.Address);
    }

    [Fact]
    public void Bytes_in_memory_read_as_the_file_does()
    {
        var path = Path.Combine(Quants, "Q6_K.gguf");
        using var mapped = GgufFile.Open(path);
        using var read = GgufFile.Read(File.ReadAllBytes(path));
        Assert.Equal(mapped.Tensors.Select(t => t.ToString()), read.Tensors.Select(t => t.ToString()));
        Assert.True(mapped.Tensors[2].Bytes().SequenceEqual(read.Tensors[2].Bytes()));
    }

    [Fact]
    public void Absent_files_directories_and_empty_files_are_told_apart()
    {
        using var folder = new TemporaryFolder();
        Assert.Throws<FileNotFoundException>(() => GgufFile.Open(folder.File("absent.gguf")));
        Assert.Contains("directory", Assert.Throws<ModelFormatException>(() => GgufFile.Open(folder.Path)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(folder.File("empty.gguf"), []);
        Assert.Contains("empty", Assert.Throws<ModelFormatException>(() => GgufFile.Open(folder.File("empty.gguf"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_tensor_is_named_with_its_file()
    {
        using var file = GgufFile.Open(Path.Combine(Quants, "Q4_0.gguf"));
        var fault = Assert.Throws<ModelFormatException>(() => file.GetTensor("absent.weight"));
        Assert.Contains("absent.weight", fault.Message, StringComparison.Ordinal);
        Assert.Equal(file.Path, fault.File);
        Assert.Null(file.FindTensor("absent.weight"));
    }

    [Fact]
    public void Real_vocabularies_open()
    {
        var folder = SharedFolder.Require("reference", "vocabs");
        foreach (var path in Directory.GetFiles(folder, "*.gguf"))
        {
            using var file = GgufFile.Open(path);
            Assert.NotEmpty(file.Metadata.Get<string[]>("tokenizer.ggml.tokens"));
        }
    }
}
