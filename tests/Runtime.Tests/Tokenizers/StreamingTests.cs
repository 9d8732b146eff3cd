using System.Text;
using FsCheck;
using FsCheck.Xunit;
using Hearth.Runtime.Tokenizers;
using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tests.Tokenizers;

public sealed class StreamingTests
{
    private static readonly Tokenizer s_bytes = BytesOnly();
    private static readonly Tokenizer s_sentencePiece = TinyVocabulary.SentencePiece().Build();

    [Fact]
    public void A_character_appears_once_all_of_its_bytes_are_there()
    {
        var decoder = s_bytes.CreateDecoder();
        var parts = s_bytes.Encode("a\u00E9\U0001F600", addSpecial: false).Select(decoder.Append).ToArray();

        Assert.Equal(["a", "", "\u00E9", "", "", "", "\U0001F600"], parts);
        Assert.Equal("", decoder.Flush());
    }

    [Fact]
    public void A_character_cut_off_at_the_end_becomes_the_replacement_character()
    {
        var decoder = s_bytes.CreateDecoder();
        var ids = s_bytes.Encode("\U0001F600", addSpecial: false);

        Assert.Equal("", string.Concat(ids[..3].Select(decoder.Append)));
        Assert.Equal("\uFFFD", decoder.Flush());
    }

    [Fact]
    public void Every_single_byte_left_at_the_end_decodes_as_it_does_at_once()
        => Assert.All(Enumerable.Range(0, 256), id =>
        {
            var decoder = s_bytes.CreateDecoder();

            Assert.Equal(s_bytes.Decode([id]), decoder.Append(id) + decoder.Flush());
        });

    [Property(MaxTest = 300)]
    public void Text_survives_encoding_and_decoding(NonNull<string> text)
    {
        var valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.Get));

        Assert.Equal(valid, s_bytes.Decode(s_bytes.Encode(text.Get).ToArray()));
        Assert.Equal(valid, s_sentencePiece.Decode(s_sentencePiece.Encode(text.Get).ToArray()));
    }

    [Property(MaxTest = 300)]
    public void Decoding_one_by_one_gives_what_decoding_at_once_gives(int[] numbers, bool includeControl, bool continuesText)
    {
        foreach (var tokenizer in (Tokenizer[])[s_bytes, s_sentencePiece])
        {
            var ids = numbers.Select(number => (int)((uint)number % (uint)tokenizer.VocabularySize)).ToArray();
            var decoder = tokenizer.CreateDecoder(includeControl, continuesText);
            var parts = ids.Select(decoder.Append).ToArray();

            Assert.Equal(tokenizer.Decode(ids, includeControl, continuesText), string.Concat(parts) + decoder.Flush());
        }
    }

    [Property(MaxTest = 300)]
    public void No_part_of_valid_text_holds_half_a_character(NonNull<string> text)
    {
        var valid = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text.Get));
        var decoder = s_bytes.CreateDecoder();
        var parts = s_bytes.Encode(valid).Select(decoder.Append).ToArray();

        Assert.All(parts, part => Assert.False(part.Length > 0 && (char.IsLowSurrogate(part[0]) || char.IsHighSurrogate(part[^1]))));
        Assert.Equal(valid, string.Concat(parts));
        Assert.Equal("", decoder.Flush());
    }

    private static Tokenizer BytesOnly()
    {
        var bytes = Enumerable.Range(0, 256).Select(value => Encoding.UTF8.GetString(ByteAlphabet.SpellingOf((byte)value)));
        return new TinyVocabulary("gpt2").AddAll([.. bytes]).Add("<|im_end|>", TokenKind.Control).Merging().Build("gpt-2");
    }
}
