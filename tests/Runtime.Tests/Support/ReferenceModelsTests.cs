using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Hearth.Runtime.Tests.Support;

public sealed class ReferenceModelsTests
{
    /// <summary>The first half of the SHA-256 of what rebuild.py writes (numpy 1.24).</summary>
    public static TheoryData<string, string> Digests()
    {
        var digests = new TheoryData<string, string>();
        foreach (var line in File.ReadLines(SharedFolder.Fixture("reference", "digests.txt")))
        {
            var parts = line.Split(' ');
            digests.Add(parts[0], parts[1]);
        }

        return digests;
    }

    [Theory]
    [MemberData(nameof(Digests))]
    public void A_rebuilt_model_has_the_bytes_that_python_writes(string name, string digest)
        => Assert.Equal(digest, Convert.ToHexStringLower(SHA256.HashData(ReferenceModels.Rebuild(name)))[..32]);

    [Fact]
    public void Every_header_is_rebuilt_and_has_logits()
    {
        Assert.Equal(ReferenceModels.Names, Digests().Select(d => d.Data.Item1).Order(StringComparer.Ordinal));
        Assert.All(ReferenceModels.Names, n => Assert.Contains(ReferenceModels.Logits(n).Length, n.EndsWith("-rank", StringComparison.Ordinal) ? new[] { 1, 2, 3 } : [128, 32 * 256]));
        Assert.Equal(32, ReferenceModels.Tokens("gpt2").Length);
    }

    [Fact]
    public void A_million_normal_numbers_equal_numpys()
    {
        var numbers = new float[1_000_000];
        new NumpyGenerator(12345).StandardNormal(numbers);
        var digest = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(numbers.AsSpan())));
        Assert.Equal("fc893cbe2a780826aa8c37c2a7a472528ec5cbcc26484d710afc91b4404bc800", digest);
    }
}
