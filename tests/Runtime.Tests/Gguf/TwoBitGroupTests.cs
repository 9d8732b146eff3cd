using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tests.Gguf;

/// <summary>One type number, two layouts: Q2_0 in groups of 64 (18 bytes) and of 128 (34 bytes).</summary>
public sealed class TwoBitGroupTests
{
    // 16 rows of 256: 1152 bytes in groups of 64, 1088 in groups of 128.
    private static readonly ulong[] Shape = [256, 16];

    [Fact]
    public void Tensors_that_lie_as_far_apart_as_groups_of_64_take_are_of_64()
        => Assert.All(Read(second: 1152, bytes: 2304), type => Assert.Equal(GgmlType.Q2_0, type));

    [Fact]
    public void Tensors_that_lie_closer_are_of_128()
        => Assert.All(Read(second: 1088, bytes: 2176), type => Assert.Equal(GgmlType.Q2_0_G128, type));

    // The last tensor decides by the file's end.
    [Fact]
    public void A_file_that_ends_earlier_is_of_128()
        => Assert.All(Read(second: 1152, bytes: 1152 + 1088), type => Assert.Equal(GgmlType.Q2_0_G128, type));

    [Fact]
    public void The_number_of_the_larger_groups_alone_needs_no_guess()
        => Assert.All(Read(second: 1152, bytes: 2304, number: 142), type => Assert.Equal(GgmlType.Q2_0_G128, type));

    [Fact]
    public void What_fits_neither_is_refused()
        => Assert.Contains("overlap", Assert.Throws<ModelFormatException>(() => Read(second: 1056, bytes: 4096)).Message, StringComparison.Ordinal);

    private static GgmlType[] Read(ulong second, int bytes, uint number = 42)
    {
        using var file = GgufFile.Read(RawGguf.Start(2, 0).Tensor("a", Shape, number, 0).Tensor("b", Shape, number, second).WithData(bytes));
        return [.. file.Tensors.Select(tensor => tensor.Type)];
    }
}
