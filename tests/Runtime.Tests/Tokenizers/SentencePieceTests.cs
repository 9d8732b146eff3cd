using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Tokenizers;

public sealed class SentencePieceTests
{
    [Theory]
    [InlineData("ab", "\u2581ab")]
    [InlineData("abc", "\u2581ab c")]
    [InlineData("ab ab", "\u2581ab \u2581ab")]
    [InlineData("bc", "\u2581 bc")]
    [InlineData("  a", "\u2581 \u2581 \u2581 a")]
    [InlineData("", "")]
    public void The_best_score_merges_first(string text, string expected)
        => Assert.Equal(expected, Spell(TinyVocabulary.SentencePiece(), text));

    [Fact]
    public void Of_equal_scores_the_leftmost_merges_first()
        => Assert.Equal("aa aa a", Spell(new TinyVocabulary("llama").Add("<unk>", TokenKind.Unknown).Add("<s>", TokenKind.Control).Add("a").Add("aa").With("add_space_prefix", false), "aaaaa"));

    [Fact]
    public void Characters_without_a_token_become_their_bytes()
        => Assert.Equal("\u2581 <0xC3> <0xA9> a", Spell(TinyVocabulary.SentencePiece(), "\u00e9a"));

    [Fact]
    public void Bytes_that_are_no_utf8_become_byte_tokens()
    {
        var tokenizer = TinyVocabulary.SentencePiece().Build();

        Assert.Equal("\u2581 a <0xFF>", TinyVocabulary.Spell(tokenizer, tokenizer.Encode([(byte)'a', 0xFF], addSpecial: false)));
    }

    [Fact]
    public void Without_byte_tokens_the_unknown_token_stands_for_each_byte()
        => Assert.Equal("a <unk> <unk>", Spell(new TinyVocabulary("llama").Add("<unk>", TokenKind.Unknown).Add("<s>", TokenKind.Control).Add("a").With("add_space_prefix", false), "a\u00e9"));

    [Fact]
    public void Tokens_that_go_on_into_the_next_word_are_found()
    {
        var vocabulary = TinyVocabulary.SentencePiece().Add("b\u2581", score: 0).Add("b\u2581a", score: 0);

        Assert.Equal("\u2581 a b\u2581a b\u2581a b", Spell(vocabulary, "ab ab ab"));
    }

    [Fact]
    public void Long_words_merge_as_short_ones_do()
    {
        var tokenizer = TinyVocabulary.SentencePiece().With("add_space_prefix", false).Build();
        var expected = string.Join(' ', Enumerable.Repeat("ab c", 5000));

        Assert.Equal(expected, TinyVocabulary.Spell(tokenizer, tokenizer.Encode(string.Concat(Enumerable.Repeat("abc", 5000)), addSpecial: false)));
    }

    [Fact]
    public void A_space_goes_before_text_at_the_start_and_after_a_special_token()
    {
        var tokenizer = TinyVocabulary.SentencePiece().Build();

        Assert.Equal("<s> \u2581ab <user> \u2581ab", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("ab<user>ab")));
        Assert.Equal("ab<user>ab", tokenizer.Decode(tokenizer.Encode("ab<user>ab").ToArray()));
    }

    [Fact]
    public void The_space_that_encoding_adds_is_dropped_only_where_text_begins()
    {
        var tokenizer = TinyVocabulary.SentencePiece().Build();
        var ids = tokenizer.Encode("ab ab", addSpecial: false).ToArray();

        Assert.Equal("ab ab", tokenizer.Decode(ids));
        Assert.Equal(" ab ab", tokenizer.Decode(ids, continuesText: true));
    }

    private static string Spell(TinyVocabulary vocabulary, string text)
    {
        var tokenizer = vocabulary.Build();
        return TinyVocabulary.Spell(tokenizer, tokenizer.Encode(text, addSpecial: false));
    }
}
