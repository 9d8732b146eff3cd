using System.Text;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Constraints.Grammars;
using Hearth.Runtime.Constraints.Machine;

namespace Hearth.Runtime.Tests.Constraints.Grammars;

public class GbnfGrammarTests
{
    [Theory]
    [InlineData("root ::= \"a\\n\\r\\t\\\\\\\"\\x41\\u00e9\\U0001F600\\[\\]\"", "a\n\r\t\\\"Aé😀[]", "a")]
    [InlineData("root ::= [a-cx\\x30-\\u0032é-]", "a|b|c|x|0|1|2|é|-", "d|3|ab|")]
    [InlineData("root ::= [^a-c\\n]", "d|é|😀|^|\t", "a|b|c|\n|dd|")]
    [InlineData("root ::= [-a^]", "-|a|^", "b")]
    [InlineData("root ::= [\\]\\[\\\\]", "]|[|\\", "a")]
    [InlineData("root ::= . .", "ab|😀\n", "a|abc|")]
    [InlineData("root ::= \"ab\"*", "|ab|abab", "a|aba")]
    [InlineData("root ::= \"a\" \"b\"? \"c\"+", "ac|abccc", "ab|bc|abbc")]
    [InlineData("root ::= \"a\"{2} \"b\"{1,} \"c\"{0,2} \"d\"{1,3}", "aabd|aabbccddd", "abd|aad|aabcccd|aabdddd|aab")]
    [InlineData("root ::= \"a\"{ 2 , 3 }", "aa|aaa", "a|aaaa")]
    [InlineData("root ::= \"a\"{0} \"b\"{0,0} \"c\"{1}{1,1}", "c", "|ac|bc|cc")]
    [InlineData("root ::= \"a\"{2}{2}", "aaaa", "aa|aaa|aaaaa")]
    [InlineData("root ::= \"a\"?* \"b\"+? \"c\"+*", "|aaabbbccc|c|b", "ba")]
    [InlineData("root ::= \"a\" | \"b\" \"c\" |\n  | \"d\"", "a|bc||d", "ab|c")]
    [InlineData("root ::= (\"a\"\n  | # a comment\r\n \"b\" # | \"x\"\n)+ \"#\"", "a#|bab#", "#|ax")]
    [InlineData("  # first\n\nroot ::=\n a-1 B2 # tail\n\n  a-1 ::= \"x\"\r\n\tB2 ::= \"y\"\rc_3 ::= \"z\"", "xy", "x|xyz")]
    [InlineData("\uFEFFroot::=\"a\"b\nb::=\"b\"", "ab", "a|b")]
    [InlineData("root ::= ()", "", "a")]
    [InlineData("root ::= \"\"* | \"a\"", "|a", "aa")]
    [InlineData("root ::= \"a\nb\"", "a\nb", "ab")]
    [InlineData("root ::= line+\nline ::= \"- \" [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ \"\\n\"", "- a\n|- \u00e4 \u65e5\n- \u2027\n", "- \n|- a|- a\r\n|- a\u0085\n|- a\u2028b\n")]
    [InlineData("root ::= \"[\\n\" ws (item (\",\\n\" ws item)*)? \"]\"\nitem ::= [0-9] [0-9]{0,2} ws\nws ::= | \" \" | \"\\n\" [ \\t]{0,3}", "[\n]|[\n 1,\n\n   234 ]|[\n1\n]", "[]|[\n1,2]|[\n1234]|[\n  1]|[\n\n    1]")]
    [InlineData("root ::= root2*\nroot2 ::= [\\uD7FF-\\uE000]", "\uD7FF\uE000", "a|\uE001")]
    public void AllowsWhatTheNotationSays(string grammar, string valid, string invalid)
    {
        var machine = new PushdownMachine(GbnfGrammar.Compile(grammar));
        foreach (var text in valid.Split('|').Where(text => !grammar.Contains("\"|\"", StringComparison.Ordinal)))
        {
            Assert.True(TextWalk.Accepts(machine, text), $"{text} under {grammar}");
        }

        foreach (var text in invalid.Split('|').Where(text => text != "" || !valid.Split('|').Contains("")))
        {
            Assert.False(TextWalk.Accepts(machine, text), $"{text} under {grammar}");
        }
    }

    private const string Json = """
        root   ::= value
        value  ::= object | array | string | number | ("true" | "false" | "null") ws
        object ::= "{" ws ( pair ("," ws pair)* )? "}" ws
        pair   ::= string ":" ws value
        array  ::= "[" ws ( value ("," ws value)* )? "]" ws
        string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
        number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9]{1,15})? ws
        ws     ::= ([ \t\n] ws)?
        """;

