using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Gguf;

public sealed class GgufSplitTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_part_opens_the_whole_model(int part)
    {
        using var folder = new TemporaryFolder();
        WriteParts(folder);
        using var file = GgufFile.Open(folder.File($"m-0000{part}-of-00003.gguf"));
        Assert.Equal(["t0", "t1", "t2"], file.Tensors.Select(t => t.Name));
        Assert.Equal([0, 1, 2], file.Tensors.Select(t => (int)t.Bytes()[0]));
        Assert.Equal("first", file.Metadata.Get<string>("general.name"));
        Assert.Equal(3, file.Files.Count);
        Assert.Equal(Directory.GetFiles(folder.Path).Sum(p => new FileInfo(p).Length), file.Length);
        Assert.EndsWith("m-00002-of-00003.gguf", file.GetTensor("t1").File, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_part_is_named()
    {
        using var folder = new TemporaryFolder();
        WriteParts(folder);
        File.Delete(folder.File("m-00002-of-00003.gguf"));
        Refused(folder, "m-00001-of-00003.gguf", folder.File("m-00002-of-00003.gguf"));
    }

    [Fact]
    public void A_part_under_another_name_is_refused()
    {
        using var folder = new TemporaryFolder();
        WriteParts(folder);
        File.Copy(folder.File("m-00001-of-00003.gguf"), folder.File("model.gguf"));
        Refused(folder, "model.gguf", "-00001-of-00003.gguf");
        File.Move(folder.File("m-00003-of-00003.gguf"), folder.File("m-00002-of-00003.gguf"), overwrite: true);
        Refused(folder, "m-00002-of-00003.gguf", "part 3 of a model");
    }

    [Fact]
    public void A_part_with_another_number_is_refused()
    {
        using var folder = new TemporaryFolder();
        WriteParts(folder);
        File.Copy(folder.File("m-00001-of-00003.gguf"), folder.File("m-00002-of-00003.gguf"), overwrite: true);
        Refused(folder, "m-00001-of-00003.gguf", "split.no is 0, expected 1");
    }

    [Fact]
    public void A_part_of_another_model_is_refused()
    {
        using var folder = new TemporaryFolder();
        WriteParts(folder);
        WritePart(folder, 1, 3, tensorTotal: 4, "t1");
        Refused(folder, "m-00001-of-00003.gguf", "split.tensors.count is 4, expected 3");
        WritePart(folder, 1, 3, tensorTotal: 3, "t0");
        Refused(folder, "m-00001-of-00003.gguf", "'t0' is also in");
        WritePart(folder, 1, 3, tensorTotal: 3, "t1", "t5");
        Refused(folder, "m-00001-of-00003.gguf", "hold 4 tensors, expected 3");
        File.WriteAllBytes(folder.File("m-00002-of-00003.gguf"), [1, 2, 3]);
        Refused(folder, "m-00001-of-00003.gguf", "m-00002-of-00003.gguf");
    }

    [Theory]
    [InlineData(-1, 3)]
    [InlineData(3, 3)]
    [InlineData(0, 10000)]
    [InlineData(0, -5)]
    [InlineData(int.MaxValue, 3)]
    [InlineData(int.MinValue, 3)]
    public void Impossible_numbers_are_refused(int number, int count)
    {
        using var folder = new TemporaryFolder();
        WritePart(folder.File("m-00001-of-00003.gguf"), number, count, 1, ["t0"]);
        Refused(folder, "m-00001-of-00003.gguf", "split");
    }

    [Fact]
    public void Missing_split_keys_are_named()
    {
        using var folder = new TemporaryFolder();
        using (var writer = GgufWriter.Create(folder.File("m-00001-of-00002.gguf")))
        {
            writer.Add("split.count", (ushort)2);
            writer.Complete();
        }

        Refused(folder, "m-00001-of-00002.gguf", "split.no");
    }

    [Fact]
    public void Bytes_of_one_part_alone_are_refused()
    {
        using var folder = new TemporaryFolder();
        WriteParts(folder);
        var bytes = File.ReadAllBytes(folder.File("m-00001-of-00003.gguf"));
        Assert.Contains("split model", Assert.Throws<ModelFormatException>(() => GgufFile.Read(bytes)).Message, StringComparison.Ordinal);
    }

    private static void WriteParts(TemporaryFolder folder)
    {
        for (var i = 0; i < 3; i++)
            WritePart(folder, i, 3, tensorTotal: 3, $"t{i}");
    }

    private static void WritePart(TemporaryFolder folder, int number, int count, int tensorTotal, params string[] tensors)
        => WritePart(folder.File($"m-0000{number + 1}-of-0000{count}.gguf"), number, count, tensorTotal, tensors);

    private static void WritePart(string path, int number, int count, int tensorTotal, string[] tensors)
    {
        using var writer = GgufWriter.Create(path);
        if (number == 0)
            writer.Add("general.name", "first");
        writer.Add("split.no", number);
        writer.Add("split.count", count);
        writer.Add("split.tensors.count", tensorTotal);
        foreach (var name in tensors)
            writer.Declare(name, GgmlType.I8, 64);
        foreach (var name in tensors)
            writer.WriteTensor(name, [.. Enumerable.Repeat((byte)number, 64)]);
        writer.Complete();
    }

    private static void Refused(TemporaryFolder folder, string name, string what)
    {
        var fault = Assert.Throws<ModelFormatException>(() => GgufFile.Open(folder.File(name)));
        Assert.Contains(what, fault.Message, StringComparison.Ordinal);
    }
}
