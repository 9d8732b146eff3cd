using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Automata;
using Hearth.Runtime.Constraints.Patterns;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Constraints.Patterns;

public class EcmaPatternTests
{
    [Theory]
    [InlineData("abc", "xabcx|abc", "ab|")]
    [InlineData("^abc$", "abc", "abcx|xabc|abc\n")]
    [InlineData("^a|b$", "ax|xb|ab", "xa|bx")]
    [InlineData("^(a|b$)", "ax|b", "xa|bx")]
    [InlineData("(^a|b)c", "acx|xbc", "xac|c")]
    [InlineData("a$b", "", "ab|a|b")]
    [InlineData("(?:^a$)", "a", "aa")]
    [InlineData("^.$", "a|😀|\t", "\n|\r|\u2028|\u2029|ab")]
    [InlineData("^\\d+$", "0123456789", "٣|a")]
    [InlineData("^\\w$", "a|Z|0|_", "é|-")]
    [InlineData("^\\s$", " |\t|\u00A0|\uFEFF|\u3000|\u2028", "a|\u180E|\u0085|\u200B")]
    [InlineData("^\\S\\D\\W$", "aa-", "a1-| a-|aaa")]
    [InlineData("^\\x41\\u0042\\u{43}\\cA\\0$", "ABC\u0001\0", "ABC")]
    [InlineData("^\\uD83D\\uDE00$", "😀", "😁")]
    [InlineData("^[😀-😂]$", "😁", "😃|\uFFFD")]
    [InlineData("^\\-\\_\\/\\@\\ \\#$", "-_/@ #", "")]
    [InlineData("^a{b}]c{,2}{$", "a{b}]c{,2}{", "ab")]
    [InlineData("^[\\d-x]$", "1|-|x", "y")]
    [InlineData("^[a-\\d]$", "1|-|a", "b")]
    [InlineData("^[]$", "", "a|]")]
    [InlineData("^[^]$", "a|\n", "ab")]
    [InlineData("^[\\b\\]-]$", "\b|]|-", "b")]
    [InlineData("^(?<year>\\d{4})(?:-\\d\\d)??$", "2020|2020-01", "2020-1")]
    [InlineData("^a{2,}?b{0,1}c{3}$", "aabccc|aaaccc", "abccc|aabbccc")]
    [InlineData("^(?!ab)a.*$", "acb|a", "ab|abc")]
    [InlineData("^(?=.*\\d)(?=.*[a-z]).{4,6}$", "a1xx|111a11", "a1x|aaaa|111a111")]
    [InlineData("^((?!mode).)*$", "", "mode|a mode b")]
    [InlineData("^((?!-)[a-z-]{1,4}(?<!-)\\.)+[a-z]{2}$", "a.bc|a-b.c.de", "-a.bc|a-.bc|abcde.fg|bc")]
    [InlineData("\\bcat\\b", "cat|a cat.|cat-", "cats|scat|_cat")]
    [InlineData("\\Bcat", "scat", "cat| cat")]
    [InlineData("(?<=a)b(?=c)", "abc|xabcx", "bc|ab|bbc")]
    [InlineData("(?<!^)b", "ab|bb", "b|ba")]
    [InlineData("(?<=^a|b)c", "ac|xbc", "xac|c")]
    [InlineData("^(?!.*\\bfoo\\b).*$", "food|afoo|", "foo|a foo b")]
    [InlineData("^(?!^a|b).*$", "c|xa", "a|ab|b")]
    [InlineData("(?:(?=ab)a|b){2,3}$", "ab|xab|bb|bab", "a|ba|b")]
    [InlineData("^(?:a|\\b){3}$", "a|aa|aaa", "aaaa|-|")]
    [InlineData("(?i)^aBc$", "AbC|abc", "ab")]
    [InlineData("^(?i:é[a-c])x$", "ÉBx|éax", "ÉBX")]
    [InlineData("^(?s:.)$", "\n|a", "aa")]
    [InlineData("^\\p{Lu}\\p{L}\\p{Letter}\\p{gc=Nd}\\P{L}$", "Ééa٣-", "ééa٣-|ÉéaX-|Ééa٣x")]
    [InlineData("", "|a|abc", "")]
    [InlineData("^(|a)$", "|a", "b")]
    public void MatchesWhatTheStandardSays(string pattern, string valid, string invalid)
    {
        foreach (var (texts, expected) in new[] { (valid, true), (invalid, false) })
        {
            foreach (var text in texts.Length == 0 ? [] : texts.Split('|'))
            {
                Assert.True(Matches(pattern, text) == expected, $"{pattern} on '{text}'");
            }
        }
    }