    [Theory]
    [InlineData("""{"a": [1, -2.5e+3, "x\u00e9\"é", {}, [], true, null], "b": {"c": {"d": [[[]]]}}}""", null)]
    [InlineData("[ ] \n\t ", null)]
    [InlineData("\"é😀\"", null)]
    [InlineData("""{"a": 01}""", 7)]
    [InlineData("""{"a": 1,}""", 8)]
    [InlineData("""[1 2]""", 3)]
    [InlineData("""["a", "b\q"]""", 9)]
    [InlineData("[[[]]", 5)]
    [InlineData("[]]", 2)]
    [InlineData("", 0)]
    public void ReadsJson(string text, int? refusedAt)
        => Assert.Equal(refusedAt, TextWalk.RefusedAt(new PushdownMachine(GbnfGrammar.Compile(Json)), text));

    [Theory]
    [InlineData("x = 1\n", null)]
    [InlineData("x = (a + 2) * (b - (3 / c))\ny = 4\n", null)]
    [InlineData("x = (a + 2\n", 10)]
    [InlineData("x = ((((((((1))))))))\n", null)]
    [InlineData("x = ((1)))\n", 9)]
    public void ReadsArithmetic(string text, int? refusedAt)
    {
        const string Grammar = """
            root  ::= (ident "=" ws expr "\n")+
            expr  ::= term ([-+*/] ws term)*
            term  ::= ident | num | "(" ws expr ")" ws
            ident ::= [a-z] [a-z0-9_]* ws
            num   ::= [0-9]+ ws
            ws    ::= [ \t]*
            """;
        Assert.Equal(refusedAt, TextWalk.RefusedAt(new PushdownMachine(GbnfGrammar.Compile(Grammar)), text));
    }

    [Theory]
    [InlineData("1. e4 e5\n2. Nf3 Nc6\n3. O-O O-O-O+\n", null)]
    [InlineData("1. e4 e5\n", 9)]
    [InlineData("1. e9", 4)]
    public void ReadsMoves(string text, int? refusedAt)
    {
        const string Grammar = """
            root ::= (
              # a first pair of moves
              "1. " move " " move "\n"
              ([1-9] [0-9]? ". " move " " move "\n")+
            )
            move ::= ([NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8] | ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])? | "O-O" "-O"?) [+#]?
            """;
        Assert.Equal(refusedAt, TextWalk.RefusedAt(new PushdownMachine(GbnfGrammar.Compile(Grammar)), text));
    }

    [Theory]
    [InlineData("ひらがな 漢字", null)]
    [InlineData("ひa", 3)]
    [InlineData("ひ\u3042\n", 7)]
    public void ReadsCharactersOfSeveralBytes(string text, int? refusedAt)
    {
        const string Grammar = "root ::= char+ ([ \\t\\n] char+)*\nchar ::= [ぁ-ゟ] | [ァ-ヿ] | [一-鿿]";
        Assert.Equal(refusedAt, TextWalk.RefusedAt(new PushdownMachine(GbnfGrammar.Compile(Grammar)), text));
    }

    [Fact]
    public void HalfACharacterIsAllowedWhereAWholeOneIs()
    {
        var machine = new PushdownMachine(GbnfGrammar.Compile("root ::= [é-ê] \"a\"+"));
        var half = TextWalk.After(machine, [0xC3]);
        Assert.False(half.IsDead);
        Assert.False(half.CanEnd);
        Assert.True(machine.Next(half, 0xAB).IsDead);
        Assert.False(machine.Next(half, 0xAA).IsDead);
    }

