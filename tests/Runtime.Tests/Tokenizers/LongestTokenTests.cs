using System.Text;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Tokenizers;

/// <summary>RWKV's vocabulary: any bytes, the longest token first.</summary>
public sealed class LongestTokenTests
{
    // Bytes have the numbers 1 to 256, as in RWKV's own files; the first token ends a text.
    private static readonly Tokenizer _tokenizer = Vocabulary().Build();

    [Theory]
    [InlineData("abcd", new[] { 259, 'd' + 1 })]
    [InlineData("abab", new[] { 257, 257 })]
    [InlineData("bcab", new[] { 258, 257 })]
    [InlineData("a\n\nb", new[] { 'a' + 1, 260, 'b' + 1 })]
    [InlineData("\\x\t", new[] { '\\' + 1, 'x' + 1, '\t' + 1 })]
    [InlineData("é", new[] { 261 })]
    [InlineData("è", new[] { 0xc3 + 1, 0xa8 + 1 })]
    [InlineData("", new int[0])]
    public void The_longest_token_that_comes_next_is_taken(string text, int[] ids)
    {
        Assert.Equal(ids, _tokenizer.Encode(text, addSpecial: false));
        Assert.Equal(text, _tokenizer.Decode(ids));
    }

    [Fact]
    public void Every_byte_comes_back()
    {
        var text = string.Concat(Enumerable.Range(1, 0x7ff).Select(c => (char)c));
        Assert.Equal(text, _tokenizer.Decode([.. _tokenizer.Encode(text, addSpecial: false)]));
    }

    [Fact]
    public void A_vocabulary_without_some_bytes_is_told_of()
        => Assert.Contains(new TinyVocabulary("rwkv").AddAll("a", "b").Build().Warnings, warning => warning.Contains("254 of the 256 bytes", StringComparison.Ordinal));

    private static TinyVocabulary Vocabulary()
    {
        var vocabulary = new TinyVocabulary("rwkv").Add("<|end|>", TokenKind.Control);
        for (var value = 0; value < 256; value++)
            vocabulary.Add(Spelled((byte)value));
        return vocabulary.AddAll("ab", "bc", "abc", "\\n\\n", "\\xc3\\xa9");
    }

    private static string Spelled(byte value) => value switch
    {
        (byte)'\n' => "\\n",
        (byte)'\t' => "\\t",
        (byte)'\r' => "\\r",
        (byte)'\\' => "\\\\",
        >= 0x20 and < 0x7f => Encoding.ASCII.GetString([value]),
        _ => $"\\x{value:x2}",
    };
}
