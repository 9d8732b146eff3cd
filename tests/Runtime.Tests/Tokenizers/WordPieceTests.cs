using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Tokenizers;

public sealed class WordPieceTests
{
    [Theory]
    [InlineData("unwanted", "\u2581un wanted")]
    [InlineData("UnWanted", "\u2581un wanted")]
    [InlineData("un!wanted", "\u2581un \u2581! \u2581wanted")]
    [InlineData("unknown", "[UNK]")]
    [InlineData("un unknown un", "\u2581un [UNK] \u2581un")]
    [InlineData("\u00DCn w\u00E4nted", "\u2581un \u2581wanted")]
    [InlineData("u\u0308n", "\u2581un")]
    [InlineData("\u4E2D\u4E2D", "\u2581\u4E2D \u2581\u4E2D")]
    [InlineData("un\u00A0un\u200B\tun", "\u2581un \u2581un \u2581un")]
    [InlineData("un\0\uFFFDwanted", "\u2581un wanted")]
    [InlineData("$un$", "\u2581$ \u2581un \u2581$")]
    [InlineData("", "")]
    public void Words_are_normalized_and_covered_by_the_longest_tokens(string text, string expected)
    {
        var tokenizer = Vocabulary().Build();

        Assert.Equal(expected, TinyVocabulary.Spell(tokenizer, tokenizer.Encode(text, addSpecial: false)));
    }

    [Fact]
    public void Case_and_accents_stay_where_the_file_says_so()
    {
        var tokenizer = Vocabulary().With("normalizer.lowercase", false).Build();

        Assert.Equal("[UNK] \u2581un [UNK]", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("Un un \u00FCn", addSpecial: false)));
    }

    [Fact]
    public void Begin_and_separator_surround_a_text()
    {
        var tokenizer = Vocabulary().Build();

        Assert.Equal("[CLS] \u2581un [SEP]", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("un")));
        Assert.Equal("[CLS] [SEP]", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("")));
    }

    [Fact]
    public void Decoding_puts_spaces_between_words_only()
    {
        var tokenizer = Vocabulary().Build();

        Assert.Equal("unwanted un", tokenizer.Decode(tokenizer.Encode("Unwanted un").ToArray()));
    }

    [Fact]
    public void A_hundred_thousand_letters_without_a_space_are_covered()
    {
        var tokenizer = Vocabulary().Build();
        var text = "un" + string.Concat(Enumerable.Repeat("wanted", 20_000));

        Assert.Equal(20_001, tokenizer.Encode(text, addSpecial: false).Count);
    }

    private static TinyVocabulary Vocabulary() => new TinyVocabulary("bert")
        .Add("[PAD]", TokenKind.Control)
        .Add("[UNK]", TokenKind.Control)
        .Add("[CLS]", TokenKind.Control)
        .Add("[SEP]", TokenKind.Control)
        .AddAll("\u2581un", "wanted", "\u2581wanted", "want", "\u2581!", "\u2581\u4E2D", "\u2581$", "\u2581u")
        .With("unknown_token_id", 1u)
        .With("bos_token_id", 2u)
        .With("seperator_token_id", 3u);
}