    [Theory]
    [InlineData("root ::= root \"a\" | \"b\"", "line 1, column 1", "root")]
    [InlineData("root ::= x\nx ::= y \"a\" | \"b\"\n  y ::= \" \"* (\"c\" | z)\nz ::= x", "line 2, column 1", "x")]
    [InlineData("root ::= \"a\"? root | \"b\"", "line 1, column 1", "root")]
    [InlineData("root ::= (\"a\" | n) root* \"x\"\nn ::= \"\" | \"b\"\n", "line 1, column 1", "root")]
    [InlineData("root ::= \"a\" | root", "line 1, column 1", "root")]
    [InlineData("root ::= \"a\" x\n\n x ::= \"b\" x", "line 1, column 1", "root")]
    [InlineData("root ::= \"a\" | x\n\n x ::= \"b\" x", "line 3, column 2", "x")]
    [InlineData("root ::= \"a\" (b | \"x\")*\n", "line 1, column 15", "b")]
    [InlineData("root ::= \"a\"\nunused ::= b\n", "line 2, column 12", "b")]
    [InlineData("start ::= \"a\"", "", "root")]
    [InlineData("", "", "root")]
    [InlineData("root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1", "root")]
    [InlineData("root ::= \"a\\q\"", "line 1, column 12", "\\q")]
    [InlineData("root ::= [\\-]", "line 1, column 11", "\\-")]
    [InlineData("root ::= \"\\x4\"", "line 1, column 11", "\\x")]
    [InlineData("root ::= \"\\U00110000\"", "line 1, column 11", "\\U")]
    [InlineData("root ::= \"\\uD83D\\uDE00\"", "line 1, column 11", "\\u")]
    [InlineData("root ::= \"a", "line 1, column 10", "\"")]
    [InlineData("root ::= \"é\" [a-", "line 1, column 14", "[")]
    [InlineData("root ::= []", "line 1, column 10", "[")]
    [InlineData("root ::= [^]", "line 1, column 10", "[")]
    [InlineData("root ::= [^\\x00-\\U0010FFFF]", "line 1, column 10", "[")]
    [InlineData("root ::= [z-a]", "line 1, column 11", "[")]
    [InlineData("root ::= (\"a\"\n\"b\"", "line 1, column 10", "(")]
    [InlineData("root ::= \"a\")", "line 1, column 13", ")")]
    [InlineData("root ::= (\"a\" = \"b\")", "line 1, column 15", "=")]
    [InlineData("root ::= \"a\"\n\"b\"", "line 2, column 1", "\"")]
    [InlineData("root ::= \"a\" \n * ", "line 2, column 2", "*")]
    [InlineData("root = \"a\"", "line 1, column 6", "=")]
    [InlineData("root ::= * \"a\"", "line 1, column 10", "*")]
    [InlineData("root ::= \"a\" | + \"a\"", "line 1, column 16", "+")]
    [InlineData("root ::= \"a\"{,3}", "line 1, column 14", ",")]
    [InlineData("root ::= \"a\"{3,2}", "line 1, column 13", "{")]
    [InlineData("root ::= \"a\"{3;}", "line 1, column 15", ";")]
    [InlineData("root ::= \"a\"{99999999999999999999}", "line 1, column 14", "{")]
    [InlineData("root ::= (((\"a\"{99}){99}){99}){99}", "line 1, column 31", "{")]
    [InlineData("root ::= (\"(\" root \")\" | \"\"){0,1000}", "line 1, column 10", "{")]
    [InlineData("root ::= \"a\" (\"(\" root \")\" | \"\"){0,1000}", "line 1, column 14", "{")]
    [InlineData("root ::= <think> \"a\"", "line 1, column 10", "<token>")]
    [InlineData("root ::= <[12]>", "line 1, column 10", "<token>")]
    [InlineData("root ::= !<[12]>*", "line 1, column 10", "!<token>")]
    [InlineData("root ::= \"a\" ; \"b\"", "line 1, column 14", ";")]
    public void RefusesWithTheirPlace(string grammar, string location, string keyword)
    {
        var error = Assert.Throws<ConstraintException>(() => GbnfGrammar.Compile(grammar));
        Assert.Equal(location, error.Location);
        Assert.Equal(keyword, error.Keyword);
    }

    [Theory]
    [InlineData("root ::= \"a\"\nunused ::= unused \"b\" | \"c\"")]
    [InlineData("root ::= \"a\"\nunused ::= \"b\" unused")]
    public void UnusedRulesDoNoHarm(string grammar)
        => Assert.True(TextWalk.Accepts(new PushdownMachine(GbnfGrammar.Compile(grammar)), "a"));

    [Fact]
    public void SourcesThatExplodeAreRefusedOrBounded()
    {
        Refused(new string('(', 1000) + "\"a\"" + new string(')', 1000));
        Refused("\"" + new string('a', 10_000_000) + "\"");
        Refused(string.Concat(Enumerable.Repeat("\"a\" | ", 150_000)) + "\"a\"");
        Refused(string.Concat(Enumerable.Repeat("|", 500_000)));

        static void Refused(string body) => Assert.Throws<ConstraintException>(() => GbnfGrammar.Compile("root ::= " + body));
    }

