using System.Text;
using Hearth.Runtime.Tokenizers;
using Hearth.Runtime.Tokenizers.Text;

namespace Hearth.Runtime.Tests.Tokenizers;

public sealed class BytePairTests
{
    [Theory]
    [InlineData("abcd", "abcd")]
    [InlineData("abc", "ab c")]
    [InlineData("a ab", "a \u0120ab")]
    [InlineData("  ab", "\u0120 \u0120ab")]
    [InlineData("12 123", "12 \u0120 12 3")]
    [InlineData("", "")]
    public void Merges_go_in_the_order_of_the_list(string text, string expected)
        => Assert.Equal(expected, Spell(TinyVocabulary.BytePair().Build(), text));

    [Fact]
    public void An_earlier_merge_wins_over_a_longer_token()
    {
        // "b c" comes first, so "abc" never becomes "ab" + "c".
        var tokenizer = new TinyVocabulary("gpt2").AddAll("a", "b", "c", "bc", "ab", "abc").Merging("b c", "a b", "ab c").Build("gpt-2");

        Assert.Equal("a bc", Spell(tokenizer, "abc"));
    }

    [Fact]
    public void A_word_that_is_a_token_is_taken_whole_where_the_pre_tokenizer_ignores_merges()
    {
        var vocabulary = new TinyVocabulary("gpt2").AddAll("a", "b", "c", "abc").Merging("a b").With("add_bos_token", false);

        Assert.Equal("abc", Spell(vocabulary.Build("llama-bpe"), "abc"));
        Assert.Equal("a b c", Spell(vocabulary.Build("gpt-2"), "abc"));
    }

    [Fact]
    public void A_merge_into_no_token_falls_back_to_the_tokens_of_its_bytes()
        => Assert.Equal("a b c", Spell(new TinyVocabulary("gpt2").AddAll("a", "b", "c").Merging("a b", "ab c").Build("gpt-2"), "abc"));

    [Fact]
    public void A_merge_through_a_string_that_is_no_token_reaches_the_token_behind_it()
        => Assert.Equal("abc", Spell(new TinyVocabulary("gpt2").AddAll("a", "b", "c", "abc").Merging("a b", "ab c").Build("gpt-2"), "abc"));

    [Fact]
    public void Bytes_without_a_token_leave_nothing()
        => Assert.Equal("a b", Spell(new TinyVocabulary("gpt2").AddAll("a", "b").Merging().Build("gpt-2"), "a\u00e9b"));

    [Fact]
    public void Merges_without_a_space_or_with_unknown_characters_are_never_applied()
        => Assert.Equal("a b", Spell(new TinyVocabulary("gpt2").AddAll("a", "b", "ab").Merging("ab", "", " ", "a", "\u4e2d \u6587").Build("gpt-2"), "ab"));

    [Fact]
    public void Long_words_merge_as_short_ones_do()
    {
        var tokenizer = TinyVocabulary.BytePair().Build();
        var text = string.Concat(Enumerable.Repeat("abcdab", 500));

        Assert.Equal(string.Join(' ', Enumerable.Repeat("abcd ab", 500)), Spell(tokenizer, text));
    }

    [Fact]
    public void Words_met_before_give_the_same_ids_again()
    {
        var tokenizer = TinyVocabulary.BytePair().Build();
        var text = string.Join(' ', Enumerable.Range(0, 40_000).Select(i => string.Concat(i.ToString("D5", null).Select(digit => "abcd123abc"[digit - '0']))));

        Assert.Equal(tokenizer.Encode(text), TinyVocabulary.BytePair().Build().Encode(text));
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text).ToArray()));
        Assert.Equal(tokenizer.Encode(text), tokenizer.Encode(text));
    }

    [Fact]
    public void Several_threads_may_encode_at_once()
    {
        var tokenizer = TinyVocabulary.BytePair().Build();
        var texts = Enumerable.Range(0, 64).Select(i => string.Concat(Enumerable.Repeat("abcd 12 " + new string('a', i), 50))).ToArray();
        var expected = texts.Select(text => string.Join(' ', TinyVocabulary.BytePair().Build().Encode(text))).ToArray();

        var found = texts.AsParallel().AsOrdered().WithDegreeOfParallelism(8).Select(text => string.Join(' ', tokenizer.Encode(text))).ToArray();

        Assert.Equal(expected, found);
    }

    [Fact]
    public void Invalid_utf8_counts_as_the_replacement_character()
    {
        var tokenizer = AllBytes();

        Assert.Equal("a\uFFFDb", tokenizer.Decode(tokenizer.Encode([(byte)'a', 0xFF, (byte)'b']).ToArray()));
        Assert.Equal("a\uFFFD", tokenizer.Decode(tokenizer.Encode([(byte)'a', 0xE2]).ToArray()));
        Assert.Equal("a\uFFFDb", tokenizer.Decode(tokenizer.Encode("a\uD800b").ToArray()));
    }

    [Fact]
    public void Gemma_spells_spaces_and_falls_back_to_named_bytes()
    {
        var tokenizer = new TinyVocabulary("gemma4")
            .Add("<bos>", TokenKind.Control)
            .Add("<eos>", TokenKind.Control)
            .AddBytes()
            .AddAll("\u2581", "a", "\u2581a", "\n", "\n\n\n")
            .Merging("\u2581 a")
            .With("bos_token_id", 0u)
            .With("eos_token_id", 1u)
            .With("add_bos_token", false)
            .Build();

        Assert.Equal("<bos> a \u2581a <0xC3> <0xA9> \n\n\n a", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("a a\u00e9\n\n\na")));
        Assert.Equal("a a\u00e9\n\n\na", tokenizer.Decode(tokenizer.Encode("a a\u00e9\n\n\na").ToArray()));
    }

    private static string Spell(Tokenizer tokenizer, string text) => TinyVocabulary.Spell(tokenizer, tokenizer.Encode(text, addSpecial: false));

    private static Tokenizer AllBytes()
    {
        var bytes = Enumerable.Range(0, 256).Select(value => Encoding.UTF8.GetString(ByteAlphabet.SpellingOf((byte)value)));
        return new TinyVocabulary("gpt2").AddAll([.. bytes]).Merging().Build("gpt-2");
    }
}
