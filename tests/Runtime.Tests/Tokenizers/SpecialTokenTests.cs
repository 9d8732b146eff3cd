using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Tokenizers;

public sealed class SpecialTokenTests
{
    [Fact]
    public void The_spelling_of_a_control_token_is_plain_text_unless_asked_for()
    {
        var tokenizer = TinyVocabulary.SentencePiece().Build();
        tokenizer.TryGetId("<|im_end|>", out var end);

        Assert.DoesNotContain(end, tokenizer.Encode("a<|im_end|>"));
        Assert.Equal(end, tokenizer.Encode("a<|im_end|>", parseSpecial: true)[^1]);
    }

    [Fact]
    public void User_defined_tokens_are_found_in_either_case()
    {
        var tokenizer = TinyVocabulary.SentencePiece().Build();
        tokenizer.TryGetId("<user>", out var user);

        Assert.Contains(user, tokenizer.Encode("a<user>"));
        Assert.Contains(user, tokenizer.Encode("a<user>", parseSpecial: true));
    }

    [Fact]
    public void Longer_special_tokens_are_split_off_before_shorter_ones_wherever_they_stand()
    {
        var tokenizer = TinyVocabulary.SentencePiece().With("add_space_prefix", false).Add("aa", TokenKind.UserDefined).Add("baaab", TokenKind.UserDefined).Build();

        Assert.Equal("aa b aa baaab aa", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("aabaabaaabaa", addSpecial: false)));
    }

    [Fact]
    public void Phi_3_tokens_take_the_white_space_after_them()
    {
        var metadata = TinyVocabulary.SentencePiece().Add("<|user|>", TokenKind.Control).ToMetadata();
        var named = new GgufMetadata([.. metadata, new KeyValuePair<string, object>("general.name", "Phi-3 mini")]);
        var tokenizer = Tokenizer.FromMetadata(named);

        Assert.Equal("<|user|> \u2581ab", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("<|user|> \n\tab", addSpecial: false, parseSpecial: true)));
    }

    [Fact]
    public void Mask_tokens_of_jina_take_the_white_space_before_them()
    {
        var tokenizer = TinyVocabulary.BytePair().Add("<mask>", TokenKind.Control).With("pre", "jina-v2-code").Build();

        Assert.Equal("ab <mask> \u0120ab", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("ab  <mask> ab", addSpecial: false, parseSpecial: true)));
    }

    [Fact]
    public void Begin_and_end_tokens_follow_the_metadata()
    {
        var vocabulary = TinyVocabulary.SentencePiece();

        Assert.Equal("<s> \u2581ab", Spell(vocabulary.Build()));
        Assert.Equal("\u2581ab </s>", Spell(vocabulary.With("add_bos_token", false).With("add_eos_token", true).Build()));

        static string Spell(Tokenizer tokenizer) => TinyVocabulary.Spell(tokenizer, tokenizer.Encode("ab"));
    }

    [Fact]
    public void Control_tokens_leave_nothing_in_text_unless_asked_for()
    {
        var tokenizer = TinyVocabulary.SentencePiece().Build();
        int[] ids = [.. tokenizer.Encode("ab<|im_end|>", parseSpecial: true)];

        Assert.Equal("ab", tokenizer.Decode(ids));
        Assert.Equal("<s>ab<|im_end|>", tokenizer.Decode(ids, includeControl: true));
    }

    [Theory]
    [InlineData("<|eot_id|>")]
    [InlineData("<|im_end|>")]
    [InlineData("<end_of_turn>")]
    [InlineData("<|endoftext|>")]
    [InlineData("<|eom_id|>")]
    [InlineData("<|return|>")]
    [InlineData("<|fim_pad|>")]
    [InlineData("<|file_sep|>")]
    [InlineData("<\uFF5Cend\u2581of\u2581sentence\uFF5C>")]
    public void Tokens_known_by_name_end_generation_and_become_control_tokens(string name)
    {
        var tokenizer = TinyVocabulary.BytePair().Add(name).Build();
        Assert.True(tokenizer.TryGetId(name, out var id));

        Assert.True(tokenizer.IsEndOfGeneration(id));
        Assert.Equal(TokenKind.Control, tokenizer.KindOf(id));
        Assert.Contains(id, tokenizer.EndOfGenerationIds);
        Assert.False(tokenizer.IsEndOfGeneration(0));
    }

    [Fact]
    public void Tokens_named_by_the_file_end_generation()
    {
        var tokenizer = TinyVocabulary.BytePair().With("eos_token_id", 1u).With("eot_token_id", 2u).With("eom_token_id", 3u).Build();

        Assert.Equal([1, 2, 3], tokenizer.EndOfGenerationIds);
        Assert.Equal((1, 2, 3), (tokenizer.EndOfTextId, tokenizer.EndOfTurnId, tokenizer.Special.EndOfMessage));
    }

    [Fact]
    public void In_the_harmony_format_the_end_of_a_message_does_not_end_generation()
    {
        var tokenizer = TinyVocabulary.BytePair().Add("<|return|>").Add("<|call|>").Add("<|end|>").Add("<|channel|>", TokenKind.Control).Build();
        tokenizer.TryGetId("<|end|>", out var end);
        tokenizer.TryGetId("<|channel|>", out var channel);

        Assert.False(tokenizer.IsEndOfGeneration(end));
        Assert.Equal(TokenKind.UserDefined, tokenizer.KindOf(end));
        Assert.Equal(TokenKind.UserDefined, tokenizer.KindOf(channel));
    }

    [Fact]
    public void An_id_outside_of_the_vocabulary_counts_as_absent()
    {
        var tokenizer = TinyVocabulary.BytePair().With("padding_token_id", 4_000_000_000u).With("mask_token_id", 13u).Build();

        Assert.Null(tokenizer.PaddingId);
        Assert.Null(tokenizer.Special.Mask);
    }

    [Fact]
    public void A_million_bytes_full_of_special_tokens_are_split()
    {
        var tokenizer = TinyVocabulary.SentencePiece().Build();
        tokenizer.TryGetId("<user>", out var user);

        Assert.Equal(100_000, tokenizer.Encode(string.Concat(Enumerable.Repeat("<user><use", 100_000))).Count(id => id == user));
    }

    [Fact]
    public void A_list_of_end_tokens_names_several_ends()
    {
        var tokenizer = TinyVocabulary.BytePair().With("eos_token_id", new uint[] { 1, 2 }).With("eot_token_id", new uint[] { 3 }).Build();

        Assert.Equal([1, 2, 3], tokenizer.EndOfGenerationIds);
        Assert.Equal((1, 3), (tokenizer.EndOfTextId, tokenizer.EndOfTurnId));
    }

    [Fact]
    public void A_list_of_begin_tokens_is_refused()
    {
        var error = Assert.Throws<ModelFormatException>(() => TinyVocabulary.BytePair().With("bos_token_id", new uint[] { 1, 2 }).Build());

        Assert.Contains("'tokenizer.ggml.bos_token_id' names 2 tokens", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_word_gets_no_role_that_the_file_does_not_name()
    {
        // GPT-2's default for both is 11, here the token of a word.
        var tokenizer = TinyVocabulary.BytePair().Build();

        Assert.Equal((null, null), (tokenizer.BeginOfTextId, tokenizer.EndOfTextId));
        Assert.Empty(tokenizer.EndOfGenerationIds);
    }

    [Fact]
    public void A_marker_gets_the_usual_role_of_its_number()
    {
        var tokenizer = new TinyVocabulary("llama").Add("<unk>", TokenKind.Unknown).Add("<s>").Add("</s>", TokenKind.Control).Add("a").Build();

        Assert.Equal((1, 2), (tokenizer.BeginOfTextId, tokenizer.EndOfTextId));
    }

    [Theory]
    [InlineData(4_000_000_000u, true)]
    [InlineData(13u, true)]
    [InlineData(uint.MaxValue, false)]
    [InlineData(-1, false)]
    public void An_id_beyond_the_vocabulary_is_told_of_unless_it_means_none(object id, bool isToldOf)
        => Assert.Equal(isToldOf ? 1 : 0, TinyVocabulary.BytePair().With("padding_token_id", id).Build().Warnings.Count(warning => warning.Contains("padding_token_id", StringComparison.Ordinal)));

    [Fact]
    public void Suppressed_ids_beyond_the_vocabulary_are_told_of()
    {
        var tokenizer = TinyVocabulary.BytePair().With("suppress_tokens", new[] { 3, 13, -5 }).Build();

        Assert.Equal([3], tokenizer.SuppressedIds);
        Assert.Contains("names 2 ids beyond", Assert.Single(tokenizer.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_that_spells_its_own_begin_token_gets_no_second_one()
    {
        var tokenizer = TinyVocabulary.SentencePiece().With("add_eos_token", true).Build();

        Assert.Equal("<s> \u2581ab </s>", TinyVocabulary.Spell(tokenizer, tokenizer.EncodePrompt("<s>ab</s>")));
        Assert.Equal("<s> \u2581ab </s>", TinyVocabulary.Spell(tokenizer, tokenizer.EncodePrompt("ab")));
        Assert.Equal("<s> <s>", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("<s>", parseSpecial: true)[..2]));
    }
}
