using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Gguf;

/// <summary>Every field of the header is untrusted: each broken file is refused, and the error says what and where.</summary>
public sealed class GgufFaultTests
{
    [Fact]
    public void The_unbroken_file_is_read()
    {
        using var file = GgufFile.Read(RawGguf.Start(1, 1).Pair("a.b", 7).Tensor("w", [32, 2], 8, 0).WithData(68));
        Assert.Equal(7, file.Metadata.Get<int>("a.b"));
        Assert.Equal(68, file.Tensors[0].ByteSize);
    }

    [Theory]
    [InlineData("47 47 55 4C 03 00 00 00", "not a GGUF file", 0)]
    [InlineData("47", "magic", 0)]
    [InlineData("47 47 55 46 01 00 00 00", "version 1", 4)]
    [InlineData("47 47 55 46 04 00 00 00", "version 4", 4)]
    [InlineData("47 47 55 46 00 00 00 00", "version 0", 4)]
    [InlineData("47 47 55 46 00 00 00 03", "big-endian", 4)]
    [InlineData("47 47 55 46 03 00", "version", 4)]
    [InlineData("47 47 55 46 03 00 00 00 01 00", "tensor count", 8)]
    public void A_wrong_start_is_refused(string hex, string what, long offset)
        => Refused(Convert.FromHexString(hex.Replace(" ", string.Empty, StringComparison.Ordinal)), what, offset);

    [Theory]
    [InlineData(1UL << 40, 0UL, "tensor count")]
    [InlineData(ulong.MaxValue, 0UL, "tensor count")]
    [InlineData(0UL, 1UL << 40, "metadata count")]
    [InlineData(0UL, ulong.MaxValue, "metadata count")]
    [InlineData(30UL, 60UL, "do not fit")]
    public void Counts_that_the_file_cannot_hold_are_refused(ulong tensors, ulong pairs, string what)
        => Refused(RawGguf.Start(tensors, pairs).Raw(new byte[1000]).End(), what);

    [Fact]
    public void Counts_beyond_any_model_are_refused_even_where_the_file_could_hold_them()
    {
        Refused(RawGguf.Start(200_000, 0).Raw(new byte[10_000_000]).End(), "expected at most 131072", 8);
        Refused(RawGguf.Start(0, 100_000).Raw(new byte[10_000_000]).End(), "expected at most 65536", 16);
    }

    [Theory]
    [InlineData(8u, 1UL << 31, "string of")]
    [InlineData(9u, 0UL, "element count")]
    public void A_sparse_file_of_gigabytes_cannot_back_a_huge_header(uint type, ulong length, string what)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("sparse.gguf");
        using (var stream = File.Create(path))
        {
            var value = RawGguf.Start(0, 1).Text("k").U32(type);
            stream.Write((type == 8 ? value.U64(length) : value.U32(0).U64(3UL << 30)).End());
            stream.SetLength(4L << 30);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        var fault = Assert.Throws<ModelFormatException>(() => GgufFile.Open(path));
        Assert.Contains(what, fault.Message, StringComparison.Ordinal);
        Assert.Contains("that a header may take", fault.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Fact]
    public void Tensor_data_beyond_2_GiB_is_reached()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("large.gguf");
        const ulong far = 5UL << 30;
        var header = RawGguf.Start(2, 0).Tensor("near", [3UL << 30], 24, 0).Tensor("far", [64], 24, far).WithData(0);
        using (var stream = File.Create(path))
        {
            stream.Write(header);
            stream.Position = header.Length + (long)far;
            stream.Write([.. Enumerable.Range(0, 64).Select(i => (byte)i)]);
        }

        using var file = GgufFile.Open(path);
        Assert.Equal(Enumerable.Range(0, 64).Select(i => (byte)i), file.GetTensor("far").Bytes().ToArray());
        Assert.Equal([0, 0], file.GetTensor("near").Bytes((3L << 30) - 2, 2).ToArray());
        Assert.Throws<InvalidOperationException>(() => file.GetTensor("near").Bytes().Length);
    }