    [Fact]
    public void AnchoredPatternsMatchWholeTexts()
    {
        Assert.True(Matches("a|bc", "bc", anchored: true));
        Assert.False(Matches("a|bc", "abc", anchored: true));
        Assert.True(Matches("^a$|(?<!x)b", "b", anchored: true));
    }

    [Theory]
    [InlineData("(ab", 1, "(")]
    [InlineData("ab)", 3, ")")]
    [InlineData("a[bc", 2, "[")]
    [InlineData("*a", 1, "*")]
    [InlineData("a|+", 3, "+")]
    [InlineData("{1}", 1, "{")]
    [InlineData("a**", 3, "*")]
    [InlineData("^*", 2, "*")]
    [InlineData("(?<=a)+", 7, "+")]
    [InlineData("[b-a]", 2, "[")]
    [InlineData("a{2,1}", 2, "{")]
    [InlineData("a\\", 2, "\\")]
    [InlineData("(a)\\1", 4, "\\1")]
    [InlineData("(?<n>a)\\k<n>", 8, "\\k")]
    [InlineData("a++", 3, "+")]
    [InlineData("(?>a)", 1, "(?>")]
    [InlineData("(?P<n>a)", 1, "(?P")]
    [InlineData("(?#c)", 1, "(?#")]
    [InlineData("a(?i)b", 2, "(?")]
    [InlineData("(?m:a)", 1, "(?m")]
    [InlineData("\\Z", 1, "\\Z")]
    [InlineData("\\a", 1, "\\a")]
    [InlineData("\\p{Script=Klingon}", 1, "\\p{Script=Klingon}")]
    [InlineData("\\pL", 1, "\\p")]
    [InlineData("\\u{110000}", 1, "\\u")]
    [InlineData("\\012", 1, "\\0")]
    [InlineData("x(?<=a(?=b))", 2, "(?<=")]
    public void WhatHasNoMeaningIsRefusedByNameAndColumn(string pattern, int column, string construct)
    {
        var error = Assert.Throws<ConstraintException>(() => Matches(pattern, ""));
        Assert.Equal(($"column {column}", construct), (error.Location, error.Keyword));
    }

    [Fact]
    public void SizeIsBounded()
    {
        Assert.Throws<ConstraintException>(() => Matches(new string('(', 1000) + new string(')', 1000), ""));
        Assert.Throws<ConstraintException>(() => Matches(new string('(', 100_000), ""));
        Assert.True(Matches("^" + string.Concat(Enumerable.Repeat("(a|(?:b", 120)) + string.Concat(Enumerable.Repeat("))*", 120)) + "$", "abab"));
        Assert.True(Matches("^(?:a{0,1000000}){1,1000000}$", "aaaa"));
        Assert.True(Matches("^" + new string('a', 20_000) + "$", new string('a', 20_000)));
        Assert.True(Matches("^" + string.Concat(Enumerable.Repeat("a?", 3000)) + "$", "aa"));
        Assert.False(Matches("^a{99999999999}$", "a"));
        var sets = string.Concat(Enumerable.Range(0x4E00, 20_000).Select(c => $"[^{(char)c}]"));
        Assert.Throws<ConstraintException>(() => Matches(sets, "a"));
    }

    [Fact]
    public void ContradictionsAreDeadFromTheStart()
    {
        foreach (var pattern in new[] { "a^b", "^(?=a)b", "^(?!a*$)a{3}$", "x(?<!x)y", "a\\Bb\\bc", "^(?=.{5,}$).{0,4}$" })
        {
            var factory = new ExpressionFactory();
            Assert.True(new CharAutomaton(factory, EcmaPattern.Parse(pattern, factory, anchored: false)).Start.IsDead, pattern);
        }
    }