    [Theory]
    [InlineData(3_000)]
    [InlineData(20_000)]
    public void LongChainsOfRulesTakeNoStack(int count)
    {
        var grammar = new StringBuilder("root ::= r0\n");
        for (var i = 0; i < count; i++)
        {
            grammar.Append($"r{i} ::= \"(\" r{i + 1} \")\" | \"x\" r{i + 1}\n");
        }

        var machine = new PushdownMachine(GbnfGrammar.Compile(grammar.Append($"r{count} ::= \"a\"").ToString()));
        Assert.True(TextWalk.Accepts(machine, string.Concat(Enumerable.Repeat("(x", count / 2)) + "a" + new string(')', count / 2)));
    }

    [Fact]
    public void RulesThatDoubleStayCalls()
    {
        var grammar = new StringBuilder("root ::= r0\n");
        for (var i = 0; i < 20; i++)
        {
            grammar.Append($"r{i} ::= r{i + 1} r{i + 1}\n");
        }

        var machine = new PushdownMachine(GbnfGrammar.Compile(grammar.Append("r20 ::= [ab]\n").ToString()));
        var text = string.Concat(Enumerable.Repeat("ab", 1 << 19));
        Assert.True(TextWalk.Accepts(machine, text));
        Assert.Equal(text.Length - 1, TextWalk.RefusedAt(machine, text[1..]));
    }

    [Theory]
    [InlineData("root ::= [ab]* \"a\" [ab]{20}", "abababababababababababa", "bbbbbbbbbbbbbbbbbbbbbbbbb")]
    [InlineData("root ::= ([ab]* \"a\" [ab]{18} \"c\")+", "aababababababababaabc", "babbbbbbbbbbbbbbbbbbbbbbbbc")]
    [InlineData("root ::= (\"a\" | \"aa\" | \"b\"){0,100000} \"c\"", "aaabaaac", "aaad")]
    [InlineData("root ::= [a-z]{3,5000} \"0\"{2000,2000000}", "", "", true)]
    public void ExpressionsThatExplodeAreLeftToStacks(string grammar, string valid, string invalid, bool isRefused = false)
    {
        if (isRefused)
        {
            Assert.Throws<ConstraintException>(() => GbnfGrammar.Compile(grammar));
            return;
        }

        var machine = new PushdownMachine(GbnfGrammar.Compile(grammar));
        Assert.True(TextWalk.Accepts(machine, valid));
        Assert.False(TextWalk.Accepts(machine, invalid));
    }

    [Theory]
    [InlineData("root ::= [a-z]{3,5000}")]
    [InlineData("root ::= (\"a\" | \"(\" root \")\"){3,5000}")]
    [InlineData("root ::= ([a-z] | \"0\" [0-9]){3,5000}")]
    public void CountsAreExact(string grammar)
    {
        var machine = new PushdownMachine(GbnfGrammar.Compile(grammar));
        Assert.Equal(2, TextWalk.RefusedAt(machine, "aa"));
        Assert.Null(TextWalk.RefusedAt(machine, "aaa"));
        Assert.Null(TextWalk.RefusedAt(machine, new string('a', 5000)));
        Assert.Equal(5000, TextWalk.RefusedAt(machine, new string('a', 5001)));
    }

    [Fact]
    public void LongListsOfTextsAreRead()
    {
        var grammar = "root ::= " + string.Join(" | ", Enumerable.Range(0, 20_000).Select(i => $"\"w{i}\"")) + " | \"(\" root \")\"";
        var machine = new PushdownMachine(GbnfGrammar.Compile(grammar));
        Assert.True(TextWalk.Accepts(machine, "((w19999))"));
        Assert.Equal(7, TextWalk.RefusedAt(machine, "((w1999"));
        Assert.Equal(8, TextWalk.RefusedAt(machine, "((w19999"));
        Assert.Equal(7, TextWalk.RefusedAt(machine, "((w2000x"));
    }

    [Fact]
    public void DeepTextsAreRead()
    {
        var machine = new PushdownMachine(GbnfGrammar.Compile("root ::= (\"(\" root \")\" | \"a\") tail\ntail ::= \"b\"? (\"[\" root \"]\")?"));
        const int Depth = 20_000;
        Assert.True(TextWalk.Accepts(machine, new string('(', Depth) + "a" + new string(')', Depth)));
        Assert.False(TextWalk.Accepts(machine, new string('(', Depth) + "a" + new string(')', Depth + 1)));
    }
}
