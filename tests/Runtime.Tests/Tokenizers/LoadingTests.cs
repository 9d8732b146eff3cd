using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;
using Hearth.Runtime.Tokenizers.Splitting;

namespace Hearth.Runtime.Tests.Tokenizers;

public sealed class LoadingTests
{
    [Theory]
    [InlineData("no_vocab")]
    [InlineData("none")]
    [InlineData("plamo2")]
    [InlineData("")]
    public void Unknown_algorithms_are_refused_by_name_with_what_is_supported(string model)
    {
        var error = Assert.Throws<UnsupportedModelException>(() => new TinyVocabulary(model).Add("a").Build());

        Assert.Contains($"'{model}'", error.Message, StringComparison.Ordinal);
        Assert.Contains("llama, gpt2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_without_vocabulary_is_refused()
        => Assert.Contains("tokenizer.ggml.model", Assert.Throws<UnsupportedModelException>(() => Tokenizer.FromMetadata(new GgufMetadata([]))).Message, StringComparison.Ordinal);

    [Fact]
    public void An_unknown_pre_tokenizer_is_refused_by_name_with_what_is_supported()
    {
        var error = Assert.Throws<UnsupportedModelException>(() => TinyVocabulary.BytePair().Build("gpt-17"));

        Assert.Contains("'gpt-17'", error.Message, StringComparison.Ordinal);
        Assert.All(PreTokenizers.Names, name => Assert.Contains(name, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_name_given_by_the_caller_goes_before_the_files()
    {
        Assert.Equal(3, TinyVocabulary.BytePair().With("pre", "gpt-17").Build("qwen2").Encode("123").Count);
        Assert.Equal(2, TinyVocabulary.BytePair().With("pre", "qwen2").Build("gpt-2").Encode("123").Count);
    }

    [Theory]
    [InlineData("tokens", null)]
    [InlineData("merges", null)]
    [InlineData("tokens", 3)]
    [InlineData("merges", 3)]
    [InlineData("scores", 3)]
    [InlineData("token_type", "x")]
    [InlineData("add_bos_token", 3)]
    [InlineData("bos_token_id", "x")]
    public void Missing_or_mistyped_keys_are_refused_by_name(string key, object? value)
    {
        var pairs = TinyVocabulary.BytePair().ToMetadata().Where(pair => pair.Key != "tokenizer.ggml." + key).ToList();
        if (value is not null)
        {
            pairs.Add(new KeyValuePair<string, object>("tokenizer.ggml." + key, value));
        }

        Assert.Contains("tokenizer.ggml." + key, Assert.Throws<ModelFormatException>(() => Tokenizer.FromMetadata(new GgufMetadata(pairs))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ab", "'ab' at 1")]
    [InlineData("", "'' at 1")]
    [InlineData("a b", "'a b' at 1; of each the first place counts")]
    public void Merges_that_do_nothing_are_told_of(string merge, string told)
    {
        var tokenizer = TinyVocabulary.BytePair().With("merges", new[] { "a b", merge, "c d", "ab cd", "1 2" }).Build();

        Assert.Contains(told, Assert.Single(tokenizer.Warnings), StringComparison.Ordinal);
        Assert.Equal("abcd", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("abcd")));
        Assert.Empty(TinyVocabulary.BytePair().Build().Warnings);
    }

    [Theory]
    [InlineData("scores")]
    [InlineData("token_type")]
    public void Arrays_with_other_entries_than_tokens_are_refused(string key)
    {
        foreach (var length in new[] { 12, 14 })
        {
            object value = key == "scores" ? new float[length] : new int[length];
            var error = Assert.Throws<ModelFormatException>(() => TinyVocabulary.BytePair().With(key, value).Build());

            Assert.Contains($"{length} entries for 13 tokens", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_unigram_vocabulary_with_a_score_too_many_is_refused()
        => Assert.Contains("tokenizer.ggml.scores", Assert.Throws<ModelFormatException>(() => new TinyVocabulary("t5").Add("<pad>", TokenKind.Control).Add("</s>", TokenKind.Control).Add("<unk>", TokenKind.Unknown).Add("a").With("scores", new float[5]).Build()).Message, StringComparison.Ordinal);

    [Fact]
    public void A_token_that_occurs_twice_is_refused()
        => Assert.Contains("'a' twice, as 0 and as 13", Assert.Throws<ModelFormatException>(() => TinyVocabulary.BytePair().Add("a").Build()).Message, StringComparison.Ordinal);

    [Fact]
    public void An_empty_token_gets_a_name_of_its_own()
    {
        var tokenizer = TinyVocabulary.BytePair().Add("").Add("").Build();

        Assert.Equal("[EMPTY_13]", tokenizer.TokenText(13));
        Assert.Equal("[EMPTY_14]", tokenizer.TokenText(14));
        Assert.Equal("ab", tokenizer.TokenText(tokenizer.Encode("ab")[0]));
    }

    [Fact]
    public void Tokens_of_raw_bytes_are_kept_apart()
    {
        var tokenizer = TinyVocabulary.BytePair().Add(GgufText.FromBytes([0xFF])).Add(GgufText.FromBytes([0xFE])).Build();

        Assert.True(tokenizer.TryGetId(GgufText.FromBytes([0xFE]), out var id));
        Assert.Equal(14, id);
    }

    [Fact]
    public void A_score_that_is_no_number_is_refused()
        => Assert.Throws<ModelFormatException>(() => TinyVocabulary.SentencePiece().Add("x", score: float.NaN).Build());

    [Fact]
    public void A_begin_token_that_is_wanted_but_not_there_is_not_added_and_told_of()
    {
        var tokenizer = TinyVocabulary.BytePair().With("add_bos_token", true).Build();

        Assert.Equal("ab", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("ab")));
        Assert.Null(tokenizer.BeginOfTextId);
        Assert.Contains("bos_token_id", Assert.Single(tokenizer.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_vocabulary_as_it_should_be_has_no_warnings()
        => Assert.Empty(TinyVocabulary.BytePair().Build().Warnings);

    [Fact]
    public void A_merge_without_a_space_is_told_of()
    {
        var warning = Assert.Single(TinyVocabulary.BytePair().Merging("a b", "cd", "ab cd", "e").Build().Warnings);

        Assert.Contains("2 entries", warning, StringComparison.Ordinal);
        Assert.Contains("'cd' at 1", warning, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_pre_tokenizer_is_told_of()
        => Assert.Contains("tokenizer.ggml.pre", Assert.Single(TinyVocabulary.BytePair().With("pre", "").Build().Warnings), StringComparison.Ordinal);

    [Fact]
    public void A_byte_token_too_short_for_a_byte_is_refused()
        => Assert.Throws<ModelFormatException>(() => TinyVocabulary.SentencePiece().Add("<0", TokenKind.Byte).Build());

    [Theory]
    [InlineData(-1)]
    [InlineData(13)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void Ids_outside_of_the_vocabulary_are_refused_with_the_numbers(int id)
    {
        var tokenizer = TinyVocabulary.BytePair().Build();

        Assert.All(
            new Action[]
            {
                () => tokenizer.Decode([0, id]),
                () => tokenizer.KindOf(id),
                () => tokenizer.TokenBytes(id),
                () => tokenizer.TokenText(id),
                () => tokenizer.ScoreOf(id),
                () => tokenizer.IsEndOfGeneration(id),
                () => tokenizer.CreateDecoder().Append(id),
            },
            use =>
            {
                var error = Assert.Throws<ArgumentOutOfRangeException>(use);
                Assert.Contains($"{id} is not in the vocabulary of 13 tokens", error.Message, StringComparison.Ordinal);
            });
    }
}