    [Fact]
    public void RandomPatternsMatchAsInDotNet()
    {
        var random = new Random(20);
        var compared = 0;
        for (var round = 0; round < 3000; round++)
        {
            var pattern = RandomPattern.Make(random, depth: 4);
            var expected = new Regex(pattern.Replace("$", "\\z", StringComparison.Ordinal), RegexOptions.CultureInvariant, TimeSpan.FromMilliseconds(50));
            var factory = new ExpressionFactory();
            var automaton = new CharAutomaton(factory, EcmaPattern.Parse(pattern, factory, anchored: false));
            for (var i = 0; i < 40; i++)
            {
                var text = new StringBuilder();
                for (var length = random.Next(7); length > 0; length--)
                {
                    text.Append("ab-"[random.Next(3)]);
                }

                var (whole, accepted) = (text.ToString(), Accepts(automaton, text.ToString()));
                bool known;
                try
                {
                    known = expected.IsMatch(whole);
                }
                catch (RegexMatchTimeoutException)
                {
                    break; // a backtracking engine does not come to an end with some of these
                }

                Assert.True(known == accepted, $"{pattern} on '{whole}': {accepted}");
                compared++;
            }
        }

        Assert.True(compared > 100_000, $"only {compared} texts were compared");
    }

    [Theory]
    [InlineData("pattern.json")]
    [InlineData("patternProperties.json")]
    [InlineData("optional/ecmascript-regex.json")]
    [InlineData("optional/non-bmp-regex.json")]
    public void PatternsOfTheSchemaTestSuite(string file)
    {
        var path = SharedFolder.Require(["assets", "json-schema-test-suite", "draft2020-12", .. file.Split('/')]);
        using var groups = JsonDocument.Parse(File.ReadAllText(path));
        var count = 0;
        foreach (var group in groups.RootElement.EnumerateArray())
        {
            var schema = group.GetProperty("schema");
            foreach (var test in group.GetProperty("tests").EnumerateArray())
            {
                var (data, valid) = (test.GetProperty("data"), test.GetProperty("valid").GetBoolean());
                var name = $"{group.GetProperty("description")}: {test.GetProperty("description")}";
                if (schema.TryGetProperty("pattern", out var pattern) && data.ValueKind == JsonValueKind.String)
                {
                    Assert.True(Matches(pattern.GetString()!, data.GetString()!) == valid, name);
                    count++;
                }
                else if (schema.TryGetProperty("patternProperties", out var patterns) && data.ValueKind == JsonValueKind.Object
                    && schema.TryGetProperty("additionalProperties", out _))
                {
                    var all = data.EnumerateObject().All(property => patterns.EnumerateObject().Any(one => Matches(one.Name, property.Name)));
                    Assert.True(all == valid, name);
                    count++;
                }
            }
        }

        Assert.True(count > 0 || file == "patternProperties.json", "no case was found");
    }

    private static bool Matches(string pattern, string text, bool anchored = false)
    {
        var factory = new ExpressionFactory();
        return Accepts(new CharAutomaton(factory, EcmaPattern.Parse(pattern, factory, anchored)), text);
    }

    private static bool Accepts(CharAutomaton automaton, string text)
    {
        var state = automaton.Start;
        var wasDead = state.IsDead;
        foreach (var rune in text.EnumerateRunes())
        {
            state = state.Next(rune.Value);
            wasDead |= state.IsDead;
        }

        Assert.False(wasDead && state.IsAccepting, "a dead state led to an accepting one");
        return state.IsAccepting;
    }

    private static class RandomPattern
    {
        private static readonly string[] s_atoms = ["a", "b", "-", ".", "\\w", "\\W", "[ab]", "[^a]", "ab", "a-"];
        private static readonly string[] s_places = ["^", "$", "\\b", "\\B"];
        private static readonly string[] s_groups = ["(", "(?:", "(?=", "(?!", "(?<=", "(?<!"];
        private static readonly string[] s_counts = ["*", "+", "?", "{2}", "{0,2}", "{1,3}?", "{2,}", "*?"];

        public static string Make(Random random, int depth, bool looks = true)
        {
            var pattern = new StringBuilder();
            for (var items = random.Next(1, 4); items > 0; items--)
            {
                var kind = random.Next(10);
                if (kind < 4 || depth == 0)
                {
                    pattern.Append(s_atoms[random.Next(s_atoms.Length)]);
                }
                else if (kind == 4 && looks)
                {
                    pattern.Append(s_places[random.Next(s_places.Length)]);
                }
                else if (kind == 5)
                {
                    pattern.Append($"(?:{Make(random, depth - 1, looks)}|{Make(random, depth - 1, looks)})");
                }
                else if (kind is 6 or 7)
                {
                    pattern.Append($"(?:{Make(random, depth - 1, looks)}){s_counts[random.Next(s_counts.Length)]}");
                }
                else
                {
                    var group = s_groups[random.Next(looks ? s_groups.Length : 2)];
                    pattern.Append($"{group}{Make(random, depth - 1, looks && !group.Contains('<'))})");
                }
            }

            return pattern.ToString();
        }
    }
}
