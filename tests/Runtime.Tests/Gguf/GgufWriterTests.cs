using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Gguf;

public sealed class GgufWriterTests
{
    public static readonly Dictionary<string, object> EveryType = new()
    {
        ["t.u8"] = (byte)200,
        ["t.i8"] = (sbyte)-100,
        ["t.u16"] = (ushort)60000,
        ["t.i16"] = (short)-30000,
        ["t.u32"] = 4_000_000_000u,
        ["t.i32"] = -2_000_000_000,
        ["t.u64"] = ulong.MaxValue,
        ["t.i64"] = long.MinValue,
        ["t.f32"] = 1.5f,
        ["t.f64"] = -Math.PI,
        ["t.yes"] = true,
        ["t.no"] = false,
        ["t.text"] = "Grüße, 世界 🔥\0",
        ["t.empty"] = string.Empty,
        ["a.u8"] = new byte[] { 1, 255 },
        ["a.i8"] = new sbyte[] { -1, 127 },
        ["a.u16"] = new ushort[] { 1, 65535 },
        ["a.i16"] = new short[] { -1, 32767 },
        ["a.u32"] = new uint[] { 1, uint.MaxValue },
        ["a.i32"] = new[] { -1, int.MaxValue },
        ["a.u64"] = new ulong[] { 1, ulong.MaxValue },
        ["a.i64"] = new long[] { -1, long.MaxValue },
        ["a.f32"] = new[] { 0.25f, float.NegativeInfinity },
        ["a.f64"] = new[] { 1e300, -0.0 },
        ["a.bool"] = new[] { true, false, true },
        ["a.text"] = new[] { "a", "", "Ġthe" },
        ["a.none"] = Array.Empty<float>(),
        ["a.nested"] = new object[] { new[] { 1, 2 }, new[] { "x" }, new object[] { Array.Empty<double>() } },
    };

    [Theory]
    [InlineData(8)]
    [InlineData(32)]
    [InlineData(4096)]
    public void What_is_written_is_read_back(int alignment)
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("model.gguf");
        var q8 = Bytes(34 * 2 * 3, 1);
        var f32 = Bytes(4 * 5, 2);
        using (var writer = GgufWriter.Create(path, alignment))
        {
            foreach (var (key, value) in EveryType)
                writer.Add(key, value);
            writer.Declare("a.weight", GgmlType.Q8_0, 64, 3);
            writer.Declare("b.bias", GgmlType.F32, 5);
            writer.Declare("scalar", GgmlType.I64);
            writer.WriteTensor("a.weight", q8);
            writer.Begin("b.bias");
            writer.Write(f32.AsSpan(0, 7));
            writer.Write(f32.AsSpan(7));
            writer.WriteTensor("scalar", new byte[8]);
            writer.Complete();
        }

        Assert.Equal([path], Directory.GetFiles(folder.Path));
        using var file = GgufFile.Open(path);
        Assert.Equal(alignment, file.Alignment);
        Assert.Equal(EveryType.Count + (alignment == 32 ? 0 : 1), file.Metadata.Count);
        foreach (var (key, value) in EveryType)
        {
            Assert.Equal(value, file.Metadata.Find(key));
            Assert.Equal(value.GetType(), file.Metadata.Find(key)!.GetType());
        }

