using System.Text;
using FsCheck.Xunit;
using Hearth.Runtime.Tokenizers.Splitting;

namespace Hearth.Runtime.Tests.Tokenizers;

public sealed class PreTokenizerTests
{
    public static TheoryData<string> Names => [.. PreTokenizers.Names];

    // Words are written with a bar between them.
    [Theory]
    [InlineData("llama-bpe", "12345", "123|45")]
    [InlineData("qwen2", "12345", "1|2|3|4|5")]
    [InlineData("gpt-2", "12345", "12345")]
    [InlineData("superbpe", "a12345b", "a|12|345|b")]
    [InlineData("tiny_aya", "1234567", "1|234|567")]
    [InlineData("falcon", "12345", "123|45")]
    [InlineData("default", "12345!", "123|45|!")]
    [InlineData("qwen2", "I'LL", "I|'LL")]
    [InlineData("gpt-2", "I'LL", "I|'|LL")]
    [InlineData("gpt-2", "we'll go's", "we|'ll| go|'s")]
    [InlineData("gpt-2", "a\U0001D49C\U00020000", "a\U0001D49C\U00020000")]
    [InlineData("gpt-2", "a\U0001F600", "a|\U0001F600")]
    [InlineData("llama-bpe", "\U0001D7D8\U0001D7D9\U0001D7DA\U0001D7DB", "\U0001D7D8\U0001D7D9\U0001D7DA|\U0001D7DB")]
    [InlineData("gpt-2", "a \n  b", "a| \n | b")]
    [InlineData("llama-bpe", "a \n  b", "a| \n| | b")]
    [InlineData("gpt-2", "a\u3000\u00A0b", "a|\u3000|\u00A0|b")]
    [InlineData("llama-bpe", "a\u3000\u00A0b", "a|\u3000|\u00A0b")]
    [InlineData("qwen35", "e\u0301e!\u0301", "e\u0301e|!\u0301")]
    [InlineData("qwen2", "e\u0301e", "e|\u0301e")]
    [InlineData("tekken", "HelloWorld", "Hello|World")]
    [InlineData("gpt-4o", "HelloWorld's", "Hello|World's")]
    [InlineData("kimi-k2", "a\u4E2D\u6587b", "a|\u4E2D\u6587|b")]
    [InlineData("deepseek-v3", "a\u4E2D\u3042b", "a|\u4E2D\u3042|b")]
    [InlineData("deepseek-llm", "a b\u4E2D", "a| b|\u4E2D")]
    [InlineData("deepseek-llm", "\U00010400\U0001E900\U0001D400", "\U00010400\U0001E900|\U0001D400")]
    [InlineData("afmoe", "a1234\u4E2Db", "a|1|234|\u4E2D|b")]
    [InlineData("bloom", "a b,c", "a| b|,|c")]
    [InlineData("viking", "a12", "a|1|2")]
    [InlineData("chameleon", "<sentinel:12>x", "<|sentinel|:|1|2|>|x")]
    [InlineData("chameleon", "IMGIMGABZ", "IMGIMGABZ")]
    [InlineData("seed-coder", "!!\n", "!!|\n")]
    [InlineData("jais-2", "a     b", "a|    | b")]
    [InlineData("exaone-moe", "a b c", "a b c")]
    [InlineData("bailingmoe", "a!\n\n", "a|!\n\n")]
    [InlineData("exaone-moe", "a!\n\n", "a|!\n|\n")]
    [InlineData("gemma4", "a b\n\nc", "a b|\n\n|c")]
    [InlineData("whitespace", "a b", "a| |b")]
    [InlineData("youtu", "\uAC00\u3105\u4E2Da", "\uAC00|\u3105|\u4E2D|a")]
    public void Cuts_words_as_the_reference_does(string name, string text, string words)
        => Assert.Equal(words, string.Join('|', Words(name, Encoding.UTF8.GetBytes(text)).Select(Encoding.UTF8.GetString)));

    [Theory]
    [MemberData(nameof(Names))]
    public void Words_put_together_are_the_text(string name)
    {
        var texts = new[]
        {
            "Hello, world! It's 12345 o'clock.\r\n\r\n\tif (x == 1) { }   \n",
            "\u00DCn\u00EFc\u00F6d\u00E9 \u4E2D\u6587 \u65E5\u672C\u8A9E \uD55C\uAD6D\uC5B4 \u0661\u0662\u0663 \U0001F468\u200D\U0001F469 e\u0301 \u3000\u2028",
            "IMGIMGABCDZ <sentinel:7> ~~~ ```a``` 1,234,567.89 DON'T don't 'Ll",
            "",
        };
        Assert.All(texts, text => Assert.Equal(text, Encoding.UTF8.GetString([.. Words(name, Encoding.UTF8.GetBytes(text)).SelectMany(word => word)])));
    }

    [Property(MaxTest = 300)]
    public void Words_put_together_are_the_text_and_none_is_empty(string? text, byte which)
    {
        var names = PreTokenizers.Names.ToArray();
        var bytes = Encoding.UTF8.GetBytes(text ?? "");
        var words = Words(names[which % names.Length], bytes);

        Assert.Equal(bytes, words.SelectMany(word => word).ToArray());
        Assert.DoesNotContain(words, word => word.Length == 0);
    }

    [Fact]
    public void Bytes_that_spell_nothing_become_replacement_characters_one_by_one()
    {
        // A stray byte, an overlong NUL (read as NUL), a cut-off character before a letter, a lead byte of no character.
        byte[] bytes = [0xFF, 0xC0, 0x80, 0xE2, 0x96, (byte)'a', 0xF8];

        Assert.Equal("\uFFFD\0\uFFFD\uFFFDa\uFFFD", Encoding.UTF8.GetString([.. Words("gpt-2", bytes).SelectMany(word => word)]));
    }

    [Theory]
    [InlineData(' ')]
    [InlineData('\n')]
    [InlineData('7')]
    [InlineData('a')]
    [InlineData('\u4E2D')]
    [InlineData('\'')]
    public void A_long_run_of_one_character_is_cut_in_linear_work(char character)
    {
        var bytes = Encoding.UTF8.GetBytes(new string(character, 60_000) + "x");

        Assert.All(PreTokenizers.Names, name => Assert.Equal(bytes.Length, Words(name, bytes).Sum(word => word.Length)));
    }

    private static List<byte[]> Words(string name, byte[] bytes)
    {
        var text = new CodePointText();
        text.Load(bytes);
        List<int> ends = [], spare = [];
        PreTokenizers.ByName(name).Split(text, ref ends, ref spare);
        var words = new List<byte[]>();
        var start = 0;
        foreach (var end in ends)
        {
            words.Add(text.Bytes(start, end).ToArray());
            start = end;
        }

        return words;
    }
}
