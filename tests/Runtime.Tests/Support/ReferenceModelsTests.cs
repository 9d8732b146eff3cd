using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Hearth.Runtime.Tests.Support;

public sealed class ReferenceModelsTests
{
    /// <summary>The first half of the SHA-256 of what rebuild.py writes (numpy 1.24).</summary>
    public static TheoryData<string, string> Digests() => new()
    {
        { "bert-cls", "1bf9682b81de91814be9c673ecd82535" },
        { "bert-mean", "7db567ebae6256b9e676e0386d195df4" },
        { "gemma2", "b3958f990b293840c9439743d81e8b63" },
        { "gemma3", "a561e8a7a5b7892cc34debd61f11fa5c" },
        { "gpt-oss", "e98092eb2343cc30003a7b24b43bf783" },
        { "gpt2", "67165ac6b7054ae2877913379b50ce51" },
        { "llama-gqa-base", "80c1713d41d82f71a1ee7b864f6a8051" },
        { "llama-headdim", "9f32d79073021054ab54e787c50cf395" },
        { "llama-linear-rope", "cc9a4d6929698c5264432eee2cd8a004" },
        { "llama-yarn", "916f840ee2208a32fc40d50ebdb19a1e" },
        { "llama3-ropefreqs-tied", "80c4fc8090ebec8721401a56d3a8db05" },
        { "mixtral", "a8c666189b529e70b1cc12a62a45ea1c" },
        { "phi3", "db433701c977ce1adce5062db9ce7071" },
        { "quant-small", "37b8daef1166e665fc53a9052379adbe" },
        { "qwen2-gqa", "44e62a1ae02980379a69e2b2caa83b7b" },
        { "qwen3-gqa", "7f4e555977798e2b1abdb535e6e911f1" },
        { "qwen3moe", "84945f0dcb824e5ca2032569e705abdd" },
        { "t5-v1.0", "0c30cfeb5d6c52185b90255887f5965e" },
        { "t5-v1.1", "a5007f460b718a8fed9cfd78a58aebdc" },
    };

    [Theory]
    [MemberData(nameof(Digests))]
    public void A_rebuilt_model_has_the_bytes_that_python_writes(string name, string digest)
        => Assert.Equal(digest, Convert.ToHexStringLower(SHA256.HashData(ReferenceModels.Rebuild(name)))[..32]);

    [Fact]
    public void Every_header_is_rebuilt_and_has_logits()
    {
        Assert.Equal(ReferenceModels.Names, Digests().Select(d => d.Data.Item1).Order(StringComparer.Ordinal));
        Assert.All(ReferenceModels.Names, n => Assert.Contains(ReferenceModels.Logits(n).Length, new[] { 128, 32 * 256 }));
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
