using System.Globalization;
using Hearth.Runtime.Constraints;

namespace Hearth.Runtime.Tests.Constraints.Walks;

/// <summary>Single schemas with texts that are valid and texts that are not.</summary>
public sealed class SchemaCaseTests
{
    private static readonly (string Schema, string[] Valid, string[] Invalid)[] s_cases =
    [
        // A member's values are found to exist only after the object itself is known to have some.
        (
            """{"type":"object","patternProperties":{"^a":{"$ref":"#/$defs/t"}},"additionalProperties":false,"$defs":{"t":{"type":"object","properties":{"b":true},"required":["b"]}}}""",
            ["{}", """{"a":{"b":1}}""", """{"a":{"b":1},"ab":{"b":[]}}"""],
            ["""{"a":{}}""", """{"b":{"b":1}}"""]),
        (
            """{"type":"object","properties":{"a":{"$ref":"#/$defs/t"},"c":true},"minProperties":0,"maxProperties":2,"$defs":{"t":{"anyOf":[{"type":"object","properties":{"b":{"$ref":"#/$defs/t"}},"required":["b"]},{"const":1}]}}}""",
            ["{}", """{"a":1}""", """{"a":{"b":{"b":1}},"c":2}"""],
            ["""{"a":2}""", """{"a":{}}""", """{"a":1,"c":1,"d":1}"""]),
        (
            """{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":2,"$defs":{"t":{"type":"object","properties":{"b":true},"required":["b"]}}}""",
            ["[]", """[{"b":1}]""", """[{"b":1},{"b":2}]"""],
            ["[{}]", """[{"b":1},{"b":1},{"b":1}]"""]),

        // Alternatives whose members lead back to them.
        (
            """{"type":"object","properties":{"a":{"$ref":"#/$defs/t"}},"additionalProperties":false,"$defs":{"t":{"oneOf":[{"type":"object","required":["r"],"properties":{"r":{"type":"string"}},"additionalProperties":false},{"allOf":[{"$ref":"#"},{"required":["a"]}]}]}}}""",
            ["{}", """{"a":{"r":""}}""", """{"a":{"a":{"r":"x"}}}"""],
            ["""{"a":{}}""", """{"r":""}"""]),

        // The opposite of many numbers.
        (
            """{"type":"integer","not":{"type":"integer","enum":[NUMBERS]}}""".Replace("NUMBERS", string.Join(',', Enumerable.Range(1, 60).Select(i => (i * 2).ToString(CultureInfo.InvariantCulture))), StringComparison.Ordinal),
            ["1", "3", "119", "121", "122", "0", "-2"],
            ["2", "4.0", "12e1", "120", "1.5"]),
        (
            """{"oneOf":[{"type":"integer","minimum":3,"multipleOf":2},{"type":"number","maximum":7,"not":{"multipleOf":3}}]}""",
            ["1", "2.5", "8", "-3.5", "5", "6"],
            ["3", "9", "9.5", "4", "-3"]),

        // Counts far beyond what one token reads.
        (
            """{"type":"string","pattern":"^(?:\\S+ ){0,300}\\S+$"}""",
            ["\"a\"", $"\"{string.Concat(Enumerable.Repeat("b ", 300))}c\""],
            ["\"\"", "\"a \"", $"\"{string.Concat(Enumerable.Repeat("b ", 301))}c\""]),
        (
            """{"type":"string","pattern":"^(ab|c){200,}$"}""",
            [$"\"{new string('c', 200)}\"", $"\"{string.Concat(Enumerable.Repeat("ab", 250))}\""],
            ["\"\"", $"\"{new string('c', 199)}\"", $"\"{string.Concat(Enumerable.Repeat("ab", 199))}\""]),
        (
            """{"enum":[1,"a",10,2.50,null,1e2,[1,2],"b"]}""",
            ["1", "\"a\"", "1e1", "2.5", "100", "null", "[1,2]"],
            ["2", "\"c\"", "0.25", "[1]"]),
    ];

    public static TheoryData<int> Cases => new(Enumerable.Range(0, s_cases.Length));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Texts_are_told_right(int index)
    {
        var (schema, valid, invalid) = s_cases[index];
        foreach (var tokenizer in new[] { WalkVocabularies.OddBytes, WalkVocabularies.OddPieces })
        {
            var constraint = new ConstraintCompiler(tokenizer, tokenizer.VocabularySize).Compile(Constraint.JsonSchema(schema), TestContext.Current.CancellationToken);
            Assert.All(valid, text => Assert.True(RandomWalk.Accepts(constraint, text), text));
            Assert.All(invalid, text => Assert.False(RandomWalk.Accepts(constraint, text), text));
        }
    }

    [Fact]
    public void An_enum_of_too_many_numbers_is_refused()
    {
        var compiler = new ConstraintCompiler(WalkVocabularies.OddBytes, WalkVocabularies.OddBytes.VocabularySize);
        var error = Assert.Throws<ConstraintException>(() => compiler.Compile(
            Constraint.JsonSchema($$"""{"enum":[{{string.Join(',', Enumerable.Range(0, 200_000).Select(i => i.ToString(CultureInfo.InvariantCulture)))}}]}"""), TestContext.Current.CancellationToken));
        Assert.Equal("enum", error.Keyword);
    }
}