    [Theory]
    [InlineData(0UL, "expected 1 to")]
    [InlineData(70000UL, "expected 1 to")]
    [InlineData(1UL << 60, "at most")]
    [InlineData(ulong.MaxValue, "at most")]
    public void Keys_of_impossible_length_are_refused(ulong length, string what)
        => Refused(RawGguf.Start(0, 1).U64(length).Raw(new byte[80000]).End(), what, 24);

    [Fact]
    public void Keys_and_names_must_be_text()
    {
        Refused(RawGguf.Start(0, 1).Text([0xFF, 0xFE]).U32(0).Raw([1]).End(), "UTF-8", 24);
        Refused(RawGguf.Start(1, 0).Text([0xC3]).U32(1).U64(1).U32(0).U64(0).WithData(4), "UTF-8", 24);
    }

    [Fact]
    public void Duplicates_are_refused()
    {
        Refused(RawGguf.Start(0, 2).Pair("k", 1).Pair("k", 2).End(), "'k' appears twice", 41);
        Refused(RawGguf.Start(2, 0).Tensor("w", [1], 0, 0).Tensor("w", [1], 0, 32).WithData(64), "'w' appears twice");
    }

    [Theory]
    [InlineData(13u)]
    [InlineData(uint.MaxValue)]
    public void Unknown_value_types_are_refused(uint type)
    {
        Refused(RawGguf.Start(0, 1).Text("k").U32(type).Raw(new byte[16]).End(), $"unknown value type {type}", 33);
        Refused(RawGguf.Start(0, 1).Text("k").U32(9).U32(type).U64(1).Raw(new byte[16]).End(), $"unknown value type {type}", 37);
    }