        Assert.Equal(["a.weight Q8_0 [64, 3]", "b.bias F32 [5]", "scalar I64 []"], file.Tensors.Select(t => t.ToString()));
        Assert.Equal(q8, file.Tensors[0].Bytes().ToArray());
        Assert.Equal(f32, file.Tensors[1].Bytes().ToArray());
        Assert.Equal(1, file.Tensors[2].ElementCount);
        Assert.Equal(0, file.Length % alignment);
    }

    [Fact]
    public void A_copy_of_a_reference_file_is_the_same_file()
    {
        var path = SharedFolder.Fixture("reference", "quants", "Q5_K_M.gguf");
        using var file = GgufFile.Open(path);
        using var copy = new MemoryStream();
        using var writer = new GgufWriter(copy, file.Alignment);
        writer.CopyMetadata(file.Metadata);
        foreach (var tensor in file.Tensors)
            writer.Declare(tensor.Name, tensor.Type, tensor.Shape.AsSpan());
        foreach (var tensor in file.Tensors)
            writer.WriteTensor(tensor.Name, tensor.Bytes());
        writer.Complete();
        Assert.Equal(File.ReadAllBytes(path), copy.ToArray());
    }

    [Fact]
    public void Bytes_that_are_no_text_survive_the_round_trip()
    {
        byte[] odd = [0x41, 0xFF, 0xE4, 0xB8, 0x42, 0xED, 0xB2, 0x80, 0xF0, 0x9F, 0x94, 0xA5, 0xC3];
        var text = GgufText.FromBytes(odd);
        Assert.True(GgufText.HasEscapes(text));
        Assert.Equal(odd, GgufText.GetBytes(text));
        Assert.Contains("🔥", text, StringComparison.Ordinal);
        var metadata = Reread(w => w.Add("tokens", new[] { text, "ok" }));
        Assert.Equal([text, "ok"], metadata.Get<string[]>("tokens"));
        Assert.False(GgufText.HasEscapes("Grüße 🔥"));
    }

    [Fact]
    public void Any_bytes_survive_as_a_string()
    {
        var random = new Random(7);
        byte[][] pieces = [[0xED, 0xA0, 0x80], [0xED, 0xB2, 0x80], [0xF0, 0x9F], [0x94, 0xA5], [0xC3], [0xBC], [0xEF, 0xBF, 0xBD], [0x00], [0xF4, 0x90, 0x80, 0x80]];
        for (var i = 0; i < 5000; i++)
        {
            byte[] bytes = [.. Enumerable.Range(0, random.Next(12)).SelectMany(_ => random.Next(2) == 0 ? pieces[random.Next(pieces.Length)] : [(byte)random.Next(256)])];
            Assert.Equal(bytes, GgufText.GetBytes(GgufText.FromBytes(bytes)));
        }
    }

    [Fact]
    public void An_unfinished_file_never_appears_under_its_name()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("model.gguf");
        File.WriteAllText(path, "the old one");
        using (var writer = GgufWriter.Create(path))
        {
            writer.Declare("w", GgmlType.F32, 4);
            writer.Begin("w");
            writer.Write(new byte[8]);
            Assert.Throws<InvalidOperationException>(writer.Complete);
        }

        Assert.Equal([path], Directory.GetFiles(folder.Path));
        Assert.Equal("the old one", File.ReadAllText(path));
    }

    [Fact]
    public void Wrong_calls_are_refused()
    {
        using var writer = new GgufWriter(new MemoryStream());
        writer.Add("k", 1u);
        Assert.Throws<ArgumentException>(() => writer.Add("k", 2u));
        Assert.Throws<ArgumentException>(() => writer.Add("general.alignment", 64u));
        Assert.Throws<ArgumentException>(() => writer.Add("m", 1m));
        Assert.Throws<ArgumentException>(() => writer.Add("m", new int[2, 2]));
        Assert.Throws<ArgumentException>(() => writer.Add("m", new object[] { "not an array" }));
        Assert.Throws<ArgumentException>(() => writer.Add(string.Empty, 1u));
        Assert.Throws<ArgumentException>(() => writer.Declare("w", GgmlType.Q4_K, 255));
        Assert.Throws<ArgumentException>(() => writer.Declare("w", GgmlType.F32, 1, 1, 1, 1, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Declare("w", GgmlType.F32, 0));
        Assert.Throws<OverflowException>(() => writer.Declare("w", GgmlType.F32, long.MaxValue, 3));
        writer.Declare("a", GgmlType.F32, 2);
        writer.Declare("b", GgmlType.F32, 2);
        Assert.Throws<ArgumentException>(() => writer.Declare("a", GgmlType.F32, 2));
        Assert.Throws<InvalidOperationException>(() => writer.Begin("b"));
        Assert.Throws<InvalidOperationException>(() => writer.WriteTensor("a", new byte[7]));
        Assert.Throws<InvalidOperationException>(() => writer.Write(new byte[9]));
        Assert.Throws<InvalidOperationException>(() => writer.Begin("b"));
        Assert.Throws<InvalidOperationException>(() => writer.Add("late", 1u));
        Assert.Throws<ArgumentOutOfRangeException>(() => new GgufWriter(new MemoryStream(), alignment: 48));
    }

    [Fact]
    public void Progress_ends_at_the_length_of_the_file()
    {
        var seen = new List<GgufProgress>();
        using var stream = new MemoryStream();
        using var writer = new GgufWriter(stream, progress: new Recorder(seen));
        writer.Declare("w", GgmlType.F32, 8);
        writer.Begin("w");
        writer.Write(new byte[16]);
        writer.Write(new byte[16]);
        writer.Complete();
        Assert.Equal(2, seen.Count);
        Assert.Equal(16, seen[1].BytesWritten - seen[0].BytesWritten);
        Assert.Equal(stream.Length, seen[1].BytesTotal);
        Assert.Equal(seen[1].BytesTotal, seen[1].BytesWritten);
    }

    private static GgufMetadata Reread(Action<GgufWriter> fill)
    {
        using var stream = new MemoryStream();
        using var writer = new GgufWriter(stream);
        fill(writer);
        writer.Complete();
        using var file = GgufFile.Read(stream.ToArray());
        return file.Metadata;
    }

    private static byte[] Bytes(int count, int seed)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private sealed class Recorder(List<GgufProgress> seen) : IProgress<GgufProgress>
    {
        public void Report(GgufProgress value) => seen.Add(value);
    }
}
