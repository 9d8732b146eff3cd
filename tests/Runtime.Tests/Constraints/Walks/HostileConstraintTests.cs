using System.Globalization;
using System.Text;
using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>Constraints from outside that are deep, large, endless or false: refused by name, or walked within bounds.</summary>
public sealed class HostileConstraintTests
{
    public static TheoryData<string, string> Refused => new(Hostile().Where(one => one.IsRefused).Select(one => (one.Name, one.Kind)));

    public static TheoryData<string, string> Walked => new(Hostile().Where(one => !one.IsRefused).Select(one => (one.Name, one.Kind)));

    private static IEnumerable<(string Name, string Kind, bool IsRefused, Func<string> Source)> Hostile()
    {
        foreach (var (name, source) in new (string, Func<string>)[]
        {
            ("arrays 1000 deep", () => Repeat("""{"type":"array","items":""", 1000) + "true" + Repeat("}", 1000)),
            ("anyOf 1000 deep", () => Repeat("""{"anyOf":[""", 1000) + "true" + Repeat("]}", 1000)),
            ("values 1000 deep", () => """{"const":""" + Repeat("[", 1000) + Repeat("]", 1000) + "}"),
            ("a million brackets", () => Repeat("[", 1_000_000)),
            ("20 million characters", () => """{"description":" """ + new string('x', 20_000_000) + "\"}"),
            ("a reference to itself", () => """{"$ref":"#"}"""),
            ("references in a ring", () => """{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"allOf":[{"$ref":"#/$defs/a"}]}}}"""),
            ("not itself", () => """{"not":{"$ref":"#"}}"""),
            ("endless object", () => """{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"""),
            ("endless array", () => """{"type":"array","items":{"$ref":"#"},"minItems":1}"""),
            ("minimum above maximum", () => """{"type":"integer","minimum":3,"maximum":2}"""),
            ("type and const", () => """{"type":"string","const":1}"""),
            ("required and forbidden", () => """{"type":"object","required":["a"],"properties":{"a":false}}"""),
            ("required beyond maxProperties", () => """{"type":"object","required":["a","b"],"maxProperties":1}"""),
            ("required but no name", () => """{"type":"object","required":["a"],"propertyNames":{"pattern":"^b"}}"""),
            ("pattern and length", () => """{"type":"string","pattern":"^a{5}$","maxLength":3}"""),
            ("too few unique items", () => """{"type":"array","items":{"enum":["a","b"]},"uniqueItems":true,"minItems":3}"""),
            ("empty enum", () => """{"enum":[]}"""),
            ("enum that is none", () => """{"enum":1}"""),
            ("type unknown", () => """{"type":"text"}"""),
            ("type of a number", () => """{"type":3}"""),
            ("negative length", () => """{"minLength":-1}"""),
            ("fractional length", () => """{"maxLength":1.5}"""),
            ("multipleOf 0", () => """{"multipleOf":0}"""),
            ("multipleOf and range", () => """{"type":"integer","multipleOf":7,"minimum":8,"maximum":13}"""),
            ("schema of a number", () => "3"),
            ("schema of a text", () => "\"x\""),
            ("no JSON", () => "{"),
            ("empty", () => ""),
            ("twice a keyword", () => """{"type":"string","type":"integer"}"""),
            ("unknown reference", () => """{"$ref":"#/$defs/x"}"""),
            ("remote reference", () => """{"$ref":"http://example.com/schema"}"""),
            ("reference that is no address", () => """{"$ref":"http://[::1"}"""),
            ("reference of a number", () => """{"$ref":3}"""),
            ("half a surrogate", () => """{"const":"\ud800"}"""),
            ("half a surrogate in enum", () => """{"enum":["\udc00"]}"""),
            ("half a surrogate as a name", () => """{"type":"object","properties":{"\ud800":true},"required":["\ud800"]}"""),
            ("half a surrogate as a reference", () => """{"$ref":"\ud800"}"""),
            ("half a surrogate as a pattern", () => """{"type":"string","pattern":"\ud800"}"""),
            ("half a surrogate as a type", () => """{"type":"\ud800"}"""),
            ("half a surrogate as a format", () => """{"type":"string","format":"\ud800","const":"\ud800"}"""),
            ("half a surrogate as an id", () => """{"$id":"\ud800","$ref":"#/$defs/x"}"""),
            ("half a surrogate as a dialect", () => """{"$schema":"\ud800"}"""),
            ("half a surrogate in a dependency", () => """{"dependentRequired":{"a":["\ud800"]}}"""),
            ("half a surrogate as a pattern of names", () => """{"type":"object","patternProperties":{"\ud800":true}}"""),
            ("half a surrogate in a const", () => """{"const":{"\ud800":1}}"""),
            ("pattern unclosed", () => """{"type":"string","pattern":"(a"}"""),
            ("pattern with a back reference", () => """{"type":"string","pattern":"(a)\\1"}"""),
            ("groups 100000 deep", () => $$"""{"type":"string","pattern":"{{Repeat("(", 100_000)}}{{Repeat(")", 100_000)}}"}"""),
            ("unevaluatedProperties", () => """{"unevaluatedProperties":false}"""),
            ("properties of an array", () => """{"properties":[]}"""),
            ("required of a text", () => """{"type":"object","required":"a"}"""),
            ("items of a number", () => """{"type":"array","items":3}"""),
        })
        {
            yield return (name, "schema", true, source);
        }

        foreach (var (name, source) in new (string, Func<string>)[]
        {
            ("left recursion", () => "root ::= root \"a\" | \"a\""),
            ("hidden left recursion", () => "root ::= a root \"b\" | \"c\"\na ::= \"x\"*"),
            ("ring of rules", () => "root ::= a\na ::= b\nb ::= a"),
            ("unknown rule", () => "root ::= x"),
            ("no root", () => "a ::= \"a\""),
            ("never ends", () => "root ::= \"a\" root"),
            ("empty grammar", () => ""),
            ("unclosed", () => "root ::= (\"a\""),
            ("unclosed text", () => "root ::= \"a"),
            ("deep groups", () => "root ::= " + Repeat("(", 100_000) + "\"a\"" + Repeat(")", 100_000)),
            ("repeated without bound", () => "root ::= (((\"a\"{1,9999}){1,9999}){1,9999}){1,9999}"),
            ("half a surrogate", () => "root ::= \"\\ud800\""),
        })
        {
            yield return (name, "grammar", true, source);
        }

        foreach (var (name, source) in new (string, Func<string>)[]
        {
            ("unclosed", () => "(a"),
            ("nothing to repeat", () => "*"),
            ("no text", () => "[^\\s\\S]"),
            ("contradiction", () => "(?=b)a"),
            ("deep groups", () => Repeat("(?:", 50_000) + "a" + Repeat(")", 50_000)),
        })
        {
            yield return (name, "regex", true, source);
        }

        foreach (var (name, source) in new (string, Func<string>)[]
        {
            ("10 MB of properties", () => """{"type":"object","properties":{""" + string.Join(',', Enumerable.Range(0, 250_000).Select(i => $"\"property{i}\":{{\"type\":\"string\"}}")) + "}}"),
            ("10 MB of enum", () => """{"enum":[""" + string.Join(',', Enumerable.Range(0, 700_000).Select(i => $"\"value{i}\"")) + "]}"),
            ("a chain of 20,000 references", () => """{"$ref":"#/$defs/d0","$defs":{""" + string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"d{i}\":{{\"type\":\"object\",\"properties\":{{\"a\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}}},\"required\":[\"a\"]}}")) + ",\"d20000\":true}}"),
            ("a chain of 20,000 bare references", () => """{"$ref":"#/$defs/d0","$defs":{""" + string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"d{i}\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}")) + ",\"d20000\":true}}"),
            ("30 choices of two in an allOf", () => """{"allOf":[""" + string.Join(',', Enumerable.Range(0, 30).Select(i => $"{{\"anyOf\":[{{\"required\":[\"a{i}\"]}},{{\"required\":[\"b{i}\"]}}]}}")) + "]}"),
            ("300 alternatives of oneOf", () => """{"oneOf":[""" + string.Join(',', Enumerable.Range(0, 300).Select(i => $"{{\"type\":\"object\",\"properties\":{{\"a{i}\":{{\"type\":\"integer\"}}}},\"required\":[\"a{i}\"]}}")) + "]}"),
            ("12 alternatives of oneOf that nothing tells apart", () => """{"oneOf":[""" + string.Join(',', Enumerable.Range(0, 12).Select(i => "{\"type\":\"object\",\"properties\":{" + string.Join(',', Enumerable.Range(0, 12).Select(j => $"\"p{(i * 7) + j}\":{{\"enum\":[\"v{i}\",\"w\"]}}")) + "}}")) + "]}"),
            ("2,000 patterns of names", () => """{"type":"object","patternProperties":{""" + string.Join(',', Enumerable.Range(0, 2000).Select(i => $"\"x{i}.*y\":{{\"type\":\"integer\"}}")) + "}}"),
            ("doubling references", () => """{"$ref":"#/$defs/d0","$defs":{""" + string.Join(',', Enumerable.Range(0, 40).Select(i => $"\"d{i}\":{{\"allOf\":[{{\"properties\":{{\"l\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}}}}},{{\"properties\":{{\"l\":{{\"$ref\":\"#/$defs/d{i + 1}\"}},\"r\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}}}}}]}}")) + ",\"d40\":true}}"),
            ("huge numbers", () => """{"type":"number","minimum":1e-999999999,"maximum":1e999999999,"multipleOf":1e-999999}"""),
            ("a long number", () => $$"""{"type":"integer","minimum":{{new string('9', 100_000)}}}"""),
            ("a large multiple", () => """{"type":"integer","multipleOf":1234567891011}"""),
            ("a small multiple", () => """{"type":"number","multipleOf":0.000000123456789}"""),
            ("huge counts", () => """{"type":"array","minItems":1e9,"maxItems":1e10,"items":{"type":"string","minLength":1e9}}"""),
            ("unique items of many", () => """{"type":"array","uniqueItems":true,"minItems":20,"items":{"enum":[""" + string.Join(',', Enumerable.Range(0, 5000).Select(i => $"\"v{i}\"")) + "]}}"),
            ("many required", () => """{"type":"object","required":[""" + string.Join(',', Enumerable.Range(0, 3000).Select(i => $"\"v{i}\"")) + "]}"),
            ("pattern that explodes at once", () => """{"type":"string","pattern":"^((a{1,1000}){1,1000}){1,1000}$"}"""),
            ("pattern of a million", () => """{"type":"string","pattern":"a{1000000000}"}"""),
            ("pattern that explodes later", () => """{"type":"string","pattern":"(a|b)*a(a|b){200}$"}"""),
            ("patterns that explode together", () => """{"allOf":[{"pattern":"a.{60}b"},{"pattern":"b.{61}a"},{"pattern":"c.{59}a"}],"type":"string"}"""),
            ("pattern and lengths", () => """{"type":"string","pattern":"^(a|ab|abc)*(x.{30})?$","minLength":1000,"maxLength":50000}"""),
        })
        {
            yield return (name, "schema", false, source);
        }

        yield return ("ambiguous", "grammar", false, () => "root ::= a a a a a a a a \"b\"\na ::= (\"x\" | \"x\" a)* ");
        yield return ("ambiguous recursion", "grammar", false, () => "root ::= \"x\" | \"x\" root | \"x\" root root | \"x\" root root root");
        yield return ("50,000 rules", "grammar", false, () => "root ::= r0\n" + string.Join('\n', Enumerable.Range(0, 50_000).Select(i => $"r{i} ::= \"a\" r{i + 1}")) + "\nr50000 ::= \"b\"");
        yield return ("a chain of 50,000 rules", "grammar", false, () => "root ::= r0\n" + string.Join('\n', Enumerable.Range(0, 50_000).Select(i => $"r{i} ::= r{i + 1}")) + "\nr50000 ::= \"b\"");
        yield return ("counts of counts", "regex", false, () => "((((a{1,999}){1,999}){1,999}){1,999})b");
        yield return ("explodes later", "regex", false, () => "(a|b)*a(a|b){400}");
        yield return ("many looks", "regex", false, () => string.Concat(Enumerable.Range(0, 30).Select(i => $"(?=.*a.{{{i}}}b)")) + ".*");
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void Is_refused(string name, string kind)
    {
        var source = Hostile().Single(one => one.Name == name && one.Kind == kind).Source();
        var error = Assert.Throws<ConstraintException>(() => Compile(kind, source));
        Assert.NotEmpty(error.Message);
    }

    // Either refused, or walked: then every mask has a token, or the walk says that it is too complex.
    [Theory]
    [MemberData(nameof(Walked))]
    public void Is_refused_or_walked_within_bounds(string name, string kind)
    {
        var source = Hostile().Single(one => one.Name == name && one.Kind == kind).Source();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var outcome = "walked";
        CompiledConstraint? compiled = null;
        var watch = System.Diagnostics.Stopwatch.StartNew();
        try
        {
            compiled = Compile(kind, source);
            for (var seed = 0; seed < 3; seed++)
            {
                RandomWalk.Generate(compiled, new Random(seed), 100);
            }
        }
        catch (ConstraintException error)
        {
            outcome = error.Message;
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"{name}: {outcome}, {watch.ElapsedMilliseconds} ms, {(GC.GetTotalMemory(forceFullCollection: true) - before) >> 20} MiB");
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 1L << 30);
        GC.KeepAlive(compiled);
    }

    [Fact]
    public void A_million_choices_are_told_apart()
    {
        var compiled = new ConstraintCompiler(WalkVocabularies.OddBytes, WalkVocabularies.OddBytes.VocabularySize)
            .Compile(Constraint.Choices(Enumerable.Range(0, 1_000_000).Select(i => "choice " + i.ToString(CultureInfo.InvariantCulture))), TestContext.Current.CancellationToken);
        Assert.True(RandomWalk.Accepts(compiled, "choice 999999"));
        Assert.False(RandomWalk.Accepts(compiled, "choice 1000000"));
        Assert.StartsWith("choice ", Encoding.UTF8.GetString(RandomWalk.Generate(compiled, new Random(1), 50)!), StringComparison.Ordinal);
    }

    [Fact]
    public void A_special_token_is_text_only_letter_by_letter()
    {
        var tokenizer = WalkVocabularies.OddBytes;
        var compiled = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize).Compile(Constraint.JsonSchema("""{"const":"<|turn|>"}""") with { Layout = JsonLayout.Compact }, TestContext.Current.CancellationToken);
        Assert.True(RandomWalk.Accepts(compiled, "\"<|turn|>\""));
        var walk = compiled.Start();
        var mask = new ulong[compiled.Vocabulary.MaskLength];
        foreach (var value in "\"<|turn|>\""u8)
        {
            walk.FillMask(mask);
            Assert.DoesNotContain(compiled.Vocabulary.Ends, token => (mask[token / 64] >> (token % 64) & 1) != 0);
            Assert.True(walk.TryAccept(compiled.Vocabulary.Encode([value]).Single()), $"{(char)value}: {string.Join(' ', compiled.Vocabulary.Encode([value]))}");
        }

        Assert.True(walk.MustEnd);
        walk.FillMask(mask);
        Assert.Equal(compiled.Vocabulary.Ends.Order(), RandomWalk.TokensOf(mask));
    }

    private static CompiledConstraint Compile(string kind, string source)
    {
        var compiler = new ConstraintCompiler(WalkVocabularies.OddBytes, WalkVocabularies.OddBytes.VocabularySize);
        return compiler.Compile(kind switch { "schema" => Constraint.JsonSchema(source), "grammar" => Constraint.Grammar(source), _ => Constraint.Regex(source) }, TestContext.Current.CancellationToken);
    }

    private static string Repeat(string text, int count) => new StringBuilder(text.Length * count).Insert(0, text, count).ToString();
}