    [Theory]
    [InlineData(0u, 1UL << 60)]
    [InlineData(12u, 1UL << 61)]
    [InlineData(8u, ulong.MaxValue)]
    [InlineData(9u, 1UL << 40)]
    [InlineData(7u, 1001UL)]
    public void Arrays_longer_than_the_file_are_refused_without_allocating(uint type, ulong count)
    {
        var bytes = RawGguf.Start(0, 1).Text("k").U32(9).U32(type).U64(count).Raw(new byte[1000]).End();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Refused(bytes, "element count", 41);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void Arrays_nested_thousands_deep_are_refused()
    {
        var raw = RawGguf.Start(0, 1).Text("k").U32(9);
        for (var i = 0; i < 100_000; i++)
            raw.U32(9).U64(1);
        Refused(raw.U32(0).U64(0).End(), "deeper than 8");
    }

    [Fact]
    public void Strings_beyond_the_file_are_refused()
    {
        Refused(RawGguf.Start(0, 1).Text("k").U32(8).U64(1UL << 62).Raw(new byte[10]).End(), "string of 4611686018427387904 bytes", 37);
        Refused(RawGguf.Start(0, 1).Text("k").U32(9).U32(8).U64(2).Text("fine").U64(500).Raw(new byte[100]).End(), "string of 500 bytes");
    }

    [Fact]
    public void Truth_values_other_than_0_and_1_are_refused()
    {
        Refused(RawGguf.Start(0, 1).Text("k").U32(7).Raw([2]).End(), "truth value 2", 37);
        Refused(RawGguf.Start(0, 1).Text("k").U32(9).U32(7).U64(3).Raw([0, 1, 255]).End(), "truth value 255", 51);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(4u)]
    [InlineData(48u)]
    [InlineData(1u << 31)]
    public void An_absurd_alignment_is_refused(uint alignment)
        => Refused(RawGguf.Start(0, 1).Pair("general.alignment", alignment).End(), "general.alignment");

    [Fact]
    public void An_alignment_of_another_type_is_refused()
        => Refused(RawGguf.Start(0, 1).Text("general.alignment").U32(8).Text("32").End(), "general.alignment");

    [Theory]
    [InlineData(new ulong[] { 0 }, "axis 0")]
    [InlineData(new ulong[] { 4, 0 }, "axis 1")]
    [InlineData(new ulong[] { 1UL << 63 }, "axis 0")]
    [InlineData(new ulong[] { 1UL << 32, 1UL << 31 }, "axis 1")]
    [InlineData(new ulong[] { 1UL << 16, 1UL << 16, 1UL << 16, 1UL << 16 }, "axis 3")]
    [InlineData(new ulong[] { 1, 1, 1, 1, 1 }, "5 axes")]
    public void Impossible_shapes_are_refused(ulong[] shape, string what)
        => Refused(RawGguf.Start(1, 0).Tensor("w", shape, 0, 0).WithData(4096), what);

    [Theory]
    [InlineData(4u)]
    [InlineData(5u)]
    [InlineData(31u)]
    [InlineData(38u)]
    [InlineData(43u)]
    [InlineData(uint.MaxValue)]
    public void Unknown_and_removed_tensor_types_are_refused(uint type)
        => Refused(RawGguf.Start(1, 0).Tensor("w", [32], type, 0).WithData(4096), $"type number {type}", 24 + 9 + 4 + 8);

    [Theory]
    [InlineData(8u, 48UL)]
    [InlineData(12u, 128UL)]
    public void Rows_that_are_no_whole_number_of_blocks_are_refused(uint type, ulong row)
    {
        Refused(RawGguf.Start(1, 0).Tensor("w", [row, 32], type, 0).WithData(65536), "block");
        Refused(RawGguf.Start(1, 0).Tensor("w", [], type, 0).WithData(65536), "block");
    }

    [Theory]
    [InlineData(16UL, "multiple of the alignment")]
    [InlineData(128UL, "truncated")]
    [InlineData(1UL << 62, "truncated")]
    [InlineData(ulong.MaxValue - 31, "truncated")]
    public void Offsets_off_the_grid_or_past_the_end_are_refused(ulong offset, string what)
        => Refused(RawGguf.Start(1, 0).Tensor("w", [16], 0, offset).WithData(64), what);

    [Fact]
    public void A_tensor_larger_than_any_file_is_refused()
        => Refused(RawGguf.Start(1, 0).Tensor("w", [1UL << 62], 28, 0).WithData(64), "truncated");

    [Fact]
    public void Overlapping_tensors_are_refused()
    {
        Refused(RawGguf.Start(2, 0).Tensor("a", [16], 0, 0).Tensor("b", [8], 0, 32).WithData(64), "overlap");
        Refused(RawGguf.Start(2, 0).Tensor("a", [8], 0, 32).Tensor("b", [16], 0, 0).WithData(64), "overlap");
        Refused(RawGguf.Start(2, 0).Tensor("a", [8], 0, 0).Tensor("b", [8], 0, 0).WithData(64), "overlap");
    }

    [Fact]
    public void A_file_cut_short_anywhere_is_refused()
    {
        var whole = RawGguf.Start(1, 2).Pair("a", 1).Text("b").U32(9).U32(8).U64(2).Text("x").Text("yz").Tensor("w", [8], 0, 0).WithData(32);
        for (var length = 0; length < whole.Length; length++)
            Assert.Throws<ModelFormatException>(() => GgufFile.Read(whole.AsMemory(0, length)));
        GgufFile.Read(whole).Dispose();
    }

    private static void Refused(byte[] bytes, string what, long? offset = null)
    {
        var fault = Assert.Throws<ModelFormatException>(() => GgufFile.Read(bytes, "broken.gguf"));
        Assert.Contains(what, fault.Message, StringComparison.Ordinal);
        Assert.Equal("broken.gguf", fault.File);
        if (offset is not null)
            Assert.Equal(offset, fault.Offset);
    }
}
