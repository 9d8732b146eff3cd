using System.Buffers.Binary;
using System.Text;
using Hearth.Runtime.Tokenizers;

namespace Hearth.Runtime.Tests.Tokenizers;

public sealed class UnigramTests
{
    [Theory]
    [InlineData("abc", "\u2581 ab c")]
    [InlineData("abcd", "\u2581abcd")]
    [InlineData("ab ab", "\u2581 ab \u2581 ab")]
    [InlineData("  ab   c  ", "\u2581 ab \u2581 c")]
    [InlineData("azzb", "\u2581 a <unk> b")]
    [InlineData("zzzz", "\u2581 <unk>")]
    [InlineData("", "")]
    public void The_cut_with_the_best_sum_of_scores_is_taken(string text, string expected) => Assert.Equal(expected, Spell(Vocabulary(), text));

    [Fact]
    public void Viterbi_finds_the_best_of_all_cuts()
    {
        var random = new Random(7);
        var scores = new Dictionary<string, float>();
        foreach (var token in from a in "ab" from b in "ab" from c in "ab" from length in Enumerable.Range(1, 3) select $"{a}{b}{c}"[..length])
        {
            scores.TryAdd(token, (float)(-random.NextDouble() * 5));
        }

        var vocabulary = new TinyVocabulary("t5").Add("<pad>", TokenKind.Control).Add("</s>", TokenKind.Control).Add("<unk>", TokenKind.Unknown);
        foreach (var (token, score) in scores)
        {
            vocabulary.Add(token, score: score);
        }

        var tokenizer = vocabulary.Build();
        for (var trial = 0; trial < 50; trial++)
        {
            var text = string.Concat(Enumerable.Range(0, 12).Select(_ => random.Next(2) == 0 ? 'a' : 'b'));
            var found = tokenizer.Encode(text, addSpecial: false);

            Assert.Equal(text, string.Concat(found.Select(tokenizer.TokenText)));
            Assert.Equal(BestSum(text, scores), found.Sum(id => (double)tokenizer.ScoreOf(id)), 9);
        }
    }

    [Fact]
    public void A_user_defined_token_is_split_off_before_anything_else()
    {
        Assert.Equal("\u2581 a <user> \u2581 b", Spell(Vocabulary().Add("<user>", TokenKind.UserDefined, -100), "a<user>b"));
    }

    [Fact]
    public void The_character_map_replaces_the_longest_known_prefix()
    {
        var map = CharacterMapBlob(("A", "a"), ("AB", "c"), ("\uFF41", "a"), ("\u2026", "ab"), ("\t", " "), ("\u200B", ""));

        Assert.Equal("\u2581 a", Spell(Vocabulary().With("precompiled_charsmap", map), "A"));
        Assert.Equal("\u2581 c", Spell(Vocabulary().With("precompiled_charsmap", map), "AB"));
        Assert.Equal("\u2581 ab \u2581 ab", Spell(Vocabulary().With("precompiled_charsmap", map), "\u2026\tA\u200Bb"));
        Assert.Equal("\u2581 a c", Spell(Vocabulary().With("precompiled_charsmap", (sbyte[])(Array)map), "\uFF41c"));
    }

    [Fact]
    public void Bytes_that_are_no_utf8_count_as_the_replacement_character()
    {
        var tokenizer = Vocabulary().Add("\uFFFD").Build();

        Assert.Equal("\u2581 a \uFFFD \uFFFD b", TinyVocabulary.Spell(tokenizer, tokenizer.Encode([(byte)'a', 0xFF, 0xE2, (byte)'b'], addSpecial: false)));
    }

    [Fact]
    public void The_end_token_follows_and_no_begin_token_goes_before()
    {
        var tokenizer = Vocabulary().Build();

        Assert.Equal("\u2581 a </s>", TinyVocabulary.Spell(tokenizer, tokenizer.Encode("a")));
    }

    [Fact]
    public void Spaces_stay_where_the_file_does_not_ask_to_remove_them()
        => Assert.Equal("\u2581 \u2581 a \u2581 \u2581 b", Spell(Vocabulary().With("remove_extra_whitespaces", false).With("add_space_prefix", false), "  a  b"));

