using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Tests.Gguf;

public sealed class GgufMetadataTests
{
    private static readonly GgufMetadata Sample = new(new Dictionary<string, object>
    {
        ["small"] = (byte)7,
        ["large"] = 5_000_000_000UL,
        ["negative"] = -1,
        ["half"] = 0.5f,
        ["name"] = "x",
        ["u32s"] = new uint[] { 1, 2 },
        ["huge"] = new uint[] { 1, uint.MaxValue },
        ["i64s"] = new long[] { 3, -4 },
    }, "m.gguf");

    [Fact]
    public void Integers_convert_to_any_width_that_holds_them()
    {
        Assert.Equal(7, Sample.Get<int>("small"));
        Assert.Equal(7u, Sample.Get<uint>("small"));
        Assert.Equal(5_000_000_000L, Sample.Get<long>("large"));
        Assert.Equal(0.5, Sample.Get<double>("half"));
        Assert.Equal([1, 2], Sample.Get<int[]>("u32s"));
        Assert.Equal([3, -4], Sample.Get<int[]>("i64s"));
    }

    [Theory]
    [InlineData("large")]
    [InlineData("name")]
    [InlineData("half")]
    public void Values_that_are_no_32_bit_integer_are_refused(string key)
    {
        var fault = Assert.Throws<ModelFormatException>(() => Sample.Get<int>(key));
        Assert.Contains($"'{key}'", fault.Message, StringComparison.Ordinal);
        Assert.Equal("m.gguf", fault.File);
    }

    [Fact]
    public void Negative_numbers_are_no_unsigned_ones() => Assert.Throws<ModelFormatException>(() => Sample.Get<uint>("negative"));

    [Fact]
    public void An_array_element_out_of_range_is_refused_not_wrapped()
        => Assert.Contains("element 1 is 4294967295", Assert.Throws<ModelFormatException>(() => Sample.Get<int[]>("huge")).Message, StringComparison.Ordinal);

    [Fact]
    public void Absent_keys_give_the_default_or_a_fault_that_names_them()
    {
        Assert.Equal(9, Sample.Get("absent", 9));
        Assert.False(Sample.TryGet<string>("absent", out _));
        Assert.Contains("'absent' is missing", Assert.Throws<ModelFormatException>(() => Sample.Get<int>("absent")).Message, StringComparison.Ordinal);
    }
}