    [Theory]
    [InlineData(new byte[] { 1, 2 })]
    [InlineData(new byte[] { 255, 255, 255, 255, 0 })]
    [InlineData(new byte[] { 4, 0, 0, 0, 0, 0, 0, 0 })]
    public void A_character_map_shorter_than_it_says_is_refused(byte[] blob)
        => Assert.Throws<ModelFormatException>(() => Vocabulary().With("precompiled_charsmap", blob).Build());

    [Fact]
    public void A_character_map_that_leads_out_of_itself_is_refused()
    {
        // The root's offset leads far behind the only unit.
        var blob = new byte[4 + 4 + 1];
        blob[0] = 4;
        BinaryPrimitives.WriteUInt32LittleEndian(blob.AsSpan(4), 0x7FFFFC00);

        Assert.Throws<ModelFormatException>(() => Vocabulary().With("precompiled_charsmap", blob).Build().Encode("a"));
    }

    [Fact]
    public void A_replacement_without_end_is_refused()
    {
        var blob = CharacterMapBlob(("A", "a"));

        Assert.Throws<ModelFormatException>(() => Vocabulary().With("precompiled_charsmap", blob[..^1]).Build().Encode("A"));
    }

    private static string Spell(TinyVocabulary vocabulary, string text)
    {
        var tokenizer = vocabulary.Build();
        return TinyVocabulary.Spell(tokenizer, tokenizer.Encode(text, addSpecial: false));
    }

    private static TinyVocabulary Vocabulary() => new TinyVocabulary("t5")
        .Add("<pad>", TokenKind.Control)
        .Add("</s>", TokenKind.Control)
        .Add("<unk>", TokenKind.Unknown)
        .Add("\u2581", score: -2)
        .Add("a", score: -3)
        .Add("b", score: -3)
        .Add("c", score: -3)
        .Add("ab", score: -4)
        .Add("bc", score: -5.5f)
        .Add("\u2581abcd", score: -12)
        .With("add_space_prefix", true)
        .With("remove_extra_whitespaces", true);

    private static double BestSum(string text, Dictionary<string, float> scores)
    {
        if (text.Length == 0)
        {
            return 0;
        }

        return Enumerable.Range(1, Math.Min(3, text.Length))
            .Where(length => scores.ContainsKey(text[..length]))
            .Max(length => scores[text[..length]] + BestSum(text[length..], scores));
    }

    // A double array in its plainest form: each node's children have 256 units of their own.
    private static byte[] CharacterMapBlob(params (string From, string To)[] rules)
    {
        var children = new List<Dictionary<byte, int>> { new() };
        var places = new Dictionary<int, uint>();
        var replacements = new List<byte>();
        foreach (var (from, to) in rules)
        {
            var node = 0;
            foreach (var label in Encoding.UTF8.GetBytes(from))
            {
                if (!children[node].TryGetValue(label, out var next))
                {
                    children[node][label] = next = children.Count;
                    children.Add([]);
                }

                node = next;
            }

            places[node] = (uint)replacements.Count;
            replacements.AddRange(Encoding.UTF8.GetBytes(to));
            replacements.Add(0);
        }

        var units = new uint[256 * (children.Count + 1)];
        Place(0, 0, 0);
        var blob = new byte[4 + (units.Length * 4)];
        BinaryPrimitives.WriteInt32LittleEndian(blob, units.Length * 4);
        for (var i = 0; i < units.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(blob.AsSpan(4 + (i * 4)), units[i]);
        }

        return [.. blob, .. replacements];

        void Place(int node, int at, byte label)
        {
            var block = 256 * (node + 1);
            units[at] = ((uint)(at ^ block) << 10) | label;
            if (places.TryGetValue(node, out var place))
            {
                units[at] |= 0x100;
                units[block] = 0x80000000 | place;
            }

            foreach (var (next, child) in children[node])
            {
                Place(child, block ^ next, next);
            }
        }
    }
}
